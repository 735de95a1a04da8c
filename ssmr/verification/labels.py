"""Labels by split: are val and test drawn from what training sees?"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ssmr.datasets.image_table import SPLITS, UNUSED, ImageTable

#: Bins of the histogram, over the scale.
BINS = 20
#: Two splits differ if their distribution functions lie further apart than this at some score (the Kolmogorov-Smirnov
#: statistic, which does not grow with the number of works)…
DIFFERENT = 0.1
#: …and chance is a poor explanation: in large sets any difference has a tiny p, in small ones chance makes large ones.
SIGNIFICANT = 0.001


@dataclass(frozen=True)
class SplitLabels:
    """The labels of one split.

    Attributes:
        split: Its name.
        works: How many works it has.
        mean: Of the scores, as the following; None where no work has one.
        sd: Standard deviation of a population.
        lowest: Score.
        highest: Score.
        high: Share of works above the threshold of the table, by its rule.
        histogram: Works in each of BINS equal parts of the scale.
    """

    split: str
    works: int
    mean: float | None = None
    sd: float | None = None
    lowest: float | None = None
    highest: float | None = None
    high: float | None = None
    histogram: tuple[int, ...] = ()


@dataclass(frozen=True)
class Difference:
    """How the labels of two splits differ.

    Attributes:
        first: A split.
        second: Another.
        statistic: The two-sample Kolmogorov-Smirnov statistic, 0 to 1.
        p: Its p-value.
        shift: Mean of the first less mean of the second, in pooled standard deviations; None where both are constant.
        warn: The statistic is above DIFFERENT and p below SIGNIFICANT.
    """

    first: str
    second: str
    statistic: float
    p: float
    shift: float | None
    warn: bool


@dataclass(frozen=True)
class Labels:
    """All splits, and each pair of train, val and test.

    Attributes:
        scale: Lowest and highest possible score; None without scores.
        threshold: Above it a work counts as good; None without scores.
        rule: '>' or '>=', of the threshold.
        splits: In the order train, val, test, none; those that have works.
        differences: Of the pairs of splits with scores.
    """

    scale: tuple[float, float] | None
    threshold: float | None
    rule: str
    splits: tuple[SplitLabels, ...]
    differences: tuple[Difference, ...]


def describe_labels(table: ImageTable) -> Labels:
    """Describe the scores of every split, and compare those of train, val and test."""
    scores = {split: table.scores[table.rows(split)] for split in (*SPLITS, UNUSED)}
    described = tuple(_describe(table, split, values) for split, values in scores.items() if len(values))
    known = {split: scores[split][np.isfinite(scores[split])] for split in SPLITS}
    pairs = itertools.combinations([split for split in SPLITS if len(known[split]) > 1], 2)
    rated = bool(np.isfinite(table.scores).any())
    return Labels(
        scale=table.scale if rated else None,
        threshold=table.threshold if rated else None,
        rule=table.rule,
        splits=described,
        differences=tuple(_compare(a, b, known[a], known[b]) for a, b in pairs),
    )


def _describe(table: ImageTable, split: str, values: np.ndarray) -> SplitLabels:
    known = values[np.isfinite(values)]
    if not len(known):
        return SplitLabels(split, len(values))
    high = known > table.threshold if table.rule == '>' else known >= table.threshold
    return SplitLabels(
        split=split,
        works=len(values),
        mean=float(known.mean()),
        sd=float(known.std()),
        lowest=float(known.min()),
        highest=float(known.max()),
        high=float(high.mean()),
        histogram=tuple(np.histogram(known, bins=BINS, range=table.scale)[0].tolist()),
    )


def _compare(first: str, second: str, a: np.ndarray, b: np.ndarray) -> Difference:
    test = stats.ks_2samp(a, b)
    statistic, p = float(test.statistic), float(test.pvalue)
    pooled = np.sqrt((a.var() * len(a) + b.var() * len(b)) / (len(a) + len(b)))
    shift = float((a.mean() - b.mean()) / pooled) if pooled > 0 else None
    return Difference(first, second, statistic, p, shift, statistic > DIFFERENT and p < SIGNIFICANT)
