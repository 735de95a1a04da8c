"""Each archive that the user put somewhere is unpacked once."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ssmr.artifacts.files import read_json, sha256_file, write_json
from ssmr.errors import ArtifactError, DataError
from ssmr.preparation.archive_members import suffix_of
from ssmr.preparation.archives import DEFAULTS, Limits, unpack
from ssmr.preparation.root_lock import locked

DOWNLOADS = 'downloads'
RECORD = '.unpacked.json'
#: Archives that cannot be read here: the user is told, rather than left to wonder.
_OTHERS = re.compile(r'\.(7z|rar)(\.\d+)?$|\.z\d\d$', re.IGNORECASE)


def unpack_once(root: Path, archives: Sequence[Path] = (), limits: Limits = DEFAULTS) -> list[str]:
    """Unpack the given archives and those in ``root/downloads``, but for those that were unpacked before.

    ``root/.unpacked.json`` remembers them by the checksum of their bytes; remove it to unpack them again.

    Args:
        root: Where to; made if an archive was given.
        archives: In this order, before those in ``root/downloads``, which come by name.
        limits: See :func:`ssmr.preparation.archives.unpack`.

    Returns:
        A sentence for each archive: what was done, or why not.

    Raises:
        DataError: See :func:`ssmr.preparation.archives.unpack`; or another run is at work in ``root``.
        ArtifactError: The disk is full.
    """
    found = sorted(path for path in (root / DOWNLOADS).glob('*') if path.is_file() and suffix_of(path))
    said = [f'{path}: not unpacked here; do it yourself (7z x {path.name})' for path in _others(root)]
    wanted = list(dict.fromkeys([*archives, *found]))
    if not wanted:
        return said
    with locked(root):
        return said + [_unpack_once(path, root, limits) for path in wanted]


def _unpack_once(archive: Path, root: Path, limits: Limits) -> str:
    if not archive.is_file():
        raise DataError(f'there is no archive {archive}', 'check the path of --archive')
    done, checksum = _record(root), sha256_file(archive)
    if checksum in done:
        return f'{archive}: unpacked before (remove {root / RECORD} to unpack it again)'
    written = unpack(archive, root, limits)
    if hasattr(os, 'sync'):
        os.sync()  # the record must not outlive what it records
    write_json(root / RECORD, {**done, checksum: {'archive': archive.name, 'files': written.files}})
    return f'{archive}: {written.files:,} files ({written.size / 1e6:,.1f} MB) unpacked'


def _record(root: Path) -> dict[str, Any]:
    """What is remembered; a record that cannot be read remembers nothing: unpacking twice does no harm."""
    try:
        record = read_json(root / RECORD)
    except ArtifactError:
        return {}
    return record if isinstance(record, dict) else {}


def _others(root: Path) -> list[Path]:
    return sorted(path for path in (root / DOWNLOADS).glob('*') if _OTHERS.search(path.name))
