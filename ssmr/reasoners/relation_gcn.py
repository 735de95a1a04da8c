"""The region-relation GCN (Rs_GCN) over a query and its references.

The layer comes from VSRN (Li et al., Visual Semantic Reasoning for Image-Text Matching, ICCV 2019); SSMR (Shi et al.,
Neurocomputing 582, 2024) stacks six of them. Edge weights are the relations of the node features, and on request the
retrieval similarities are what they start from.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ssmr.reasoners.adjacency import star
from ssmr.reasoners.base import NodeBatchNorm, NodeLinear, ProjectedReasoner
from ssmr.reasoners.checks import check_choice
from ssmr.registry import REASONERS

VARIANTS = ('ssmr', 'vsrn')
EDGE_INITS = ('none', 'similarity')


class RelationLayer(nn.Module):
    """One Rs_GCN layer: v + BN(W(R g(v))) with R = theta(v) phi(v)^T / N.

    R [B, N, N] has no softmax, is not symmetric and keeps the self loops; N counts the nodes that exist. The last batch
    normalisation starts at zero, so that a fresh layer is the identity. theta, phi and g are one linear map over all
    nodes of all graphs: a single large multiplication.

    Args:
        dim: D, length of a node.
        variant: 'ssmr' puts batch normalisation and ReLU behind theta, phi and g, hence R >= 0; 'vsrn' does not.
        prior: Whether R = (theta(v) phi(v)^T + alpha A) / N with an adjacency A that is given and a learned alpha,
            1 at the start.
    """

    def __init__(self, dim: int, variant: str = 'ssmr', prior: bool = False) -> None:
        super().__init__()
        self.theta_phi_g = NodeLinear(dim, 3 * dim)
        self.norm = NodeBatchNorm(3 * dim) if variant == 'ssmr' else None
        self.out = NodeLinear(dim, dim)
        self.out_norm = NodeBatchNorm(dim)
        nn.init.zeros_(self.out_norm.weight)
        nn.init.zeros_(self.out_norm.bias)
        self.alpha = nn.Parameter(torch.ones(())) if prior else None

    def relation(
        self, nodes: Tensor, mask: Tensor | None = None, adjacency: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return R [B, N, N] and g(v) [B, N, D] of nodes [B, N, D]; A [B, N, N] is read where there is a prior."""
        projected = self.theta_phi_g(nodes)
        if self.norm is not None:
            projected = torch.relu(self.norm(projected, mask))
        if mask is not None:
            projected = projected * mask[..., None]
        theta, phi, g = projected.chunk(3, dim=-1)
        count = nodes.shape[1] if mask is None else mask.sum(dim=1)[:, None, None]
        relation = torch.bmm(theta, phi.transpose(1, 2))
        if self.alpha is not None and adjacency is not None:
            relation = relation + self.alpha * adjacency
        return relation / count, g

    def forward(self, nodes: Tensor, mask: Tensor | None = None, adjacency: Tensor | None = None) -> Tensor:
        """[B, N, D] to [B, N, D]; the adjacency is [B, N, N]."""
        relation, g = self.relation(nodes, mask, adjacency)
        return self.out_norm(self.out(torch.bmm(relation, g)), mask) + nodes


@REASONERS.register_module()
class RelationGCN(ProjectedReasoner):
    """A projection of every node (linear, batch normalisation, ReLU), then relation layers.

    With in_dim = dim = 1024, depth 6, four references and the flatten read-out this is the released SSMR network, 26.3
    million parameters with its head; relations then come from the features alone.

    Args:
        in_dim: D of the node view.
        num_references: K.
        dim: Width of the layers.
        depth: Number of layers.
        variant: See :class:`RelationLayer`.
        readout: See :class:`ssmr.reasoners.base.Reasoner`.
        dropout: See :class:`ssmr.reasoners.base.ProjectedReasoner`; 0 in the released network.
        edge_init: 'similarity' adds the retrieval similarities (:func:`ssmr.reasoners.adjacency.star`) to the relations
            of every layer, each times a learned scalar; 'none' does not use them.

    Raises:
        ConfigError: An unknown variant, read-out or edge_init, or a number out of range.
    """

    def __init__(
        self,
        in_dim: int,
        num_references: int,
        dim: int = 1024,
        depth: int = 6,
        variant: str = 'ssmr',
        readout: str = 'flatten',
        dropout: float = 0.0,
        edge_init: str = 'none',
    ) -> None:
        super().__init__(in_dim, num_references, dim, depth, readout, dropout)
        check_choice('variant', variant, VARIANTS)
        check_choice('edge_init', edge_init, EDGE_INITS)
        self.edge_init = edge_init
        self.layers = nn.ModuleList(RelationLayer(dim, variant, edge_init == 'similarity') for _ in range(depth))

    def relate(self, projected: Tensor, nodes: Tensor, similarities: Tensor, mask: Tensor | None) -> Tensor:
        """See :meth:`ssmr.reasoners.base.ProjectedReasoner.relate`."""
        adjacency = star(similarities.to(nodes.dtype), mask) if self.edge_init == 'similarity' else None
        for layer in self.layers:
            projected = layer(projected, mask, adjacency)
        return projected
