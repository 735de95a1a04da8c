"""Baselines that every table of results should hold: what needs no model, and what a linear model can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ssmr.errors import ConfigError, DataError
from ssmr.evaluation.metrics import FloatArray, Rule, evaluate_scores, finite_vector, make_pair

ALPHAS = tuple(10.0**e for e in range(-2, 8))


#: How many neighbours by number the id-only baseline averages.
ID_NEIGHBOURS = 16


@dataclass(frozen=True)
class UploadNumbers:
    """The numbers in the file names of works that were numbered as they were uploaded.

    Attributes:
        train: [M] integers, of the training works.
        test: [n] integers, of the test works.
    """

    train: npt.NDArray[np.integer]
    test: npt.NDArray[np.integer]


@dataclass(frozen=True)
class FrozenFeatures:
    """Features of the three splits, of D numbers each, and the validation labels.

    Attributes:
        train: [M, D] features.
        val: [V, D] features.
        val_scores: [V] labels; they choose the penalty.
        test: [n, D] features.
    """

    train: npt.NDArray[np.floating]
    val: npt.NDArray[np.floating]
    val_scores: npt.ArrayLike
    test: npt.NDArray[np.floating]


def trivial_baselines(
    train_scores: npt.ArrayLike,
    n_test: int,
    *,
    reference_scores: npt.NDArray[np.floating] | None = None,
    ks: Sequence[int | None] = (4, 16, None),
    features: FrozenFeatures | None = None,
    numbers: UploadNumbers | None = None,
    threshold: float = 5.0,
    rule: Rule = '>',
) -> dict[str, FloatArray]:
    """Predictions of every baseline that the given inputs allow; test labels are not among them.

    Args:
        train_scores: [M] labels of the training split.
        n_test: Number of test images, n.
        reference_scores: [n, K] labels of each test image's references, nearest first; None leaves kNN out.
        ks: Numbers of references to average; None is all K.
        features: Inputs of ridge regression; None leaves it out.
        numbers: Numbers of the works; None, or fewer than 16 training works, leaves out the baseline that looks at
            nothing else.
        threshold: Of the majority baseline.
        rule: ``'>'`` or ``'>='``.

    Returns:
        [n] predictions under ``constant``, ``majority``, ``knn_4``, ``knn_16``, ``knn_all``, ``id_16`` and
        ``ridge``.

    Raises:
        DataError: A label is not a finite number, or an array has not n rows.
        ConfigError: A k is not between 1 and K.
    """
    found = {
        'constant': constant_baseline(train_scores, n_test),
        'majority': majority_baseline(train_scores, n_test, threshold=threshold, rule=rule),
    }
    if reference_scores is not None:
        found |= knn_baselines(reference_scores, ks)
    if numbers is not None and len(numbers.train) >= ID_NEIGHBOURS:
        found[f'id_{ID_NEIGHBOURS}'] = id_baseline(train_scores, numbers)
    if features is not None:
        found['ridge'] = ridge_baseline(train_scores, features)
    for name, predictions in found.items():
        if len(predictions) != n_test:
            raise DataError(
                f'baseline {name}: {len(predictions)} rows for {n_test} test images', 'give one row an image'
            )
    return found


def constant_baseline(train_scores: npt.ArrayLike, n_test: int) -> FloatArray:
    """[n_test]: the mean training label, the best constant for the squared error on the training split."""
    return np.full(n_test, finite_vector(train_scores, 'train_scores').mean())


def majority_baseline(
    train_scores: npt.ArrayLike, n_test: int, *, threshold: float = 5.0, rule: Rule = '>'
) -> FloatArray:
    """[n_test]: the median label of the larger side of the threshold, so that the accuracy is that of one answer.

    Its other metrics are those of any constant. At a tie of the sides it is the low one.
    """
    pair = make_pair(train_scores, train_scores, threshold=threshold, rule=rule)
    high = pair.actual.mean() > 0.5
    return np.full(n_test, np.median(pair.scores[pair.actual == high]))


def knn_baselines(
    reference_scores: npt.NDArray[np.floating], ks: Sequence[int | None] = (4, 16, None)
) -> dict[str, FloatArray]:
    """The mean label of the first k of [n, K] reference labels, under ``knn_<k>`` or ``knn_all``."""
    labels = np.asarray(reference_scores, dtype=np.float64)
    if labels.ndim != 2:
        raise DataError(f'reference_scores have the shape {labels.shape}', 'give [images, references]')
    finite_vector(labels.ravel(), 'reference_scores, row by row,')
    for k in ks:
        if k is not None and not 1 <= k <= labels.shape[1]:
            raise ConfigError(
                f'k is {k} but there are {labels.shape[1]} references', 'use a k between 1 and that number'
            )
    return {f'knn_{"all" if k is None else k}': labels[:, :k].mean(axis=1) for k in ks}


def id_baseline(train_scores: npt.ArrayLike, numbers: UploadNumbers, k: int = ID_NEIGHBOURS) -> FloatArray:
    """[n]: the mean label of the k training works whose numbers are nearest, which sees no picture.

    Works uploaded one after the other are often one series of one artist. What this baseline knows is what a random
    split gives away, and what references next to the query by number may carry.

    Args:
        train_scores: [M] labels.
        numbers: Of the training and of the test works.
        k: How many neighbours; the smaller number first where two are equally far.

    Raises:
        ConfigError: k is not between 1 and M.
    """
    labels = finite_vector(train_scores, 'train_scores')
    if not 1 <= k <= len(labels):
        raise ConfigError(f'k is {k} but there are {len(labels)} training works', 'use a k between 1 and that number')
    order = np.argsort(numbers.train, kind='stable')
    train = np.asarray(numbers.train, dtype=np.int64)[order]
    test = np.asarray(numbers.test, dtype=np.int64)[:, None]
    width = min(2 * k, len(train))  # the k nearest lie within k places to either side
    first = np.clip(np.searchsorted(train, test[:, 0]) - k, 0, len(train) - width)
    window = first[:, None] + np.arange(width)  # [n, 2k]
    nearest = np.argsort(np.abs(train[window] - test), axis=1, kind='stable')[:, :k]
    found: FloatArray = labels[order][np.take_along_axis(window, nearest, axis=1)].mean(axis=1)
    return found


def ridge_baseline(
    train_scores: npt.ArrayLike, features: FrozenFeatures, alphas: Sequence[float] = ALPHAS
) -> FloatArray:
    """Ridge regression on standardised features, fitted on train; the penalty is the one of the highest SRCC on val.

    Means and standard deviations are the training split's. At a tie the larger penalty is kept. Validation is used
    for nothing else: the chosen model is not fitted again with it.

    Args:
        train_scores: [M] labels.
        features: Features of the splits.
        alphas: Penalties to try.

    Returns:
        [n] predictions of the test images.
    """
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()  # in float64: with more features than images, float32 is too coarse for small penalties
    train = scaler.fit_transform(np.asarray(features.train, dtype=np.float64))
    val, test = scaler.transform(features.val), scaler.transform(features.test)
    labels = finite_vector(train_scores, 'train_scores')
    models = [Ridge(alpha=alpha).fit(train, labels) for alpha in sorted(alphas, reverse=True)]

    def val_srcc(model: Ridge) -> float:
        srcc = evaluate_scores(features.val_scores, model.predict(val))['srcc']
        return -1.0 if srcc is None else srcc

    return np.asarray(max(models, key=val_srcc).predict(test), dtype=np.float64)
