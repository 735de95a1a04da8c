"""Does the predicted spread of an image tell how far its prediction is off?

For SSMR the predicted sd is that of the labels of the references, which is how much similar works differ, not an error
estimate: it may need a scale, which has to come from other images than those judged here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ssmr.errors import DataError
from ssmr.evaluation.bins import quantile_bins
from ssmr.evaluation.bootstrap import Interval
from ssmr.evaluation.metrics import FloatArray, finite_vector
from ssmr.evaluation.protocol import Protocol

LEVELS = (0.5, 0.8, 0.95)


class SdBin(NamedTuple):
    """The images of one bin of predicted sd: n, their mean (scaled) sd, and the error of their predictions."""

    n: int
    mean_sd: float
    rmse: float
    mae: float


class Coverage(NamedTuple):
    """Share of labels inside prediction +- z sd c, with its Wilson 95 % interval; ``level`` is what it should be."""

    level: float
    share: float
    low: float
    high: float


class Calibration(NamedTuple):
    """How well a predicted sd tells the error.

    Attributes:
        n: Number of images.
        scale: c, by which every sd was multiplied.
        bins: By predicted sd, lowest first.
        srcc: Spearman correlation of sd and absolute error; None where one is constant.
        srcc_interval: Its 95 % interval; None where undefined or without resamples.
        coverage: At 50, 80 and 95 %.
    """

    n: int
    scale: float
    bins: list[SdBin]
    srcc: float | None
    srcc_interval: Interval | None
    coverage: list[Coverage]

    def record(self) -> dict[str, Any]:
        """Plain values for JSON."""
        lists = {'bins': [b._asdict() for b in self.bins], 'coverage': [c._asdict() for c in self.coverage]}
        return {**self._asdict(), **lists}


def fit_scale(errors: npt.ArrayLike, sd: npt.ArrayLike) -> float:
    """The scale c at which the mean predicted variance is the mean squared error: c = sqrt(sum e^2 / sum sd^2).

    This is the root-mean-variance = RMSE condition that Levi et al. (Sensors 22, 2022) test in every bin, here for all
    images at once. Unlike the maximum-likelihood scale sqrt(mean((e / sd)^2)) it bears images whose sd is 0.

    Args:
        errors: [n] prediction less label.
        sd: [n] predicted sd.

    Raises:
        DataError: A number is not finite, the lengths differ, or an sd is negative or all are 0.
    """
    error, spread = _checked(errors, sd)
    if not spread.any():
        raise DataError('every predicted sd is 0', 'use more than one reference, or another column')
    return math.sqrt(float(np.sum(error**2) / np.sum(spread**2)))


def assess_uncertainty(
    errors: npt.ArrayLike, sd: npt.ArrayLike, scale: float = 1.0, n_bins: int = 10, protocol: Protocol | None = None
) -> Calibration:
    """Compare predicted sds with errors.

    Args:
        errors: [n] prediction less label.
        sd: [n] predicted sd, at least 0.
        scale: c, fitted on other images by ``fit_scale``.
        n_bins: At most as many quantile bins of sd; ties may leave fewer.
        protocol: Resamples of the interval; the usual one if None.

    Raises:
        DataError: A number is not finite, the lengths differ, there are fewer than two images, or an sd is negative.
        ConfigError: n_bins is below 1.
    """
    error, spread = _checked(errors, sd)
    spread, size = scale * spread, abs(error)
    protocol = protocol or Protocol()
    return Calibration(
        n=len(error),
        scale=scale,
        bins=[_bin(error[rows], spread[rows]) for rows in quantile_bins(spread, n_bins, 'sd')],
        srcc=protocol.metrics(size, spread)['srcc'],
        srcc_interval=protocol.intervals(size, spread, ['srcc']).get('srcc'),
        coverage=coverage(error, spread),
    )


def coverage(errors: FloatArray, sd: FloatArray, levels: Sequence[float] = LEVELS) -> list[Coverage]:
    """Share of [n] errors within z [n] sds of 0, where z is the normal quantile of each level."""
    from scipy import stats

    found = []
    for level in levels:
        inside = int(np.count_nonzero(abs(errors) <= stats.norm.ppf((1 + level) / 2) * sd))
        ends = stats.binomtest(inside, len(errors)).proportion_ci(method='wilson')
        found.append(Coverage(level, inside / len(errors), float(ends.low), float(ends.high)))
    return found


def _bin(error: FloatArray, sd: FloatArray) -> SdBin:
    return SdBin(len(error), float(sd.mean()), math.sqrt(float(np.mean(error**2))), float(abs(error).mean()))


def _checked(errors: npt.ArrayLike, sd: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    error, spread = finite_vector(errors, 'errors'), finite_vector(sd, 'sd')
    if len(error) != len(spread):
        raise DataError(f'{len(error)} errors but {len(spread)} sds', 'give one of each an image')
    if len(negative := np.flatnonzero(spread < 0)):
        raise DataError(f'sd[{negative[0]}] is {spread[negative[0]]}', 'a standard deviation is at least 0')
    return error, spread
