"""What a graph reasoner is, and the read-outs from nodes to one vector."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from ssmr.reasoners.attention_pool import AttentionPool
from ssmr.reasoners.checks import check_choice, check_count, check_number

READOUTS = ('flatten', 'query', 'mean', 'attention', 'pairs')


class Reasoner(nn.Module):
    """Reasons over graphs of 1 + K nodes, the query first, and reads each out to one vector.

    Args:
        in_dim: D, length of a node feature.
        num_references: K.
        node_dim: Length of a node after reasoning.
        readout: 'flatten' (all nodes side by side: depends on the order of the references), 'query' (the query's
            node), 'mean' (over all nodes), 'attention' (their sum with learned weights, see
            :class:`ssmr.reasoners.attention_pool.AttentionPool`) or 'pairs' (one vector a reference, its node beside
            the query's: what :class:`ssmr.heads.pairwise.PairwiseHead` takes). 'query', 'mean' and 'attention' do not
            depend on that order, 'pairs' only in that its rows come in it.

    Attributes:
        out_dim: Length of the vector that is read out.
        sees_references: False for a control from which everything about the references is kept, their labels too.

    Raises:
        ConfigError: An unknown read-out, or a length below one.
    """

    sees_references: ClassVar[bool] = True

    def __init__(self, in_dim: int, num_references: int, node_dim: int, readout: str) -> None:
        super().__init__()
        check_choice('readout', readout, READOUTS)
        check_count('in_dim', in_dim)
        check_count('num_references', num_references, minimum=0)
        check_count('dim', node_dim)
        self.in_dim, self.num_references, self.readout = in_dim, num_references, readout
        self.out_dim = node_dim * {'flatten': 1 + num_references, 'pairs': 2}.get(readout, 1)
        self.pool = AttentionPool(node_dim) if readout == 'attention' else None

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
        if self.pool is not None:
            return self.pool(nodes, mask)
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


class NodeLinear(nn.Linear):
    """A linear map of nodes that need not wait for weights: W x^T instead of x W^T where there are few nodes.

    The numbers are the same up to the last bits. For one graph of five nodes a processor does little but read the
    weights, which MKL does twice as fast this way round.
    """

    #: Nodes from which on it makes no difference.
    MANY = 32

    def forward(self, nodes: Tensor) -> Tensor:
        """[..., in_features] to [..., out_features]."""
        few = nodes.device.type == 'cpu' and nodes.numel() < self.MANY * self.in_features
        if not few or torch.is_grad_enabled():
            return super().forward(nodes)
        flat = nodes.reshape(-1, self.in_features)
        return torch.addmm(self.bias[:, None], self.weight, flat.T).T.reshape(*nodes.shape[:-1], self.out_features)


class ProjectedReasoner(Reasoner):
    """Reasoners that project every node (linear, batch normalisation, ReLU) before their layers.

    Args:
        in_dim: D of the node view.
        num_references: K.
        dim: Width of the layers.
        depth: Number of layers.
        readout: See :class:`Reasoner`.
        dropout: On the reasoned nodes while training. It stands behind the last batch normalisation, whose statistics
            would otherwise differ between training and use (Li et al., CVPR 2019).

    Raises:
        ConfigError: An unknown read-out, a width or depth below one, or a dropout outside [0, 1).
    """

    def __init__(
        self, in_dim: int, num_references: int, dim: int, depth: int, readout: str, dropout: float = 0.0
    ) -> None:
        super().__init__(in_dim, num_references, dim, readout)
        check_count('depth', depth)
        check_number('dropout', dropout, 0, 1)
        self.project = NodeLinear(in_dim, dim)
        self.project_norm = NodeBatchNorm(dim)
        self.dropout = nn.Dropout(dropout)

    @abstractmethod
    def relate(self, projected: Tensor, nodes: Tensor, similarities: Tensor, mask: Tensor | None) -> Tensor:
        """Run the layers: projected nodes [B, 1 + K, dim] to the same shape; the rest as in :meth:`reason`."""

    def reason(self, nodes: Tensor, similarities: Tensor, mask: Tensor | None) -> Tensor:
        """See :meth:`Reasoner.reason`."""
        projected = torch.relu(self.project_norm(self.project(nodes), mask))
        return self.dropout(self.relate(projected, nodes, similarities, mask))
