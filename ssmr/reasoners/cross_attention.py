"""The query attends to itself and its references (multi-head attention; Vaswani et al., NeurIPS 2017)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ssmr.reasoners.base import ProjectedReasoner
from ssmr.reasoners.checks import check_heads
from ssmr.registry import REASONERS


class CrossAttentionLayer(nn.Module):
    """q + MHA(LN(q), LN([q, references])), then q + FF(LN(q)): the pre-norm order (Xiong et al., ICML 2020).

    Args:
        dim: Length of a node.
        heads: A divisor of dim.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.attention = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim)
        )

    def forward(self, query: Tensor, references: Tensor, absent: Tensor | None) -> Tensor:
        """A query [B, 1, D] and its references [B, K, D] to [B, 1, D]; absent is [B, 1 + K] bool, True to skip."""
        normed = self.norm(torch.cat([query, references], dim=1))
        heard, _ = self.attention(normed[:, :1], normed, normed, key_padding_mask=absent, need_weights=False)
        query = query + heard
        refined: Tensor = query + self.feed_forward(query)
        return refined


@REASONERS.register_module()
class CrossAttention(ProjectedReasoner):
    """A projection of every node, then layers in which the query attends; the references stay as projected.

    The query is always among what it attends to, so that a query without references is fine. The retrieval similarities
    are not used.

    Args:
        in_dim: D of the node view.
        num_references: K.
        dim: Width of the layers.
        depth: Number of layers.
        readout: See :class:`ssmr.reasoners.base.Reasoner`.
        dropout: See :class:`ssmr.reasoners.base.ProjectedReasoner`.
        heads: Of the attention; a divisor of dim.

    Raises:
        ConfigError: An unknown read-out, a number out of range, or heads that do not divide dim.
    """

    def __init__(
        self,
        in_dim: int,
        num_references: int,
        dim: int = 256,
        depth: int = 2,
        readout: str = 'query',
        dropout: float = 0.0,
        heads: int = 4,
    ) -> None:
        super().__init__(in_dim, num_references, dim, depth, readout, dropout)
        check_heads(dim, heads)
        self.layers = nn.ModuleList(CrossAttentionLayer(dim, heads) for _ in range(depth))

    def relate(self, projected: Tensor, nodes: Tensor, similarities: Tensor, mask: Tensor | None) -> Tensor:
        """See :meth:`ssmr.reasoners.base.ProjectedReasoner.relate`."""
        query, references = projected[:, :1], projected[:, 1:]
        absent = None if mask is None else ~mask
        for layer in self.layers:
            query = layer(query, references, absent)
        return torch.cat([query, references], dim=1)
