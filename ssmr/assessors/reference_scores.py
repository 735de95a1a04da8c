"""Labels of the references as an input: as node features, or as the number that a prediction starts from."""

from __future__ import annotations

import torch
from torch import Tensor, nn

REFERENCE_SCORES = ('none', 'embed', 'residual')


class ScoreEmbedding(nn.Module):
    """Reference labels as node features, after TabR (Gorishniy et al., ICLR 2024): what a reference knows is its label.

    Args:
        dim: D, length of a node feature.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.reference = nn.Linear(1, dim)
        self.query = nn.Parameter(torch.zeros(dim))

    def forward(self, references: Tensor) -> Tensor:
        """Labels [B, K] on the target scale to additions [B, 1 + K, D], the query's first."""
        added: Tensor = self.reference(2 * references[..., None] - 1)
        return torch.cat([self.query.expand(len(references), 1, -1), added], dim=1)


class LabelOffset(nn.Module):
    """What the labels of the references say by themselves: mean + trust (their mean - mean).

    The mean of few labels is noisy: believed wholly it can be a worse start than a constant for a network that sees the
    work itself. How far it is believed is learned; one half to begin with.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trust = nn.Parameter(torch.tensor(0.5))

    def forward(self, references: Tensor, mask: Tensor | None, mean: Tensor) -> Tensor:
        """Compute the offset of each graph.

        Args:
            references: [B, K] labels on the target scale.
            mask: [B, K] bool, False where a graph has no such reference; None where all have all.
            mean: [] of the training labels on the target scale; all that is said of a graph without references.

        Returns:
            [B].
        """
        if mask is None:
            label_mean = references.mean(dim=1)
        else:
            count = mask.sum(dim=1)
            label_mean = torch.where(count > 0, (references * mask).sum(dim=1) / count.clamp(min=1), mean)
        return mean + self.trust * (label_mean - mean)
