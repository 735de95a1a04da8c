"""Fusion by rank: for retrievers whose similarities cannot be compared with each other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ssmr.errors import ConfigError
from ssmr.registry import RETRIEVERS
from ssmr.retrievers.nested import NestedRetriever, build_parts, candidate_count, is_number, part_weights
from ssmr.retrievers.search import Search

#: Queries that are fused at once.
BLOCK = 1024


@RETRIEVERS.register_module()
class ReciprocalRankFusion(NestedRetriever):
    """Reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009).

    A work's score is the sum over parts of weight / (constant + rank), the first hit having rank 1, over the parts
    that find it among their first ``depth``. The stored similarity is that score: positive, at most
    sum of weights / (constant + 1), and no cosine. Equal scores are ordered by id.

    Args:
        parts: Retrievers of any kind; their own ``num_references`` are not used.
        depth: How many hits of each part count; never fewer than are asked for, nor more than a query can have.
        constant: Flattens the advantage of the first ranks; the paper's 60 is the default.
        weights: One non-negative number a part, as it stands. By default 1 each, as in the paper.
        num_references: K, how many references are stored a query.

    Raises:
        ConfigError: No parts, weights that do not match, a depth below ``num_references``, or a negative constant.
    """

    def __init__(
        self,
        parts: Sequence[Mapping[str, Any]],
        depth: int = 1000,
        constant: float = 60.0,
        weights: Sequence[float] | None = None,
        num_references: int = 50,
    ) -> None:
        super().__init__(build_parts(parts), num_references)
        self.depth = candidate_count('depth', depth, num_references)
        if not is_number(constant) or not 0 <= constant < math.inf:
            raise ConfigError(f'retriever.constant is {constant!r}', 'give a number >= 0; the paper has 60')
        self.constant, self.weights = constant, part_weights(weights, len(self.parts))

    def find(self, search: Search) -> tuple[np.ndarray, np.ndarray]:
        """See :meth:`ssmr.retrievers.base.Retriever.find`."""
        deep = replace(search, k=search.candidates(self.depth))
        weighted = [(w, part) for w, part in zip(self.weights, self.parts, strict=True) if w > 0]
        hits = np.concatenate([part.find(deep)[0].astype(np.int32) for _, part in weighted], axis=1)  # [Q, V * depth]
        gains = np.concatenate([w / (self.constant + 1 + np.arange(deep.k)) for w, _ in weighted])
        positions = np.empty((len(hits), search.k), dtype=np.int64)
        scores = np.empty((len(hits), search.k), dtype=np.float32)
        for start in range(0, len(hits), BLOCK):
            rows = slice(start, start + BLOCK)
            positions[rows], scores[rows] = _fuse(hits[rows], gains, len(search.pool), search.k)
        return positions, scores


def _fuse(hits: np.ndarray, gains: np.ndarray, size: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Sum the gains [H] of every work over its places in hits [B, H]; the k largest sums, ties by position."""
    from scipy.sparse import coo_array  # slow to import

    rows = np.repeat(np.arange(len(hits)), len(gains))
    values = np.broadcast_to(gains, hits.shape).ravel()
    fused = coo_array((values, (rows, hits.ravel())), shape=(len(hits), size)).tocsr()  # adds up what has one place
    sums = fused.data.astype(np.float32)
    owners = np.repeat(np.arange(len(hits)), np.diff(fused.indptr))
    order = np.lexsort((fused.indices, -sums, owners))  # owners stay where they are: they are sorted already
    best = order[fused.indptr[:-1, None] + np.arange(k)]
    return fused.indices[best], sums[best]
