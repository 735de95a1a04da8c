"""What a head is: from the read-out of a graph to a loss and a score."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from ssmr.heads.targets import Targets, build_targets


class Head(nn.Module):
    """Turns read-outs into outputs, outputs into losses while training, and into scores in use.

    Labels are seen on the target scale that ``targets`` fits to the training labels.

    Args:
        targets: A name of :data:`ssmr.heads.targets.TARGETS`.
        target_range: With targets='minmax', the scores that become 0 and 1; by default the extremes of the training
            scores.

    Attributes:
        targets: From labels to what is learned, and back; kept with the weights.
        readout: The read-out of the reasoner that the head needs; None where any vector [B, in_dim] will do.
        takes_offset: Whether a number may be added to its output: whether that is a score on the target scale.
    """

    readout: ClassVar[str | None] = None
    takes_offset: ClassVar[bool] = True
    targets: Targets

    def __init__(self, targets: str = 'minmax', target_range: Sequence[float] | None = None) -> None:
        super().__init__()
        self.targets = build_targets(targets, target_range)

    def fit_targets(self, train_scores: Tensor) -> None:
        """Fit the target scale to the training labels [n]."""
        self.targets.fit(train_scores)

    @abstractmethod
    def forward(self, readout: Tensor, references: Tensor, mask: Tensor | None = None) -> Tensor:
        """Compute outputs.

        Args:
            readout: [B, in_dim], or what ``readout`` names.
            references: [B, K] labels of the references on the target scale.
            mask: [B, K] bool, False where a graph has no such reference; None where all have all.

        Returns:
            [B] scores on the target scale, or [B, ...] of the head's own.
        """

    @abstractmethod
    def loss(self, output: Tensor, scores: Tensor, distributions: Tensor | None = None) -> dict[str, Tensor]:
        """Compute the losses of a batch.

        Args:
            output: What :meth:`forward` returned.
            scores: [B] labels.
            distributions: [B, bins] shares of the votes, where the data set has them.
        """

    @abstractmethod
    def predict(self, output: Tensor) -> Tensor:
        """Outputs to scores [B] on the data set's scale."""
