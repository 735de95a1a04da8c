"""Exact resume: a run that is interrupted anywhere and goes on ends as if nothing had happened, to the last bit."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.hooks import Hook

from ssmr.config.load import load_config
from ssmr.engine.random_state import random_state, set_random_state
from ssmr.engine.signals import EXIT_STOPPED, stop_signals
from ssmr.registry import HOOKS
from ssmr.safe_load import safe_torch_load
from ssmr.stages import pipeline
from ssmr.stages.project import Project

STOP = 'StopAfter'
EPOCHS = (
    'train_cfg = dict(by_epoch=True, max_epochs=4, val_interval=2)\n'
    "default_hooks = dict(logger=dict(type='LoggerHook', interval=1), checkpoint=dict(type='CheckpointHook',"
    " interval=1, save_best='srcc', rule='greater', max_keep_ckpts=2))\n"
)
ITERATIONS = (
    'train_cfg = dict(by_epoch=False, max_iters=14, val_interval=4)\n'
    "default_hooks = dict(logger=dict(type='LoggerHook', interval=1), checkpoint=dict(type='CheckpointHook',"
    " by_epoch=False, interval=5, save_best='srcc', rule='greater'))\n"
)
STATEFUL = (
    "model['reasoner']['dropout'] = 0.3\n"
    "param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False, T_max=20)]\n"
    'train_dataloader = dict(batch_size=4)\n'
)
EMA = "custom_hooks = [dict(type='EMAHook', momentum=0.2)]\n"
STOPPING = (
    "custom_hooks = [dict(type='EarlyStoppingHook', monitor='srcc', rule='greater', patience=1, min_delta=3.0)]\n"
)
AMP = "optim_wrapper['type'] = 'Bf16OptimWrapper'\n"


@HOOKS.register_module(name=STOP, force=True)
class StopAfter(Hook):
    """Behaves as if SIGTERM came while the given iteration runs."""

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        if runner.iter + 1 == self.iteration:
            stop_signals.name = 'SIGTERM'


@pytest.fixture(autouse=True)
def no_signal() -> Any:
    yield
    stop_signals.name = None


def project(config: Path, work_dir: Path, stop_after: int | None = None, resume: bool = False) -> Project:
    cfg = load_config(config, [f'work_dir={work_dir}', f'resume={resume}'])
    if stop_after is not None:
        cfg.custom_hooks = [*cfg.get('custom_hooks', []), {'type': STOP, 'iteration': stop_after}]
    return Project(cfg)


def run(config: Path, work_dir: Path, stops: tuple[int, ...] = ()) -> None:
    """Train; interrupt after each of the iterations, and go on."""
    for number, stop in enumerate(stops):
        with pytest.raises(SystemExit) as stopped:
            pipeline.run(project(config, work_dir, stop, resume=number > 0), retrain=True)
        assert stopped.value.code == EXIT_STOPPED
        stop_signals.name = None
        torch.rand(7), np.random.rand(3)  # another process would begin with other generators
    pipeline.run(project(config, work_dir, resume=bool(stops)), retrain=True)


def scalars(work_dir: Path) -> dict[str, dict[int, float]]:
    """What the TensorBoard files of all runs say, but for times."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found: dict[str, dict[int, float]] = {}
    for folder in sorted({path.parent for path in work_dir.rglob('events.out.tfevents*')}):
        events = EventAccumulator(str(folder))
        events.Reload()
        for tag in events.Tags()['scalars']:
            if 'time' not in tag and tag != 'memory':
                found.setdefault(tag, {}).update({e.step: e.value for e in events.Scalars(tag)})
    return found


def final(work_dir: Path) -> dict[str, Any]:
    content: dict[str, Any] = safe_torch_load((work_dir / 'last_checkpoint').read_text())
    return content


def assert_same(a: Any, b: Any, where: str = '') -> None:
    assert type(a) is type(b), where
    if isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            assert_same(a[key], b[key], f'{where}.{key}')
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f'{where}[{i}]')
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    else:
        assert a == b, where


CASES = {
    'epochs': EPOCHS + STATEFUL,
    'iterations': ITERATIONS + STATEFUL,
    'epochs_ema_amp': EPOCHS + STATEFUL + EMA + AMP,
    'iterations_ema_amp': ITERATIONS + STATEFUL + EMA + AMP,
}


