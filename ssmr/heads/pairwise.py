"""A head that compares the query with each of its references, whose scores are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ssmr.heads.regression import RegressionHead
from ssmr.registry import HEADS


@HEADS.register_module()
class PairwiseHead(RegressionHead):
    """The mean over the references of (label + predicted difference between query and reference).

    The difference is ReLU and a linear map of a pair's vector, the same for all pairs, so that the order of the
    references does not matter. With a difference of 0 throughout it is the mean label of the nearest references.
    A query without references gets the mean of the training targets.

    Args:
        in_dim: Length of a pair's vector.
        loss: A loss, or losses with their weights: see :class:`ssmr.heads.losses.ScoreLoss`.
        targets: See :class:`ssmr.heads.base.Head`.
        target_range: With targets='minmax', the scores that become 0 and 1; by default the extremes of the training
            scores.
        rank_margin: For the loss 'rank': by how much outputs should differ, in units of the target scale.

    Raises:
        ConfigError: An unknown loss or target, a bad weight or margin, or a range that is empty.
    """

    readout = 'pairs'
    takes_offset = False  # the labels are in already

    def __init__(
        self,
        in_dim: int,
        loss: str | Mapping[str, float] = 'smooth_l1',
        targets: str = 'minmax',
        target_range: Sequence[float] | None = None,
        rank_margin: float = 0.05,
    ) -> None:
        super().__init__(loss, targets, target_range, rank_margin)
        self.linear = nn.Linear(in_dim, 1)

    def forward(self, readout: Tensor, references: Tensor, mask: Tensor | None = None) -> Tensor:
        """[B, K, in_dim] and labels [B, K] to [B]."""
        guesses = references + self.linear(torch.relu(readout)).squeeze(2)  # [B, K]
        if mask is None:
            return guesses.mean(dim=1)
        count = mask.sum(dim=1)
        total = torch.where(mask, guesses, 0.0).sum(dim=1)
        return torch.where(count > 0, total / count.clamp(min=1), self.targets.mean)
