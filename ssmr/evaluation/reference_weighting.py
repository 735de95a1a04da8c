"""Predictions from the labels of the references alone: means with different weights, and a linear model of them.

No image is looked at. Parameters are fitted on the lists of other queries, such as the validation split's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from ssmr.errors import ConfigError, DataError
from ssmr.evaluation.metrics import FloatArray, evaluate_scores, finite_vector
from ssmr.evaluation.references import ReferenceLabels

Method = Literal['mean', 'rank', 'hub', 'learned']
Average = Literal['score', 'percentile']
METHODS: tuple[Method, ...] = get_args(Method)
AVERAGES: tuple[Average, ...] = get_args(Average)

OFFSETS = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1000.0)
EXPONENTS = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0)
PENALTIES = tuple(10.0**e for e in range(7))


class LabelScale:
    """The scale on which labels are averaged: as they are, or as percentiles of the pool.

    Averaging percentiles and mapping the result back is a quasi-arithmetic mean whose function is the pool's
    distribution (Kolmogorov 1930): a few very high labels of a skewed pool count no more than their ranks.

    Args:
        average: ``'score'`` or ``'percentile'``.
        pool_scores: [M] labels of all images that may be references.
    """

    def __init__(self, average: Average, pool_scores: npt.ArrayLike) -> None:
        if average not in AVERAGES:
            raise ConfigError(f'average is {average!r}', f'use one of {", ".join(AVERAGES)}')
        self.average = average
        self.pool = np.sort(finite_vector(pool_scores, 'pool_scores'))

    def to(self, labels: FloatArray) -> FloatArray:
        """Labels of any shape on this scale; a percentile is the share of the pool below, ties counted half."""
        if self.average == 'score':
            return labels
        below = np.searchsorted(self.pool, labels, side='left')
        return (below + np.searchsorted(self.pool, labels, side='right')) / (2 * len(self.pool))

    def back(self, values: FloatArray) -> FloatArray:
        """Values of this scale as scores."""
        return values if self.average == 'score' else np.asarray(np.quantile(self.pool, values))


@dataclass(frozen=True)
class LabelPredictor:
    """A fitted way to predict; call it with :class:`ReferenceLabels` to get [n] predictions.

    Attributes:
        method: Of ``METHODS``.
        scale: On which labels are averaged.
        function: The prediction itself.
        parameters: What was fitted, by name; empty for the plain mean.
        fit_srcc: SRCC on the lists it was fitted on; None without a fit, or undefined. Of ``learned`` it is that of
            the training data and too good.
    """

    method: Method
    scale: LabelScale
    function: Callable[[ReferenceLabels], FloatArray]
    parameters: Mapping[str, float] = field(default_factory=dict)
    fit_srcc: float | None = None

    def __call__(self, found: ReferenceLabels) -> FloatArray:
        """[n] predictions; the queries' own scores are not looked at."""
        return self.function(found)


def fit_predictor(
    method: Method, scale: LabelScale, fit: ReferenceLabels | None = None, seed: int = 0
) -> LabelPredictor:
    """Choose the parameters of a method on lists whose queries' labels may be seen.

    Args:
        method: ``mean`` weighs all references alike and fits nothing. ``rank`` has weights 1 / (rank + c), rank from 1;
            ``hub`` has weights count^-b, where count is how many of the lists at hand hold the reference; c and b are
            those of the highest SRCC. ``learned`` is a ridge regression of the score on the labels in their order and
            sorted; its penalty is that of the smallest squared error in 5-fold cross-validation.
        scale: On which labels are averaged or given to the regression.
        fit: Lists to fit on, with as many references as there will be; not needed by ``mean``.
        seed: Of the folds of ``learned``.

    Raises:
        ConfigError: The method is not known, or it needs lists to fit on.
        DataError: ``learned`` has fewer than 10 lists to fit on.
    """
    if method not in METHODS:
        raise ConfigError(f'method is {method!r}', f'use one of {", ".join(METHODS)}')
    if method == 'mean':
        return LabelPredictor(method, scale, _weighted(scale, lambda found: np.ones_like(found.labels)))
    if fit is None:
        raise ConfigError(f'the method {method} has nothing to be fitted on', 'give --fit-lists and --fit-queries')
    if method == 'learned':
        return _fit_ridge(scale, fit, seed)
    name, values, weights = ('c', OFFSETS, _rank_weights) if method == 'rank' else ('b', EXPONENTS, _hub_weights)

    def candidate(value: float) -> LabelPredictor:
        function = _weighted(scale, lambda found: weights(found, value))
        return LabelPredictor(method, scale, function, {name: value}, _srcc(fit.scores, function(fit)))

    return max(map(candidate, values), key=lambda p: -1.0 if p.fit_srcc is None else p.fit_srcc)


def _weighted(
    scale: LabelScale, weights: Callable[[ReferenceLabels], FloatArray]
) -> Callable[[ReferenceLabels], FloatArray]:
    return lambda found: scale.back(np.average(scale.to(found.labels), axis=1, weights=weights(found)))


def _rank_weights(found: ReferenceLabels, c: float) -> FloatArray:
    ranks = np.arange(1, found.labels.shape[1] + 1, dtype=np.float64)
    return np.broadcast_to(1 / (ranks + c), found.labels.shape)


def _hub_weights(found: ReferenceLabels, b: float) -> FloatArray:
    return np.asarray(found.counts(), dtype=np.float64) ** -b


def _fit_ridge(scale: LabelScale, fit: ReferenceLabels, seed: int) -> LabelPredictor:
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import KFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(fit.scores) < 10:
        raise DataError(f'{len(fit.scores)} lists to fit weights on', 'give at least 10, better hundreds')

    def features(found: ReferenceLabels) -> FloatArray:
        labels = scale.to(found.labels)
        return np.hstack([labels, np.sort(labels, axis=1)])

    ridge = RidgeCV(PENALTIES, cv=KFold(5, shuffle=True, random_state=seed), scoring='neg_mean_squared_error')
    model = make_pipeline(StandardScaler(), ridge).fit(features(fit), fit.scores)

    def function(found: ReferenceLabels) -> FloatArray:
        return np.asarray(model.predict(features(found)))

    return LabelPredictor(
        'learned', scale, function, {'penalty': float(ridge.alpha_)}, _srcc(fit.scores, function(fit))
    )


def _srcc(scores: FloatArray, predictions: FloatArray) -> float | None:
    return evaluate_scores(scores, predictions)['srcc']
