"""Training by several ranks: they agree, they do what one process does where that is defined, and they go on."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from rank_processes import Job, run_ranks
from torch import nn

from ssmr.config.load import load_config
from ssmr.engine import ranks
from ssmr.engine.signals import EXIT_STOPPED, stop_signals
from ssmr.reasoners.base import Reasoner
from ssmr.registry import HEADS, HOOKS, REASONERS
from ssmr.safe_load import safe_torch_load
from ssmr.stages import pipeline
from ssmr.stages.project import Project

STEPS = """
train_dataloader = dict(batch_size=2)
model['reasoner']['dropout'] = 0.3
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False, T_max=20)]
default_hooks['checkpoint']['max_keep_ckpts'] = 3
train_cfg = dict(by_epoch=True, max_epochs=3, val_interval=1)
val_dataloader = dict(batch_size=2)
"""
PLAIN = """
model.update(reasoner=dict(type='PlainMean'), reference_scores='embed')
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1))
train_cfg = dict(by_epoch=False, max_iters=1, val_interval=1)
default_hooks['checkpoint'].update(by_epoch=False)
train_dataloader = dict(batch_size=8, num_workers=0)
val_dataloader = dict(batch_size=2, num_workers=0)
"""


@HOOKS.register_module(force=True)
class Witness(Hook):
    """Notes this rank's weights at the end of training, and may send one rank a signal while it does a step."""

    priority = 'LOWEST'
    found: dict[str, torch.Tensor]

    def __init__(self, rank: int = -1, step: int = -1, number: int = 0) -> None:
        self.rank, self.step, self.number = rank, step, number

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        if (ranks.rank(), runner.iter + 1) == (self.rank, self.step):
            os.kill(os.getpid(), self.number)

    def after_train(self, runner: Any) -> None:
        model = getattr(runner.model, 'module', runner.model)
        Witness.found = {name: tensor.numpy() for name, tensor in model.state_dict().items()}


class PlainMean(Reasoner):
    """Without batch normalisation and dropout: the gradient is the mean of those of the works."""

    def __init__(self, in_dim: int, num_references: int) -> None:
        super().__init__(in_dim, num_references, 16, 'mean')
        self.layer = nn.Linear(in_dim, 16)

    def reason(self, nodes: torch.Tensor, similarities: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        return torch.tanh(self.layer(nodes))


def load(config: Path, *options: str) -> Config:
    """The config, in a process of a rank: elsewhere other tests go through all registered parts."""
    REASONERS.register_module(module=PlainMean, force=True)
    return load_config(config, list(options))


def trained(config: Path, work_dir: Path, *options: str) -> dict[str, np.ndarray]:
    """Train; the weights that this rank ends with."""
    return interrupted(config, work_dir, -1, -1, 0, *options)


def interrupted(
    config: Path, work_dir: Path, rank: int, step: int, number: int, *options: str
) -> dict[str, np.ndarray]:
    """Train; one rank sends itself a signal while it does a step."""
    cfg = load(config, f'work_dir={work_dir}', *options)
    cfg.custom_hooks = [*cfg.get('custom_hooks', []), {'type': 'Witness', 'rank': rank, 'step': step, 'number': number}]
    stop_signals.install()
    pipeline.run(Project(cfg), retrain=True)
    return Witness.found


def last(work_dir: Path) -> dict[str, Any]:
    content: dict[str, Any] = safe_torch_load((work_dir / 'last_checkpoint').read_text())
    return content


def assert_same(one: Any, other: Any, where: str = '') -> None:
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_same(one[key], other[key], f'{where}.{key}')
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), where
        for index, pair in enumerate(zip(one, other, strict=True)):
            assert_same(*pair, f'{where}[{index}]')
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other), where
    else:
        assert one == other, where


