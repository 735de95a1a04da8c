"""The estimate is the arithmetic that it says it is."""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / 'tools/benchmark'
REQUIRED = ['--works', '1000', '--images-per-second', '10', '--gflops', '1']


def rows(*options: str) -> list[list[str]]:
    command = [sys.executable, str(TOOLS / 'estimate.py'), *REQUIRED, *options]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [[cell.strip() for cell in line.strip('|').split('|')] for line in lines[2:]]


def test_extraction_and_training_are_shared_and_references_are_not() -> None:
    table = {row[0]: row[1:] for row in rows('--machines', '4')}
    assert table['extraction'] == ['bank 4.1 MB a view', '1.7 min', '25.0 s']
    assert [several for name, (_, _, several) in table.items() if name.startswith('references')] == ['-'] * 3
    assert table['training, 20 epochs'][1] == '4.4 h'  # 20 x 1,000 x 3 x 2 x 5 nodes x 25 maps of 1,024 x 1,024 / 1e9


@pytest.mark.parametrize(('option', 'power'), [('works', 1), ('pool', 1), ('dim', 1), ('gflops', -1)])
def test_exact_search_grows_with_all_that_is_multiplied(
    option: str, power: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    estimate = importlib.import_module('estimate')
    given = {'works': 1e6, 'pool': 1e5, 'dim': 256, 'gflops': 100, 'images_per_second': 50, 'k': 50, 'references': 4}
    given |= {'depth': 6, 'epochs': 20, 'nprobe': 16, 'code': 64}

    def exact(**changed: float) -> float:
        return float(estimate.stages(argparse.Namespace(**{**given, **changed}))[1][2])

    assert exact() == pytest.approx(2 * 1e6 * 1e5 * 256 / 1e11)
    assert exact(**{option: 3 * given[option]}) == pytest.approx(3**power * exact())


def test_sizes_and_times_have_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    estimate = importlib.import_module('estimate')
    assert [estimate.seconds(s) for s in (59.94, 60, 7200, 86_400, 2 * 365 * 86_400)] == [
        '59.9 s', '1.0 min', '2.0 h', '1.0 days', '2.0 years',
    ]  # fmt: skip
    assert [estimate.size(b) for b in (500, 2e6, 3.04e9, 4e12)] == ['0.5 kB', '2.0 MB', '3.0 GB', '4.0 TB']
