"""What GCN and GAT share: a graph of given edges, by dense matrices or by edge lists."""

from __future__ import annotations

from torch import Tensor, nn

from ssmr.reasoners.adjacency import EDGES, full, star
from ssmr.reasoners.base import ProjectedReasoner
from ssmr.reasoners.checks import check_choice, check_number
from ssmr.reasoners.message_passing import EdgeList, backend, edge_list, pack, unpack

KERNELS = ('dense', 'sparse')


class EdgeReasoner(ProjectedReasoner):
    """Projects every node and runs layers over a graph whose edges come from the retrieval.

    A layer takes nodes [B, N, D] with an adjacency [B, N, N], or packed nodes [M, D] with an
    :class:`ssmr.reasoners.message_passing.EdgeList`; both give the same numbers. Dense matrices suit the few nodes of a
    usual graph; edge lists save time and memory where graphs are large and thin or differ in size.

    Args:
        in_dim: D of the node view.
        num_references: K.
        dim: Width of the layers.
        depth: Number of layers.
        readout: See :class:`ssmr.reasoners.base.Reasoner`.
        dropout: See :class:`ssmr.reasoners.base.ProjectedReasoner`.
        edges: 'star' or 'full', see :mod:`ssmr.reasoners.adjacency`.
        threshold: Edges of a smaller similarity are left out; those that are not positive always are.
        kernel: 'dense' or 'sparse'.

    Raises:
        ConfigError: An unknown choice, a number out of range, or kernel='sparse' with a half-installed extra.
    """

    layers: nn.ModuleList

    def __init__(
        self,
        in_dim: int,
        num_references: int,
        dim: int,
        depth: int,
        readout: str,
        dropout: float,
        edges: str,
        threshold: float,
        kernel: str,
    ) -> None:
        super().__init__(in_dim, num_references, dim, depth, readout, dropout)
        check_choice('edges', edges, EDGES)
        check_number('threshold', threshold, 0)
        check_choice('kernel', kernel, KERNELS)
        if kernel == 'sparse':
            backend()  # a broken extra is met now and not at the first batch
        self.edges, self.threshold, self.kernel = edges, threshold, kernel

    def adjacency(self, nodes: Tensor, similarities: Tensor, mask: Tensor | None) -> Tensor:
        """Edge weights [B, N, N] of graphs; arguments as in :meth:`ssmr.reasoners.base.Reasoner.reason`."""
        similarities = similarities.to(nodes.dtype)
        if self.edges == 'star':
            return star(similarities, mask, self.threshold)
        return full(nodes, similarities, mask, self.threshold)

    def relate(self, projected: Tensor, nodes: Tensor, similarities: Tensor, mask: Tensor | None) -> Tensor:
        """See :meth:`ssmr.reasoners.base.ProjectedReasoner.relate`."""
        adjacency = self.adjacency(nodes, similarities, mask)
        if self.kernel == 'dense':
            return self._run(projected, adjacency)
        packed = self._run(pack(projected, mask), edge_list(adjacency, mask))
        return unpack(packed, projected, mask)

    def _run(self, nodes: Tensor, graph: Tensor | EdgeList) -> Tensor:
        for layer in self.layers:
            nodes = layer(nodes, graph)
        return nodes
