"""What heads share whose outputs are scores: the target scale, the losses, and the way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from ssmr.heads.base import Head
from ssmr.heads.losses import ScoreLoss


class RegressionHead(Head):
    """A head whose outputs [B] are scores on the target scale.

    Args:
        loss: See :class:`ssmr.heads.losses.ScoreLoss`.
        targets: See :class:`ssmr.heads.base.Head`.
        target_range: See :class:`ssmr.heads.base.Head`.
        rank_margin: See :func:`ssmr.heads.losses.rank_loss`.

    Raises:
        ConfigError: An unknown loss or target, a bad weight or margin, or a range that is empty.
    """

    def __init__(
        self,
        loss: str | Mapping[str, float] = 'smooth_l1',
        targets: str = 'minmax',
        target_range: Sequence[float] | None = None,
        rank_margin: float = 0.05,
    ) -> None:
        super().__init__(targets, target_range)
        self.criterion = ScoreLoss(loss, rank_margin)

    def loss(self, output: Tensor, scores: Tensor, distributions: Tensor | None = None) -> dict[str, Tensor]:
        """The losses of outputs [B] against scores [B]; see :class:`ssmr.heads.losses.ScoreLoss`."""
        return self.criterion(output, self.targets.encode(scores))

    def predict(self, output: Tensor) -> Tensor:
        """Outputs [B] to scores [B]."""
        return self.targets.decode(output)
