"""Being asked to stop: SIGTERM and SIGUSR1 end a run at the next place from which it can go on exactly.

Schedulers send them before a time limit or a preemption. Between two steps of training a checkpoint is written; in the
other stages whatever is durable already (shards of features, whole artifacts) is what the next run goes on from.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import torch
from mmengine.dist import get_world_size
from torch import distributed

#: The exit status of a run that was asked to stop and can be started again: EX_TEMPFAIL of sysexits.h.
EXIT_STOPPED = 75
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class StopSignals:
    """Notes the signals of a process.

    Attributes:
        name: Of the signal that was received last; None while there was none.
    """

    def __init__(self) -> None:
        self.name: str | None = None
        self._deferring = False

    def install(self) -> None:
        """Handle the signals from now on."""
        for number in SIGNALS:
            signal.signal(number, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.name = signal.Signals(number).name
        if not self._deferring:
            raise SystemExit(EXIT_STOPPED)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Inside the block a signal is only noted; the block asks :meth:`requested` where it can stop."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False

    def requested(self) -> bool:
        """Whether this or, where there are several, any rank has been asked to stop; all ranks must ask together."""
        if get_world_size() == 1:
            return self.name is not None
        device = 'cuda' if distributed.get_backend() == 'nccl' else 'cpu'
        flag = torch.tensor(int(self.name is not None), device=device)
        distributed.all_reduce(flag, distributed.ReduceOp.MAX)
        return bool(flag.item())


#: Of this process.
stop_signals = StopSignals()
