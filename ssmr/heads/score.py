"""A head that predicts the mean score."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ssmr.errors import ConfigError
from ssmr.registry import HEADS

LOSSES = {'smooth_l1': functional.smooth_l1_loss, 'mse': functional.mse_loss}


@HEADS.register_module()
class ScoreHead(nn.Module):
    """ReLU and a linear map to one number, trained towards min-max targets and read back on the data set's scale.

    The released SSMR code uses the smooth L1 loss and targets (score - minimum) / (10 - minimum).

    Args:
        in_dim: Length of the read-out.
        loss: 'smooth_l1' or 'mse'.
        target_range: The scores that become 0 and 1; by default the extremes of the training scores. Kept with the
            weights, so that a checkpoint reports on the right scale.

    Raises:
        ConfigError: An unknown loss, or a range that is empty.
    """

    target_range: Tensor

    def __init__(self, in_dim: int, loss: str = 'smooth_l1', target_range: Sequence[float] | None = None) -> None:
        super().__init__()
        if loss not in LOSSES:
            raise ConfigError(f'head.loss is {loss!r}', f'use one of {", ".join(LOSSES)}')
        self.criterion = LOSSES[loss]
        self.linear = nn.Linear(in_dim, 1)
        self.fixed = target_range is not None
        self.register_buffer('target_range', torch.tensor([0.0, 1.0]))
        if target_range is not None:
            self._set_range(*target_range)

    def _set_range(self, low: float, high: float) -> None:
        if not low < high:
            raise ConfigError(
                f'the training scores run from {low} to {high}', 'scores must differ, or set target_range'
            )
        self.target_range = torch.tensor([low, high], dtype=torch.float32, device=self.target_range.device)

    def fit_targets(self, train_scores: Tensor) -> None:
        """Take the target range from the training scores [n], unless the config fixed it."""
        if not self.fixed:
            self._set_range(float(train_scores.min()), float(train_scores.max()))

    def forward(self, readout: Tensor) -> Tensor:
        """[B, in_dim] to [B], on the target scale (0 to 1 over the training scores)."""
        return self.linear(torch.relu(readout)).squeeze(1)

    def loss(self, output: Tensor, scores: Tensor) -> dict[str, Tensor]:
        """The loss of outputs [B] against scores [B] on the data set's scale."""
        low, high = self.target_range
        return {'loss': self.criterion(output.float(), (scores - low) / (high - low))}

    def predict(self, output: Tensor) -> Tensor:
        """Outputs [B] to scores [B] on the data set's scale."""
        low, high = self.target_range
        return output.float() * (high - low) + low
