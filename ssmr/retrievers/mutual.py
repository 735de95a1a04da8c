"""Mutual neighbours: references that would have the query among their own nearest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ssmr.errors import ConfigError
from ssmr.registry import RETRIEVERS
from ssmr.retrievers.nested import NestedRetriever, build, candidate_count, count, with_embedding
from ssmr.retrievers.ranking import inner_products, nearest_similarities, ranked
from ssmr.retrievers.search import Search

#: By how much the similarity of a work that is not mutual is lowered: the width of the range of cosines.
LOWERED = 2.0


@RETRIEVERS.register_module()
class MutualNeighbours(NestedRetriever):
    """Mutual neighbours first, then the others.

    A work p is mutual for a query q where q would be one of p's ``neighbours`` nearest in the training pool: where
    s(q, p) is at least the similarity of p's n-th nearest other work of the pool, p's own group left out. A work with
    fewer others than that is mutual for everybody. Hubs are near to many and hold few of them.

    The stored similarity is the cosine for mutual works and the cosine less 2 for the others, so that cosines order
    them and ``graph.min_similarity=-1`` keeps exactly the mutual ones. (A cosine of 1 is always mutual.)

    Args:
        retriever: A retriever with an embedding whose similarities are within [-1, 1] (cosine, Gram, fusions of them);
            its own ``num_references`` is not used.
        neighbours: n, how long the list is in which the query must be.
        candidates: Among how many nearest works mutual ones are sought; never fewer than are asked for, nor more than
            a query can have.
        num_references: K, how many references are stored a query.

    Raises:
        ConfigError: The retriever has no embedding, a number is no whole number above 0, or there are fewer candidates
            than ``num_references``.
    """

    def __init__(
        self, retriever: Mapping[str, Any], neighbours: int = 10, candidates: int = 200, num_references: int = 50
    ) -> None:
        self.inner = with_embedding('retriever', build('retriever', retriever))
        super().__init__([self.inner], num_references)
        self.neighbours = count('neighbours', neighbours)
        self.candidates = candidate_count('candidates', candidates, num_references)

    def find(self, search: Search) -> tuple[np.ndarray, np.ndarray]:
        """See :meth:`ssmr.retrievers.base.Retriever.find`.

        Raises:
            ConfigError: The similarities are no cosines.
        """
        positions, found = self.inner.find(replace(search, k=search.candidates(self.candidates)))
        if np.abs(found).max(initial=0) > 1 + 1e-4:
            raise ConfigError(
                f'retriever.retriever: {type(self.inner).__name__} has similarities outside [-1, 1], and mutual '
                'neighbours are told from others by a step of 2',
                'use a cosine, Gram or fusion retriever here',
            )
        queries, pool = self.inner.embed_search(search)
        similarities = inner_products(queries, pool, positions, search.device).astype(np.float32)
        within = search.within_pool()
        nearest = nearest_similarities(
            *self.inner.embed_search(within), within.excluded, self.neighbours, search.device
        )
        mutual = similarities >= nearest.min(axis=1).astype(np.float32)[positions]
        return ranked(positions, np.where(mutual, similarities, similarities - np.float32(LOWERED)), search.k)
