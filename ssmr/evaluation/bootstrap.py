"""Percentile bootstrap over images: intervals of metrics, and the difference of two models on the same images.

The metrics are those of :mod:`ssmr.evaluation.metrics`, computed on images drawn with replacement (Efron 1979).
``scipy.stats.bootstrap`` draws the same way, but its interval is NaN as soon as one resample is undefined.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ssmr.errors import ConfigError
from ssmr.evaluation.metrics import METRICS, FloatArray, Pair, Rule, defined, make_pair, require_metrics

Interval = tuple[float, float]
logger = logging.getLogger(__name__)


class PairedDifference(NamedTuple):
    """Metric of model A minus metric of model B on the same images; None where undefined.

    Attributes:
        difference: On all images; signed, whichever direction is better.
        low: Lower end of the interval of the difference.
        high: Upper end.
        p_value: Two-sided: twice the smaller share of resamples whose difference is on or beyond 0, with the observed
            sample counted in, (count + 1) / (resamples + 1). Never below 2 / (resamples + 1): .002 for 1000.
    """

    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None


class Draws(NamedTuple):
    """A metric of one model, averaged over its runs.

    Attributes:
        metric: Its name.
        estimate: On the images as they are.
        draws: [R] on the resamples; NaN where it is undefined.
    """

    metric: str
    estimate: float
    draws: FloatArray


def bootstrap_intervals(
    scores: npt.ArrayLike,
    predictions: npt.ArrayLike,
    metrics: Sequence[str] = ('srcc', 'plcc', 'acc'),
    n_resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    *,
    threshold: float = 5.0,
    rule: Rule = '>',
) -> dict[str, Interval | None]:
    """Percentile intervals of metrics, all from the same resamples.

    Args:
        scores: [n] labels.
        predictions: [n] predictions of the same images, or [S, n] of S runs, whose metrics are averaged.
        metrics: Names from ``METRICS``.
        n_resamples: Number of draws of n images with replacement.
        confidence: Share of the resamples inside the interval, between 0 and 1.
        seed: Of the draws; the same seed and n give the same draws whatever the metrics are.
        threshold: Of the accuracies.
        rule: ``'>'`` or ``'>='``, as in ``evaluate_scores``.

    Returns:
        (low, high) by metric; see :func:`interval_of`.

    Raises:
        DataError: As ``evaluate_scores``.
        ConfigError: An unknown metric or rule, n_resamples below 1, or a confidence outside (0, 1).
    """
    drawn = bootstrap_draws(scores, predictions, metrics, n_resamples, seed, threshold=threshold, rule=rule)
    return {name: interval_of(draws, confidence) for name, draws in drawn.items()}


def paired_bootstrap(
    scores: npt.ArrayLike,
    predictions_a: npt.ArrayLike,
    predictions_b: npt.ArrayLike,
    metric: str = 'srcc',
    n_resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    *,
    threshold: float = 5.0,
    rule: Rule = '>',
) -> PairedDifference:
    """Compare two models on the same resamples of the same images.

    Args:
        scores: [n] labels.
        predictions_a: [n] predictions of model A, or [S, n] of S runs of it, whose metrics are averaged.
        predictions_b: [n] or [S, n] of model B.
        metric: A name from ``METRICS``.
        n_resamples: Number of draws of n images with replacement.
        confidence: Of the interval of the difference.
        seed: Of the draws.
        threshold: Of the accuracies.
        rule: ``'>'`` or ``'>='``.

    Returns:
        The difference A - B, its percentile interval and its two-sided p-value.

    Raises:
        DataError: As ``evaluate_scores``.
        ConfigError: As ``bootstrap_intervals``.
    """
    options: dict[str, Any] = {'n_resamples': n_resamples, 'seed': seed, 'threshold': threshold, 'rule': rule}
    a, b = (bootstrap_draws(scores, p, [metric], **options)[metric] for p in (predictions_a, predictions_b))
    return difference_of(a, b, confidence)


def bootstrap_draws(
    scores: npt.ArrayLike,
    predictions: npt.ArrayLike,
    metrics: Sequence[str] = ('srcc', 'plcc', 'acc'),
    n_resamples: int = 1000,
    seed: int = 0,
    *,
    threshold: float = 5.0,
    rule: Rule = '>',
) -> dict[str, Draws]:
    """Metrics of one model on every resample, from which intervals and differences are taken.

    Args:
        scores: [n] labels.
        predictions: [n] predictions of the same images, or [S, n] of S runs, whose metrics are averaged.
        metrics: Names from ``METRICS``.
        n_resamples: Number of draws of n images with replacement.
        seed: Of the draws; the same seed and n give the same draws for every model and metric.
        threshold: Of the accuracies.
        rule: ``'>'`` or ``'>='``.

    Raises:
        DataError: As ``evaluate_scores``.
        ConfigError: As ``bootstrap_intervals``.
    """
    require_metrics(metrics)
    runs = _runs(scores, predictions, threshold, rule)

    def statistics(rows: npt.NDArray[np.int64]) -> list[float]:
        resamples = [run.take(rows) for run in runs]
        return [_mean(name, resamples) for name in metrics]

    draws = _draw(statistics, len(runs[0].scores), n_resamples, seed)  # [R, M]
    return {name: Draws(name, _mean(name, runs), draws[:, m]) for m, name in enumerate(metrics)}


def interval_of(draws: Draws, confidence: float = 0.95) -> Interval | None:
    """The percentile interval (low, high) of a metric.

    Resamples on which it is undefined are left out; if they are more than half, the interval is None.

    Raises:
        ConfigError: ``confidence`` is not between 0 and 1.
    """
    return _interval(draws.draws, confidence, draws.metric)


def difference_of(a: Draws, b: Draws, confidence: float = 0.95) -> PairedDifference:
    """The difference A - B of two models on the same resamples; see :func:`paired_bootstrap`."""
    draws = a.draws - b.draws
    difference, interval = defined(a.estimate - b.estimate), _interval(draws, confidence, a.metric)
    if difference is None or interval is None:
        return PairedDifference(difference, None, None, None)
    draws = draws[~np.isnan(draws)]
    beyond = min(int((draws <= 0).sum()), int((draws >= 0).sum()))
    return PairedDifference(difference, *interval, min(1.0, 2 * (beyond + 1) / (len(draws) + 1)))


def _runs(scores: npt.ArrayLike, predictions: npt.ArrayLike, threshold: float, rule: Rule) -> list[Pair]:
    return [make_pair(scores, run, threshold=threshold, rule=rule) for run in np.atleast_2d(np.asarray(predictions))]


def _mean(metric: str, runs: Sequence[Pair]) -> float:
    return float(np.mean([METRICS[metric].compute(run) for run in runs]))


def _draw(
    statistics: Callable[[npt.NDArray[np.int64]], list[float]], n: int, n_resamples: int, seed: int
) -> FloatArray:
    """[n_resamples, M]: the M statistics of each draw of n positions with replacement."""
    if n_resamples < 1:
        raise ConfigError(f'n_resamples is {n_resamples}', 'use at least 1; 1000 is usual')
    rng = np.random.default_rng(seed)
    return np.array([statistics(rng.integers(n, size=n)) for _ in range(n_resamples)])


def _interval(draws: FloatArray, confidence: float, name: str) -> Interval | None:
    if not 0 < confidence < 1:
        raise ConfigError(f'confidence is {confidence}', 'use a share between 0 and 1, such as 0.95')
    kept = draws[~np.isnan(draws)]
    undefined = len(draws) - len(kept)
    if 2 * undefined > len(draws):
        return None
    if undefined:
        logger.warning('%s is undefined on %d of %d resamples; they are left out', name, undefined, len(draws))
    low, high = np.quantile(kept, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
