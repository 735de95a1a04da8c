"""Euclidean retrieval over one view: what the released SSMR code does with one ResNet-50 vector."""

from __future__ import annotations

import numpy as np

from ssmr.registry import RETRIEVERS
from ssmr.retrievers.base import InnerProductRetriever
from ssmr.retrievers.search import Search


@RETRIEVERS.register_module()
class EuclideanRetriever(InnerProductRetriever):
    """Nearest in Euclidean distance, exact and searched like any other.

    -|q - p|^2 / 2 = <q, p> - |p|^2 / 2 - |q|^2 / 2 is one inner product of vectors with a few more numbers. The order
    does not change when all vectors are moved and scaled alike; so they are first centred on the training pool and
    divided by the pool's root mean square distance from that centre, which keeps float32 exact enough.

    The stored similarity is -d^2 / 2 in that space: 0 (but for rounding) for the same vector, about -1 for two works of
    the pool drawn at random, without a lower bound. It is no cosine.

    Args:
        view: Name of the encoder.
        num_references: K, how many references are stored a query.
    """

    def __init__(self, view: str = 'semantic', num_references: int = 50) -> None:
        self.view, self.num_references = view, num_references

    @property
    def views(self) -> tuple[str, ...]:
        """The one view."""
        return (self.view,)

    def embed_search(self, search: Search) -> tuple[np.ndarray, np.ndarray]:
        """Vectors [Q, D + 4] = (q, -1, -1, -|q|^2 / 2) and [P, D + 4] = (p, |p|^2 / 2, 1, 1).

        Each half square is given as two float32 numbers whose sum is exact to about 14 digits, so that the distances
        of near copies are not lost in the squares of their vectors.
        """
        features = search.features[self.view]
        pool = features[search.pool]
        centre = pool.mean(axis=0, dtype=np.float64)
        pool = pool - centre
        spread = np.sqrt(np.einsum('ij,ij->', pool, pool) / len(pool))
        if spread <= 1e-7 * np.linalg.norm(centre):  # all alike: what is left is rounding
            spread = np.float64(1)
        pool = (pool / spread).astype(np.float32)
        queries = ((features[search.queries] - centre) / spread).astype(np.float32)
        return (
            np.hstack([queries, -np.ones((len(queries), 2), dtype=np.float32), -_half_squares(queries)]),
            np.hstack([pool, _half_squares(pool), np.ones((len(pool), 2), dtype=np.float32)]),
        )


def _half_squares(vectors: np.ndarray) -> np.ndarray:
    """[N, 2] float32 whose sums are half the squared lengths of vectors [N, D], in about twice float32's digits."""
    exact = np.einsum('ij,ij->i', vectors, vectors, dtype=np.float64)[:, None] / 2
    rounded = exact.astype(np.float32)
    return np.hstack([rounded, (exact - rounded).astype(np.float32)])
