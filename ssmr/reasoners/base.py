"""What a graph reasoner is, and the read-outs from nodes to one vector."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from ssmr.errors import ConfigError

READOUTS = ('flatten', 'query', 'mean', 'pairs')


class Reasoner(nn.Module):
    """Reasons over graphs of 1 + K nodes, the query first, and reads each out to one vector.

    Args:
        in_dim: D, length of a node feature.
        num_references: K.
        node_dim: Length of a node after reasoning.
        readout: 'flatten' (all nodes side by side: depends on the order of the references), 'query' (the query's
            node), 'mean' (over all nodes) or 'pairs' (one vector a reference, its node beside the query's: what
            :class:`ssmr.heads.pairwise.PairwiseHead` takes). 'query' and 'mean' do not depend on that order, 'pairs'
            only in that its rows come in it.

    Attributes:
        out_dim: Length of the vector that is read out.
        sees_references: False for a control from which everything about the references is kept, their labels too.

    Raises:
        ConfigError: An unknown read-out.
    """

    sees_references: ClassVar[bool] = True

    def __init__(self, in_dim: int, num_references: int, node_dim: int, readout: str) -> None:
        super().__init__()
        if readout not in READOUTS:
            raise ConfigError(f'readout is {readout!r}', f'use one of {", ".join(READOUTS)}')
        self.in_dim, self.num_references, self.readout = in_dim, num_references, readout
        self.out_dim = node_dim * {'flatten': 1 + num_references, 'pairs': 2}.get(readout, 1)

    @abstractmethod
    def reason(self, nodes: Tensor, similarities: Tensor, mask: Tensor | None) -> Tensor:
        """Let the nodes of each graph inform each other.

        Args:
            nodes: [B, 1 + K, D], the query first.
            similarities: [B, K] of the query with its references.
            mask: [B, 1 + K] bool, False where a graph has no such node; None where every graph has all.

        Returns:
            [B, 1 + K, node_dim].
        """

    def forward(self, nodes: Tensor, similarities: Tensor, mask: Tensor | None = None) -> Tensor:
        """[B, 1 + K, D] to [B, out_dim], or [B, K, out_dim] with the read-out 'pairs'; see :meth:`reason`."""
        nodes = self.reason(nodes, similarities, mask)
        if mask is not None:
            nodes = nodes * mask[..., None]
        if self.readout == 'query':
            return nodes[:, 0]
        if self.readout == 'mean':
            return nodes.mean(dim=1) if mask is None else nodes.sum(dim=1) / mask.sum(dim=1, keepdim=True)
        if self.readout == 'pairs':
            return torch.cat([nodes[:, :1].expand_as(nodes[:, 1:]), nodes[:, 1:]], dim=-1)
        return nodes.flatten(1)


class NodeBatchNorm(nn.BatchNorm1d):
    """Batch normalisation of node features over all existing nodes of all graphs, channels last."""

    def forward(self, nodes: Tensor, mask: Tensor | None = None) -> Tensor:
        """[B, N, D] to [B, N, D]; absent nodes neither count nor change."""
        if mask is None:
            return super().forward(nodes.flatten(0, 1)).view_as(nodes)
        normed = torch.zeros_like(nodes)
        normed[mask] = super().forward(nodes[mask]).to(nodes.dtype)
        return normed
