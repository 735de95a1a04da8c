"""Approximate search with faiss, for pools too large for the exact one."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from ssmr.errors import ConfigError
from ssmr.registry import RETRIEVERS
from ssmr.retrievers.exact_search import exact_search
from ssmr.retrievers.faiss_index import GPU_LIMIT, import_faiss, search_index
from ssmr.retrievers.nested import NestedRetriever, build, count, with_embedding
from ssmr.retrievers.ranking import inner_products, ranked
from ssmr.retrievers.search import Search

#: How many more than K are fetched at most; queries that may not have more works than that are searched exactly.
MOST_FORBIDDEN = 512


@RETRIEVERS.register_module()
class FaissRetriever(NestedRetriever):
    """Another retriever's references by an approximate faiss index of the training pool, with its recall measured.

    What the index finds is only taken as candidates: as many more are fetched as are forbidden, their similarities
    are computed anew and exactly, and queries that are left with too few are searched exactly. So every stored
    similarity is the other retriever's, and only a near work may be missed. How many are is measured on a sample of
    the queries and printed. The index is built by one thread, so that the same inputs give the same references.

    Args:
        retriever: A retriever with an embedding; its own ``num_references`` is not used.
        index: A string for ``faiss.index_factory``, IVF, HNSW or PQ and what faiss makes of them.
        nprobe: How many lists of an IVF index are looked at for a query: more is slower and misses less.
        ef_search: How many candidates an HNSW index keeps: the same.
        gpu: Whether to search on the GPU (IVF and flat indexes); needs the extra [gpu].
        recall_queries: How many queries are searched exactly, too; 0 measures nothing.
        num_references: K, how many references are stored a query.

    Attributes:
        recall: The share, in [0, 1], of the exact references that were found, by the last search; None before, or
            where none was measured.

    Raises:
        ConfigError: faiss is missing or has no GPU support, the retriever has no embedding, or a number is out of
            range.
    """

    def __init__(
        self,
        retriever: Mapping[str, Any],
        index: str = 'IVF256,Flat',
        nprobe: int = 16,
        ef_search: int = 64,
        gpu: bool = False,
        recall_queries: int = 200,
        num_references: int = 50,
    ) -> None:
        self.inner = with_embedding('retriever', build('retriever', retriever))
        super().__init__([self.inner], num_references)
        self.index, self.gpu = index, gpu
        self.nprobe, self.ef_search = count('nprobe', nprobe), count('ef_search', ef_search)
        self.recall_queries = count('recall_queries', recall_queries, minimum=0)
        self.recall: float | None = None
        if gpu and num_references > GPU_LIMIT:
            raise ConfigError(
                f'retriever.num_references is {num_references}, and faiss finds at most {GPU_LIMIT} on a GPU',
                'lower it, or set retriever.gpu=False',
            )
        import_faiss(gpu)  # before hours of extraction, not after

    def find(self, search: Search) -> tuple[np.ndarray, np.ndarray]:
        """See :meth:`ssmr.retrievers.base.Retriever.find`.

        Raises:
            ConfigError: faiss cannot build the index.
        """
        queries, pool = self.inner.embed_search(search)
        found = self._candidates(search, queries, pool)
        similarities = inner_products(queries, pool, np.maximum(found, 0), search.device).astype(np.float32)
        positions, values = ranked(found, np.where(found < 0, -np.inf, similarities), search.k)
        short = np.flatnonzero(positions[:, -1] < 0)
        if len(short):
            positions[short], values[short] = _exactly(search, short, queries, pool)
        self._measure(search, queries, pool, positions)
        return positions, values

    def _candidates(self, search: Search, queries: np.ndarray, pool: np.ndarray) -> np.ndarray:
        """[Q, at least k] positions from the index, -1 for those that are missing or excluded."""
        forbidden = len(pool) - int(search.eligible.min(initial=len(pool)))
        width = min(search.k + min(forbidden, MOST_FORBIDDEN), len(pool))
        gpu = None
        if self.gpu:
            width, gpu = min(width, GPU_LIMIT), _gpu_number(search.device)
        found = search_index(queries, pool, width, self.index, self.nprobe, self.ef_search, gpu)
        places = np.arange(len(queries))[:, None] * len(pool) + found
        excluded = search.excluded[0] * len(pool) + search.excluded[1]
        return np.where((found < 0) | np.isin(places, excluded), -1, found)

    def _measure(self, search: Search, queries: np.ndarray, pool: np.ndarray, positions: np.ndarray) -> None:
        number = min(self.recall_queries, len(queries))
        if not number:
            self.recall = None
            return
        sample = np.sort(np.random.default_rng(0).choice(len(queries), number, replace=False))
        truth, _ = _exactly(search, sample, queries, pool)
        rows = np.arange(number)[:, None] * len(pool)
        self.recall = float(np.isin(truth + rows, positions[sample] + rows).mean())
        print(
            f'FaissRetriever: {self.index}: recall@{search.k} {self.recall:.4f} on {number} of {len(queries)} queries',
            file=sys.stderr,
        )


def _exactly(search: Search, rows: np.ndarray, queries: np.ndarray, pool: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The exact references of some queries."""
    part = search.subset(rows)
    return exact_search(queries[rows], pool, part.excluded, search.k, search.device)


def _gpu_number(device: str) -> int:
    """2 for 'cuda:2', 0 for 'cuda'."""
    return int(device.partition(':')[2] or 0)
