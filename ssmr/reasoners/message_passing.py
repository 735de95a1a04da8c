"""Kernels for ragged graphs: edge lists over the nodes that exist, weighted neighbour sums, softmax over neighbours.

They run on torch-sparse and torch-scatter where both are installed, on plain torch where neither is. One of the two, or
one that cannot be loaded, is an error: the other kernels would be several times slower without a word.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

import torch
from torch import Tensor

from ssmr.errors import ConfigError

#: The packages of the extra, and what is taken from each.
EXTRA = {'torch_scatter': ('scatter_softmax',), 'torch_sparse': ('SparseTensor', 'matmul')}
FIX = "reinstall with pip install --no-build-isolation 'ssmr[sparse]' or remove both"


class EdgeList(NamedTuple):
    """All edges of a batch of graphs, over its M existing nodes side by side.

    Attributes:
        source: [E] int64, the node a message comes from.
        target: [E] int64, the node it goes to; ascending.
        weight: [E].
        size: M.
    """

    source: Tensor
    target: Tensor
    weight: Tensor
    size: int


@lru_cache
def backend() -> str:
    """Name what the kernels run on: 'torch-sparse' or 'native'.

    Raises:
        ConfigError: The extra is half installed, or one of its packages cannot be imported.
    """
    missing = [name for name in EXTRA if find_spec(name) is None]
    if len(missing) == len(EXTRA):
        return 'native'
    if missing:
        there = next(name for name in EXTRA if name not in missing)
        raise ConfigError(f'{missing[0]} is not installed, but {there} is', FIX)
    for name, wanted in EXTRA.items():
        try:
            package = import_module(name)
            for attribute in wanted:  # an uninstalled package can leave an empty folder, which imports
                getattr(package, attribute)
        except (ImportError, OSError, RuntimeError, AttributeError) as error:  # RuntimeError: built for another CUDA
            raise ConfigError(f'{name} is installed, but cannot be imported: {error}', FIX) from error
    return 'torch-sparse'


def pack(nodes: Tensor, mask: Tensor | None) -> Tensor:
    """The existing ones of nodes [B, N, D], side by side: [M, D]."""
    return nodes.flatten(0, 1) if mask is None else nodes[mask]


def unpack(packed: Tensor, like: Tensor, mask: Tensor | None) -> Tensor:
    """Undo :func:`pack`: [M, D] to [B, N, D] with the B, N of ``like``, zero at absent nodes."""
    if mask is None:
        return packed.view(*like.shape[:2], -1)
    nodes = packed.new_zeros(*like.shape[:2], packed.shape[-1])
    nodes[mask] = packed
    return nodes


def edge_list(adjacency: Tensor, mask: Tensor | None = None) -> EdgeList:
    """List the edges of dense graphs.

    Args:
        adjacency: [B, N, N], A[b, i, j] > 0 the weight of the edge from j to i; no other value is an edge.
        mask: [B, N] bool, False where a graph has no such node; such nodes have no edge and no number.

    Returns:
        The edges, numbered as :func:`pack` numbers the nodes; gradients reach the adjacency through the weights.
    """
    if mask is None:
        mask = adjacency.new_ones(adjacency.shape[:2], dtype=torch.bool)
    number = mask.flatten().cumsum(0).view_as(mask) - 1  # [B, N]
    exists = (adjacency > 0) & mask[:, :, None] & mask[:, None, :]
    graph, target, source = exists.nonzero(as_tuple=True)
    return EdgeList(
        source=number[graph, source],
        target=number[graph, target],
        weight=adjacency[graph, target, source],
        size=int(mask.sum()),
    )


def weighted_sum(nodes: Tensor, weight: Tensor, source: Tensor, target: Tensor, size: int) -> Tensor:
    """Sum, at every target, its sources' nodes times the weights of the edges.

    Args:
        nodes: [M, D].
        weight: [E]; taken to the type of the nodes.
        source: [E] int64 in [0, M).
        target: [E] int64 in [0, size).
        size: Number of targets.

    Returns:
        [size, D], zero where no edge ends; gradients reach the nodes and the weights.
    """
    weight = weight.to(nodes.dtype)
    # torch-sparse divides by the sizes: on an empty graph it does not raise, it ends the process
    if backend() == 'native' or nodes.numel() == 0 or target.numel() == 0:
        return nodes.new_zeros(size, nodes.shape[1]).index_add(0, target, nodes[source] * weight[:, None])
    from torch_sparse import SparseTensor, matmul

    out: Tensor = matmul(SparseTensor(row=target, col=source, value=weight, sparse_sizes=(size, len(nodes))), nodes)
    return out


def edge_softmax(logits: Tensor, target: Tensor, size: int) -> Tensor:
    """Softmax over the edges that end at the same target, for each of H heads.

    Args:
        logits: [E, H], finite.
        target: [E] int64 in [0, size).
        size: Number of targets.

    Returns:
        [E, H], at least float32; over the edges of a target they sum to one.
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    if backend() == 'torch-sparse':
        from torch_scatter import scatter_softmax

        out: Tensor = scatter_softmax(logits, target, dim=0, dim_size=size)
        return out
    empty = logits.new_full((size, logits.shape[1]), -torch.inf)
    largest = empty.scatter_reduce(0, target[:, None].expand_as(logits), logits.detach(), 'amax')
    powers = (logits - largest[target]).exp()
    total = torch.zeros_like(empty).index_add(0, target, powers)
    return powers / total[target]
