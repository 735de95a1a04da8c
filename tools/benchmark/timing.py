"""Timing several ways to do the same work fairly: in turn, several times, in one process."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any


def in_turn(ways: Mapping[str, Callable[[], Any]], repeats: int = 5, warm_up: int = 1) -> dict[str, list[float]]:
    """Run every way once, then every way again, and so on, so that a machine that slows down slows all of them.

    Args:
        ways: Name -> the work. Work on a GPU must wait for its end itself.
        repeats: Rounds that count.
        warm_up: Rounds before them that do not.

    Returns:
        Name -> seconds of each run.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(warm_up + repeats):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            taken = time.perf_counter() - start
            if number >= warm_up:
                seconds[name].append(taken)
    return seconds
