"""The graph convolutional network of Kipf and Welling (Semi-Supervised Classification with GCNs, ICLR 2017)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ssmr.reasoners.adjacency import symmetric_normalised
from ssmr.reasoners.checks import check_flag
from ssmr.reasoners.edge_reasoner import EdgeReasoner
from ssmr.reasoners.message_passing import EdgeList, weighted_sum
from ssmr.registry import REASONERS


class GCNLayer(nn.Module):
    """H' = ReLU(A H W + b) with a normalised A.

    Args:
        dim: Length of a node.
        residual: Whether H is added to H'.
    """

    def __init__(self, dim: int, residual: bool = False) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, dim, bias=False)
        self.bias = nn.Parameter(torch.zeros(dim))
        self.residual = residual

    def forward(self, nodes: Tensor, graph: Tensor | EdgeList) -> Tensor:
        """[B, N, D] with a matrix [B, N, N], or [M, D] with an edge list, to the same shape."""
        messages = self.linear(nodes)
        if isinstance(graph, EdgeList):
            summed = weighted_sum(messages, graph.weight, graph.source, graph.target, graph.size)
        else:
            summed = torch.bmm(graph, messages)
        out = torch.relu(summed + self.bias)
        return out + nodes if self.residual else out


@REASONERS.register_module()
class GCN(EdgeReasoner):
    """A projection of every node, then graph convolutions over edges weighted by similarity.

    Args:
        in_dim: D of the node view.
        num_references: K.
        dim: Width of the layers.
        depth: Number of layers.
        readout: See :class:`ssmr.reasoners.base.Reasoner`.
        dropout: See :class:`ssmr.reasoners.base.ProjectedReasoner`.
        edges: See :class:`ssmr.reasoners.edge_reasoner.EdgeReasoner`, also for the next two.
        threshold: Least similarity of an edge.
        kernel: 'dense' or 'sparse'.
        residual: Whether every layer adds its input to its output; the published layer does not.

    Raises:
        ConfigError: See :class:`ssmr.reasoners.edge_reasoner.EdgeReasoner`.
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
        residual: bool = False,
    ) -> None:
        super().__init__(in_dim, num_references, dim, depth, readout, dropout, edges, threshold, kernel)
        check_flag('residual', residual)
        self.layers = nn.ModuleList(GCNLayer(dim, residual) for _ in range(depth))

    def adjacency(self, nodes: Tensor, similarities: Tensor, mask: Tensor | None) -> Tensor:
        """D^-1/2 A D^-1/2 [B, N, N]."""
        return symmetric_normalised(super().adjacency(nodes, similarities, mask))
