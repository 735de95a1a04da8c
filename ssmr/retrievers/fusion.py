"""SRIG: references that are close in semantics and in style at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ssmr.errors import ConfigError
from ssmr.registry import RETRIEVERS
from ssmr.retrievers.base import EmbeddingRetriever


@RETRIEVERS.register_module()
class FusionRetriever(EmbeddingRetriever):
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
        self.parts = [RETRIEVERS.build(dict(p)) for p in parts]
        self.num_references = num_references
        weights = [1.0] * len(self.parts) if weights is None else list(weights)
        numbers = all(isinstance(w, (int, float)) for w in weights)
        if not numbers or not self.parts or len(weights) != len(self.parts) or min(weights) < 0 or sum(weights) <= 0:
            raise ConfigError(
                f'retriever.weights is {weights} for {len(self.parts)} parts', 'give one weight >= 0 a part, not all 0'
            )
        for part in self.parts:
            if not isinstance(part, EmbeddingRetriever):
                raise ConfigError(
                    f'{type(part).__name__} has no embedding and cannot be fused', 'fuse cosine or Gram retrievers'
                )
        self.weights = [w / sum(weights) for w in weights]

    @property
    def views(self) -> tuple[str, ...]:
        """The views of all parts, without repetition."""
        return tuple(dict.fromkeys(v for part in self.parts for v in part.views))

    def embed_views(self, features: Mapping[str, np.ndarray]) -> np.ndarray:
        """Views [N, D_v] to [N, sum of the parts' E]."""
        scaled = [w**0.5 * p.embed_views(features) for w, p in zip(self.weights, self.parts, strict=True) if w > 0]
        return np.concatenate(scaled, axis=1)
