"""References of works that are in no table: pictures that an inferencer is given."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ssmr.artifacts.reference_index import id_ranks
from ssmr.errors import ConfigError, DataError
from ssmr.retrievers.base import InnerProductRetriever, Retriever, require_eligible
from ssmr.retrievers.exact_search import PreparedPool
from ssmr.retrievers.search import Search, same_group_pairs


class NewWorks:
    """Finds the references of new works in the training pool of a table.

    Where vectors depend on their own works only (cosine, Gram, their fusions), the pool is embedded once. Any other
    retriever searches a table of the pool and the new works, each time.

    Args:
        retriever: Finds them.
        features: view -> [N, D] float32 of the table.
        ids: The table's N ids.
        pool: [N] bool: readable works of the training split.
        groups: [N] integers; works of one group are duplicates of each other.
        device: Where to compute.

    Raises:
        ConfigError: The retriever goes by labels, rows or ids, which a new work has none of.
    """

    def __init__(
        self,
        retriever: Retriever,
        features: Mapping[str, np.ndarray],
        ids: tuple[str, ...],
        pool: np.ndarray,
        groups: np.ndarray,
        device: str = 'cpu',
    ) -> None:
        if retriever.reads_labels:
            raise ConfigError(
                f'{type(retriever).__name__} reads the label of the work it finds references for; a new one has none',
                'take the config of another retriever',
            )
        if retriever.needs_table:
            raise ConfigError(
                f'{type(retriever).__name__} goes by the row or the id of a work in the table; a new one has none',
                'take the config of another retriever',
            )
        rows = np.flatnonzero(pool)
        self.rows = rows[np.argsort(id_ranks(ids)[rows])]  # by id, so that positions order ties
        self.retriever, self.device = retriever, device
        self.ids, self.groups = tuple(ids[row] for row in self.rows), groups[self.rows]
        self._features = {view: features[view] for view in retriever.views}
        self._embedder: InnerProductRetriever | None = None
        if isinstance(retriever, InnerProductRetriever) and retriever.embeds_alone:
            nothing = (np.empty(0, np.int64), np.empty(0, np.int64))
            table = Search(self._features, ids, rows[:0], self.rows, nothing, retriever.num_references)
            self._embedder, self._pool = retriever, PreparedPool(retriever.embed_search(table)[1], device)

    def find(self, vectors: Mapping[str, np.ndarray], groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find references.

        Args:
            vectors: view -> [n, D] float32.
            groups: [n] the group in the table that a work is known to belong to, whose works it must not find; or -1.

        Returns:
            rows [n, K] of the table and similarities [n, K] float32, largest first.

        Raises:
            DataError: The pool has too few works.
        """
        search = self._search(vectors, groups)
        require_eligible(search, f'the training pool has {len(self.rows)} readable works, less its own duplicates')
        if self._embedder is None:
            positions, similarities = self.retriever.find(search)
        else:
            nobody = np.empty(0, np.int64)
            alone = Search(vectors, search.ids, np.arange(len(groups)), nobody, (nobody, nobody), search.k)
            queries, _ = self._embedder.embed_search(alone)
            positions, similarities = self._pool.search(queries, search.excluded, search.k)
        return self.rows[positions], similarities

    def _search(self, vectors: Mapping[str, np.ndarray], groups: np.ndarray) -> Search:
        """Among a table of the pool and, after it, the new works."""
        for view, bank in self._features.items():
            if view not in vectors or vectors[view].shape[1:] != bank.shape[1:]:
                raise DataError(f'new works need vectors of {view} with {bank.shape[1]} numbers', 'encode them alike')
        size, n = len(self.rows), len(groups)
        features = self._features
        if self._embedder is None:
            features = {v: np.concatenate([bank[self.rows], vectors[v]]) for v, bank in self._features.items()}
        fresh = np.where(groups < 0, self.groups.max(initial=0) + 1 + np.arange(n), groups)
        excluded = same_group_pairs(fresh, self.groups)
        return Search(
            features,
            ids=(*self.ids, *(f'new work {i}' for i in range(n))),
            queries=size + np.arange(n),
            pool=np.arange(size),
            excluded=excluded,
            k=self.retriever.num_references,
            device=self.device,
            groups=np.concatenate([self.groups, fresh]),
        )
