"""The one way pictures are made here: a figure of its own, without pyplot's global state, saved whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ssmr.artifacts.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of ``width`` by ``height`` inches, drawn by Agg: no display is needed."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout='constrained')
    FigureCanvasAgg(figure)
    return figure


def save_png(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whatever the name ends in; the folder is created.

    Raises:
        ArtifactError: The disk is full.
    """
    with atomic_write(Path(path), 'wb') as file:
        figure.savefig(file, format='png', dpi=150)
