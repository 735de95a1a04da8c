"""SRIG: references that are close in semantics and in style at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ssmr.registry import RETRIEVERS
from ssmr.retrievers.base import InnerProductRetriever
from ssmr.retrievers.nested import NestedRetriever, build_parts, part_weights, with_embedding
from ssmr.retrievers.search import Search


@RETRIEVERS.register_module()
class FusionRetriever(NestedRetriever, InnerProductRetriever):
    """Weighted mean of the similarities of any number of retrievers, exact and in one pass.

    The sum over views of w_v <a_v, b_v> is one inner product of the views' embeddings, each scaled by sqrt(w_v) and
    laid side by side; so the fused top K is searched like any other and no view is cut to candidates first.

    Args:
        parts: Retrievers with an embedding (cosine, Gram, fusions); their own ``num_references`` are not used.
        weights: One non-negative number a part; scaled to sum to 1. By default all alike.
        num_references: K, how many references are stored a query.

    Raises:
        ConfigError: No parts, weights that do not match, or a part without an embedding.
    """

    def __init__(
        self, parts: Sequence[Mapping[str, Any]], weights: Sequence[float] | None = None, num_references: int = 50
    ) -> None:
        self.embedders = [with_embedding(f'parts[{i}]', part) for i, part in enumerate(build_parts(parts))]
        super().__init__(self.embedders, num_references)
        weights = part_weights(weights, len(self.parts))
        self.weights = [w / sum(weights) for w in weights]

    @property
    def embeds_alone(self) -> bool:
        """See :class:`ssmr.retrievers.base.InnerProductRetriever`."""
        return all(part.embeds_alone for part in self.embedders)

    def embed_search(self, search: Search) -> tuple[np.ndarray, np.ndarray]:
        """Vectors [Q, sum of the parts' E] and [P, sum of the parts' E]."""
        weighted = [(w, part) for w, part in zip(self.weights, self.embedders, strict=True) if w > 0]
        embedded = [[np.float32(w**0.5) * vectors for vectors in part.embed_search(search)] for w, part in weighted]
        queries, pool = (np.concatenate(side, axis=1) for side in zip(*embedded, strict=True))
        return queries, pool