def scalars(work_dir: Path) -> dict[str, dict[int, float]]:
    """What the TensorBoard files of all runs say, but for times."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found: dict[str, dict[int, float]] = {}
    for folder in sorted({path.parent for path in work_dir.rglob('events.out.tfevents*')}):
        events = EventAccumulator(str(folder))
        events.Reload()
        for tag in events.Tags()['scalars']:
            if 'time' not in tag:
                found.setdefault(tag, {}).update({e.step: e.value for e in events.Scalars(tag)})
    return found


def validations(work_dir: Path) -> dict[str, dict[int, float]]:
    """The metrics of every validation: the loss is only that of the first rank."""
    return {tag: values for tag, values in scalars(work_dir).items() if tag not in ('loss', 'lr', 'iter', 'epoch')}


@pytest.fixture
def steps(tiny_config: Path) -> Path:
    tiny_config.write_text(tiny_config.read_text() + STEPS)
    return tiny_config


def test_all_ranks_end_with_the_same_model(steps: Path, tmp_path: Path) -> None:
    run = tmp_path / 'two'
    one, other = run_ranks(2, trained, steps, run)
    assert one.keys() == other.keys()
    differ = [name for name in one if not np.array_equal(one[name], other[name])]
    assert differ == []
    assert all(np.array_equal(one[name], tensor.numpy()) for name, tensor in last(run)['state_dict'].items())
    assert len(list(run.rglob('events.out.tfevents*'))) == 1
    assert len(list(run.rglob('*.log'))) == 1
    assert json.loads((run / 'environment.json').read_text())['processes'] == 2


def test_the_first_step_is_that_of_one_process_with_as_many_works(tiny_config: Path, tmp_path: Path) -> None:
    tiny_config.write_text(tiny_config.read_text() + PLAIN)
    found = {}
    for count, each in ((1, 12), (2, 6), (3, 4)):
        run = tmp_path / str(count)
        found[count], *_ = run_ranks(count, trained, tiny_config, run, f'train_dataloader.batch_size={each}')
    nothing, *_ = run_ranks(1, trained, tiny_config, tmp_path / 'start', 'optim_wrapper.optimizer.lr=0.0')
    for name, weights in found[1].items():
        for count in (2, 3):
            np.testing.assert_allclose(found[count][name], weights, rtol=1e-4, atol=1e-6, err_msg=name)
    assert any(not np.allclose(found[1][name], nothing[name], rtol=1e-3) for name in nothing), 'the step is no trifle'


def test_validation_does_not_depend_on_the_number_of_ranks(tiny_config: Path, tmp_path: Path) -> None:
    """5 works in batches of 2; of 4 ranks one has no batch. A rate of 0 keeps the model what it is."""
    tiny_config.write_text(tiny_config.read_text() + PLAIN)
    found = []
    for count in (1, 2, 4):
        run_ranks(count, trained, tiny_config, tmp_path / str(count), 'optim_wrapper.optimizer.lr=0.0')
        found.append(validations(tmp_path / str(count)))
    assert found[0]['n'] == {1: 5.0} and 'srcc' in found[0] and 'rmse' in found[0]
    assert found[0] == found[1] == found[2]


class TestARunThatWasStopped:
    @pytest.fixture
    def straight(self, steps: Path, tmp_path: Path) -> dict[str, Any]:
        run_ranks(2, trained, steps, tmp_path / 'straight')
        return last(tmp_path / 'straight')

    @pytest.mark.parametrize(('rank', 'step'), [(0, 1), (1, 6), (1, 8)])
    def test_goes_on_to_the_same_end(
        self, steps: Path, tmp_path: Path, straight: dict[str, Any], rank: int, step: int
    ) -> None:
        """Three epochs of 4 steps each; only one rank gets the signal."""
        run = tmp_path / 'run'
        outcomes = Job(2, interrupted, steps, run, rank, step, signal.SIGTERM).outcomes()
        assert [o.status for o in outcomes] == [EXIT_STOPPED] * 2
        meta = last(run)['meta']
        assert meta['iter'] == step and meta['position'] == step % 4 and meta['world_size'] == 2
        run_ranks(2, trained, steps, run, 'resume=True')
        resumed = last(run)
        for part in ('state_dict', 'optimizer', 'param_schedulers', 'random_states'):
            assert_same(straight[part], resumed[part], part)
        assert scalars(run) == scalars(tmp_path / 'straight')

    def test_needs_as_many_ranks_unless_it_was_stopped_between_epochs(self, steps: Path, tmp_path: Path) -> None:
        within, between = tmp_path / 'within', tmp_path / 'between'
        Job(2, interrupted, steps, within, 0, 2, signal.SIGTERM).outcomes()
        for count in (1, 3):
            outcomes = Job(count, trained, steps, within, 'resume=True').outcomes()
            assert {o.error for o in outcomes} == {'CheckpointError'}
            assert f'in the middle of an epoch by 2 processes, not {count}' in outcomes[0].message
        Job(2, interrupted, steps, between, 0, 4, signal.SIGTERM).outcomes()
        run_ranks(1, trained, steps, between, 'resume=True')
        log = ''.join(path.read_text() for path in between.glob('*/*.log'))
        assert 'was written by 2 processes; with 1 the run goes on, but not exactly' in log
        assert last(between)['meta']['epoch'] == 3

    @pytest.mark.parametrize('victim', [0, 1, 2])
    def test_ends_with_its_killed_rank_and_goes_on_from_the_last_checkpoint(
        self, steps: Path, tmp_path: Path, victim: int
    ) -> None:
        outcomes = Job(3, interrupted, steps, tmp_path / 'run', victim, 5, signal.SIGKILL).outcomes(patience=30)
        assert outcomes[victim].status == -signal.SIGKILL
        assert all(o.status not in (0, None) for o in outcomes), 'nobody goes on alone'
        assert last(tmp_path / 'run')['meta']['epoch'] == 1
        run_ranks(3, trained, steps, tmp_path / 'run', 'resume=True')
        run_ranks(3, trained, steps, tmp_path / 'straight')
        assert_same(last(tmp_path / 'straight')['state_dict'], last(tmp_path / 'run')['state_dict'])


def models() -> dict[str, dict[str, Any]]:
    """Every registered reasoner and head, and every kind of assessor."""
    REASONERS.import_from_location()
    HEADS.import_from_location()
    small = {'type': 'RelationGCN', 'dim': 16, 'depth': 1}
    reasoners = {name: {'type': name} for name in REASONERS.module_dict} | {
        'RelationGCN': small,
        'NoReference': {'type': 'NoReference', 'reasoner': small},
    }
    heads = {name: {'type': name} for name in HEADS.module_dict} | {
        'DistributionHead': {'type': 'DistributionHead', 'bins': [0.0, 5.0, 10.0], 'sigma': 1.0}
    }
    lite = {'type': 'EfficientNetLite0', 'out_indices': [2]}
    preprocess = {'size': 32, 'mean': [127.0] * 3, 'std': [128.0] * 3}
    encoder = {'type': 'GlobalFeature', 'backbone': lite, 'preprocess': preprocess}
    multi = {'type': 'MultiReferenceAssessor', 'in_dim': 24, 'reasoner': small, 'head': heads['ScoreHead']}
    found = {name: {**multi, 'reasoner': part} for name, part in reasoners.items()}
    for name, head in heads.items():
        readout = 'pairs' if name == 'PairwiseHead' else 'query'
        found[name] = {**multi, 'reasoner': {**small, 'readout': readout}, 'head': head}
    single = {'type': 'SingleImageAssessor', 'preprocess': preprocess, 'head': heads['ScoreHead'], 'norm_eval': False}
    unused = {'type': 'mmpretrain.ResNet', 'depth': 18, 'out_indices': [1]}  # its last two stages learn nothing
    return found | {
        'embed': {**multi, 'reference_scores': 'embed'},
        'residual': {**multi, 'reference_scores': 'residual'},
        'ensemble': {'type': 'EnsembleAssessor', 'members': 2, 'assessor': multi},
        'end to end': {**multi, 'encoder': encoder, 'norm_eval': False},
        'single': {**single, 'backbone': lite},
        'stages without use': {**single, 'backbone': unused},
    }


def all_trained(config: Path, work_dir: Path) -> dict[str, dict[str, np.ndarray]]:
    """The weights after two steps, by model."""
    found = {}
    for name, model in models().items():
        cfg = load(config, f'work_dir={work_dir / name}', 'train_cfg.max_iters=2')
        cfg.model, cfg.custom_hooks = model, [{'type': 'Witness'}]
        pipeline.run(Project(cfg))
        found[name] = Witness.found
    return found


def test_every_kind_of_model_can_be_trained_by_two_ranks(tiny_config: Path, tmp_path: Path) -> None:
    tiny_config.write_text(tiny_config.read_text() + PLAIN)
    one, other = run_ranks(2, all_trained, tiny_config, tmp_path / 'run')
    assert len(one) > 12
    for model, weights in one.items():
        for name, values in weights.items():
            np.testing.assert_array_equal(values, other[model][name], err_msg=f'{model} {name}')


def trained_with_idle_parameter(config: Path, work_dir: Path) -> None:
    """Train a reasoner with a parameter that no step uses."""

    @REASONERS.register_module()
    class Idle(REASONERS.get('RelationGCN')):  # type: ignore[misc]
        def __init__(self, in_dim: int, num_references: int) -> None:
            super().__init__(in_dim, num_references, dim=16, depth=1)
            self.idle = nn.Parameter(torch.ones(3))

    cfg = load_config(config, [f'work_dir={work_dir}', 'model.reasoner._delete_=True', 'model.reasoner.type=Idle'])
    pipeline.run(Project(cfg))


def test_a_parameter_that_is_never_used_is_named(steps: Path, tmp_path: Path) -> None:
    outcomes = Job(2, trained_with_idle_parameter, steps, tmp_path / 'run').outcomes()
    assert [o.error for o in outcomes] == ['ConfigError'] * 2
    assert 'MultiReferenceAssessor has parameters without a gradient: reasoner.idle, for which' in outcomes[0].message
