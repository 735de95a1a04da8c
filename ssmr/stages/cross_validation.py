"""Repeated cross-validation of several variants ("arms") of a config, for data sets too small for one split.

In every fold references come from the fold's own training part, the epoch is selected on a part of what is not tested,
and the tested works are predicted once; a repeat so predicts every work once. Predictions are kept as they are made: a
run that is interrupted goes on, and an arm that is added later costs only itself.

Correlations are taken over all works of a repeat at once. A fold whose tested works are good has a training part whose
mean is low, so that even a constant, pooled over the folds, correlates with the labels (below zero): its SRCC is void.
"""

from __future__ import annotations

import copy
import multiprocessing
import shutil
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config

from ssmr.artifacts.files import read_json, write_json
from ssmr.config.fingerprint import fingerprint
from ssmr.config.load import import_custom
from ssmr.config.schema import validate
from ssmr.errors import ConfigError
from ssmr.evaluation.baselines import constant_baseline, id_baseline, knn_baselines
from ssmr.evaluation.folds import Fold
from ssmr.evaluation.frozen_models import ridge_on_all, svr_on_all
from ssmr.progress import progress
from ssmr.stages import pipeline
from ssmr.stages.evaluate import numbers_of, predict
from ssmr.stages.project import Project
from ssmr.stages.train import node_features, split_rows, train

#: What an arm may be instead of a trained model, as its option ``baseline``.
BASELINES = ('constant', 'ids', 'knn', 'ridge', 'svr')
RUNS_A_PROCESS = 100
Task = tuple[dict[str, Any], str, Fold]


def arm_configs(cfg: Config) -> dict[str, Config]:
    """The config of every arm: the study's config with the arm's options, checked.

    Args:
        cfg: A checked config; its ``arms`` are name -> dotted options. The option ``baseline`` makes an arm one of
            :data:`BASELINES`; ``knn`` then averages ``graph.num_references`` labels.

    Raises:
        ConfigError: An option is wrong; names the arm.
    """
    found = {}
    for name, options in (cfg.get('arms') or {'ssmr': {}}).items():
        changed = Config({k: v for k, v in cfg.to_dict().items() if k != 'arms'})
        baseline = options.get('baseline')
        try:
            changed.merge_from_dict({k: copy.deepcopy(v) for k, v in options.items() if k != 'baseline'})
            validate(changed)
        except (ConfigError, TypeError, KeyError) as error:
            raise ConfigError(f'arms.{name}: {error}', 'correct the options of this arm') from error
        if baseline is not None and baseline not in BASELINES:
            raise ConfigError(f'arms.{name}.baseline is {baseline!r}', f'use one of {", ".join(BASELINES)}')
        changed['arms'] = {name: {'baseline': baseline}}
        found[name] = changed
    return found


def cross_validate(cfg: Config, folds: list[Fold], jobs: int = 1) -> dict[str, np.ndarray]:
    """Predict every work in every repeat with every arm.

    Args:
        cfg: A checked config, with ``arms`` or without.
        folds: From :func:`ssmr.evaluation.folds.make_folds`.
        jobs: Processes; each computes with one thread where there are several.

    Returns:
        arm -> [repeats, N] predictions; NaN for works whose image could not be read.
    """
    shape = (1 + max(f.repeat for f in folds), len(folds[0].splits))
    found, tasks = {}, []
    for name, arm in arm_configs(cfg).items():
        found[name] = np.full(shape, np.nan)
        whole = Project(arm)
        pipeline.features(whole)  # once, with all cores, before the processes share them
        for fold in folds:
            known = _recorded(_in_fold(whole, name, fold))
            if known is None:
                tasks.append((arm.to_dict(), name, fold))
            else:
                found[name][fold.repeat, known['rows']] = known['predictions']
    with progress('cross-validation', len(tasks)) as advance:
        for name, repeat, rows, predictions in _results(tasks, jobs):
            found[name][repeat, rows] = predictions
            advance(1)
    return found


