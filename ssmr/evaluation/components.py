"""What of a known truth a model has found: the parts that two factors explain, and the rest.

Scores are taken apart by least squares on the works at hand: the part that is additive in two factors (scene and
style, say), what their combination adds (the interaction), and what lies within a combination. The three are
orthogonal, so the variances of the truth add up. Predictions are taken apart in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ssmr.errors import DataError
from ssmr.evaluation.csv_columns import join, read_scores, read_texts
from ssmr.evaluation.metrics import FloatArray, finite_vector
from ssmr.evaluation.predictions import read_predictions
from ssmr.evaluation.report import markdown, number

COMPONENTS = ('additive', 'interaction', 'within')


class Component(NamedTuple):
    """One part of the truth.

    Attributes:
        share: Of the variance of the truth, 0 to 1.
        recovered: 1 less the squared error of the predictions' part over the square of the truth's: 1 is all of it, 0
            what a constant finds, and less than 0 does more harm than a constant. None where the truth has no such
            part.
    """

    share: float
    recovered: float | None


def recovered_components(
    truth: npt.ArrayLike, predictions: npt.ArrayLike, first: npt.ArrayLike, second: npt.ArrayLike
) -> dict[str, Component]:
    """Take truth and predictions apart by two factors and compare the parts.

    Args:
        truth: [n] noise-free scores.
        predictions: [n], on the same scale.
        first: [n] kinds of the first factor.
        second: [n] kinds of the second.

    Returns:
        A component for each of ``COMPONENTS``.

    Raises:
        DataError: Lengths differ, a value is not finite, or the truth is constant.
    """
    pair = [finite_vector(truth, 'truth'), finite_vector(predictions, 'predictions')]
    a, b = _one_hot(first), _one_hot(second)
    if len({len(pair[0]), len(pair[1]), len(a), len(b)}) != 1:
        raise DataError('truth, predictions and factors have different lengths', 'give one of each an image')
    total = float(np.var(pair[0]))
    if total == 0:
        raise DataError('the truth is the same for all images', 'there is nothing to recover')
    additive, cells = np.hstack([a, b]), (a[:, :, None] * b[:, None, :]).reshape(len(a), -1)
    parts = [_parts(values - values.mean(), additive, cells) for values in pair]
    return {
        name: Component(
            float(np.mean(true**2)) / total,
            1 - float(np.sum((found - true) ** 2) / np.sum(true**2)) if np.mean(true**2) > 1e-12 * total else None,
        )
        for name, true, found in zip(COMPONENTS, *parts, strict=True)
    }


def _one_hot(kinds: npt.ArrayLike) -> FloatArray:
    _, codes = np.unique(np.asarray(kinds).astype(str), return_inverse=True)
    return np.eye(codes.max() + 1)[codes]


def _parts(values: FloatArray, additive: FloatArray, cells: FloatArray) -> tuple[FloatArray, ...]:
    """[n] centred values to their three parts."""
    by_factors, by_cell = (_fitted(design, values) for design in (additive, cells))
    return by_factors, by_cell - by_factors, values - by_cell


def _fitted(design: FloatArray, values: FloatArray) -> FloatArray:
    coefficients, *_ = np.linalg.lstsq(design, values, rcond=None)
    return np.asarray(design @ coefficients)


def components_of_files(
    files: Sequence[Path], labels: Path, truth: str, factors: Sequence[str]
) -> dict[str, dict[str, Component]]:
    """Compare files of predictions with the truth that a label file holds.

    Args:
        files: CSVs of predictions.
        labels: CSV with the columns ``image``, ``truth`` and both ``factors``; images without a prediction are left
            out.
        truth: Column of the noise-free score.
        factors: Columns of the two factors.

    Returns:
        File stem -> its components.

    Raises:
        DataError: A file cannot be used, or an image is not in the labels.
    """
    scores = read_scores(labels, truth)
    kinds = [read_texts(labels, factor) for factor in factors]
    found = {}
    for path in files:
        data = read_predictions(path)
        true = join(data.ids, scores, labels)
        first, second = (join(data.ids, kind, labels) for kind in kinds)
        found[path.stem.removeprefix('predictions_')] = recovered_components(true, data.predictions, first, second)
    return found


def components_table(found: Mapping[str, Mapping[str, Component]], factors: Sequence[str]) -> str:
    """Lay out what was recovered, one model a row, as Markdown."""
    shares = next(iter(found.values()))
    names = {
        'additive': f'{" + ".join(factors)}',
        'interaction': f'{" x ".join(factors)}',
        'within': f'within a {" and ".join(factors)}',
    }
    header = ['recovered of', *(f'{names[c]} ({shares[c].share:.0%} of the variance)' for c in COMPONENTS)]
    body = [[name, *(number(parts[c].recovered) for c in COMPONENTS)] for name, parts in found.items()]
    return markdown(header, body)
