"""The benchmark of the GPU: with tiny sizes the same code runs on the processor, and finds all ways equal."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

TOOLS = Path(__file__).resolve().parents[2] / 'tools/benchmark'
SIZES = (
    '--works 60 --queries 70 --few 4 --dim 8 --k 5 --batches 3 --batch-size 4 --depth 1 --steps 2 --epochs 2 '
    '--arch least --images 1 --runs 1'
)
STEPS = ('float32', 'TF32', 'bfloat16', 'bfloat16, Adam in one kernel', 'bfloat16, CUDA graph')
ROWS = {
    'references': ['references'],
    'batches': ['batches', 'batches as graphs', 'batches, all at once'],
    'training': [*(f'training step, {name}' for name in STEPS), 'training epoch', 'whole training'],
    'extraction': ['extraction, float32', 'extraction, bfloat16'],
}


def run(folder: Path, *options: str, start: str = '') -> subprocess.CompletedProcess[str]:
    """Run the script, or a line of Python before it."""
    code = f'{start}\nimport runpy; runpy.run_path({str(TOOLS / "gpu.py")!r}, run_name="__main__")'
    command = [
        sys.executable,
        '-c',
        f'import sys; sys.path.insert(0, {str(TOOLS)!r}); {code}',
        *SIZES.split(),
        *options,
    ]
    one_thread = {**os.environ, 'OMP_NUM_THREADS': '1'}
    return subprocess.run(command, cwd=folder, env=one_thread, capture_output=True, text=True)


@pytest.mark.parametrize('cases', [['references', 'batches', 'training'], ['extraction']])
def test_every_case_runs(tmp_path: Path, cases: list[str]) -> None:
    done = run(tmp_path, '--device', 'cpu', '--cases', *cases)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / 'work_dirs/benchmark/results.jsonl').read_text().splitlines()]
    assert [line['case'] for line in lines] == [f'GPU, {name}' for case in cases for name in ROWS[case]]
    assert all(line['equal'] and line['device'] == 'cpu' and line['limit_s'] > 0 for line in lines)
    assert all(f'| {line["case"]} |' in done.stdout for line in lines)


def test_what_is_missing_or_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    without_pandas = 'sys.modules["pandas"] = None; import references; references.agree = lambda *a: False'
    done = run(tmp_path, '--device', 'cpu', '--cases', 'references', 'batches', start=without_pandas)
    assert 'batches: left out, pandas is not installed' in done.stdout
    assert 'released loop found others' in done.stderr
    assert done.returncode == 1 and done.stderr.strip().endswith('failed: references')


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')
def test_without_a_gpu_it_says_so(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 2 and 'torch sees no GPU' in done.stderr


def test_operations_are_those_of_the_multiplications(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    gpu, training = importlib.import_module('gpu'), importlib.import_module('training')
    with FlopCounterMode(display=False) as counter:
        training.multiplications(3 * 5, 8, 2, 1, torch.float32)()
    assert gpu.operations(argparse.Namespace(batch_size=3, dim=8, depth=2)) == counter.get_total_flops()


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_a_captured_graph_reads_its_places_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    gpu = importlib.import_module('accelerator').Accelerator('cuda')
    source, target = torch.ones(3, device='cuda'), torch.zeros(3, device='cuda')
    again = gpu.captured(lambda: torch.mul(source, 2, out=target))
    source.fill_(5)
    again()
    assert target.tolist() == [10, 10, 10]
