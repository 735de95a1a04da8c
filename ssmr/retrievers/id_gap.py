"""Index hygiene: works uploaded one after the other are often one series, and no references of each other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from ssmr.errors import DataError
from ssmr.registry import RETRIEVERS
from ssmr.retrievers.base import require_eligible
from ssmr.retrievers.nested import NestedRetriever, build, count
from ssmr.retrievers.search import Search, pairs_within

#: The longest number that is taken as one.
DIGITS = 15


@RETRIEVERS.register_module()
class MinIdGap(NestedRetriever):
    """Forbids references whose number lies within ``gap`` of the query's, and leaves the rest to another retriever.

    A work's number is the last run of digits in its file name without the ending: 12345 for BAID's ``12345.jpg``, 7
    for ``series_2/painting-07.png``. The similarities are the other retriever's. Among each other (the densities of
    CSLS, mutual neighbours) the works of the pool are still seen whole.

    Args:
        retriever: Any retriever; its own ``num_references`` is not used. Put ``MinIdGap`` outermost, so that others
            know what is left to choose from.
        gap: The largest difference that is forbidden; 0 forbids equal numbers alone. Meant for a few dozens: the
            forbidden pairs are listed in memory.
        num_references: K, how many references are stored a query.

    Raises:
        ConfigError: The gap is no whole number >= 0.
    """

    needs_table = True

    def __init__(self, retriever: Mapping[str, Any], gap: int, num_references: int = 50) -> None:
        self.inner = build('retriever', retriever)
        super().__init__([self.inner], num_references)
        self.gap = min(count('gap', gap, minimum=0), 10**DIGITS)

    def find(self, search: Search) -> tuple[np.ndarray, np.ndarray]:
        """See :meth:`ssmr.retrievers.base.Retriever.find`.

        Raises:
            DataError: An id has no number, or a query has too few works left.
        """
        numbers = np.full(len(search.ids), -1, dtype=np.int64)
        used = np.union1d(search.queries, search.pool)
        numbers[used] = [id_number(search.ids[row]) for row in used]
        crowded = _most_near(numbers[search.queries], numbers[search.pool], self.gap)
        self._narrow(search.subset(crowded), numbers)  # refuses a gap that leaves nothing before all pairs are listed
        return self.inner.find(self._narrow(search, numbers))

    def _narrow(self, search: Search, numbers: np.ndarray) -> Search:
        queries, size = numbers[search.queries], len(search.pool)
        near = pairs_within(numbers[search.pool], queries - self.gap, queries + self.gap)
        pairs = np.union1d(*(rows * size + columns for rows, columns in (search.excluded, near)))
        narrowed = replace(search, excluded=(pairs // size, pairs % size))
        require_eligible(narrowed, f'retriever.gap={self.gap} forbids works whose number is that near to its own')
        return narrowed


def _most_near(queries: np.ndarray, pool: np.ndarray, gap: int) -> np.ndarray:
    """The position of the query with the most numbers of the pool near to its own, as an array; [0] of no queries."""
    pool = np.sort(pool)
    near = np.searchsorted(pool, queries + gap, side='right') - np.searchsorted(pool, queries - gap, side='left')
    return np.array([np.argmax(near)] if len(near) else [], dtype=np.int64)


def id_number(name: str) -> int:
    """The last run of digits in the stem of a file name.

    Raises:
        DataError: It has no digits, or more than DIGITS.
    """
    runs = re.findall('[0-9]+', PurePosixPath(name).stem)
    if not runs or len(runs[-1].lstrip('0')) > DIGITS:
        raise DataError(
            f'retriever.gap: the id {name!r} has no number of at most {DIGITS} digits',
            'MinIdGap is for data sets whose files are numbered by upload, such as BAID; leave it out here',
        )
    return int(runs[-1])
