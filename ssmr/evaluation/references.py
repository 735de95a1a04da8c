"""How much the labels of the references say by themselves: their mean as the prediction, no training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ssmr.artifacts.reference_lists import ReferenceList, read_reference_lists
from ssmr.errors import ConfigError, DataError
from ssmr.evaluation.metrics import Rule, evaluate_scores


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


def evaluate_reference_labels(
    lists: Sequence[ReferenceList],
    pool_scores: Mapping[str, float],
    query_scores: Mapping[str, float],
    ks: Sequence[int],
    *,
    threshold: float = 5.0,
    rule: Rule = '>',
    allow_missing: bool = False,
    skip_unknown: bool = False,
    source: str = 'references',
) -> dict[int, dict[str, float | None]]:
    """Score the mean label of the first k references of each query.

    Args:
        lists: The references of each query, nearest first.
        pool_scores: Label of every image that may be a reference.
        query_scores: Label of every query.
        ks: Numbers of references to average.
        threshold: Of the accuracies.
        rule: ``'>'`` or ``'>='``, as in ``evaluate_scores``.
        allow_missing: Leave out queries that have no list instead of refusing them; n counts the others.
        skip_unknown: Pass over lists of images that are not in ``query_scores``: an index also holds other splits.
        source: Name of the lists in error messages; list i is called line i + 1.

    Returns:
        The metrics of ``evaluate_scores`` by k.

    Raises:
        ConfigError: ks is empty or has a k below 1.
        DataError: A list has fewer than max(ks) references, repeats one, has the query itself or an image that is not
            in the pool; a query is listed twice or not in the table, or has no list.
    """
    if not ks or min(ks) < 1:
        raise ConfigError(f'k is {list(ks)}', 'give one or more whole numbers from 1')
    labels: dict[str, list[float]] = {}
    for where, entry in _numbered(lists, source):
        if entry.query not in query_scores:
            if skip_unknown:
                continue
            raise DataError(f'{where}: query {entry.query} is not in the queries table', 'use the list of this split')
        if entry.query in labels:
            raise DataError(f'{where}: query {entry.query} is listed twice', 'keep one of its lines')
        labels[entry.query] = _labels(entry, pool_scores, max(ks), where)
    missing = [query for query in query_scores if query not in labels]
    if missing and not (allow_missing and labels):
        raise DataError(
            f'{source}: {len(missing)} of {len(query_scores)} queries have no list, first {", ".join(missing[:3])}',
            'make references for them, or allow missing ones (--allow-missing) to score the rest',
        )
    scores = [query_scores[query] for query in labels]
    table = np.array(list(labels.values()))  # [n, max k]
    return {k: evaluate_scores(scores, table[:, :k].mean(axis=1), threshold=threshold, rule=rule) for k in ks}


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
