"""Places where a test may kill the process, to show that whatever was written before is enough to go on from."""

from __future__ import annotations

import os
import signal

#: Name of a fault point, optionally with ``:N`` for the N-th time it is passed and ``@R`` for rank R alone. Only tests
#: set it.
VARIABLE = 'SSMR_TEST_KILL_AT'
_passed: dict[str, int] = {}


def fault_point(name: str) -> None:
    """Die here by SIGKILL if the environment says so; otherwise nothing.

    Args:
        name: What has just been done.
    """
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return
    where, _, rank = wanted.partition('@')
    place, _, count = where.partition(':')
    if name == place and rank in ('', os.environ.get('RANK', '0')):
        _passed[name] = _passed.get(name, 0) + 1
        if _passed[name] == int(count or 1):
            os.kill(os.getpid(), signal.SIGKILL)
