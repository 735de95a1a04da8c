"""The region-relation GCN (Rs_GCN) over a query and its references.

The layer comes from VSRN (Li et al., Visual Semantic Reasoning for Image-Text Matching, ICCV 2019); SSMR (Shi et al.,
Neurocomputing 582, 2024) stacks six of them. Edge weights are not given: they are the relations of the node features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ssmr.errors import ConfigError
from ssmr.reasoners.base import NodeBatchNorm, Reasoner
from ssmr.registry import REASONERS

VARIANTS = ('ssmr', 'vsrn')


class RelationLayer(nn.Module):
    """One Rs_GCN layer: v + BN(W(R g(v))) with R = theta(v) phi(v)^T / N.

    R [B, N, N] has no softmax, is not symmetric and keeps the self loops; N counts the nodes that exist. The last batch
    normalisation starts at zero, so that a fresh layer is the identity. theta, phi and g are one linear map over all
    nodes of all graphs: a single large multiplication.

    Args:
        dim: D, length of a node.
        variant: 'ssmr' puts batch normalisation and ReLU behind theta, phi and g, hence R >= 0; 'vsrn' does not.
    """

    def __init__(self, dim: int, variant: str = 'ssmr') -> None:
        super().__init__()
        self.theta_phi_g = nn.Linear(dim, 3 * dim)
        self.norm = NodeBatchNorm(3 * dim) if variant == 'ssmr' else None
        self.out = nn.Linear(dim, dim)
        self.out_norm = NodeBatchNorm(dim)
        nn.init.zeros_(self.out_norm.weight)
        nn.init.zeros_(self.out_norm.bias)

    def relation(self, nodes: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return R [B, N, N] and g(v) [B, N, D] of nodes [B, N, D]."""
        projected = self.theta_phi_g(nodes)
        if self.norm is not None:
            projected = torch.relu(self.norm(projected, mask))
        if mask is not None:
            projected = projected * mask[..., None]
        theta, phi, g = projected.chunk(3, dim=-1)
        count = nodes.shape[1] if mask is None else mask.sum(dim=1)[:, None, None]
        return torch.bmm(theta, phi.transpose(1, 2)) / count, g

    def forward(self, nodes: Tensor, mask: Tensor | None = None) -> Tensor:
        """[B, N, D] to [B, N, D]."""
        relation, g = self.relation(nodes, mask)
        return self.out_norm(self.out(torch.bmm(relation, g)), mask) + nodes


@REASONERS.register_module()
class RelationGCN(Reasoner):
    """A projection of every node (linear, batch normalisation, ReLU), then relation layers.

    With in_dim = dim = 1024, depth 6, four references and the flatten read-out this is the released SSMR network, 26.3
    million parameters with its head. The retrieval similarities are not used: relations come from the features.

    Args:
        in_dim: D of the node view.
        num_references: K.
        dim: Width of the layers.
        depth: Number of layers.
        variant: See :class:`RelationLayer`.
        readout: See :class:`ssmr.reasoners.base.Reasoner`.
        dropout: On the reasoned nodes while training; 0 in the released network. It stands behind the last batch
            normalisation, whose statistics would otherwise differ between training and use (Li et al., CVPR 2019).

    Raises:
        ConfigError: An unknown variant or read-out.
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
    ) -> None:
        super().__init__(in_dim, num_references, dim, readout)
        if variant not in VARIANTS:
            raise ConfigError(f'variant is {variant!r}', f'use one of {", ".join(VARIANTS)}')
        self.project = nn.Linear(in_dim, dim)
        self.project_norm = NodeBatchNorm(dim)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(RelationLayer(dim, variant) for _ in range(depth))

    def reason(self, nodes: Tensor, similarities: Tensor, mask: Tensor | None) -> Tensor:
        """See :meth:`ssmr.reasoners.base.Reasoner.reason`."""
        nodes = torch.relu(self.project_norm(self.project(nodes), mask))
        for layer in self.layers:
            nodes = layer(nodes, mask)
        return self.dropout(nodes)
