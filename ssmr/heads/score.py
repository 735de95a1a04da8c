"""A head that predicts the mean score."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ssmr.errors import ConfigError
from ssmr.heads.base import Head
from ssmr.heads.targets import build_targets
from ssmr.registry import HEADS

LOSSES = {'smooth_l1': functional.smooth_l1_loss, 'mse': functional.mse_loss}


@HEADS.register_module()
class ScoreHead(Head):
    """ReLU and a linear map to one number.

    The released SSMR code uses the smooth L1 loss and targets (score - minimum) / (10 - minimum).

    Args:
        in_dim: Length of the read-out.
        loss: 'smooth_l1' or 'mse'.
        targets: See :class:`ssmr.heads.base.Head`.
        target_range: With targets='minmax', the scores that become 0 and 1; by default the extremes of the training
            scores.

    Raises:
        ConfigError: An unknown loss, or a range that is empty.
    """

    def __init__(
        self,
        in_dim: int,
        loss: str = 'smooth_l1',
        targets: str = 'minmax',
        target_range: Sequence[float] | None = None,
    ) -> None:
        super().__init__(targets)
        if loss not in LOSSES:
            raise ConfigError(f'head.loss is {loss!r}', f'use one of {", ".join(LOSSES)}')
        self.targets = build_targets(targets, target_range)
        self.criterion = LOSSES[loss]
        self.linear = nn.Linear(in_dim, 1)

    def forward(self, readout: Tensor, references: Tensor, mask: Tensor | None = None) -> Tensor:
        """[B, in_dim] to [B]; the labels of the references are not used here."""
        return self.linear(torch.relu(readout)).squeeze(1)

    def loss(self, output: Tensor, scores: Tensor, distributions: Tensor | None = None) -> dict[str, Tensor]:
        """The loss of outputs [B] against scores [B]."""
        return {'loss': self.criterion(output.float(), self.targets.encode(scores))}

    def predict(self, output: Tensor) -> Tensor:
        """Outputs [B] to scores [B]."""
        return self.targets.decode(output)
