"""What a run depends on: its seed, and not who decodes its pictures, or whether and how it was interrupted."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import ROOT, TINY_CONFIG, paint_works
from mmengine.hooks import Hook

from ssmr.config.load import load_config
from ssmr.engine.signals import EXIT_STOPPED, stop_signals
from ssmr.registry import HOOKS
from ssmr.safe_load import safe_torch_load
from ssmr.stages import pipeline
from ssmr.stages.project import Project

sys.path.append(str(ROOT / 'tests' / 'faults'))
from forked_runs import ForkedRuns, Job

#: Trains through the backbone with everything that draws: pictures cut and mirrored, dropout, an order by epoch.
PICTURES = """
model['encoder'] = dict(type='GlobalFeature', backbone=dict(type='EfficientNetLite0', out_indices=[2]),
                        weights=_weights, preprocess=dict(size=32, **_norm))
model['augmentation'] = dict(flip=0.5, min_area=0.5)
model['reasoner']['dropout'] = 0.3
train_dataloader = dict(batch_size=4, num_workers=0)  # 4 steps an epoch, the last one smaller
val_dataloader = dict(num_workers=0)
"""
#: Notes which algorithms the steps of training are made with.
NOTING = """
import json
from pathlib import Path
import torch
from mmengine.hooks import Hook
from ssmr.registry import HOOKS

@HOOKS.register_module()
class NoteSwitch(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        found = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.deterministic
        Path(runner.work_dir, 'switch.json').write_text(json.dumps(found))
"""
NOTED = "custom_imports = dict(imports=['note_switch'])\ncustom_hooks = [dict(type='NoteSwitch')]\n"
PARTS = ('state_dict', 'optimizer', 'param_schedulers', 'random_states')


@HOOKS.register_module(force=True)
class StopInStep(Hook):
    """Behaves as if SIGTERM came while a step is made."""

    def __init__(self, step: int) -> None:
        self.step = step

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        if runner.iter + 1 == self.step:
            stop_signals.name = 'SIGTERM'


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the config; its banks are made once."""
    found = tmp_path_factory.mktemp('determinism')
    text = TINY_CONFIG.format(
        root=str(paint_works(found / 'works')), artifacts=str(found / 'artifacts'), work_dir=str(found / 'none')
    )
    (found / 'pictures.py').write_text(text + PICTURES)
    return found


def train(root: Path, work_dir: Path, *options: str, workers: int = 0, stop: int | None = None) -> dict[str, Any]:
    """What the last checkpoint of a run holds."""
    loaders = [f'{split}_dataloader.num_workers={workers}' for split in ('train', 'val')]
    cfg = load_config(root / 'pictures.py', [f'work_dir={work_dir}', *loaders, *options])
    torch.rand(5)  # another process would begin with another generator
    if stop is None:
        pipeline.run(Project(cfg), retrain=True)
    else:
        cfg.custom_hooks = [{'type': 'StopInStep', 'step': stop}]
        try:
            with pytest.raises(SystemExit) as stopped:
                pipeline.run(Project(cfg), retrain=True)
        finally:
            stop_signals.name = None
        assert stopped.value.code == EXIT_STOPPED
    content: dict[str, Any] = safe_torch_load((work_dir / 'last_checkpoint').read_text())
    return content


@pytest.fixture(scope='module')
def straight(root: Path) -> dict[str, Any]:
    return train(root, root / 'straight')


def differences(one: Any, other: Any, where: str) -> list[str]:
    """Where two checkpoints are not the same to the last bit."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [found for key in one for found in differences(one[key], other[key], f'{where}.{key}')]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [
            found
            for i, pair in enumerate(zip(one, other, strict=True))
            for found in differences(*pair, f'{where}[{i}]')
        ]
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return [] if torch.equal(one, other) else [where]
    return [] if one == other else [where]


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one['meta']['iter'] == other['meta']['iter']
    assert [found for part in PARTS for found in differences(one[part], other[part], part)] == []


def weights_that_differ(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    return differences(one['state_dict'], other['state_dict'], '')


def test_the_seed_decides(root: Path, straight: dict[str, Any], tmp_path: Path) -> None:
    assert_same(train(root, tmp_path / 'again'), straight)
    other = train(root, tmp_path / 'other', 'randomness.seed=1')
    assert {'.reasoner.project.weight', '.head.linear.weight'} <= set(weights_that_differ(other, straight))


def test_the_number_of_workers_does_not(root: Path, straight: dict[str, Any], tmp_path: Path) -> None:
    assert_same(train(root, tmp_path / 'run', workers=2), straight)


@pytest.mark.parametrize(('before', 'after', 'step'), [(2, 0, 2), (0, 1, 7)])
def test_nor_does_it_where_a_run_stops_in_an_epoch_and_goes_on_with_another(
    root: Path, straight: dict[str, Any], tmp_path: Path, before: int, after: int, step: int
) -> None:
    stopped = train(root, tmp_path / 'run', workers=before, stop=step)
    assert (stopped['meta']['iter'], stopped['meta']['position']) == (step, step % 4)
    assert_same(train(root, tmp_path / 'run', 'resume=True', workers=after), straight)


@pytest.mark.parametrize('option', ['model.augmentation.flip=0.0', 'model.reasoner.dropout=0.0'])
def test_all_that_draws_is_seen_in_the_weights(
    root: Path, straight: dict[str, Any], tmp_path: Path, option: str
) -> None:
    """So that what the others compare does depend on what is drawn."""
    assert weights_that_differ(train(root, tmp_path / 'run', option), straight)


@pytest.fixture(scope='module')
def runs(root: Path) -> Iterator[ForkedRuns]:
    """Processes of their own: the switch is one of a whole process."""
    (root / 'note_switch.py').write_text(NOTING)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('PYTHONPATH', os.pathsep.join([str(root), *filter(None, [os.environ.get('PYTHONPATH')])]))
        found = ForkedRuns()
    yield found
    found.close()


def test_deterministic_runs_say_so_and_repeat(
    root: Path, runs: ForkedRuns, straight: dict[str, Any], tmp_path: Path
) -> None:
    """Beside them one without the option; the banks are there."""
    given = {'one': ['--deterministic'], 'other': ['--deterministic'], 'without': []}
    config = root / 'noting.py'
    config.write_text((root / 'pictures.py').read_text() + NOTED)
    jobs = [
        Job(
            str(ROOT / 'tools/train.py'),
            [str(config), '--work-dir', str(tmp_path / name), *options],
            str(tmp_path / f'{name}.log'),
        )
        for name, options in given.items()
    ]
    assert runs.run(*jobs) == [0, 0, 0], (tmp_path / 'one.log').read_text()
    switches = {name: json.loads((tmp_path / name / 'switch.json').read_text()) for name in given}
    assert switches == {'one': [True, True], 'other': [True, True], 'without': [False, False]}
    for name, options in given.items():
        record = json.loads((tmp_path / name / 'environment.json').read_text())
        assert record['deterministic'] is bool(options)
        assert ('--deterministic' in record['command']) is bool(options)
    ends = {name: safe_torch_load((tmp_path / name / 'last_checkpoint').read_text()) for name in given}
    assert_same(ends['one'], ends['other'])
    assert_same(ends['without'], straight)
