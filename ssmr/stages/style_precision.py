"""The numbers of a style retrieval: precision with intervals, what chance would give, near duplicates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import bootstrap
from sklearn.preprocessing import normalize

from ssmr.artifacts.feature_bank import FeatureBank
from ssmr.artifacts.reference_index import ReferenceIndex
from ssmr.evaluation.report import markdown

BLOCK = 1024


@dataclass(frozen=True)
class Estimate:
    """A mean over queries with its 95 % percentile bootstrap interval; ends are None without resamples."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class RetrieverPrecision:
    """What one retriever finds.

    Attributes:
        precision: Mean share of the first k references that are of the query's class.
        same_artist: Share of these hits that are by the query's own artist; None without artists or hits.
        other_artists: The same precision when only works by other artists may be found.
    """

    precision: Estimate
    same_artist: float | None = None
    other_artists: Estimate | None = None


@dataclass(frozen=True)
class StyleRetrieval:
    """What ``tools/evaluate_style_retrieval.py`` shows.

    Attributes:
        k: Number of references a query.
        works: Number of queries.
        classes: Number of classes.
        left_out: Works without a class, or whose image cannot be read.
        chance: Expected precision of references drawn at random.
        chance_other_artists: Likewise among works by other artists.
        retrievers: name -> what it finds.
        near_duplicates: Pairs of ids and their cosine in the semantic view, nearest first.
    """

    k: int
    works: int
    classes: int
    left_out: int
    chance: float
    chance_other_artists: float | None
    retrievers: dict[str, RetrieverPrecision]
    near_duplicates: list[tuple[str, str, float]]


def same(index: ReferenceIndex, codes: np.ndarray) -> np.ndarray:
    """[Q, K] bool: references that share their query's number in ``codes`` [N]."""
    shared: np.ndarray = codes[index.references] == codes[index.queries][:, None]
    return shared


def estimate(values: np.ndarray, n_resamples: int, seed: int) -> Estimate:
    """The mean of [Q] values, with its interval over resampled queries (Efron 1979); 0 resamples give none."""
    mean = float(values.mean())
    if n_resamples == 0:
        return Estimate(mean)
    drawn = bootstrap((values,), np.mean, n_resamples=n_resamples, method='percentile', batch=100, random_state=seed)
    return Estimate(mean, float(drawn.confidence_interval.low), float(drawn.confidence_interval.high))


def chance_precision(classes: np.ndarray, groups: np.ndarray) -> float:
    """The expected share of a query's class among works drawn from all that are not of its group.

    Args:
        classes: [n] integers.
        groups: [n] integers.
    """
    frame = pd.DataFrame({'class': classes, 'group': groups})
    of_class, of_group, of_both = (
        frame.groupby(by)['class'].transform('size') for by in ('class', 'group', ['class', 'group'])
    )
    return float(((of_class - of_both) / (len(frame) - of_group)).mean())


def near_duplicates(bank: FeatureBank, used: np.ndarray, threshold: float) -> list[tuple[str, str, float]]:
    """Pairs of works whose cosine is above a threshold, nearest first.

    Args:
        bank: The view to compare.
        used: [N] bool, the works to look at.
        threshold: Cosine, from -1 to 1.
    """
    rows = np.flatnonzero(used)
    vectors = normalize(bank.features[rows])
    pairs = []
    for start in range(0, len(rows), BLOCK):
        cosines = vectors[start : start + BLOCK] @ vectors.T
        for i, j in np.argwhere(cosines > threshold):
            if start + i < j:
                pairs.append((bank.ids[rows[start + i]], bank.ids[rows[j]], float(cosines[i, j])))
    return sorted(pairs, key=lambda pair: (-pair[2], pair))


def style_table(result: StyleRetrieval) -> str:
    """Lay out a result as Markdown."""
    header = ['', f'P@{result.k} [95 %]', 'same artist among hits', f'P@{result.k}, other artists [95 %]']
    body = [['chance', _number(result.chance), '', _number(result.chance_other_artists)]]
    for name, found in result.retrievers.items():
        body.append([name, _cell(found.precision), _number(found.same_artist), _cell(found.other_artists)])
    if result.chance_other_artists is None:
        header, body = header[:2], [row[:2] for row in body]
    counts = f'{result.works} works, {result.classes} classes, {result.left_out} works left out'
    return f'{counts}\n\n{markdown(header, body)}'


def _number(value: float | None) -> str:
    return '' if value is None else f'{value:.3f}'


def _cell(found: Estimate | None) -> str:
    if found is None or found.low is None:
        return _number(found.value if found else None)
    return f'{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]'
