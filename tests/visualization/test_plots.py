"""Plots are PNG files that show what they were given; no display, no pyplot, no matplotlib before one is drawn."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from ssmr.errors import DataError
from ssmr.evaluation.calibration import SdBin
from ssmr.visualization import figure as figures
from ssmr.visualization.forest import forest_plot
from ssmr.visualization.reliability import reliability_plot

BINS = [SdBin(10, 0.5, 0.7, 0.5), SdBin(10, 1.0, 0.9, 0.6)]
ROWS = {'ours': (0.3, 0.2, 0.4), 'one\nother': (0.1, None, None), 'constant': (None, None, None)}


@pytest.fixture
def drawn(monkeypatch):
    """The axes that are saved."""
    found = []
    save = figures.save_png

    def keep(figure, path):
        found.append(figure.axes[0])
        save(figure, path)

    for name in ('forest', 'reliability'):
        monkeypatch.setattr(f'ssmr.visualization.{name}.save_png', keep)
    return found


def colours(path):
    with Image.open(path) as image:
        assert image.format == 'PNG'
        return len(np.unique(np.asarray(image.convert('RGB')).reshape(-1, 3), axis=0))


def test_the_reliability_plot_has_the_bins_and_the_diagonal(tmp_path, drawn):
    path = tmp_path / 'new' / 'plot.png'
    reliability_plot(BINS, path, 'val')
    assert colours(path) > 10
    [axes] = drawn
    diagonal, bins = (line.get_xydata().tolist() for line in axes.lines)
    assert all(x == y for x, y in diagonal)
    assert bins == [[0.5, 0.7], [1.0, 0.9]]
    assert axes.get_title() == 'val'
    assert axes.get_xlim() == axes.get_ylim() == (0, pytest.approx(1.05))


def test_a_perfect_and_certain_model_can_be_drawn(tmp_path, drawn):
    reliability_plot([SdBin(3, 0.0, 0.0, 0.0)], tmp_path / 'plot.png')
    assert drawn[0].get_xlim() == (0, 1)


def test_the_forest_has_a_row_each_and_the_first_on_top(tmp_path, drawn):
    forest_plot(ROWS, tmp_path / 'forest.png', 'BAID', 'SRCC', reference=0.25)
    assert colours(tmp_path / 'forest.png') > 10
    [axes] = drawn
    assert [label.get_text() for label in axes.get_yticklabels()] == ['ours', 'one\nother', 'constant (undefined)']
    reference, *points = (line.get_xydata().tolist() for line in axes.lines)
    assert [x for x, _ in reference] == [0.25, 0.25]
    assert points == [[[0.3, 0]], [[0.1, 1]]]
    [interval] = [segment.tolist() for lines in axes.collections for segment in lines.get_segments()]
    assert interval == [[0.2, 0], [0.4, 0]]
    low, high = axes.get_ylim()
    assert low > high  # the first row on top
    assert (axes.get_title(), axes.get_xlabel()) == ('BAID', 'SRCC')


def test_the_reference_line_can_be_left_out(tmp_path, drawn):
    forest_plot({'ours': (0.3, 0.2, 0.4)}, tmp_path / 'forest.png')
    assert len(drawn[0].lines) == 1


@pytest.mark.parametrize(
    ('draw', 'message'),
    [
        (lambda path: forest_plot({}, path), 'no rows'),
        (lambda path: forest_plot({'ours': (0.3, 0.4, 0.2)}, path), 'row ours: low is 0.4, high is 0.2'),
        (lambda path: reliability_plot([], path), 'no bins'),
    ],
)
def test_nothing_is_written_of_what_cannot_be_drawn(tmp_path, draw, message):
    with pytest.raises(DataError, match=message):
        draw(tmp_path / 'plot.png')
    assert list(tmp_path.iterdir()) == []


def test_matplotlib_waits_for_a_plot_and_pyplot_is_never_used(tmp_path):
    code = (
        'import sys\n'
        'from ssmr.visualization.forest import forest_plot\n'
        'import ssmr.visualization.reliability\n'
        'assert "matplotlib" not in sys.modules\n'
        f'forest_plot({{"a": (1, 0, 2)}}, {str(tmp_path / "plot.png")!r})\n'
        'assert "matplotlib.pyplot" not in sys.modules\n'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
