"""Several models that learn side by side and are averaged: what a small data set gains most from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor, nn

from ssmr.assessors.base import Assessor
from ssmr.errors import ConfigError
from ssmr.registry import MODELS


@MODELS.register_module()
class EnsembleAssessor(Assessor):
    """The mean prediction of members that differ by their random start and dropout (Lakshminarayanan et al., 2017).

    The members see the same batches; each learns from its own loss.

    Args:
        assessor: A part of MODELS that all members are.
        in_dim: D, filled in.
        num_references: K, filled in.
        members: How many.
        data_preprocessor: Gathers the graphs.

    Raises:
        ConfigError: ``members`` is not positive.
    """

    def __init__(
        self,
        assessor: Mapping[str, Any],
        in_dim: int,
        num_references: int,
        members: int = 5,
        data_preprocessor: BaseDataPreprocessor | None = None,
    ) -> None:
        super().__init__(data_preprocessor)
        if members < 1:
            raise ConfigError(f'model.members is {members}', 'give 1 or more')
        part = {**assessor, 'in_dim': in_dim, 'num_references': num_references}
        models: list[Assessor] = [MODELS.build(part) for _ in range(members)]
        self.members = nn.ModuleList(models)
        self.image_input = models[0].image_input

    def _each(self) -> list[Assessor]:
        return cast('list[Assessor]', list(self.members))

    def fit_targets(self, train_scores: Tensor) -> None:
        """See :meth:`ssmr.assessors.base.Assessor.fit_targets`."""
        for member in self._each():
            member.fit_targets(train_scores)

    def assess(self, graph: Any) -> Tensor:
        """The members' scores [B, members] on the data set's scale."""
        return torch.stack([member.scores(graph) for member in self._each()], dim=1)

    def losses(self, graph: Any) -> dict[str, Tensor]:
        """The sum of the members' losses, so that each learns as if it were alone."""
        found = [member.losses(graph) for member in self._each()]
        return {name: torch.stack([losses[name] for losses in found]).sum() for name in found[0]}

    def scores(self, graph: Any) -> Tensor:
        """See :meth:`ssmr.assessors.base.Assessor.scores`."""
        return self.assess(graph).mean(dim=1)
