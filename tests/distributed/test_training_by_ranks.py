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
from mmengine.hooks import Hook
from rank_processes import run_ranks

from ssmr.config.load import load_config
from ssmr.engine import ranks
from ssmr.engine.signals import stop_signals
from ssmr.registry import HEADS, HOOKS, REASONERS
from ssmr.safe_load import safe_torch_load
from ssmr.stages import pipeline
from ssmr.stages.project import Project

FAULT = 'SSMR_TEST_KILL_AT'
STEPS = """
train_dataloader = dict(batch_size=2)
model['reasoner']['dropout'] = 0.3
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False, T_max=20)]
default_hooks['checkpoint']['max_keep_ckpts'] = 3
train_cfg = dict(by_epoch=True, max_epochs=3, val_interval=1)
val_dataloader = dict(batch_size=2)
"""
PLAIN = """
model['reasoner'] = dict(type='CrossAttention', dim=16, depth=1, heads=2, readout='query')
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1))
train_cfg = dict(by_epoch=False, max_iters=1, val_interval=1)
default_hooks['checkpoint'].update(by_epoch=False)
val_dataloader = dict(batch_size=2)
"""


@HOOKS.register_module(force=True)
class Witness(Hook):
    """Notes this rank's weights at the end of training, and may send the process a signal before a step."""

    priority = 'LOWEST'
    found: dict[str, torch.Tensor]

    def __init__(self, rank: int = -1, step: int = -1) -> None:
        self.rank, self.step = rank, step

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        if (ranks.rank(), runner.iter) == (self.rank, self.step):
            os.kill(os.getpid(), signal.SIGTERM)

    def after_train(self, runner: Any) -> None:
        model = getattr(runner.model, 'module', runner.model)
        Witness.found = {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def trained(config: Path, work_dir: Path, *options: str, rank: int = -1, step: int = -1) -> dict[str, np.ndarray]:
    """Train; the weights that this rank ends with. One rank may be stopped before a step."""
    cfg = load_config(config, [f'work_dir={work_dir}', *options])
    cfg.custom_hooks = [*cfg.get('custom_hooks', []), {'type': 'Witness', 'rank': rank, 'step': step}]
    stop_signals.install()
    pipeline.run(Project(cfg), retrain=True)
    return Witness.found


def stopped(config: Path, work_dir: Path, rank: int, step: int, *options: str) -> None:
    trained(config, work_dir, *options, rank=rank, step=step)


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


def validation(work_dir: Path) -> list[dict[str, float]]:
    """The metrics of every validation, as logged."""
    log = ''.join(path.read_text() for path in sorted(work_dir.glob('*/vis_data/scalars.json')))
    return [json.loads(line) for line in log.splitlines()]


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
    return found | {
        'embed': {**multi, 'reference_scores': 'embed'},
        'residual': {**multi, 'reference_scores': 'residual'},
        'ensemble': {'type': 'EnsembleAssessor', 'members': 2, 'assessor': multi},
        'end to end': {**multi, 'encoder': encoder, 'norm_eval': False},
        'single': {
            'type': 'SingleImageAssessor', 'backbone': lite, 'preprocess': preprocess, 'head': heads['ScoreHead'],
            'norm_eval': False,
        },
    }  # fmt: skip


def all_trained(config: Path, work_dir: Path) -> dict[str, dict[str, np.ndarray]]:
    """The weights after two steps, by model."""
    found = {}
    for name, model in models().items():
        cfg = load_config(config, [f'work_dir={work_dir / name}', 'train_cfg.max_iters=2'])
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
