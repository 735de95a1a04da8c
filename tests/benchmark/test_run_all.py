"""All benchmarks in turn: none is forgotten, a failing one stops no other, and the table holds the new rows alone."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

TOOLS = Path(__file__).resolve().parents[2] / 'tools/benchmark'
#: What is no case, or cannot run without a GPU or pictures.
HELPERS = {'record', 'timing', 'pictures', 'accelerator', 'gram_projections', 'style_curve'}
OTHERS = {*HELPERS, 'run_all', 'estimate', 'gpu', 'duplicates'}


@pytest.fixture
def run_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    monkeypatch.syspath_prepend(str(TOOLS))
    monkeypatch.chdir(tmp_path)
    return importlib.import_module('run_all')


def test_every_benchmark_is_among_them(run_all: ModuleType) -> None:
    assert set(run_all.CASES) == {path.stem for path in TOOLS.glob('*.py')} - OTHERS


def test_a_failure_is_named_and_the_others_run(
    run_all: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    record = importlib.import_module('record')

    def measure(command: list[str], env: dict[str, str]) -> argparse.Namespace:
        name = Path(command[1]).stem
        if name != 'growth':
            record.record(name, 'a little', [1.0, 3.0, 2.0], {'slow': [8.0]}, 1.0, True, True, ['numpy'])
        return argparse.Namespace(returncode=int(name == 'growth'))

    measure([sys.executable, 'yesterday.py'], {})
    monkeypatch.setattr(run_all.subprocess, 'run', measure)
    monkeypatch.setattr(sys, 'argv', ['run_all.py', '--cases', 'start', 'growth', 'training'])
    with pytest.raises(SystemExit, match='failed: growth'):
        run_all.main()
    rows = (tmp_path / 'work_dirs/benchmark/table.md').read_text(encoding='utf-8').splitlines()[2:]
    assert rows == [
        f'| {name} | a little | 1 / 2 / 3 | slow: 8 / 8 / 8 | 1 | slow: 4 | 0.5 | yes | yes |'
        for name in ('start', 'training')
    ]
