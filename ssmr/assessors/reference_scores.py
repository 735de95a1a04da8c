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


def label_mean(references: Tensor, mask: Tensor | None, fallback: Tensor) -> Tensor:
    """The mean label of the references of each graph.

    Args:
        references: [B, K] labels.
        mask: [B, K] bool, False where a graph has no such reference; None where all have all.
        fallback: [] what stands for the mean of a graph without references.

    Returns:
        [B].
    """
    if mask is None:
        return references.mean(dim=1)
    count = mask.sum(dim=1)
    return torch.where(count > 0, (references * mask).sum(dim=1) / count.clamp(min=1), fallback)
