"""Hooks of ssmr's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from ssmr.registry import HOOKS


@HOOKS.register_module()
class PredictionCollector(Hook):
    """Keeps what the test loop predicts.

    Attributes:
        samples: One dict ``row, score, prediction`` a work, in the order of the loop.
    """

    def __init__(self) -> None:
        self.samples: list[dict[str, Any]] = []

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Sequence[dict[str, Any]] | None = None
    ) -> None:
        """Take over the samples of one batch."""
        self.samples.extend(outputs or [])


@HOOKS.register_module()
class FreshOptimizerHook(Hook):
    """Makes the optimizer forget its moments every so many epochs, as the released SSMR code does with Adam.

    A defect of that code, kept for comparison: it creates Adam anew whenever it lowers the rate.

    Args:
        interval: Epochs between two fresh starts.
    """

    def __init__(self, interval: int = 3) -> None:
        self.interval = interval

    def after_train_epoch(self, runner: Runner) -> None:
        """Forget after every ``interval`` epochs."""
        if self.every_n_epochs(runner, self.interval):
            runner.optim_wrapper.optimizer.state.clear()
