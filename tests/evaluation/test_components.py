"""Taking scores apart by two factors: against cell means by pandas, and against answers known beforehand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ssmr.errors import DataError
from ssmr.evaluation.components import recovered_components

RNG = np.random.default_rng(0)
N = 240
FIRST, SECOND = np.tile(np.arange(4), 60), np.repeat(np.arange(3), 80)  # balanced: every cell has 20 works
WITHIN = RNG.normal(size=N)
WITHIN -= pd.Series(WITHIN).groupby([FIRST, SECOND]).transform('mean').to_numpy()
MAIN = np.array([0.0, 1, 2, 5])[FIRST] + np.array([0.0, 3, 1])[SECOND]
TABLE = RNG.normal(size=(4, 3))
TABLE -= TABLE.mean(axis=0) + TABLE.mean(axis=1, keepdims=True) - TABLE.mean()
CROSS = TABLE[FIRST, SECOND]
TRUTH = MAIN + CROSS + WITHIN


def test_shares_are_those_of_a_balanced_table_and_add_up() -> None:
    found = recovered_components(TRUTH, TRUTH, FIRST, SECOND)
    for name, part in {'additive': MAIN, 'interaction': CROSS, 'within': WITHIN}.items():
        assert found[name].share == pytest.approx(np.var(part) / np.var(TRUTH))
        assert found[name].recovered == pytest.approx(1)
    assert sum(c.share for c in found.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ('predictions', 'expected'),
    [
        (np.full(N, 3.0), (0, 0, 0)),
        (MAIN, (1, 0, 0)),
        (MAIN + CROSS, (1, 1, 0)),
        (MAIN.mean() + (MAIN - MAIN.mean()) / 2 + WITHIN, (0.75, 0, 1)),
        (-CROSS, (0, -3, 0)),
    ],
)
def test_what_a_prediction_holds_is_what_is_recovered(predictions: np.ndarray, expected: tuple) -> None:
    found = recovered_components(TRUTH, predictions, FIRST, SECOND)
    assert [c.recovered for c in found.values()] == pytest.approx(list(expected), abs=1e-9)


def test_unbalanced_cells_are_means_of_what_is_there() -> None:
    chosen = RNG.random(N) < 0.4
    truth, first, second = TRUTH[chosen], FIRST[chosen].astype(str), SECOND[chosen].astype(str)
    found = recovered_components(truth, truth, first, second)
    cells = pd.Series(truth).groupby([first, second]).transform('mean')
    assert found['within'].share == pytest.approx(np.var(truth - cells) / np.var(truth))
    assert sum(c.share for c in found.values()) == pytest.approx(1)


def test_a_part_that_the_truth_lacks_is_not_recovered_but_undefined() -> None:
    found = recovered_components(MAIN, MAIN + CROSS, FIRST, SECOND)
    assert found['interaction'].recovered is None and found['additive'].recovered == pytest.approx(1)


def test_what_cannot_be_taken_apart_is_refused() -> None:
    with pytest.raises(DataError, match='different lengths'):
        recovered_components(TRUTH, TRUTH[:-1], FIRST, SECOND)
    with pytest.raises(DataError, match='same for all'):
        recovered_components(np.ones(4), TRUTH[:4], FIRST[:4], SECOND[:4])


def test_the_tool_compares_files_of_predictions(repo: Path, tmp_path: Path) -> None:
    images = [f'{i}.png' for i in range(N)]
    labels = pd.DataFrame({'image': images, 'true_score': TRUTH, 'scene': FIRST, 'style': SECOND})
    labels.to_csv(tmp_path / 'labels.csv', index=False)
    kept = slice(0, 160)  # predictions of a part of the labelled works
    for name, values in {'all': TRUTH, 'main': MAIN}.items():
        frame = pd.DataFrame({'image': images[kept], 'score': TRUTH[kept], 'prediction': values[kept]})
        frame.to_csv(tmp_path / f'predictions_{name}.csv', index=False)
    files = [str(tmp_path / f'predictions_{name}.csv') for name in ('all', 'main')]
    command = [sys.executable, str(repo / 'tools/recovered_components.py'), *files]
    result = subprocess.run([*command, '--labels', str(tmp_path / 'labels.csv')], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    expected = recovered_components(TRUTH[kept], MAIN[kept], FIRST[kept], SECOND[kept])
    rows = {cells[1].strip(): cells for line in result.stdout.splitlines() if len(cells := line.split('|')) > 3}
    assert [float(c) for c in rows['all'][2:5]] == [1, 1, 1]
    assert [float(c) for c in rows['main'][2:5]] == pytest.approx([c.recovered for c in expected.values()], abs=1e-4)
    missing = subprocess.run([*command, '--labels', files[0]], capture_output=True, text=True)
    assert missing.returncode == 1 and 'true_score' in missing.stderr
