"""Cutting images into bins of about equal size by a number they have."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ssmr.errors import ConfigError
from ssmr.evaluation.metrics import finite_vector


def quantile_bins(values: npt.ArrayLike, n_bins: int, name: str = 'values') -> list[npt.NDArray[np.int64]]:
    """Positions of the images in each quantile bin, lowest first.

    Edges are interpolated quantiles, and a value on an edge belongs to the bin below it, as in ``pandas.qcut``.
    Equal values share a bin, so that ties make bins unequal and may leave fewer of them.

    Args:
        values: [n] numbers to cut by.
        n_bins: At most as many bins.
        name: Of the values, for messages.

    Returns:
        Arrays of positions, none empty, together 0 to n - 1.

    Raises:
        ConfigError: n_bins is below 1.
        DataError: A value is not a finite number.
    """
    if n_bins < 1:
        raise ConfigError(f'the number of bins is {n_bins}', 'use at least 1')
    vector = finite_vector(values, name)
    edges = np.quantile(vector, np.linspace(0, 1, n_bins + 1)[1:-1])
    codes = np.searchsorted(edges, vector, side='left')
    return [np.flatnonzero(codes == code) for code in np.unique(codes)]
