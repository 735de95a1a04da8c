"""When checkpoints are written, and which is the best."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import EarlyStoppingHook as PlainEarlyStoppingHook
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ssmr.errors import ConfigError
from ssmr.registry import HOOKS

BETTER = {'greater': lambda new, old: new > old, 'less': lambda new, old: new < old}


@HOOKS.register_module()
class CheckpointHook(Hook):
    """Writes a checkpoint at the end of rounds, after validation, and keeps the best one by a metric.

    It takes the place of mmengine's hook of that name, which deletes an old file before the new one is written and
    saves before it validates, so that a resumed run may never validate its last epoch.

    Args:
        interval: Epochs (in a loop by iterations: iterations) between two checkpoints; -1 for the last round alone.
        by_epoch: Whether the loop goes by epochs.
        max_keep_ckpts: How many to keep beside the best; -1 for all.
        save_best: The metric whose best checkpoint is kept; None for none.
        rule: 'greater' or 'less' is better.
        save_optimizer: Whether the checkpoints hold what only going on needs: optimizer, schedulers.

    Raises:
        ConfigError: An unknown rule.
    """

    priority = 'VERY_LOW'

    def __init__(
        self,
        interval: int = 1,
        by_epoch: bool = True,
        max_keep_ckpts: int = -1,
        save_best: str | None = None,
        rule: str = 'greater',
        save_optimizer: bool = True,
    ) -> None:
        if rule not in BETTER:
            raise ConfigError(f'default_hooks.checkpoint.rule is {rule!r}', 'use greater or less')
        self.interval, self.by_epoch, self.keep = interval, by_epoch, max_keep_ckpts
        self.save_best, self.rule, self.save_optimizer = save_best, rule, save_optimizer
        self._saved = -1

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Write the best checkpoint if this is it.

        Raises:
            ConfigError: The metrics have none of the name ``save_best``.
        """
        if self.save_best is None or not metrics:
            return
        if self.save_best not in metrics:
            raise ConfigError(
                f'default_hooks.checkpoint.save_best is {self.save_best!r}', f'use one of {", ".join(metrics)}'
            )
        value, hub = metrics[self.save_best], runner.message_hub
        best = hub.runtime_info.get('best_score')
        if value is None or value != value or (best is not None and not BETTER[self.rule](value, best)):
            return
        hub.update_info('best_score', value)
        name = f'best_{self.save_best}_{self._name(runner)}'.replace('/', '_')
        hub.update_info('best_ckpt', str(runner.checkpoints.folder / name))
        runner.commit_checkpoint(name, best=True)

    def after_round(self, runner: Runner) -> None:
        """Write a checkpoint if it is time, or if this was the last round."""
        done, end = (runner.epoch, runner.max_epochs) if self.by_epoch else (runner.iter, runner.max_iters)
        last = done >= end or runner.train_loop.stop_training
        if last or (self.interval > 0 and done % self.interval == 0):
            self.save_now(runner)

    def save_now(self, runner: Runner) -> None:
        """Write a checkpoint, unless that of this very moment is written."""
        if self._saved == runner.iter:
            return
        self._saved = runner.iter
        name = self._name(runner)
        runner.message_hub.update_info('last_ckpt', str(runner.checkpoints.folder / name))
        runner.commit_checkpoint(name, optimizer=self.save_optimizer, keep=self.keep)

    def _name(self, runner: Runner) -> str:
        if not self.by_epoch or runner.train_loop.position:  # in the middle of an epoch
            return f'iter_{runner.iter}.pth'
        return f'epoch_{runner.epoch}.pth'


@HOOKS.register_module()
class EarlyStoppingHook(PlainEarlyStoppingHook):
    """mmengine's hook, which forgets in a resumed run for how long nothing has become better; this one remembers."""

    STATE = 'early_stopping'

    def before_train(self, runner: Runner) -> None:
        """Take up the count where the checkpoint left it."""
        state: dict[str, Any] | None = runner.message_hub.runtime_info.get(self.STATE)
        if state is not None:
            self.best_score, self.wait_count = state['best_score'], state['wait_count']
            runner.train_loop.stop_training = state['stopped']

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float]) -> None:  # type: ignore[override]
        """Count, and note the count for the checkpoint."""
        super().after_val_epoch(runner, metrics)
        state = {
            'best_score': self.best_score,
            'wait_count': self.wait_count,
            'stopped': runner.train_loop.stop_training,
        }
        runner.message_hub.update_info(self.STATE, state)
