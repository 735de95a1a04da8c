"""MMEngine's runner, made safe: checkpoints are data, never code, and say what they belong to."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from mmengine.runner.checkpoint import _load_checkpoint_to_model
from torch import nn

from ssmr.config.fingerprint import changed_fields
from ssmr.datasets.image_batches import DrawSampler, ImageDataset, collate_images
from ssmr.datasets.reference_graph import RowDataset
from ssmr.errors import CheckpointError
from ssmr.safe_load import safe_torch_load

#: Messages longer than this (environment, whole config, parameter lists) go to the log file only, and so do those
#: that repeat every epoch or that nobody but mmengine's authors can act on.
LONGEST_ON_CONSOLE = 400
LOG_FILE_ONLY = (
    "Exp name", "Saving checkpoint", "The previous best", "\"FileClient\"", "\"HardDiskBackend\"",
    "Distributed training is not used",
)  # fmt: skip


#: What must agree before a checkpoint's weights are used, and, when a run goes on, before its training state is. More
#: epochs or another schedule are no obstacle to going on.
WEIGHTS_FIELDS = ('model', 'graph', 'node_encoder', 'retriever')
RESUME_FIELDS = (*WEIGHTS_FIELDS, 'references', 'scores')


class RunnerConfig(Config):
    """A config whose text is quick to make: mmengine asks for it at every checkpoint, and yapf takes a second each."""

    @property
    def pretty_text(self) -> str:
        """Valid Python, one field a line."""
        return ''.join(f'{name} = {value!r}\n' for name, value in self.to_dict().items())


class SafeRunner(Runner):
    """The runner of all loops.

    Args:
        inputs: What the checkpoints belong to; written into each and compared when one is loaded.
        **settings: mmengine's own.
    """

    def __init__(self, inputs: Mapping[str, Any], **settings: Any) -> None:
        self.inputs = inputs
        super().__init__(**settings)

    def train(self) -> nn.Module:
        """Train; meanwhile numbers that fade away become zero instead of denormal, which CPUs are slow with."""
        torch.set_flush_denormal(True)
        try:
            return super().train()
        finally:
            torch.set_flush_denormal(False)  # it holds for the whole process, ours or not

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """Keep listings and chatter off the console; the log file has everything."""
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(_for_console)
        return logger

    def save_checkpoint(self, *args: Any, meta: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Write a checkpoint that carries the inputs."""
        super().save_checkpoint(*args, meta={**(meta or {}), 'ssmr_inputs': json.dumps(self.inputs)}, **kwargs)

    def load_checkpoint(
        self, filename: str, map_location: Any = 'cpu', strict: bool = True, revise_keys: Sequence[Any] = ()
    ) -> dict[str, Any]:
        """Load tensors and plain data; the config text in a checkpoint is dropped, because mmengine would execute it.

        Raises:
            CheckpointError: The file is unsafe, damaged, of another config, or does not fit the model.
        """
        fields = RESUME_FIELDS if self._resume else WEIGHTS_FIELDS
        expected = {name: self.inputs[name] for name in fields}
        checkpoint: dict[str, Any] = read_checkpoint(Path(filename), expected, str(map_location))
        for text in ('cfg', 'config'):
            checkpoint['meta'].pop(text, None)
        self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
        try:
            _load_checkpoint_to_model(self.model, checkpoint, strict, revise_keys=list(revise_keys))
        except RuntimeError as error:
            raise CheckpointError(
                f'{filename} does not fit the model: {error}', 'use the config it came from'
            ) from error
        self._has_loaded = True
        self.logger.info(f'Load checkpoint from {filename}')
        return checkpoint


def _for_console(record: logging.LogRecord) -> bool:
    text = record.getMessage()
    return len(text) < LONGEST_ON_CONSOLE and not text.startswith(LOG_FILE_ONLY)


def read_checkpoint(path: Path, expected: Mapping[str, Any], map_location: str = 'cpu') -> dict[str, Any]:
    """Read a checkpoint of ours and make sure that it belongs to this config.

    Args:
        path: The file.
        expected: The inputs that must agree with those in the checkpoint.
        map_location: Where the tensors go.

    Raises:
        CheckpointError: The file is missing, unsafe, damaged, or made by another config; names the fields.
    """
    checkpoint = safe_torch_load(path, map_location)
    meta = checkpoint.get('meta') if isinstance(checkpoint, dict) else None
    if not isinstance(meta, dict) or 'state_dict' not in checkpoint or 'ssmr_inputs' not in meta:
        raise CheckpointError(f'{path} is not a checkpoint that ssmr wrote', 'train with tools/train.py first')
    theirs = json.loads(meta['ssmr_inputs'])
    differ = changed_fields({k: theirs.get(k) for k in expected}, expected)
    if differ:
        raise CheckpointError(
            f'{path} belongs to another config: it differs in {", ".join(differ[:8])}',
            'give the config (and --cfg-options, --weights) that the checkpoint was trained with',
        )
    return checkpoint


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
            'train_cfg': cfg.train_cfg,
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
    return SafeRunner(
        inputs=inputs,
        model=model,
        work_dir=cfg.work_dir,
        default_hooks=cfg.get('default_hooks'),
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
        experiment_name=f'{Path(cfg.work_dir).name}_{uuid.uuid4().hex[:8]}',  # mmengine keeps global state by this name
        cfg=RunnerConfig(cfg.to_dict()),
        **settings,
    )


def _loader(dataset: RowDataset | ImageDataset, settings: Mapping[str, Any], shuffle: bool) -> dict[str, Any]:
    images = isinstance(dataset, ImageDataset)
    workers = min(4, os.cpu_count() or 1) if images else 0  # an item of rows is one integer: workers would only cost
    return {
        'dataset': dataset,
        'sampler': {'type': DrawSampler if images and shuffle else 'DefaultSampler', 'shuffle': shuffle},
        'batch_size': settings.get('batch_size', 32 if images else 128),
        'num_workers': settings.get('num_workers', workers),
        'pin_memory': images and torch.cuda.is_available(),
        'collate_fn': {'type': collate_images if images else 'default_collate'},
    }
