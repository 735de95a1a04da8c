"""The released network in plain PyTorch: channels first, a 1 x 1 convolution for each of theta, phi and g."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Labels that the released code makes 0 (the least of a former release of BAID's labels) and 1.
LOWEST, HIGHEST = 2.75695, 10.0


def _block(dim_in: int, dim_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv1d(dim_in, dim_out, 1), nn.BatchNorm1d(dim_out), nn.ReLU())


class ReleasedLayer(nn.Module):
    """Rs_GCN with batch normalisation and ReLU behind theta, phi and g.

    Args:
        dim: D, length of a node.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.g, self.theta, self.phi = _block(dim, dim), _block(dim, dim), _block(dim, dim)
        self.w, self.w_norm = nn.Conv1d(dim, dim, 1), nn.BatchNorm1d(dim)
        nn.init.zeros_(self.w_norm.weight)
        nn.init.zeros_(self.w_norm.bias)

    def forward(self, v: Tensor) -> Tensor:
        """[B, D, N] to [B, D, N]."""
        g = self.g(v).transpose(1, 2)
        theta, phi = self.theta(v).transpose(1, 2), self.phi(v)
        relation = torch.matmul(theta, phi) / v.shape[2]
        y = torch.matmul(relation, g).transpose(1, 2).contiguous()
        out: Tensor = self.w_norm(self.w(y)) + v
        return out


class ReleasedModel(nn.Module):
    """A projection of every node, Rs_GCN layers, the nodes side by side, ReLU and a linear map to one number.

    Args:
        dim: D, length of a node.
        depth: Number of layers.
        num_nodes: N, the query and its references.
    """

    def __init__(self, dim: int, depth: int, num_nodes: int) -> None:
        super().__init__()
        self.project = _block(dim, dim)
        self.layers = nn.Sequential(*(ReleasedLayer(dim) for _ in range(depth)))
        self.linear = nn.Linear(num_nodes * dim, 1)

    def forward(self, nodes: Tensor) -> Tensor:
        """[B, N, D] to [B]."""
        v = self.layers(self.project(nodes.transpose(1, 2)))
        out: Tensor = self.linear(torch.relu(v.transpose(1, 2).flatten(1)))
        return out.squeeze(1)

    def loss(self, nodes: Tensor, labels: Tensor) -> Tensor:
        """The smooth L1 loss of nodes [B, N, D] with labels [B]."""
        return functional.smooth_l1_loss(self(nodes), (labels - LOWEST) / (HIGHEST - LOWEST))


def by_our_names(released: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights, or their gradients, under the names of a RelationGCN with a ScoreHead: theta, phi and g become one."""
    sources = {'reasoner.project': ['project.0'], 'reasoner.project_norm': ['project.1'], 'head.linear': ['linear']}
    for i in range(sum(name.endswith('.w.weight') for name in released)):
        ours, theirs = f'reasoner.layers.{i}', f'layers.{i}'
        sources |= {f'{ours}.out': [f'{theirs}.w'], f'{ours}.out_norm': [f'{theirs}.w_norm']}
        sources[f'{ours}.theta_phi_g'] = [f'{theirs}.{part}.0' for part in ('theta', 'phi', 'g')]
        sources[f'{ours}.norm'] = [f'{theirs}.{part}.1' for part in ('theta', 'phi', 'g')]
    found = {}
    for name, parts in sources.items():
        for kind in ('weight', 'bias'):
            joined = torch.cat([released[f'{part}.{kind}'] for part in parts])
            found[f'{name}.{kind}'] = joined.squeeze(2) if joined.ndim == 3 else joined  # a convolution's [D, D, 1]
    return found
