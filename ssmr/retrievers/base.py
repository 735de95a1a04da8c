"""What a retriever is, and the one way from it to a validated reference index."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np

from ssmr.artifacts.reference_index import ReferenceIndex, id_ranks
from ssmr.errors import ConfigError, DataError
from ssmr.retrievers.exact_search import exact_search
from ssmr.retrievers.search import Search, same_group_pairs


class Retriever(ABC):
    """Finds the references of queries in a pool.

    Attributes:
        num_references: K, how many are stored a query.
        reads_labels: Whether it looks at labels, which only a diagnostic may.
        needs_table: Whether what it finds for a work depends on the work's row or id, which a new work has none of.
    """

    num_references: int = 50
    reads_labels: bool = False
    needs_table: bool = False

    @property
    @abstractmethod
    def views(self) -> tuple[str, ...]:
        """The names of the feature banks it reads; empty where it reads none."""

    @abstractmethod
    def find(self, search: Search) -> tuple[np.ndarray, np.ndarray]:
        """Find ``search.k`` references a query.

        Returns:
            positions [Q, k] in the pool and similarities [Q, k] float32, largest first, equal ones by position.
        """


class InnerProductRetriever(Retriever):
    """A retriever whose similarity is an inner product of a query's and a work's vector; searched exactly."""

    @property
    def embeds_alone(self) -> bool:
        """Whether a vector depends on its own work only, so that the pool can be embedded before a query is there."""
        return False

    @abstractmethod
    def embed_search(self, search: Search) -> tuple[np.ndarray, np.ndarray]:
        """The vectors of the queries [Q, E] and of the pool [P, E], float32; the two need not be embedded alike."""

    def find(self, search: Search) -> tuple[np.ndarray, np.ndarray]:
        """See :meth:`Retriever.find`."""
        queries, pool = self.embed_search(search)
        return exact_search(queries, pool, search.excluded, search.k, search.device)


class EmbeddingRetriever(InnerProductRetriever):
    """A retriever that embeds queries and pool alike, each work by itself."""

    @property
    def embeds_alone(self) -> bool:
        """See :class:`InnerProductRetriever`."""
        return True

    @abstractmethod
    def embed_views(self, features: Mapping[str, np.ndarray]) -> np.ndarray:
        """Views [N, D] each to one embedding [N, E] float32."""

    def embed_search(self, search: Search) -> tuple[np.ndarray, np.ndarray]:
        """See :meth:`InnerProductRetriever.embed_search`."""
        embedded = np.ascontiguousarray(self.embed_views(search.features), dtype=np.float32)
        return embedded[search.queries], embedded[search.pool]


def build_index(
    retriever: Retriever,
    features: Mapping[str, np.ndarray],
    ids: tuple[str, ...],
    readable: np.ndarray,
    training: np.ndarray,
    groups: np.ndarray,
    device: str = 'cpu',
    scores: np.ndarray | None = None,
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
        scores: [N] labels; handed on only to a retriever that declares that it reads them.

    Raises:
        DataError: A query has fewer than K eligible references.
        ConfigError: K is not a positive whole number.
        ArtifactError: The retriever broke a promise of the index.
    """
    k = retriever.num_references
    if not isinstance(k, (int, np.integer)) or k < 1:
        raise ConfigError(f'retriever.num_references is {k}', 'give a whole number, 1 or more')
    ranks = id_ranks(ids)
    pool = np.flatnonzero(readable & training)
    pool = pool[np.argsort(ranks[pool])]  # by id, so that positions order ties
    queries = np.flatnonzero(readable)
    labels = scores if retriever.reads_labels else None
    excluded = same_group_pairs(groups[queries], groups[pool])
    search = Search(features, ids, queries, pool, excluded, k, device, labels, groups)
    require_eligible(search, f'the training pool has {len(pool)} readable works, less itself and its duplicates')
    positions, similarities = retriever.find(search)
    index = ReferenceIndex(ids, queries, pool[positions], similarities.astype(np.float32))
    return index.validate(readable & training, groups)


def require_eligible(search: Search, why: str) -> None:
    """Refuse a search in which a query has fewer than k eligible references.

    Args:
        search: The search.
        why: What the pool is, and what was taken away from it.

    Raises:
        DataError: Names the worst query.
    """
    eligible = search.eligible
    if len(eligible) and eligible.min() < search.k:
        worst = int(np.argmin(eligible))
        raise DataError(
            f'retriever.num_references={search.k}, but {search.ids[search.queries[worst]]} has only {eligible[worst]} '
            f'possible references: {why}',
            'lower retriever.num_references (and graph.num_references), or add training works',
        )
