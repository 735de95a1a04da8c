"""The benchmark of the feature bank: a tiny case runs, and its synthetic data are what they should be."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

TOOLS = Path(__file__).resolve().parents[2] / 'tools/benchmark'


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOOLS / 'feature_bank.py'), *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_a_bank_smaller_than_a_batch_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path, '--works', '19', '--batch-size', '4')
    assert done.returncode == 2 and '--works must be 20 or more' in done.stderr


@pytest.mark.parametrize('works', [2, 7, 60])
def test_synthetic_references_keep_the_promises_of_an_index(monkeypatch: pytest.MonkeyPatch, works: int) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    _, index, _ = importlib.import_module('feature_bank').synthetic(works, 3, np.random.default_rng(0))
    index.validate(np.ones(works, dtype=bool), np.arange(works))
    assert index.num_references == min(50, works - 1)


def test_the_released_loader_reads_what_was_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    case = importlib.import_module('feature_bank')
    features, index, scores = case.synthetic(30, 3, np.random.default_rng(0))
    queries = np.array([4, 29, 4])
    dataset = case.released_dataset(tmp_path, features, index, scores, queries)
    assert len(dataset) == 3
    for item, row in enumerate(queries):
        nodes, label = dataset[item]
        np.testing.assert_array_equal(nodes, features[[row, *index.references[row, :4]]])
        assert label.dtype == torch.float32 and label.item() == np.float32(scores[row])
