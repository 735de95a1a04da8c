"""Two stages: one retriever chooses candidates, another orders them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ssmr.errors import ConfigError
from ssmr.registry import RETRIEVERS
from ssmr.retrievers.nested import NestedRetriever, build_parts, candidate_count, with_embedding
from ssmr.retrievers.ranking import inner_products, ranked
from ssmr.retrievers.search import Search


@RETRIEVERS.register_module()
class TwoStageRetriever(NestedRetriever):
    """The first part's nearest, re-ranked by the second part's similarity, which is what is stored.

    Args:
        parts: Exactly two: any retriever, and one with an embedding (cosine, Gram, Euclidean, fusion, CSLS); their own
            ``num_references`` are not used.
        candidates: How many the first gives; never fewer than are asked for, nor more than a query can have.
        num_references: K, how many references are stored a query.

    Raises:
        ConfigError: Not two parts, a second without an embedding, or fewer candidates than ``num_references``.
    """

    def __init__(self, parts: Sequence[Mapping[str, Any]], candidates: int = 200, num_references: int = 50) -> None:
        super().__init__(build_parts(parts), num_references)
        if len(self.parts) != 2:
            raise ConfigError(
                f'retriever.parts has {len(self.parts)} retrievers',
                'give two: the one that chooses and the one that orders',
            )
        self.first, self.second = self.parts[0], with_embedding('parts[1]', self.parts[1])
        self.candidates = candidate_count('candidates', candidates, num_references)

    def find(self, search: Search) -> tuple[np.ndarray, np.ndarray]:
        """See :meth:`ssmr.retrievers.base.Retriever.find`."""
        positions, _ = self.first.find(replace(search, k=search.candidates(self.candidates)))
        queries, pool = self.second.embed_search(search)
        return ranked(positions, inner_products(queries, pool, positions, search.device), search.k)
