"""The read-out 'attention': a learned weight a node."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class AttentionPool(nn.Module):
    """Gated attention pooling (Ilse, Tomczak and Welling, Attention-based Deep Multiple Instance Learning, ICML 2018).

    z = sum_n a_n h_n with a = softmax_n(w^T (tanh(V h_n) * sigmoid(U h_n))) over the nodes that exist.

    Args:
        dim: D, length of a node.
        hidden: Length of the gated vector; the paper's is 128.
    """

    def __init__(self, dim: int, hidden: int = 128) -> None:
        super().__init__()
        self.value = nn.Linear(dim, hidden)
        self.gate = nn.Linear(dim, hidden)
        self.score = nn.Linear(hidden, 1, bias=False)  # softmax takes no notice of a bias

    def weights(self, nodes: Tensor, mask: Tensor | None = None) -> Tensor:
        """Weights [B, N] of nodes [B, N, D]: they sum to one over the existing nodes and are zero on the others."""
        logits = self.score(torch.tanh(self.value(nodes)) * torch.sigmoid(self.gate(nodes))).squeeze(-1)
        if mask is not None:
            logits = logits.masked_fill(~mask, -torch.inf)  # the query exists: no row is without a number
        return logits.softmax(dim=1)

    def forward(self, nodes: Tensor, mask: Tensor | None = None) -> Tensor:
        """[B, N, D] to [B, D]."""
        return (self.weights(nodes, mask)[..., None] * nodes).sum(dim=1)
