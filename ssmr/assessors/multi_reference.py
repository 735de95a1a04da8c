"""SSMR's model: a graph reasoner over the query and its references, and a head that reads the score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from ssmr.assessors.base import Assessor
from ssmr.assessors.fine_tuning import hold_statistics, trainable_encoder
from ssmr.assessors.reference_scores import REFERENCE_SCORES, LabelOffset, ScoreEmbedding
from ssmr.datasets.augmentation import build_augmentation
from ssmr.datasets.image_batches import ImageInput
from ssmr.datasets.reference_graph import ReferenceGraph
from ssmr.errors import ConfigError
from ssmr.heads.base import Head
from ssmr.reasoners.base import Reasoner
from ssmr.registry import HEADS, MODELS, REASONERS


@MODELS.register_module()
class MultiReferenceAssessor(Assessor):
    """Predicts mean scores from reference graphs.

    Nodes are features from the bank, as published. With ``encoder`` they are computed from the pictures in every batch,
    and the loss reaches the backbone: B (1 + K) pictures go through it, forward and back, which takes its memory. The
    references and their similarities stay those of the index.

    Args:
        in_dim: D, length of a node: what ``graph.view``'s encoder, or ``encoder``, gives.
        reasoner: A part of REASONERS; in_dim and num_references are filled in.
        head: A part of HEADS; in_dim is filled in.
        num_references: K, filled in from ``graph.num_references``.
        data_preprocessor: Gathers the graphs (:class:`ssmr.datasets.reference_graph.GraphGather`).
        reference_scores: What the graph is told of the references' labels. 'none', as published; 'embed': each
            reference's node also carries its label, and the query carries a learned vector in its place, never its own
            label; 'residual': nodes carry none, but the head predicts the difference from what their mean says.
        encoder: A part of BACKBONES that gives one vector an image, as in ``encoders``, to be trained with the rest.
        augmentation: With ``encoder``: keywords of :class:`ssmr.datasets.augmentation.Augmentation`, drawn for each
            picture of a training graph; None shows the works as they are.
        norm_eval: With ``encoder``: whether its batch norms keep their pretrained statistics; False learns them from
            the batches, in which the pictures of a graph resemble each other.

    Raises:
        ConfigError: An unknown ``reference_scores``, a head that cannot go with the read-out or with 'residual', or an
            encoder that does not give ``in_dim`` numbers.
        WeightsError: The encoder's weights are missing or do not fit.
    """

    def __init__(
        self,
        in_dim: int,
        reasoner: Mapping[str, Any],
        head: Mapping[str, Any],
        num_references: int,
        data_preprocessor: BaseDataPreprocessor | None = None,
        reference_scores: str = 'none',
        encoder: Mapping[str, Any] | None = None,
        augmentation: Mapping[str, Any] | None = None,
        norm_eval: bool = True,
    ) -> None:
        super().__init__(data_preprocessor)
        if reference_scores not in REFERENCE_SCORES:
            raise ConfigError(
                f'model.reference_scores is {reference_scores!r}', f'use one of {", ".join(REFERENCE_SCORES)}'
            )
        self.reasoner: Reasoner = REASONERS.build({**reasoner, 'in_dim': in_dim, 'num_references': num_references})
        self.head: Head = HEADS.build({**head, 'in_dim': self.reasoner.out_dim})
        self.offset = LabelOffset() if reference_scores == 'residual' else None
        self._check(head['type'])
        self.score_embedding = ScoreEmbedding(in_dim) if reference_scores == 'embed' else None
        self.norm_eval, self.encoder = norm_eval, None if encoder is None else trainable_encoder(encoder, in_dim)
        if self.encoder is not None:
            self.image_input = ImageInput(self.encoder.preprocess, build_augmentation(augmentation), references=True)
            self.train()  # mmpretrain's backbones freeze their frozen_stages again
        elif augmentation is not None:
            raise ConfigError('model.augmentation is set, but bank features are fixed', 'add model.encoder')

    def _check(self, head: str) -> None:
        wants, has = self.head.readout, self.reasoner.readout
        if (wants or has) != has or (has == 'pairs' and wants != 'pairs'):
            raise ConfigError(
                f'model.head {head} takes {wants or "one vector a graph"}, model.reasoner.readout is {has!r}',
                f'set model.reasoner.readout={wants or "flatten, query, mean or attention"}',
            )
        if self.offset is not None and not self.head.takes_offset:
            raise ConfigError(
                f"model.reference_scores is 'residual', but {head} does not predict a number that can be added to",
                "use 'none' or 'embed', or a ScoreHead",
            )

    def train(self, mode: bool = True) -> MultiReferenceAssessor:
        """Set the mode of all parts; see ``norm_eval``."""
        super().train(mode)
        if self.encoder is not None and self.norm_eval:
            hold_statistics(self.encoder)
        return self

    def _nodes(self, graph: ReferenceGraph) -> Tensor:
        """[B, 1 + K, D] from the bank, or from the encoder as it is now."""
        if self.encoder is None:
            return graph.nodes
        images = graph.require_images()
        vectors: Tensor = self.encoder(images.flatten(0, 1))
        return vectors.unflatten(0, images.shape[:2])

    def assess(self, graph: ReferenceGraph) -> Tensor:
        """Compute the head's outputs [B, ...]."""
        mean = self.head.targets.mean
        labels = self.head.targets.encode(graph.reference_scores)  # [B, K]
        if not self.reasoner.sees_references:
            labels = mean.expand_as(labels)
        mask = None if graph.mask is None else graph.mask[:, 1:]
        nodes = self._nodes(graph)
        if self.score_embedding is not None:
            nodes = nodes + self.score_embedding(labels)
        output: Tensor = self.head(self.reasoner(nodes, graph.similarities, graph.mask), labels, mask)
        return output if self.offset is None else output + self.offset(labels, mask, mean)
