"""Reliability of predicted spreads: what the sd promises against what the error is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ssmr.errors import DataError
from ssmr.evaluation.calibration import SdBin
from ssmr.visualization.figure import new_figure, save_png


def reliability_plot(bins: Sequence[SdBin], path: Path, title: str = '') -> None:
    """Draw the RMSE of each bin over its mean sd as PNG; on the diagonal the sd is the error.

    Args:
        bins: What ``assess_uncertainty`` returned; with the scale in their sds.
        path: The file; its folder is created.
        title: Above the axes.

    Raises:
        DataError: There are no bins.
        ArtifactError: The disk is full.
    """
    if not bins:
        raise DataError('there are no bins to draw', 'give at least one')
    sd, rmse = [b.mean_sd for b in bins], [b.rmse for b in bins]
    end = 1.05 * max(*sd, *rmse) or 1.0
    figure = new_figure(4.5, 4.5)
    axes = figure.add_subplot(
        title=title, xlabel='mean predicted sd', ylabel='RMSE', xlim=(0, end), ylim=(0, end), aspect='equal'
    )
    axes.plot([0, end], [0, end], color='grey', linestyle='--', label='sd = RMSE')
    axes.plot(sd, rmse, marker='o', label=f'{len(bins)} bins, {sum(b.n for b in bins)} images')
    axes.legend(loc='best')
    save_png(figure, path)