@pytest.mark.parametrize('stops', [(1,), (3,), (4,), (6, 7), (13,)])
@pytest.mark.parametrize('case', CASES)
def test_an_interrupted_run_ends_as_the_straight_one(
    tiny_config: Path, tmp_path: Path, case: str, stops: tuple[int, ...]
) -> None:
    tiny_config.write_text(tiny_config.read_text() + CASES[case])
    run(tiny_config, tmp_path / 'straight')
    run(tiny_config, tmp_path / 'interrupted', stops)
    straight, resumed = final(tmp_path / 'straight'), final(tmp_path / 'interrupted')
    for part in ('state_dict', 'optimizer', 'param_schedulers', 'random_states'):
        assert_same(straight[part], resumed[part], part)
    if 'ema' in case:
        assert_same(straight['ema_state_dict'], resumed['ema_state_dict'], 'ema')
    assert {k: straight['meta'][k] for k in ('epoch', 'iter', 'position')} == {
        k: resumed['meta'][k] for k in ('epoch', 'iter', 'position')
    }
    logs = scalars(tmp_path / 'straight')
    assert {'loss', 'srcc', 'lr'} <= set(logs)
    assert sorted(logs['srcc']) == ([4, 8, 12, 14] if case.startswith('iterations') else [2, 4])
    assert logs == scalars(tmp_path / 'interrupted')
    best = [safe_torch_load(tmp_path / name / 'best.pth')['state_dict'] for name in ('straight', 'interrupted')]
    assert_same(*best, 'best')


def test_what_is_not_restored_would_be_seen(tiny_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the random state the same comparison fails: the test above can fail."""
    tiny_config.write_text(tiny_config.read_text() + CASES['epochs'])
    run(tiny_config, tmp_path / 'straight')
    monkeypatch.setattr('ssmr.engine.loops.set_random_state', lambda state: None)
    run(tiny_config, tmp_path / 'interrupted', (6,))
    straight, resumed = final(tmp_path / 'straight')['state_dict'], final(tmp_path / 'interrupted')['state_dict']
    assert any(not torch.equal(straight[name], resumed[name]) for name in straight)


@pytest.mark.parametrize('stop', [2, 9])
def test_early_stopping_remembers_for_how_long_nothing_was_better(tiny_config: Path, tmp_path: Path, stop: int) -> None:
    tiny_config.write_text(
        tiny_config.read_text() + EPOCHS.replace('max_epochs=4', 'max_epochs=50') + STATEFUL + STOPPING
    )
    run(tiny_config, tmp_path / 'straight')
    run(tiny_config, tmp_path / 'interrupted', (stop,))
    ends = [final(tmp_path / name)['meta']['epoch'] for name in ('straight', 'interrupted')]
    assert ends[0] == ends[1] < 50
    pipeline.run(project(tiny_config, tmp_path / 'interrupted', resume=True), retrain=True)
    assert final(tmp_path / 'interrupted')['meta']['epoch'] == ends[0], 'a run that has ended stays ended'


def test_the_run_says_what_it_was_made_with(tiny_config: Path, tmp_path: Path) -> None:
    run(tiny_config, tmp_path / 'run')
    record = json.loads((tmp_path / 'run' / 'environment.json').read_text())
    assert torch.__version__.startswith(record['versions']['torch'])
    assert record['seed'] == 0 and record['processes'] == 1 and record['command']


@settings(max_examples=25)
@given(st.integers(0, 2**31), st.integers(0, 700), st.integers(0, 5))
def test_generators_are_restored_wherever_they_are(seed: int, drawn: int, normals: int) -> None:
    import random

    random.seed(seed), np.random.seed(seed % 2**31), torch.manual_seed(seed)
    for _ in range(normals):
        random.gauss(0, 1), np.random.normal(), torch.randn(1)
    np.random.rand(drawn), torch.rand(drawn + 1)
    state = random_state()
    expected = random.random(), random.gauss(0, 1), np.random.rand(5).tolist(), np.random.normal(), torch.randn(5)
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    set_random_state(state)
    found = random.random(), random.gauss(0, 1), np.random.rand(5).tolist(), np.random.normal(), torch.randn(5)
    assert found[:4] == expected[:4] and torch.equal(found[4], expected[4])


def test_random_states_survive_a_checkpoint(tmp_path: Path) -> None:
    torch.save({'random_states': [random_state()]}, tmp_path / 'a.pth')
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert_same(safe_torch_load(tmp_path / 'a.pth')['random_states'][0], random_state())
