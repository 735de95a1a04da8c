"""The upper bound: references chosen by the label that is to be predicted. For diagnosis only."""

from __future__ import annotations

import numpy as np
import torch

from ssmr.errors import ConfigError, DataError
from ssmr.registry import RETRIEVERS
from ssmr.retrievers.base import Retriever
from ssmr.retrievers.search import Search

#: Queries that are compared at once.
BLOCK = 256


@RETRIEVERS.register_module()
class LabelOracleRetriever(Retriever):
    """References whose label is nearest to the query's OWN label: it uses what is to be predicted.

    What a model reaches with them bounds what better retrieval could bring; it is a result about retrieval and never
    one of a model. The stored similarity is -|difference of labels|: 0 at best, on the scale of the scores.

    Args:
        diagnostic: Must be true: say that you know this.
        num_references: K, how many references are stored a query.

    Raises:
        ConfigError: ``diagnostic`` is not true.
    """

    reads_labels = True

    def __init__(self, diagnostic: bool = False, num_references: int = 50) -> None:
        if diagnostic is not True:
            raise ConfigError(
                'LabelOracleRetriever reads the labels that are to be predicted, so that no result with it counts',
                'for an upper bound give diagnostic=True; for results use another retriever',
            )
        self.num_references = num_references

    @property
    def views(self) -> tuple[str, ...]:
        """None: it looks at labels alone."""
        return ()

    def find(self, search: Search) -> tuple[np.ndarray, np.ndarray]:
        """See :meth:`ssmr.retrievers.base.Retriever.find`.

        Raises:
            DataError: There are no labels, or one that is no number.
        """
        labels = _labels(search)
        positions = np.empty((len(search.queries), search.k), dtype=np.int64)
        distances = np.empty((len(search.queries), search.k), dtype=np.float32)
        for start in range(0, len(search.queries), BLOCK):
            part = search.subset(np.arange(start, min(start + BLOCK, len(search.queries))))
            rows = slice(start, start + BLOCK)
            apart = np.abs(labels[part.queries, None] - labels[None, search.pool]).astype(np.float32)
            positions[rows], distances[rows] = _smallest(apart, part.excluded, search.k, search.device)
        return positions, 0 - distances


def _labels(search: Search) -> np.ndarray:
    if search.scores is None:
        raise DataError('LabelOracleRetriever needs labels and was given none', 'use a table with scores')
    used = np.union1d(search.queries, search.pool)
    bad = used[~np.isfinite(search.scores[used])]
    if len(bad):
        raise DataError(
            f'{search.ids[bad[0]]} has the label {search.scores[bad[0]]}, which LabelOracleRetriever cannot compare',
            'give every work a score',
        )
    return search.scores


def _smallest(
    distances: np.ndarray, excluded: tuple[np.ndarray, np.ndarray], k: int, device: str
) -> tuple[np.ndarray, np.ndarray]:
    """Positions and values [B, k] of the smallest distances [B, P], equal ones (labels have many) by position.

    Both are packed into one integer, since floats >= 0 are ordered as their bits are: no two are then equal.
    """
    distances[excluded] = np.inf
    keys = (distances.view(np.int32).astype(np.int64) << 32) | np.arange(distances.shape[1])
    best = torch.topk(torch.as_tensor(keys, device=device), k, largest=False).values.cpu().numpy()
    return best & 0xFFFFFFFF, (best >> 32).astype(np.int32).view(np.float32)
