"""Running coroutines so that an error or Ctrl-C ends all of them, in order."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar('T')


def run_interruptible(coroutine: Coroutine[Any, Any, T]) -> T:
    """``asyncio.run``, with Ctrl-C cancelling the coroutine in every version of Python.

    Raises:
        KeyboardInterrupt: It was interrupted, and its tasks have ended.
    """
    try:
        return asyncio.run(_with_interrupt(coroutine))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _with_interrupt(coroutine: Coroutine[Any, Any, T]) -> T:
    """Python 3.10 raises KeyboardInterrupt in whichever task runs; asyncio.run of later versions cancels by itself."""
    task = asyncio.current_task()
    if sys.version_info < (3, 11) and task and threading.current_thread() is threading.main_thread():
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, task.cancel)  # closing the loop takes it back
    return await coroutine


async def all_or_none(coroutines: list[Coroutine[Any, Any, None]]) -> None:
    """Await all; when one fails or this is cancelled, end the others first (Python 3.10 has no TaskGroup)."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
