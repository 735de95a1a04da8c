"""Hub control by cross-domain similarity local scaling (CSLS)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ssmr.registry import RETRIEVERS
from ssmr.retrievers.base import InnerProductRetriever
from ssmr.retrievers.nested import NestedRetriever, build, count, with_embedding
from ssmr.retrievers.ranking import nearest_similarities
from ssmr.retrievers.search import Search


@RETRIEVERS.register_module()
class CSLSRetriever(NestedRetriever, InnerProductRetriever):
    """CSLS (Conneau et al., Word translation without parallel data, ICLR 2018): 2 s(q, p) - r(p) - r(q).

    r is a work's mean similarity s to its ``neighbours`` nearest works of the training pool, itself and its group
    left out; fewer where the pool has fewer, and 0 where it has none. A hub, near to everything, has a large r and so
    ranks lower. In the paper r(p) looks at the queries; here both look at the training pool alone, so that no
    reference depends on which other works are asked for. The stored similarity is the CSLS value: for cosines within
    [-4, 4], and around 0 for a pair as close as their neighbours are.

    Args:
        retriever: A retriever with an embedding; its own ``num_references`` is not used.
        neighbours: How many nearest works make a density; the paper has 10.
        num_references: K, how many references are stored a query.

    Raises:
        ConfigError: The retriever has no embedding, or ``neighbours`` is no whole number above 0.
    """

    def __init__(self, retriever: Mapping[str, Any], neighbours: int = 10, num_references: int = 50) -> None:
        self.inner = with_embedding('retriever', build('retriever', retriever))
        super().__init__([self.inner], num_references)
        self.neighbours = count('neighbours', neighbours)

    def embed_search(self, search: Search) -> tuple[np.ndarray, np.ndarray]:
        """Vectors [Q, E + 2] = (2 q, -1, -r(q)) and [P, E + 2] = (p, r(p), 1)."""
        queries, pool = self.inner.embed_search(search)
        query_density = self._density(search, queries, pool)
        within = search.within_pool()
        pool_density = self._density(within, *self.inner.embed_search(within))
        one = np.ones((1, 1), dtype=np.float32)
        return (
            np.hstack([2 * queries, -np.repeat(one, len(queries), axis=0), -query_density]),
            np.hstack([pool, pool_density, np.repeat(one, len(pool), axis=0)]),
        )

    def _density(self, search: Search, queries: np.ndarray, pool: np.ndarray) -> np.ndarray:
        """r of every query, [Q, 1] float32."""
        nearest = nearest_similarities(queries, pool, search.excluded, self.neighbours, search.device)
        found = np.isfinite(nearest)
        total = np.where(found, nearest, 0).sum(axis=1, keepdims=True)
        density: np.ndarray = total / np.maximum(found.sum(axis=1, keepdims=True), 1)
        return density.astype(np.float32)
