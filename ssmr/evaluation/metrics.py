"""The metrics of aesthetic assessment: correlations, errors and accuracies between labels and predictions."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from ssmr.errors import ConfigError, DataError

Rule = Literal['>', '>=']
FloatArray = npt.NDArray[np.float64]


class Pair(NamedTuple):
    """Labels and predictions of the same n images, with the side of the threshold each of them is on.

    Attributes:
        scores: [n] float64, the labels.
        predictions: [n] float64, on the labels' scale.
        actual: [n] bool, labels above the threshold.
        predicted: [n] bool, predictions above the threshold.
    """

    scores: FloatArray
    predictions: FloatArray
    actual: npt.NDArray[np.bool_]
    predicted: npt.NDArray[np.bool_]

    def take(self, rows: npt.NDArray[np.int64]) -> Pair:
        """The same images picked, possibly repeatedly, by their positions."""
        return Pair(self.scores[rows], self.predictions[rows], self.actual[rows], self.predicted[rows])


class Metric(NamedTuple):
    """What a metric means, whether more of it is better (None: neither) and how it is computed (NaN: undefined)."""

    meaning: str
    higher_is_better: bool | None
    compute: Callable[[Pair], float]


def _constant(values: npt.NDArray[Any]) -> bool:
    return bool((values == values[0]).all())


def _correlation(name: str) -> Callable[[Pair], float]:
    """A correlation of scipy.stats by name; its sign is kept, and with a constant side it is undefined."""

    def compute(pair: Pair) -> float:
        if _constant(pair.scores) or _constant(pair.predictions):
            return math.nan
        from scipy import stats

        return float(getattr(stats, name)(pair.scores, pair.predictions).statistic)

    return compute


def _mse(pair: Pair) -> float:
    return float(np.mean((pair.predictions - pair.scores) ** 2))


def _mae(pair: Pair) -> float:
    return float(np.mean(np.abs(pair.predictions - pair.scores)))


def _bias(pair: Pair) -> float:
    return float(np.mean(pair.predictions - pair.scores))


def _r2(pair: Pair) -> float:
    return math.nan if _constant(pair.scores) else 1 - _mse(pair) / float(np.var(pair.scores))


def _accuracy(pair: Pair) -> float:
    return float(np.mean(pair.actual == pair.predicted))


def _balanced_accuracy(pair: Pair) -> float:
    if _constant(pair.actual):
        return math.nan
    return float(pair.predicted[pair.actual].mean() + (~pair.predicted[~pair.actual]).mean()) / 2


def _majority_accuracy(pair: Pair) -> float:
    share = float(pair.actual.mean())
    return max(share, 1 - share)


def _sd_ratio(pair: Pair) -> float:
    return math.nan if _constant(pair.scores) else float(np.std(pair.predictions) / np.std(pair.scores))


METRICS: dict[str, Metric] = {
    'srcc': Metric('Spearman rank correlation, ties get their average rank', True, _correlation('spearmanr')),
    'plcc': Metric('Pearson correlation of the raw predictions, no logistic fit', True, _correlation('pearsonr')),
    'krcc': Metric('Kendall rank correlation, tau-b', True, _correlation('kendalltau')),
    'rmse': Metric('root mean squared error, in points of the label', False, lambda pair: math.sqrt(_mse(pair))),
    'mse': Metric('mean squared error, in squared points of the label', False, _mse),
    'mae': Metric('mean absolute error, in points of the label', False, _mae),
    'bias': Metric('mean prediction less mean label, in points of the label', None, _bias),
    'r2': Metric('coefficient of determination; 0 is the mean of these labels', True, _r2),
    'acc': Metric('share of images on the right side of the threshold', True, _accuracy),
    'balanced_acc': Metric('mean of the accuracies of the two sides; chance is 0.5', True, _balanced_accuracy),
    'majority_acc': Metric('share of the larger side: the accuracy of a constant answer', None, _majority_accuracy),
    'sd_ratio': Metric('sd(predictions) / sd(labels); near 0 the model has collapsed', None, _sd_ratio),
    'n': Metric('number of images', None, lambda pair: len(pair.scores)),
}


def evaluate_scores(
    scores: npt.ArrayLike, predictions: npt.ArrayLike, *, threshold: float = 5.0, rule: Rule = '>'
) -> dict[str, float | None]:
    """Compute every metric of ``METRICS``.

    Args:
        scores: [n] labels.
        predictions: [n] predictions of the same images, on the labels' scale.
        threshold: Both are split here into low and high for the accuracies.
        rule: Whether high is ``> threshold`` (BAID's rule) or ``>= threshold``.

    Returns:
        A value for each name in ``METRICS``; None where it is undefined: correlations of constant labels or
        predictions, r2 and sd_ratio of constant labels, balanced_acc of labels on one side only.

    Raises:
        DataError: Fewer than two images, different lengths, or a value that is not a finite number.
        ConfigError: The rule is not known or the threshold is not finite.
    """
    pair = make_pair(scores, predictions, threshold=threshold, rule=rule)
    return {name: defined(metric.compute(pair)) for name, metric in METRICS.items()}


def make_pair(scores: npt.ArrayLike, predictions: npt.ArrayLike, *, threshold: float = 5.0, rule: Rule = '>') -> Pair:
    """Check labels and predictions as ``evaluate_scores`` describes and split both at the threshold."""
    if rule not in get_args(Rule):
        raise ConfigError(f'rule is {rule!r}', "use '>' or '>='")
    if not math.isfinite(threshold):
        raise ConfigError(f'threshold is {threshold}', 'give a number on the scale of the labels')
    above = np.greater if rule == '>' else np.greater_equal
    labels, predicted = finite_vector(scores, 'scores'), finite_vector(predictions, 'predictions')
    if len(labels) != len(predicted):
        raise DataError(f'{len(labels)} scores but {len(predicted)} predictions', 'give one prediction an image')
    if len(labels) < 2:
        raise DataError(f'{len(labels)} images to evaluate', 'metrics need at least two')
    return Pair(labels, predicted, above(labels, threshold), above(predicted, threshold))


def finite_vector(values: npt.ArrayLike, name: str) -> FloatArray:
    """Return ``values`` as a [n] float64 array.

    Raises:
        DataError: Not one-dimensional, not numeric, or NaN or infinite (names the first position, from 0).
    """
    try:
        vector = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f'{name} are not numbers: {error}', 'give one number an image') from error
    if vector.ndim != 1:
        raise DataError(f'{name} have the shape {vector.shape}', 'give one number an image: shape (n,)')
    bad = np.flatnonzero(~np.isfinite(vector))
    if len(bad):
        raise DataError(
            f'{name}[{bad[0]}] is {vector[bad[0]]} ({len(bad)} of {len(vector)} are not finite)',
            'leave these images out on purpose or find out why they have no value; a metric would hide them',
        )
    return vector


def require_metrics(names: Iterable[str]) -> None:
    """Raise ConfigError, with the close names, if a name is not in ``METRICS``."""
    for name in names:
        if name not in METRICS:
            close = difflib.get_close_matches(name, METRICS, n=3)
            hint = f'did you mean {" or ".join(close)}?' if close else f'use one of {", ".join(METRICS)}'
            raise ConfigError(f'{name!r} is not a metric', hint)


def defined(value: float) -> float | None:
    """None for a value that is not finite: reports and JSON have no NaN."""
    return value if math.isfinite(value) else None
