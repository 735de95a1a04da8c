"""What is printed of a calibration."""

from __future__ import annotations

from ssmr.evaluation.calibration import Calibration
from ssmr.evaluation.report import markdown, number, with_interval

UNFITTED = 'scale c = 1, not fitted (--calibrate-on fits it on other images)'


def calibration_text(found: Calibration, column: str, fitted_on: str | None) -> str:
    """The bins, the rank correlation and the coverage as Markdown.

    Args:
        found: What ``assess_uncertainty`` returned.
        column: Where the sd comes from.
        fitted_on: The file the scale was fitted on; None where it is 1 because none was given.
    """
    scale = UNFITTED if fitted_on is None else f'scale c = {number(found.scale)}, fitted on {fitted_on}'
    bins = [[str(i), str(b.n), *map(number, (b.mean_sd, b.rmse, b.mae))] for i, b in enumerate(found.bins, 1)]
    levels = [[f'{c.level:.0%}', with_interval(c.share, {'share': (c.low, c.high)}, 'share')] for c in found.coverage]
    intervals = {} if found.srcc_interval is None else {'srcc': found.srcc_interval}
    parts = [
        f'Predicted sd: {column}; {scale}',
        markdown(['bin of sd', 'n', 'mean c sd', 'rmse', 'mae'], bins),
        f'SRCC of sd and absolute error: {with_interval(found.srcc, intervals, "srcc")}',
        markdown(['prediction +- z c sd', 'labels inside [low, high]'], levels),
    ]
    return '\n\n'.join(parts)
