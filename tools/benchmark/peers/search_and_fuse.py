"""Fused references the plain way: every view is searched by itself, and the hits are added up in Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor


def search_and_fuse(
    queries: Sequence[Tensor], pools: Sequence[Tensor], weights: Sequence[float], depth: int, k: int
) -> Tensor:
    """Sum the weighted similarities of each view's nearest; a work that a view did not find gets nothing from it.

    Args:
        queries: A view each, [Q, D] of length 1.
        pools: A view each, [P, D] of length 1.
        weights: One a view.
        depth: How many each view finds. With P the result is exact, with fewer it is not.
        k: How many to keep.

    Returns:
        [Q, k] positions in the pool, best first.
    """
    hits = [torch.topk(torch.mm(q, pool.T), depth) for q, pool in zip(queries, pools, strict=True)]
    rows = []
    for row in range(len(queries[0])):
        fused: dict[int, float] = defaultdict(float)
        for weight, (similarities, positions) in zip(weights, hits, strict=True):
            for position, similarity in zip(positions[row].tolist(), similarities[row].tolist(), strict=True):
                fused[position] += weight * similarity
        rows.append(sorted(fused, key=lambda position: -fused[position])[:k])
    return torch.tensor(rows)
