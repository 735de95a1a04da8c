"""Errors at the tails: by decile of the label, where a model that shrinks towards the mean shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy.typing as npt

from ssmr.evaluation.bins import quantile_bins
from ssmr.evaluation.metrics import make_pair
from ssmr.evaluation.report import markdown, number

NOTE = (
    'bias: mean prediction less mean label. Bins are made by the label, so the bias of any imperfect model falls from '
    'the low to the high end; compare models, not a model with 0.'
)


class LabelBin(NamedTuple):
    """The images whose labels lie in one bin.

    Attributes:
        low: Smallest label.
        high: Largest label.
        n: Number of images.
        label: Mean label.
        prediction: Mean prediction.
        bias: Mean prediction less mean label.
        mae: Mean absolute error.
    """

    low: float
    high: float
    n: int
    label: float
    prediction: float
    bias: float
    mae: float


def label_deciles(scores: npt.ArrayLike, predictions: npt.ArrayLike, n_bins: int = 10) -> list[LabelBin]:
    """Bias and error in each quantile bin of the label, lowest labels first; ties may leave fewer bins.

    Args:
        scores: [n] labels.
        predictions: [n] predictions.
        n_bins: 10 for deciles.

    Raises:
        DataError: As ``evaluate_scores``.
        ConfigError: n_bins is below 1.
    """
    pair = make_pair(scores, predictions)

    def measure(labels: npt.NDArray, predicted: npt.NDArray) -> LabelBin:
        error = predicted - labels
        means = labels.mean(), predicted.mean(), error.mean(), abs(error).mean()
        return LabelBin(float(labels.min()), float(labels.max()), len(labels), *map(float, means))

    return [measure(pair.scores[rows], pair.predictions[rows]) for rows in quantile_bins(pair.scores, n_bins, 'scores')]


def deciles_table(bins: Sequence[LabelBin]) -> str:
    """Lay out what ``label_deciles`` returned as Markdown."""
    header = ['labels', 'n', 'mean label', 'mean prediction', 'bias', 'mae']
    body = [[f'{b.low:g} to {b.high:g}', str(b.n), *map(number, (b.label, b.prediction, b.bias, b.mae))] for b in bins]
    return f'{markdown(header, body)}\n\n{NOTE}'
