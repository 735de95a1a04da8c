"""Edge weights of reference graphs: dense [B, N, N] matrices, N = 1 + K, the query first.

A[b, i, j] weighs the edge from node j to node i. All are symmetric and non-negative; existing nodes have a self loop of
weight 1, absent nodes have no edge at all. An edge exists where its weight is positive.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

EDGES = ('star', 'full')


def star(similarities: Tensor, mask: Tensor | None = None, threshold: float = 0.0) -> Tensor:
    """Join the query with each of its references, in both directions.

    Args:
        similarities: [B, K] of the query with its references: the weights, clipped to [0, inf).
        mask: [B, 1 + K] bool, False where a graph has no such node; None where every graph has all.
        threshold: Edges of a smaller weight are left out.

    Returns:
        [B, N, N].
    """
    size, count = len(similarities), similarities.shape[1] + 1
    weights = similarities.new_zeros(size, count, count)
    weights[:, 0, 1:] = similarities
    weights[:, 1:, 0] = similarities
    return _finish(weights, mask, threshold)


def full(nodes: Tensor, similarities: Tensor, mask: Tensor | None = None, threshold: float = 0.0) -> Tensor:
    """Join all nodes: the query as in :func:`star`, two references by the cosine of their features.

    Args:
        nodes: [B, 1 + K, D], the query first.
        similarities: [B, K].
        mask: [B, 1 + K] bool or None.
        threshold: For both kinds of edges.

    Returns:
        [B, N, N].
    """
    unit = functional.normalize(nodes[:, 1:], dim=-1)
    weights = functional.pad(torch.bmm(unit, unit.transpose(1, 2)).to(similarities.dtype), (1, 0, 1, 0))
    weights[:, 0, 1:] = similarities
    weights[:, 1:, 0] = similarities
    return _finish(weights, mask, threshold)


def symmetric_normalised(adjacency: Tensor) -> Tensor:
    """D^-1/2 A D^-1/2 of A [B, N, N] (Kipf and Welling, ICLR 2017); a node without edges stays without."""
    degree = adjacency.sum(dim=-1)
    scale = torch.where(degree > 0, degree, 1).rsqrt()
    return scale[:, :, None] * adjacency * scale[:, None, :]


def _finish(weights: Tensor, mask: Tensor | None, threshold: float) -> Tensor:
    """Drop what is negative, too weak or at an absent node; put the self loops on the diagonal."""
    kept = (weights > 0) & (weights >= threshold)
    loops = torch.eye(weights.shape[1], dtype=weights.dtype, device=weights.device)
    weights = torch.where(loops > 0, loops, torch.where(kept, weights, 0))
    if mask is not None:
        weights = torch.where(mask[:, :, None] & mask[:, None, :], weights, 0)
    return weights
