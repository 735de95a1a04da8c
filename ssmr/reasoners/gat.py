"""Graph attention, version 2 (Brody, Alon and Yahav, How Attentive are Graph Attention Networks?, ICLR 2022)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ssmr.reasoners.checks import check_flag, check_heads
from ssmr.reasoners.edge_reasoner import EdgeReasoner
from ssmr.reasoners.message_passing import EdgeList, edge_softmax, weighted_sum
from ssmr.registry import REASONERS


class GATLayer(nn.Module):
    """H heads of C = dim / H channels side by side: h'_i = ELU(sum_j a_ij W_l h_j + b).

    a_ij = softmax_j(a^T LeakyReLU(W_l h_j + W_r h_i + W_e s_ij)) over the edges that end at i; s_ij is the weight of
    the edge: the retrieval similarity between query and reference, 1 on self loops.

    Args:
        dim: Length of a node.
        heads: H.
        edge_similarity: Whether there is the term W_e s_ij.
        residual: Whether h_i is added to h'_i.
    """

    def __init__(self, dim: int, heads: int, edge_similarity: bool = True, residual: bool = False) -> None:
        super().__init__()
        self.heads, self.residual = heads, residual
        self.source = nn.Linear(dim, dim)
        self.target = nn.Linear(dim, dim)
        self.edge = nn.Linear(1, dim, bias=False) if edge_similarity else None
        self.attention = nn.Parameter(torch.empty(heads, dim // heads))
        self.bias = nn.Parameter(torch.zeros(dim))
        nn.init.xavier_uniform_(self.attention)

    def logits(self, source: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """[..., H] from source and target nodes [..., H, C] and edge weights [...], shapes broadcast."""
        summed = source + target
        if self.edge is not None:
            summed = summed + self.edge(weight[..., None]).unflatten(-1, (self.heads, -1))
        return (functional.leaky_relu(summed, 0.2) * self.attention).sum(dim=-1)

    def forward(self, nodes: Tensor, graph: Tensor | EdgeList) -> Tensor:
        """[B, N, D] with a matrix [B, N, N], or [M, D] with an edge list, to the same shape."""
        source = self.source(nodes).unflatten(-1, (self.heads, -1))  # [..., H, C]
        target = self.target(nodes).unflatten(-1, (self.heads, -1))
        if isinstance(graph, EdgeList):
            heard = self._sparse(source, target, graph)
        else:
            heard = self._dense(source, target, graph)
        out = functional.elu(heard.flatten(-2) + self.bias)
        return out + nodes if self.residual else out

    def _dense(self, source: Tensor, target: Tensor, adjacency: Tensor) -> Tensor:
        logits = self.logits(source[:, None], target[:, :, None], adjacency)  # [B, N (i), N (j), H]
        joined = (adjacency > 0)[..., None]
        # an absent node has no edge: the smallest number instead of -inf keeps its row, which nobody reads, finite
        weights = logits.masked_fill(~joined, torch.finfo(logits.dtype).min).softmax(dim=2) * joined
        return torch.einsum('bijh,bjhc->bihc', weights, source)

    def _sparse(self, source: Tensor, target: Tensor, edges: EdgeList) -> Tensor:
        logits = self.logits(source[edges.source], target[edges.target], edges.weight)  # [E, H]
        weights = edge_softmax(logits, edges.target, edges.size)
        heads = zip(source.unbind(1), weights.unbind(1), strict=True)
        return torch.stack([weighted_sum(h, w, edges.source, edges.target, edges.size) for h, w in heads], dim=1)


@REASONERS.register_module()
class GAT(EdgeReasoner):
    """A projection of every node, then attention of every node over its neighbours and itself.

    Args:
        in_dim: D of the node view.
        num_references: K.
        dim: Width of the layers.
        depth: Number of layers.
        readout: See :class:`ssmr.reasoners.base.Reasoner`.
        dropout: See :class:`ssmr.reasoners.base.ProjectedReasoner`.
        edges: See :class:`ssmr.reasoners.edge_reasoner.EdgeReasoner`, also for the next two.
        threshold: Least similarity of an edge.
        kernel: 'dense' holds [B, N, N, dim] numbers a layer, 'sparse' only [edges, dim].
        heads: Of the attention; a divisor of dim.
        edge_similarity: Whether attention sees the weights of the edges.
        residual: Whether every layer adds its input to its output.

    Raises:
        ConfigError: See :class:`ssmr.reasoners.edge_reasoner.EdgeReasoner`; heads that do not divide dim.
    """

    def __init__(
        self,
        in_dim: int,
        num_references: int,
        dim: int = 256,
        depth: int = 2,
        readout: str = 'query',
        dropout: float = 0.0,
        edges: str = 'star',
        threshold: float = 0.0,
        kernel: str = 'dense',
        heads: int = 4,
        edge_similarity: bool = True,
        residual: bool = False,
    ) -> None:
        super().__init__(in_dim, num_references, dim, depth, readout, dropout, edges, threshold, kernel)
        check_heads(dim, heads)
        check_flag('edge_similarity', edge_similarity)
        check_flag('residual', residual)
        self.layers = nn.ModuleList(GATLayer(dim, heads, edge_similarity, residual) for _ in range(depth))
