"""A head that predicts the mean score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ssmr.errors import ConfigError
from ssmr.heads.regression import RegressionHead
from ssmr.registry import HEADS


@HEADS.register_module()
class ScoreHead(RegressionHead):
    """ReLU and a linear map to one number.

    The released SSMR code uses the smooth L1 loss and targets (score - minimum) / (10 - minimum).

    Args:
        in_dim: Length of the read-out.
        loss: A loss, or losses with their weights: see :class:`ssmr.heads.losses.ScoreLoss`.
        targets: See :class:`ssmr.heads.base.Head`.
        target_range: With targets='minmax', the scores that become 0 and 1; by default the extremes of the training
            scores.
        rank_margin: For the loss 'rank': by how much outputs should differ, in units of the target scale.
        sigmoid: Legacy: predictions pass through a sigmoid that the loss does not have, as the released SSMR code reads
            its validation metrics. Ranks do not change, scores do.

    Raises:
        ConfigError: An unknown loss or target, a bad weight or margin, a range that is empty, or a sigmoid of targets
            that do not lie between 0 and 1.
    """

    def __init__(
        self,
        in_dim: int,
        loss: str | Mapping[str, float] = 'smooth_l1',
        targets: str = 'minmax',
        target_range: Sequence[float] | None = None,
        rank_margin: float = 0.05,
        sigmoid: bool = False,
    ) -> None:
        super().__init__(loss, targets, target_range, rank_margin)
        if sigmoid and targets != 'minmax':
            raise ConfigError(
                f'head.sigmoid=True with targets={targets!r}', "a sigmoid lies between 0 and 1: use targets='minmax'"
            )
        self.sigmoid = sigmoid
        self.linear = nn.Linear(in_dim, 1)

    def forward(self, readout: Tensor, references: Tensor, mask: Tensor | None = None) -> Tensor:
        """[B, in_dim] to [B]; the labels of the references are not used here."""
        return self.linear(torch.relu(readout)).squeeze(1)

    def predict(self, output: Tensor) -> Tensor:
        """Outputs [B] to scores [B]."""
        return super().predict(output.float().sigmoid() if self.sigmoid else output)