def _in_fold(whole: Project, name: str, fold: Fold) -> Project:
    """An arm's project with the splits of a fold, its own seed and work folder."""
    project = whole.with_splits(fold.splits)
    project.cfg = Config(whole.cfg.to_dict())
    project.cfg.work_dir = str(Path(whole.cfg.work_dir) / 'folds' / name / f'repeat{fold.repeat}_fold{fold.number}')
    project.cfg.randomness = {**whole.cfg.get('randomness', {}), 'seed': fold.repeat}
    return project


def _baseline_of(project: Project) -> str | None:
    [arm] = project.cfg.arms.values()
    baseline: str | None = arm['baseline']
    return baseline


def _inputs(project: Project) -> str:
    return fingerprint({'baseline': _baseline_of(project), **project.train_inputs()})


def _record(project: Project) -> Path:
    return Path(f'{project.cfg.work_dir}.json')


def _recorded(project: Project) -> dict[str, Any] | None:
    """What an earlier run kept of this fold, if it was made from the same inputs."""
    record = _record(project)
    known = read_json(record) if record.is_file() else {}
    return known if known.get('fingerprint') == _inputs(project) else None


def _results(tasks: list[Task], jobs: int) -> Iterable[tuple[str, int, list[int], list[float]]]:
    if jobs == 1:
        yield from map(_task, tasks)
        return
    # Spawned: a forked process inherits torch's threads. Anew after some runs: mmengine leaves log files open.
    context = multiprocessing.get_context('spawn')
    for start in range(0, len(tasks), jobs * RUNS_A_PROCESS):
        with ProcessPoolExecutor(jobs, context, _one_thread) as pool:
            running = [pool.submit(_task, task) for task in tasks[start : start + jobs * RUNS_A_PROCESS]]
            for done in as_completed(running):
                yield done.result()


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _task(task: Task) -> tuple[str, int, list[int], list[float]]:
    """One arm in one fold; its predictions are recorded."""
    settings, name, fold = task
    cfg = Config(settings)
    import_custom(cfg)
    project = _in_fold(Project(cfg), name, fold)
    inputs = _inputs(project)  # before training, which writes fewer checkpoints than the config says
    banks, index = pipeline.references(project)
    rows = split_rows(project, index, 'test')
    baseline = _baseline_of(project)
    made = _baseline(project, banks, index, rows, baseline) if baseline else _model(project, banks, index, rows)
    known = {'fingerprint': inputs, 'rows': rows.tolist(), 'predictions': made.tolist()}
    write_json(_record(project), known)
    shutil.rmtree(project.work_dir, ignore_errors=True)  # hundreds of checkpoints that nobody asked for
    return name, fold.repeat, known['rows'], known['predictions']


def _model(project: Project, banks: Any, index: Any, rows: np.ndarray) -> np.ndarray:
    cfg = project.cfg
    hooks = dict(cfg.get('default_hooks', {}))
    hooks['checkpoint'] = {**hooks.get('checkpoint', {}), 'type': 'CheckpointHook', 'save_optimizer': False}
    hooks['checkpoint'] |= {'interval': -1, 'max_keep_ckpts': 1}  # the best and the last are enough
    cfg.default_hooks, cfg.log_level = hooks, 'WARNING'
    return predict(project, banks, index, train(project, banks, index), rows)


def _baseline(project: Project, banks: Mapping[str, Any], index: Any, rows: np.ndarray, name: str) -> np.ndarray:
    scores = project.table.scores
    known = np.concatenate([split_rows(project, index, s) for s in ('train', 'val')])
    if name == 'constant':
        return constant_baseline(scores[known], len(rows))
    if name == 'ids':
        numbers = numbers_of(project.table, known, rows)
        if numbers is None:
            raise ConfigError('arms: the baseline ids needs a number in the name of every work', 'leave this arm out')
        return id_baseline(scores[known], numbers)
    if name == 'knn':
        k = project.cfg.graph.num_references
        return knn_baselines(scores[index.of(rows)], [k])[f'knn_{k}']
    features = node_features(project, banks)
    fit = {'ridge': ridge_on_all, 'svr': svr_on_all}[name]
    return fit(features[known], scores[known], features[rows])
