"""Reference search as the authors' release describes it: one query after another against the whole pool."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pairwise_distance


def released_search(queries: Tensor, pool: Tensor, k: int) -> Tensor:
    """All Euclidean distances of each query, fully sorted; only then the nearest are taken.

    Args:
        queries: [Q, D].
        pool: [P, D].
        k: How many to keep.

    Returns:
        [Q, k] positions in the pool, nearest first.
    """
    # pairwise_distance adds 1e-6 to every difference unless told not to, which would change the order.
    orders = [torch.argsort(pairwise_distance(query[None], pool, eps=0.0)) for query in queries]
    return torch.stack([order[:k] for order in orders])
