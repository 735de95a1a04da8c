"""Inner products of chosen pairs, their order, and the similarities of the nearest: what several retrievers need."""

from __future__ import annotations

import numpy as np
import torch

from ssmr.retrievers.exact_search import exact_search

#: Numbers that are gathered at once: what stays in a processor's cache (three times faster), or fills a GPU.
GATHERED = {'cpu': 2**20, 'cuda': 2**26}


def rows_at_once(numbers: int, device: str) -> int:
    """How many rows of so many numbers each to gather at once, 1 or more."""
    kind = 'cuda' if torch.device(device).type == 'cuda' else 'cpu'
    return max(1, GATHERED[kind] // max(1, numbers))


def inner_products(queries: np.ndarray, pool: np.ndarray, positions: np.ndarray, device: str = 'cpu') -> np.ndarray:
    """Inner products of each query with some vectors of the pool, in float64: equal vectors have equal ones.

    Args:
        queries: [Q, E] float32.
        pool: [P, E] float32.
        positions: [Q, C] integers into the pool.
        device: Where to multiply.

    Returns:
        [Q, C] float64.
    """
    result = np.empty(positions.shape, dtype=np.float64)
    vectors = torch.as_tensor(pool, device=device)
    step = rows_at_once(positions.shape[1] * pool.shape[1], device)
    for start in range(0, len(queries), step):
        rows = slice(start, start + step)
        block = torch.as_tensor(queries[rows], device=device).double()
        chosen = vectors[torch.as_tensor(positions[rows], device=device)].double()
        result[rows] = torch.einsum('be,bce->bc', block, chosen).cpu().numpy()
    return result


def ranked(positions: np.ndarray, similarities: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k best candidates of every query, in the order that the index promises.

    Args:
        positions: [Q, C] integers, none twice in a row.
        similarities: [Q, C], compared as float32.
        k: At most C.

    Returns:
        positions [Q, k] and similarities [Q, k] float32, largest first, equal ones by position.
    """
    values = similarities.astype(np.float32)
    order = np.lexsort((positions, -values), axis=-1)[:, :k]
    return np.take_along_axis(positions, order, axis=1), np.take_along_axis(values, order, axis=1)


def nearest_similarities(
    queries: np.ndarray, pool: np.ndarray, excluded: tuple[np.ndarray, np.ndarray], n: int, device: str = 'cpu'
) -> np.ndarray:
    """The similarities of each query's n nearest vectors, largest first.

    Args:
        queries: [Q, E] float32.
        pool: [P, E] float32.
        excluded: As in :func:`ssmr.retrievers.exact_search.exact_search`.
        n: How many.
        device: Where to multiply.

    Returns:
        [Q, n] float64, -inf where a query has fewer than n.
    """
    positions, found = exact_search(queries, pool, excluded, min(n, len(pool)), device)
    values = np.where(np.isfinite(found), inner_products(queries, pool, positions, device), -np.inf)
    return np.pad(values, ((0, 0), (0, n - values.shape[1])), constant_values=-np.inf)
