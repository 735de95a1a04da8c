"""Cosine retrieval over one view: semantic features, or Gram style descriptors."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ssmr.registry import RETRIEVERS
from ssmr.retrievers.base import EmbeddingRetriever


@RETRIEVERS.register_module()
class CosineRetriever(EmbeddingRetriever):
    """Cosine similarity of one view.

    A subclass changes :meth:`embed` alone; inner products of what it returns are the similarities.

    Args:
        view: Name of the encoder.
        num_references: K, how many references are stored a query.
    """

    view: str = 'semantic'

    def __init__(self, view: str = 'semantic', num_references: int = 50) -> None:
        self.view, self.num_references = view, num_references

    @property
    def views(self) -> tuple[str, ...]:
        """The one view."""
        return (self.view,)

    def embed(self, vectors: np.ndarray) -> np.ndarray:
        """[N, D] float32 to unit vectors [N, E]."""
        from sklearn.preprocessing import normalize  # a second and a half to import; a finished run needs none of it

        return normalize(vectors)

    def embed_views(self, features: Mapping[str, np.ndarray]) -> np.ndarray:
        """See :class:`ssmr.retrievers.base.EmbeddingRetriever`."""
        return self.embed(features[self.view])


@RETRIEVERS.register_module()
class GramRetriever(CosineRetriever):
    """Cosine similarity of Gram matrices: the style view of :class:`ssmr.backbones.gram_style.GramStyle`.

    Args:
        view: Name of the encoder.
        num_references: K, how many references are stored a query.
    """

    view: str = 'style'

    def __init__(self, view: str = 'style', num_references: int = 50) -> None:
        super().__init__(view, num_references)
