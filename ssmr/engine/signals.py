"""Being asked to stop: SIGTERM and SIGUSR1 end a run at the next place from which it can go on exactly.

Schedulers send them before a time limit or a preemption. Between two steps of training a checkpoint is written; in the
other stages whatever is durable already (shards of features, whole artifacts) is what the next run goes on from.

Schedulers signal every process of a job, so the workers of loaders get them too; what is to become of those is for the
process that started them alone to say.

The status is 75; but 143 where one of several ranks gets SIGTERM outside of training, where it cannot know what the
others do.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from types import FrameType
from typing import NoReturn

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
        self._deferring = self._installed = False

    def install(self) -> None:
        """Handle the signals from now on, in this process; its children obey it alone."""
        if not self._installed:
            os.register_at_fork(after_in_child=obey_parent_alone)
        self._installed = True
        for number in SIGNALS:
            signal.signal(number, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.name = signal.Signals(number).name
        if self._deferring:
            return
        # SIGTERM is also how launchers clear away the others when a rank has failed, which is not to be tried again
        cleared_away = number == signal.SIGTERM and get_world_size() > 1
        self.leave(128 + number if cleared_away else EXIT_STOPPED)

    def leave(self, status: int = EXIT_STOPPED) -> NoReturn:
        """End the process with a status that later signals do not change.

        Launchers send SIGTERM to the others as soon as the first rank has left.

        Raises:
            SystemExit: With the status.
        """
        if self._installed:
            for number in SIGNALS:
                signal.signal(number, signal.SIG_IGN)
        raise SystemExit(status)

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


def obey_parent_alone() -> None:
    """In a forked process: let the signals end it where its parent sends them or is gone, and do nothing otherwise.

    A worker that a scheduler ends would be an error in the process that waits for its batch, and one that runs the
    parent's handler would leave in its name. A thread waits for them, since Python's handlers do not know the sender.
    """
    parent = os.getppid()
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)

    def wait() -> None:
        while signal.sigwaitinfo(SIGNALS).si_pid != parent and os.getppid() == parent:
            pass
        os._exit(0)

    Thread(target=wait, daemon=True).start()


#: Of this process.
stop_signals = StopSignals()
