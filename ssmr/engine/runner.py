"""MMEngine's runner, made safe: checkpoints are data, never code, and say what they belong to."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_gather_object
from mmengine.logging import MMLogger
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmengine.runner.checkpoint import _load_checkpoint_to_model, weights_to_cpu
from mmengine.utils import apply_to
from torch import nn

from ssmr.artifacts.files import disk_space
from ssmr.engine import ranks
from ssmr.engine.checkpoint_content import (
    require_groups,
    require_messages,
    require_optimizer_state,
    require_progress,
    require_schedules,
    require_weights,
)
from ssmr.engine.checkpoint_files import read_checkpoint
from ssmr.engine.checkpoints import CheckpointFolder
from ssmr.engine.environment import versions
from ssmr.engine.published import SUFFIX
from ssmr.engine.random_state import random_state
from ssmr.engine.signals import stop_signals
from ssmr.errors import CheckpointError

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
#: What a run needs beside the weights to go on.
TRAINING_STATE = ('message_hub', 'optimizer', 'param_schedulers', 'random_states')
#: What comes of setting objects to a state that was not theirs.
MISFITS = (AssertionError, AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError)


class SafeRunner(Runner):
    """The runner of all loops.

    Args:
        inputs: What the checkpoints belong to; written into each and compared when one is loaded.
        **settings: mmengine's own.

    Attributes:
        checkpoints: Those of the work folder.
    """

    _resume: bool
    _load_from: str | None
    _has_loaded: bool

    def __init__(self, inputs: Mapping[str, Any], **settings: Any) -> None:
        self.inputs = inputs
        self.checkpoints = CheckpointFolder(settings['work_dir'])
        super().__init__(**settings)

    def train(self) -> nn.Module:
        """Train; meanwhile numbers that fade away become zero instead of denormal, which CPUs are slow with.

        Raises:
            SystemExit: A signal asked to stop; a checkpoint is written.
            ArtifactError: The disk is full; the last checkpoint is whole.
        """
        if not self._resume:
            ranks.together(lambda: self.checkpoints.forget() if ranks.is_first() else None)
        torch.set_flush_denormal(True)
        try:
            with stop_signals.deferred(), disk_space(self.checkpoints.folder):  # logs are written, too
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

    def commit_checkpoint(self, name: str, *, best: bool = False, optimizer: bool = True, keep: int = -1) -> None:
        """Write a checkpoint into the work folder; all ranks must call this, the first one writes.

        Args:
            name: Of the file.
            best: See :meth:`ssmr.engine.checkpoints.CheckpointFolder.commit`.
            optimizer: Whether with what only going on needs: optimizer, schedulers, random states.
            keep: See there.

        Raises:
            ArtifactError: The disk is full.
        """
        content = self._content(optimizer and not best)
        write = partial(self.checkpoints.commit, name, content, self.iter, best=best, keep=keep)
        ranks.together(lambda: write() if ranks.is_first() else None)
        self.logger.info(f'Saving checkpoint {name}')

    def _content(self, optimizer: bool) -> dict[str, Any]:
        """Everything that the run is, as tensors and plain data."""
        model = self.model.module if is_model_wrapper(self.model) else self.model
        meta = {
            'epoch': self.epoch,
            'iter': self.iter,
            'position': self.train_loop.position,
            'world_size': self.world_size,
            'seed': self.seed,
            'dataset_meta': getattr(self.train_dataloader.dataset, 'metainfo', None),
            'versions': versions(),
            'ssmr_inputs': json.dumps(self.inputs),
        }
        content = {
            'meta': meta,
            'state_dict': weights_to_cpu(model.state_dict()),
            'message_hub': apply_to(self.message_hub.state_dict(), _is_tensor, torch.Tensor.cpu),
        }
        if optimizer:
            content['optimizer'] = apply_to(self.optim_wrapper.state_dict(), _is_tensor, torch.Tensor.cpu)
            content['param_schedulers'] = [s.state_dict() for s in self.param_schedulers or []]
            content['random_states'] = all_gather_object(random_state())
        self.call_hook('before_save_checkpoint', checkpoint=content)
        return content

    def save_checkpoint(self, out_dir: str, filename: str, *args: Any, **kwargs: Any) -> None:
        """mmengine's name for writing a checkpoint, which hooks from elsewhere may call.

        Raises:
            CheckpointError: ``out_dir`` is not the work folder.
        """
        if Path(out_dir).resolve() != self.checkpoints.folder.resolve():
            raise CheckpointError(f'a hook writes a checkpoint to {out_dir}', f'write to {self.checkpoints.folder}')
        self.commit_checkpoint(filename, optimizer=kwargs.get('save_optimizer', True))

    def load_or_resume(self) -> None:
        """Load weights, or go on from the last intact checkpoint of the work folder or from a given one."""
        if self._resume and self._load_from is None and not self._has_loaded:
            [last, *_] = ranks.together(lambda: self._last_checkpoint() if ranks.is_first() else None)
            self._load_from = None if last is None else str(last)
            self._resume = last is not None
            if last is None:
                self.logger.warning(
                    f'--resume: there is no checkpoint in {self.checkpoints.folder}; the run begins anew'
                )
        super().load_or_resume()

    def _last_checkpoint(self) -> Path | None:
        last = self.checkpoints.last()
        if last is not None:
            self.checkpoints.tidy()  # of what a kill has left; there may be nothing more to write
        return last

    def resume(self, filename: str, *args: Any, **kwargs: Any) -> None:
        """Go on exactly where a checkpoint was written.

        Raises:
            CheckpointError: See :meth:`load_checkpoint`; or it holds weights alone; or the run stopped in the middle of
                an epoch with another number of processes.
        """
        if Path(filename).suffix == SUFFIX:
            raise CheckpointError(
                f'{filename} is a published model: it has no training state to go on from',
                'begin a new run with its weights: --cfg-options load_from=PATH instead of --resume',
            )
        try:
            super().resume(filename, *args, **kwargs)
            require_optimizer_state(self.optim_wrapper.optimizer)
        except MISFITS as error:
            raise CheckpointError(
                f'{filename} is damaged, or its training state is not of this config: {type(error).__name__}: {error}',
                'go on from another checkpoint, or begin a new run with its weights (load_from)',
            ) from error
        self._forget_lost_best()
        meta, states = self._resumed
        then = meta.get('world_size', 1)
        if then == self.world_size:
            self.train_loop.random_state = states[self.rank] if states else None
        elif meta.get('position', 0):
            raise CheckpointError(
                f'{filename} was written in the middle of an epoch by {then} processes, not {self.world_size}',
                f'go on with {then} processes, or from a checkpoint at the end of an epoch',
            )
        else:
            self.logger.warning(
                f'{filename} was written by {then} processes; with {self.world_size} the run goes on, but not exactly '
                'as it would have: batches and random numbers are divided otherwise'
            )
        self.train_loop.position = meta.get('position', 0)

    def _forget_lost_best(self) -> None:
        """Where the best checkpoint is not in this folder any more, the best from now on is the best."""
        best = self.message_hub.runtime_info.get('best_ckpt')
        if best is None or ranks.from_first(self.checkpoints.holds(Path(best).name)):
            return
        self.logger.warning(f'the best checkpoint so far, {best}, is not in {self.checkpoints.folder}: it is forgotten')
        for name in ('best_ckpt', 'best_score'):
            self.message_hub.pop_info(name)

    def load_checkpoint(
        self, filename: str, map_location: Any = 'cpu', strict: bool = True, revise_keys: Sequence[Any] = ()
    ) -> dict[str, Any]:
        """Load tensors and plain data; the config text in a checkpoint is dropped, because mmengine would execute it.

        Raises:
            CheckpointError: The file is not what was written, unsafe, damaged, of another config, or does not fit.
        """
        CheckpointFolder(Path(filename).parent).require_intact(Path(filename))
        fields = RESUME_FIELDS if self._resume else WEIGHTS_FIELDS
        expected = {name: self.inputs[name] for name in fields}
        checkpoint = read_checkpoint(Path(filename), expected, str(map_location))
        self._require_form(filename, checkpoint)
        for text in ('cfg', 'config'):
            checkpoint['meta'].pop(text, None)
        try:
            self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
            _load_checkpoint_to_model(self.model, checkpoint, strict, revise_keys=list(revise_keys))
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(
                f'{filename} does not fit the model: {error}', 'use the config it came from'
            ) from error
        self._has_loaded = True
        self._resumed = checkpoint['meta'], checkpoint.pop('random_states', [])
        self.logger.info(f'Load checkpoint from {filename}')
        return checkpoint

    def _require_form(self, filename: str, content: dict[str, Any]) -> None:
        """Refuse what this run would not have written itself: nothing below can be trusted to notice."""
        model = self.model.module if is_model_wrapper(self.model) else self.model
        own = model.state_dict()
        missing = [name for name in TRAINING_STATE if name not in content] if self._resume else []
        if missing:
            raise CheckpointError(
                f'{filename} holds weights alone: it lacks {", ".join(missing)}',
                'go on from a checkpoint epoch_N.pth or iter_N.pth (written with save_optimizer=True)',
            )
        try:
            require_weights(content['state_dict'], own, 'state_dict')
            if 'ema_state_dict' in content:
                require_weights(content['ema_state_dict'], own, 'ema_state_dict', 'module.')
            if self._resume:
                same = content['meta'].get('world_size') == self.world_size
                require_progress(content, len(self.train_dataloader) if same else None)
                require_messages(content['message_hub'])
                require_schedules(content['param_schedulers'], [s.state_dict() for s in self.param_schedulers or []])
                require_groups(content['optimizer'], self.optim_wrapper.state_dict())
        except ValueError as error:
            raise CheckpointError(
                f'{filename} does not fit the model, or is damaged: {error}',
                'use the config it came from, or another checkpoint',
            ) from error


def _is_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor)


def _for_console(record: logging.LogRecord) -> bool:
    text = record.getMessage()
    return len(text) < LONGEST_ON_CONSOLE and not text.startswith(LOG_FILE_ONLY)
