"""The baseline that looks at the work alone: a backbone fine-tuned on scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor, nn

from ssmr.assessors.base import Assessor
from ssmr.assessors.fine_tuning import hold_statistics, unfreeze
from ssmr.backbones.global_feature import GlobalFeature
from ssmr.datasets.augmentation import build_augmentation
from ssmr.datasets.image_batches import ImageInput
from ssmr.datasets.reference_graph import ReferenceGraph
from ssmr.errors import ConfigError
from ssmr.heads.base import Head
from ssmr.registry import HEADS, MODELS


@MODELS.register_module()
class SingleImageAssessor(Assessor):
    """Predicts mean scores from the picture, without references.

    Its table, rows and metrics are those of the models with references. A checkpoint of it serves as ``weights`` of an
    encoder: node features tuned to the task, as SSMR takes them (Shi et al., Neurocomputing 582, 2024).

    Args:
        backbone: A part of BACKBONES, or of mmpretrain by scope, whose last output is maps [B, C, H, W], which are
            averaged over their positions, or tokens [B, C].
        head: A part of HEADS; in_dim is filled in.
        weights: See :func:`ssmr.backbones.weights.resolve_weights`; None starts at random.
        preprocess: Keywords of :class:`ssmr.backbones.preprocess.Preprocess`.
        augmentation: Keywords of :class:`ssmr.datasets.augmentation.Augmentation`; None shows the works as they are.
        norm_eval: Whether the backbone's batch norms keep their pretrained statistics; False learns them from the
            batches, which a random start and large batches want.
        data_preprocessor: Makes the batches (:class:`ssmr.datasets.reference_graph.GraphGather`).

    Raises:
        ConfigError: A head that needs references.
        WeightsError: The weights are missing or do not fit.
    """

    label: ClassVar[str] = 'single_image'

    def __init__(
        self,
        backbone: Mapping[str, Any],
        head: Mapping[str, Any],
        weights: str | None = None,
        preprocess: Mapping[str, Any] | None = None,
        augmentation: Mapping[str, Any] | None = None,
        norm_eval: bool = True,
        data_preprocessor: BaseDataPreprocessor | None = None,
    ) -> None:
        super().__init__(data_preprocessor)
        encoder = GlobalFeature(backbone, weights, preprocess, seed=int(torch.randint(2**31, ())))
        unfreeze(encoder)
        self.backbone: nn.Module = encoder.backbone
        if weights is not None:  # or mmengine would draw them anew when training starts
            self.backbone.is_init = True  # type: ignore[assignment]
        # A method and not the module: the state dict shall have the backbone once, under the name encoders look for.
        self.embed: Callable[[Tensor], Tensor] = encoder.forward
        self.head: Head = HEADS.build({**head, 'in_dim': encoder.dim})
        if self.head.readout is not None:
            raise ConfigError(
                f'model.head {head["type"]} compares with references, and SingleImageAssessor has none',
                'use a ScoreHead, or a MultiReferenceAssessor',
            )
        self.image_input = ImageInput(encoder.preprocess, build_augmentation(augmentation))
        self.norm_eval = norm_eval
        self.train()  # mmpretrain's backbones freeze their frozen_stages again

    def train(self, mode: bool = True) -> SingleImageAssessor:
        """Set the mode of all parts; see ``norm_eval``."""
        super().train(mode)
        if self.norm_eval:
            hold_statistics(self.backbone)
        return self

    def assess(self, graph: ReferenceGraph) -> Tensor:
        """Compute the head's outputs [B, ...] from the queries' pictures."""
        vectors = self.embed(graph.require_images()[:, 0])
        no_references = vectors.new_empty(len(vectors), 0)
        output: Tensor = self.head(vectors, no_references)
        return output
