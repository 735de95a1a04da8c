"""One look for all progress: a bar with the remaining time on a terminal, a line a minute elsewhere."""

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
def progress(title: str, total: int, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """Show how far a loop is.

    Args:
        title: What is being done.
        total: Items in all.
        shown: False shows nothing: one of several ranks is enough.

    Yields:
        A function that takes the number of items just done.
    """
    console = Console(stderr=True)
    if not shown:
        yield lambda n: None
    elif not console.is_terminal:
        yield _Lines(title, total).advance
    else:
        columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        with Progress(TextColumn('{task.description}'), *columns, console=console) as bar:
            task = bar.add_task(title, total=total)
            yield lambda n: bar.advance(task, n)


class _Lines:
    """A line a minute, and one at the end."""

    def __init__(self, title: str, total: int) -> None:
        self._title, self._total, self._done = title, total, 0
        self._start = self._last = time.monotonic()

    def advance(self, n: int) -> None:
        """Take note of ``n`` more items."""
        self._done += n
        now = time.monotonic()
        if now - self._last < LINE_EVERY and self._done < self._total:
            return
        self._last = now
        left = (now - self._start) / max(self._done, 1) * (self._total - self._done)
        print(f'{self._title}: {self._done} of {self._total}, about {left / 60:.0f} min left', file=sys.stderr)
