"""What is looked for: the queries, the pool, and the pairs that must not be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Search:
    """What is looked for: the references of Q queries in a pool of P works, all rows of a table of N works.

    Attributes:
        features: view -> [N, D] float32.
        ids: N ids.
        queries: [Q] rows, ascending (by id in :meth:`within_pool`).
        pool: [P] rows, by id: the order in which equal similarities shall come.
        excluded: Two [X] arrays: positions in ``queries``, ascending, and in ``pool`` that must not be paired.
        k: How many references a query.
        device: Where to compute.
        scores: [N] labels, for retrievers whose ``reads_labels`` is true; None for all others.
        groups: [N] integers; works of one group are duplicates of each other. None: every work is its own group.
    """

    features: Mapping[str, np.ndarray]
    ids: tuple[str, ...]
    queries: np.ndarray
    pool: np.ndarray
    excluded: tuple[np.ndarray, np.ndarray]
    k: int
    device: str = 'cpu'
    scores: np.ndarray | None = None
    groups: np.ndarray | None = None

    @property
    def eligible(self) -> np.ndarray:
        """[Q] int64: how many works of the pool each query may refer to."""
        return len(self.pool) - np.bincount(self.excluded[0], minlength=len(self.queries))

    def candidates(self, wanted: int) -> int:
        """How many candidates to look at: as wanted, but at least k and no more than any query may refer to."""
        return min(max(wanted, self.k), int(self.eligible.min(initial=len(self.pool))))

    def subset(self, positions: np.ndarray) -> Search:
        """The same search for some of the queries.

        Args:
            positions: [S] ascending positions in ``queries``.
        """
        kept = np.isin(self.excluded[0], positions)
        excluded = np.searchsorted(positions, self.excluded[0][kept]), self.excluded[1][kept]
        return replace(self, queries=self.queries[positions], excluded=excluded)

    def within_pool(self) -> Search:
        """The search of the pool's works among each other: a work finds neither itself nor others of its group.

        It is the same whatever the queries and their exclusions are, and so is all that is computed from it.
        """
        groups = np.arange(len(self.pool)) if self.groups is None else self.groups[self.pool]
        return replace(self, queries=self.pool, excluded=same_group_pairs(groups, groups))


def same_group_pairs(queries: np.ndarray, pool: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of positions (query, pool) whose groups are equal, by query.

    Args:
        queries: [Q] group numbers.
        pool: [P] group numbers.
    """
    return pairs_within(pool, queries, queries)


def pairs_within(pool: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of positions (query, pool) with low <= number of the pool's work <= high, by query.

    Args:
        pool: [P] numbers.
        low: [Q] the smallest number for each query.
        high: [Q] the largest.
    """
    order = np.argsort(pool, kind='stable')
    first = np.searchsorted(pool[order], low, side='left')
    count = np.searchsorted(pool[order], high, side='right') - first
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.repeat(np.arange(len(low)), count), order[np.repeat(first, count) + within]
