"""Assembling a runner from a checked config: its loops, loaders and hooks."""

from __future__ import annotations

import multiprocessing
import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from torch import nn

from ssmr.datasets.image_batches import ImageDataset, collate_images
from ssmr.datasets.reference_graph import RowDataset
from ssmr.datasets.samplers import BatchwiseSampler, DrawSampler, PassSampler
from ssmr.engine import ranks
from ssmr.engine.data_parallel import model_wrapper
from ssmr.engine.runner import SafeRunner

#: By ``train_cfg.by_epoch``.
LOOPS_BY_EPOCH = {True: 'ResumableEpochLoop', False: 'ResumableIterLoop'}


class RunnerConfig(Config):
    """A config whose text is quick to make: mmengine asks for it at every checkpoint, and yapf takes a second each."""

    @property
    def pretty_text(self) -> str:
        """Valid Python, one field a line."""
        return ''.join(f'{name} = {value!r}\n' for name, value in self.to_dict().items())


def build_runner(
    cfg: Config,
    model: nn.Module,
    datasets: Mapping[str, RowDataset | ImageDataset],
    metric: Mapping[str, Any],
    inputs: Mapping[str, Any],
    hooks: Sequence[Hook] = (),
) -> SafeRunner:
    """Assemble a runner for training (datasets 'train' and 'val') or testing (dataset 'test').

    Args:
        cfg: A checked config.
        model: The assessor with its data preprocessor.
        datasets: Loop name -> the rows of the table that it goes through, with pictures where the model reads them.
        metric: A part of METRICS.
        inputs: See :class:`SafeRunner`.
        hooks: Further hooks.
    """
    settings: dict[str, Any] = {}
    if 'train' in datasets:
        settings = {
            'train_dataloader': _loader(datasets['train'], cfg.get('train_dataloader', {}), shuffle=True),
            'train_cfg': _loop(cfg.train_cfg),
            'log_processor': {'by_epoch': bool(cfg.train_cfg.get('by_epoch'))},
            'optim_wrapper': cfg.optim_wrapper,
            'param_scheduler': cfg.get('param_scheduler') or None,
            'val_dataloader': _loader(datasets['val'], cfg.get('val_dataloader', {}), shuffle=False),
            'val_cfg': {},
            'val_evaluator': dict(metric),
            'custom_hooks': [*cfg.get('custom_hooks', []), *hooks],
        }
    if 'test' in datasets:
        settings = {
            'test_dataloader': _loader(datasets['test'], cfg.get('val_dataloader', {}), shuffle=False),
            'test_cfg': {},
            'test_evaluator': dict(metric),
            'custom_hooks': list(hooks),
        }
    distributed = get_world_size() > 1
    return SafeRunner(
        inputs=inputs,
        launcher='pytorch' if distributed else 'none',  # the processes have met already
        model=model,
        work_dir=cfg.work_dir,
        default_hooks=_default_hooks(cfg),
        visualizer={'type': 'Visualizer', 'vis_backends': [{'type': 'TensorboardVisBackend'}]}
        if 'train' in datasets
        else None,
        default_scope='ssmr',
        env_cfg={
            'mp_cfg': {'mp_start_method': multiprocessing.get_start_method()}
        },  # as it is: mmengine would change it
        log_level=cfg.get('log_level', 'INFO'),
        randomness=cfg.get('randomness', {'seed': 0}),
        load_from=cfg.get('load_from'),
        resume=bool(cfg.get('resume')),
        # mmengine keeps global state by this name
        experiment_name=f'{Path(cfg.work_dir).name}_{ranks.from_first(uuid.uuid4().hex[:8])}',
        cfg=RunnerConfig({**cfg.to_dict(), **({'model_wrapper_cfg': model_wrapper()} if distributed else {})}),
        **settings,
    )


def _default_hooks(cfg: Config) -> dict[str, Any]:
    """The config's; where training goes by iterations, its metrics are logged by iteration, too."""
    hooks = dict(cfg.get('default_hooks') or {})
    if hooks.get('logger', True) is not None:
        by_epoch = bool(cfg.train_cfg.get('by_epoch'))
        hooks['logger'] = {'type': 'LoggerHook', 'log_metric_by_epoch': by_epoch, **hooks.get('logger', {})}
    return hooks


def _loop(train_cfg: Mapping[str, Any]) -> dict[str, Any]:
    """The loop that can be interrupted, in the place of mmengine's."""
    options = {name: value for name, value in train_cfg.items() if name != 'by_epoch'}
    return {'type': LOOPS_BY_EPOCH[bool(train_cfg.get('by_epoch'))], **options}


def _loader(dataset: RowDataset | ImageDataset, settings: Mapping[str, Any], shuffle: bool) -> dict[str, Any]:
    images = isinstance(dataset, ImageDataset)
    workers = min(4, os.cpu_count() or 1) if images else 0  # an item of rows is one integer: workers would only cost
    batch_size = settings.get('batch_size', 32 if images else 128)
    training = {'type': DrawSampler if images else PassSampler, 'shuffle': True}
    return {
        'dataset': dataset,
        'sampler': training if shuffle else {'type': BatchwiseSampler, 'batch_size': batch_size},
        'batch_size': batch_size,
        'num_workers': settings.get('num_workers', workers),
        'pin_memory': images and torch.cuda.is_available(),
        'collate_fn': {'type': collate_images if images else 'default_collate'},
    }
