"""What a retriever is, and the one way from it to a validated reference index."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np

from ssmr.artifacts.reference_index import ReferenceIndex, id_ranks
from ssmr.errors import ConfigError, DataError
from ssmr.retrievers.exact_search import search


class Retriever(ABC):
    """Finds the references of queries in a pool.

    Attributes:
        num_references: K, how many are stored a query.
    """

    num_references: int = 50

    @property
    @abstractmethod
    def views(self) -> tuple[str, ...]:
        """The names of the feature banks it reads; empty where it reads none."""

    @abstractmethod
    def find(
        self,
        features: Mapping[str, np.ndarray],
        queries: np.ndarray,
        pool: np.ndarray,
        excluded: tuple[np.ndarray, np.ndarray],
        k: int,
        device: str,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find k references a query.

        Args:
            features: view -> [N, D] float32 over the whole table.
            queries: [Q] rows of the table.
            pool: [P] rows of the table, in the order in which equal similarities shall come.
            excluded: Two [X] arrays: positions in ``queries``, ascending, and in ``pool`` that must not be paired.
            k: How many.
            device: Where to compute.

        Returns:
            positions [Q, k] in ``pool`` and similarities [Q, k] float32, largest first.
        """


class EmbeddingRetriever(Retriever):
    """A retriever whose similarity is an inner product of embedded vectors; searched exactly."""

    @abstractmethod
    def embed_views(self, features: Mapping[str, np.ndarray]) -> np.ndarray:
        """Views [N, D] each to one embedding [N, E] float32."""

    def find(
        self,
        features: Mapping[str, np.ndarray],
        queries: np.ndarray,
        pool: np.ndarray,
        excluded: tuple[np.ndarray, np.ndarray],
        k: int,
        device: str,
    ) -> tuple[np.ndarray, np.ndarray]:
        """See :meth:`Retriever.find`."""
        embedded = np.ascontiguousarray(self.embed_views(features), dtype=np.float32)
        return search(embedded[queries], embedded[pool], excluded, k, device)


def build_index(
    retriever: Retriever,
    features: Mapping[str, np.ndarray],
    ids: tuple[str, ...],
    readable: np.ndarray,
    training: np.ndarray,
    groups: np.ndarray,
    device: str = 'cpu',
) -> ReferenceIndex:
    """Find the references of every readable work and validate them.

    Args:
        retriever: Finds them; ``num_references`` of it are kept.
        features: view -> [N, D] float32.
        ids: N ids.
        readable: [N] bool; unreadable works are neither queries nor references.
        training: [N] bool; only these become references.
        groups: [N] integers; a work never refers to one of its own group, which itself is the first member of.
        device: Where to compute.

    Raises:
        DataError: A query has fewer than K eligible references.
        ConfigError: K is not positive.
        ArtifactError: The retriever broke a promise of the index.
    """
    k = retriever.num_references
    if k < 1:
        raise ConfigError(f'retriever.num_references is {k}', 'give 1 or more')
    ranks = id_ranks(ids)
    pool = np.flatnonzero(readable & training)
    pool = pool[np.argsort(ranks[pool])]  # by id, so that positions order ties
    queries = np.flatnonzero(readable)
    excluded = same_group_pairs(groups[queries], groups[pool])
    eligible = len(pool) - np.bincount(excluded[0], minlength=len(queries))
    if (eligible < k).any():
        worst = int(np.argmin(eligible))
        raise DataError(
            f'retriever.num_references={k}, but {ids[queries[worst]]} has only {eligible[worst]} possible references: '
            f'the training pool has {len(pool)} readable works, less itself and its duplicates',
            'lower retriever.num_references (and graph.num_references), or add training works',
        )
    positions, similarities = retriever.find(features, queries, pool, excluded, k, device)
    index = ReferenceIndex(ids, queries, pool[positions], similarities.astype(np.float32))
    return index.validate(readable & training, groups)


def same_group_pairs(queries: np.ndarray, pool: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of positions (query, pool) whose groups are equal, by query.

    Args:
        queries: [Q] group numbers.
        pool: [P] group numbers.
    """
    order = np.argsort(pool, kind='stable')
    first = np.searchsorted(pool[order], queries, side='left')
    count = np.searchsorted(pool[order], queries, side='right') - first
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.repeat(np.arange(len(queries)), count), order[np.repeat(first, count) + within]
