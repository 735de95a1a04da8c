"""One run at a time on a data root."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ssmr.artifacts.files import disk_space
from ssmr.errors import DataError

LOCK = '.preparing.lock'


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Keep other runs off ``root``, which is made where it is missing; a run that was killed keeps nobody off.

    Raises:
        DataError: Another run is at work there, or the folder cannot be written.
        ArtifactError: The disk is full.
    """
    try:
        with disk_space(root):
            root.mkdir(parents=True, exist_ok=True)
            lock = FileLock(root / LOCK).acquire(timeout=0)
    except Timeout as error:
        raise DataError(f'another run is preparing {root}', 'let it finish, or stop it; then run this again') from error
    except OSError as error:
        raise DataError(f'cannot write in {root}: {error.strerror}', 'choose another --root') from error
    with lock:
        yield
