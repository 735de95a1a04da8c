"""The references of each query with their labels, checked: no query among its own, none from outside the pool."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ssmr.artifacts.reference_lists import ReferenceList, read_reference_lists
from ssmr.errors import ConfigError, DataError
from ssmr.evaluation.csv_columns import read_scores
from ssmr.evaluation.metrics import FloatArray


def load_references(path: Path) -> list[ReferenceList]:
    """Read a text list of the SSMR authors' format or, if ``path`` is a folder, a reference index.

    Raises:
        DataError: The text cannot be used.
        ArtifactError: The index cannot be used.
    """
    if not Path(path).is_dir():
        return read_reference_lists(path)
    from ssmr.artifacts.reference_index import ReferenceIndex

    return ReferenceIndex.open(path).to_lists()


@dataclass(frozen=True)
class ReferenceLabels:
    """The references of n queries, nearest first, and the labels of both.

    Attributes:
        queries: The n ids of the queries.
        scores: [n] labels of the queries; predictions must not look at them.
        references: [n, K] ids.
        labels: [n, K] labels of the references.
        left_out: Further queries, which have no list.
    """

    queries: Sequence[str]
    scores: FloatArray
    references: npt.NDArray[np.str_]
    labels: FloatArray
    left_out: int = 0

    def first(self, k: int) -> ReferenceLabels:
        """The first k references alone."""
        return replace(self, references=self.references[:, :k], labels=self.labels[:, :k])

    def counts(self) -> npt.NDArray[np.int64]:
        """[n, K]: how many of these n lists hold each reference; at least 1."""
        _, positions, counts = np.unique(self.references, return_inverse=True, return_counts=True)
        return counts[positions].reshape(self.labels.shape)


def look_up(
    lists: Sequence[ReferenceList],
    pool_scores: Mapping[str, float],
    query_scores: Mapping[str, float],
    k: int,
    *,
    allow_missing: bool = False,
    skip_unknown: bool = False,
    source: str = 'references',
) -> ReferenceLabels:
    """Look up the labels of the first k references of each query.

    Args:
        lists: The references of each query, nearest first.
        pool_scores: Label of every image that may be a reference.
        query_scores: Label of every query.
        k: Number of references.
        allow_missing: Leave out queries that have no list instead of refusing them.
        skip_unknown: Pass over lists of images that are not in ``query_scores``: an index also holds other splits.
        source: Name of the lists in error messages; list i is called line i + 1.

    Raises:
        ConfigError: k is below 1.
        DataError: A list has fewer than k references, repeats one, has the query itself or an image that is not in the
            pool; a query is listed twice or not in the table, or has no list.
    """
    if k < 1:
        raise ConfigError(f'k is {k}', 'give a whole number from 1')
    labels: dict[str, list[float]] = {}
    references: list[tuple[str, ...]] = []
    for where, entry in _numbered(lists, source):
        if entry.query not in query_scores:
            if skip_unknown:
                continue
            raise DataError(f'{where}: query {entry.query} is not in the queries table', 'use the list of this split')
        if entry.query in labels:
            raise DataError(f'{where}: query {entry.query} is listed twice', 'keep one of its lines')
        labels[entry.query] = _labels(entry, pool_scores, k, where)
        references.append(entry.references[:k])
    missing = [query for query in query_scores if query not in labels]
    if missing and not (allow_missing and labels):
        raise DataError(
            f'{source}: {len(missing)} of {len(query_scores)} queries have no list, first {", ".join(missing[:3])}',
            'make references for them, or allow missing ones (--allow-missing) to score the rest',
        )
    scores = np.array([query_scores[query] for query in labels])
    table = np.array(list(labels.values()))
    return ReferenceLabels(list(labels), scores, np.array(references), table, len(missing))


def load_labels(
    references: Path, pool_scores: Mapping[str, float], queries: Path, k: int, *, allow_missing: bool = False
) -> ReferenceLabels:
    """Read references (see ``load_references``) and a CSV of their queries, and look up the labels.

    An index also holds other splits, so its lists of other images are passed over; a text list is of one split.

    Raises:
        ConfigError: As ``look_up``.
        DataError: As ``look_up``, or a file cannot be used.
        ArtifactError: The index cannot be used.
    """
    lists, scores = load_references(references), read_scores(queries)
    options = {'allow_missing': allow_missing, 'skip_unknown': references.is_dir()}
    return look_up(lists, pool_scores, scores, k, source=str(references), **options)


def _numbered(lists: Sequence[ReferenceList], source: str) -> Iterator[tuple[str, ReferenceList]]:
    return ((f'{source}, line {line}', entry) for line, entry in enumerate(lists, 1))


def _labels(entry: ReferenceList, pool_scores: Mapping[str, float], k: int, where: str) -> list[float]:
    """The labels of the first k references of a query."""
    if len(entry.references) < k:
        raise DataError(
            f'{where}: query {entry.query} has {len(entry.references)} references, k is {k}', 'ask for a smaller k'
        )
    if entry.query in entry.references:
        raise DataError(f'{where}: query {entry.query} refers to itself', 'its own label would leak; remove it')
    if len(set(entry.references)) < len(entry.references):
        raise DataError(f'{where}: query {entry.query} has a reference twice', 'name each reference once')
    for reference in entry.references[:k]:
        if reference not in pool_scores:
            raise DataError(
                f'{where}: reference {reference} is not in the pool', 'use the table the list was made from'
            )
    return [pool_scores[reference] for reference in entry.references[:k]]
