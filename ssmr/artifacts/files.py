"""Files that are either whole or absent: temporary file, fsync, rename."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ssmr.artifacts.fault_points import fault_point
from ssmr.errors import ArtifactError


@contextmanager
def atomic_write(path: Path, mode: str = 'w') -> Iterator[IO[Any]]:
    """Open a temporary file beside ``path`` and rename it into place when the block succeeds.

    Args:
        path: The final file; its folder is created.
        mode: ``'w'`` (UTF-8 text) or ``'wb'``.

    Raises:
        ArtifactError: The disk is full; ``path`` is then as it was before.
    """
    with disk_space(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f'.{path.name}.', suffix='.tmp', dir=path.parent)
    try:
        encoding, newline = (None, None) if 'b' in mode else ('utf-8', '')
        with disk_space(path), os.fdopen(handle, mode, encoding=encoding, newline=newline) as file:
            os.fchmod(file.fileno(), 0o666 & ~_umask())  # mkstemp makes files private, others may need to read them
            yield file
            file.flush()
            os.fsync(file.fileno())
        fault_point(f'{path.name} written')
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    fault_point(f'{path.name} renamed')
    fsync_directory(path.parent)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


@contextmanager
def disk_space(path: Path) -> Iterator[None]:
    """Turn 'no space left' and 'quota exceeded' inside the block into an error that names ``path``."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise ArtifactError(
            f'no space left to write {path} ({error.strerror})',
            'free some space or point artifact_dir / work_dir to another disk; nothing that existed was changed',
        ) from error


def write_json(path: Path, value: object) -> None:
    """Write ``value`` as indented JSON, atomically."""
    with atomic_write(path) as file:
        json.dump(value, file, indent=1, sort_keys=True)
        file.write('\n')


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        ArtifactError: The file is absent or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError, RecursionError) as error:  # the last: brackets in brackets in brackets
        raise ArtifactError(f'cannot read {path}: {error}', 'remove its folder and run the command again') from error


def fsync_file(path: Path) -> None:
    """Force a written file to disk."""
    with open(path, 'rb') as file:
        os.fsync(file.fileno())


def fsync_directory(path: Path) -> None:
    """Force the names in a folder (creations, renames) to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as hexadecimal digits."""
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest() if hasattr(hashlib, 'file_digest') else _sha256(file)


def _sha256(file: IO[bytes]) -> str:
    digest = hashlib.sha256()  # Python 3.10 has no hashlib.file_digest
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()
