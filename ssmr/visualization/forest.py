"""Point estimates with their intervals, one row each: a table of results as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ssmr.errors import DataError
from ssmr.visualization.figure import new_figure, save_png

Row = tuple[float | None, float | None, float | None]


def forest_plot(
    rows: Mapping[str, Row], path: Path, title: str = '', xlabel: str = '', reference: float | None = None
) -> None:
    """Draw estimates with intervals as PNG, the first row on top.

    Args:
        rows: (value, low, high) by name. A value that is None is undefined: its row is named but has no point. An
            interval whose ends are None is left out. The value need not lie between the ends.
        path: The file; its folder is created.
        title: Above the axes.
        xlabel: What the values are.
        reference: Where to draw a vertical line: 0 for differences, or a baseline's value.

    Raises:
        DataError: There are no rows, or low is above high.
        ArtifactError: The disk is full.
    """
    if not rows:
        raise DataError('there are no rows to draw', 'give at least one result')
    figure = new_figure(6.5, 1.2 + 0.35 * len(rows))
    axes = figure.add_subplot(title=title, xlabel=xlabel)
    if reference is not None:
        axes.axvline(reference, color='grey', linestyle='--', linewidth=1)
    for height, (name, (value, low, high)) in enumerate(rows.items()):
        if low is not None and high is not None:
            if low > high:
                raise DataError(f'row {name}: low is {low}, high is {high}', 'give the ends as (value, low, high)')
            axes.hlines(height, low, high, color='tab:blue')
        if value is not None:
            axes.plot(value, height, marker='o', color='tab:blue')
    names = [name if row[0] is not None else f'{name} (undefined)' for name, row in rows.items()]
    axes.set_yticks(range(len(rows)), names)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    save_png(figure, path)
