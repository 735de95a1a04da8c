"""mmengine's two training loops, which can stop between any two steps and go on exactly there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop

from ssmr.engine.random_state import set_random_state
from ssmr.engine.signals import EXIT_STOPPED, stop_signals
from ssmr.registry import LOOPS


class ResumableLoop:
    """What both loops share.

    A *round* ends where a checkpoint may be written: in the epoch loop after an epoch and its validation, in the
    iteration loop after an iteration and its validation. Hooks are told by ``after_round``; ``save_now`` asks them for
    a checkpoint at once.

    Attributes:
        position: Batches of the current pass over the data that are done.
        random_state: Of this rank, at the point from which a resumed run goes on; None in a run from the beginning.
    """

    runner: Any
    dataloader: Any
    position: int = 0
    random_state: dict[str, Any] | None = None

    def batches(self) -> Iterator[Any]:
        """The rest of the current pass.

        To begin to iterate over a loader draws a number. A checkpoint in the middle of a pass was written after that
        draw, one between two passes before it.
        """
        self.dataloader.sampler.start = self.position * self.dataloader.batch_size
        if self.position == 0:
            self._restore()
        found = iter(self.dataloader)
        self._restore()
        return found

    def _restore(self) -> None:
        if self.random_state is not None:
            set_random_state(self.random_state)
            self.random_state = None

    def end_round(self) -> None:
        """Tell the hooks, and stop if that was asked for."""
        self.runner.call_hook('after_round')
        self.stop_if_requested()

    def stop_if_requested(self) -> None:
        """Write a checkpoint and leave the process where a signal has asked for it.

        Raises:
            SystemExit: With :data:`ssmr.engine.signals.EXIT_STOPPED`.
        """
        if not stop_signals.requested():
            return
        self.runner.call_hook('save_now')
        who = stop_signals.name or 'a signal to another rank'
        self.runner.logger.warning(
            f'stopped by {who} after iteration {self.runner.iter}; go on with --resume (exit status {EXIT_STOPPED})'
        )
        stop_signals.leave()


@LOOPS.register_module()
class ResumableEpochLoop(ResumableLoop, EpochBasedTrainLoop):
    """Training by epochs; see :class:`ResumableLoop`."""

    def run(self) -> Any:
        """Train."""
        self.runner.call_hook('before_train')
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            self._decide_current_val_interval()
            if self._epoch >= self.val_begin and (
                self._epoch % self.val_interval == 0 or self._epoch == self._max_epochs
            ):
                self.runner.val_loop.run()
            self.end_round()
        self.runner.call_hook('after_train')
        return self.runner.model

    def run_epoch(self) -> None:
        """One epoch, or what is left of it."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        for index, batch in enumerate(self.batches(), self.position):
            self.run_iter(index, batch)
            self.position = index + 1
            if self.position < len(self.dataloader):  # after the last batch the end of the round is the better place
                self.stop_if_requested()
        self.position = 0
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1


@LOOPS.register_module()
class ResumableIterLoop(ResumableLoop, IterBasedTrainLoop):
    """Training by iterations, over the data again and again; see :class:`ResumableLoop`."""

    def run(self) -> Any:
        """Train."""
        self.runner.call_hook('before_train')
        self.runner.call_hook('before_train_epoch')
        batches: Iterator[Any] = iter(())
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.model.train()
            batch = next(batches, None)
            if batch is None:
                batches = self._next_pass()
                batch = next(batches)
            self.run_iter(batch)
            self.position = self._iter % len(self.dataloader)
            self._decide_current_val_interval()
            if self._iter >= self.val_begin and (self._iter % self.val_interval == 0 or self._iter == self._max_iters):
                self.runner.val_loop.run()
            self.end_round()
        self.runner.call_hook('after_train_epoch')
        self.runner.call_hook('after_train')
        return self.runner.model

    def _next_pass(self) -> Iterator[Any]:
        self.dataloader.sampler.set_epoch(self._iter // len(self.dataloader))
        return self.batches()
