"""The placebo: references drawn at random, to tell a gain from references from a gain from more parameters."""

from __future__ import annotations

import numpy as np

from ssmr.registry import RETRIEVERS
from ssmr.retrievers.base import Retriever
from ssmr.retrievers.search import Search


@RETRIEVERS.register_module()
class RandomRetriever(Retriever):
    """Draws references uniformly from the pool; its similarities are random numbers in [0, 1) too.

    A query's draw depends on the seed and on its row alone, not on which other queries there are.

    Args:
        seed: Of the draw.
        num_references: K, how many references are stored a query.
    """

    needs_table = True

    def __init__(self, seed: int = 0, num_references: int = 50) -> None:
        self.seed, self.num_references = seed, num_references

    @property
    def views(self) -> tuple[str, ...]:
        """None: it looks at nothing."""
        return ()

    def find(self, search: Search) -> tuple[np.ndarray, np.ndarray]:
        """See :meth:`ssmr.retrievers.base.Retriever.find`."""
        k, size = search.k, len(search.pool)
        positions = np.empty((len(search.queries), k), dtype=np.int64)
        similarities = np.empty((len(search.queries), k), dtype=np.float32)
        bounds = np.searchsorted(search.excluded[0], np.arange(len(search.queries) + 1))
        for i, row in enumerate(search.queries):
            rng = np.random.default_rng((self.seed, int(row)))
            forbidden = search.excluded[1][bounds[i] : bounds[i + 1]]
            drawn = rng.choice(size, size=min(k + len(forbidden), size), replace=False)
            chosen = drawn[~np.isin(drawn, forbidden)][:k]
            values = rng.random(k, dtype=np.float32)
            order = np.lexsort((chosen, -values))
            positions[i], similarities[i] = chosen[order], values[order]
        return positions, similarities
