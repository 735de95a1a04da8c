"""How far a long download is: a bar with the remaining time on a terminal, a line a minute elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

#: Seconds between two lines where there is no terminal (a job's log file).
LINE_EVERY = 60.0


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[], None]]:
    """Show how far a loop is; yields a function to call after each item."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(title, total).advance
        return
    columns = (
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=total)
        yield lambda: bar.advance(task)


class _Lines:
    def __init__(self, title: str, total: int) -> None:
        self._title, self._total, self._done = title, total, 0
        self._start = self._last = time.monotonic()

    def advance(self) -> None:
        self._done += 1
        now = time.monotonic()
        if now - self._last < LINE_EVERY and self._done < self._total:
            return
        self._last = now
        left = (now - self._start) / self._done * (self._total - self._done)
        print(f'{self._title}: {self._done} of {self._total}, about {left / 60:.0f} min left', file=sys.stderr)
