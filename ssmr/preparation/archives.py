"""Unpacking archives of strangers: into a folder of their own first, then moved; nothing leaves the target."""

from __future__ import annotations

import filecmp
import lzma
import os
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ssmr.artifacts.files import disk_space
from ssmr.errors import DataError
from ssmr.preparation.archive_members import Member, open_members
from ssmr.preparation.member_names import DISTRUST

#: How the standard library says that an archive is damaged or of a kind it does not know.
BROKEN = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, struct.error, NotImplementedError,
    RuntimeError, ValueError, OverflowError,
)  # fmt: skip
CHUNK = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What an archive may hold at most.

    Attributes:
        max_files: Members, folders included.
        max_bytes: Bytes really written, whatever the headers say.
        max_ratio: Bytes written for each byte of the archive, looked at above ``ratio_from``; pictures do not shrink,
            and tables by a factor of about ten.
        ratio_from: Bytes.
    """

    max_files: int = 400_000
    max_bytes: int = 500 * 10**9
    max_ratio: float = 200.0
    ratio_from: int = 64 << 20


DEFAULTS = Limits()


@dataclass
class Written:
    """How much came out of an archive."""

    files: int = 0
    size: int = 0


def unpack(archive: Path, target: Path, limits: Limits = DEFAULTS) -> Written:
    """Unpack a zip or tar archive into ``target``, all of it or nothing.

    Everything is written to ``target/.unpacking`` first, where a killed run leaves it and the next run removes it. Then
    it is moved: a folder that is new by one renaming, others file by file. A run that is killed in between leaves whole
    files, and the next one moves the others. Links in ``target`` are not followed. File modes and times are not taken
    over.

    Args:
        archive: zip, tar, tar.gz, tar.bz2 or tar.xz, by its ending.
        target: Made if missing. One process at a time.
        limits: What to refuse.

    Returns:
        What the archive held; files that were there already, with the same content, count too.

    Raises:
        DataError: The archive is missing, broken, encrypted or of another kind; has a member that is a link or no
            file, leaves the target or collides with another; is larger than ``limits``; or a file of another content
            is there already. Names the archive and the member. ``target`` is then as it was.
        ArtifactError: The disk is full.
    """
    if not archive.is_file():
        raise DataError(f'there is no archive {archive}', 'check the path of --archive')
    partial = target / '.unpacking'
    _remove(partial)
    try:
        with disk_space(target):
            _make(partial)
        with _broken_is_named(archive):
            written = _extract(archive, partial, limits)
        moves = list(_moves(partial, target, archive))
        for source, destination in moves:
            os.rename(source, destination)
    finally:
        _remove(partial)
    return written


def _extract(archive: Path, partial: Path, limits: Limits) -> Written:
    written = Written()
    most = min(limits.max_bytes, max(limits.ratio_from, limits.max_ratio * archive.stat().st_size))
    with open_members(archive, limits.max_files) as members:
        for member in members:
            path = partial / member.path
            with disk_space(path):
                (path if member.open is None else path.parent).mkdir(parents=True, exist_ok=True)
            if member.open is not None:
                with member.open() as source, disk_space(path), open(path, 'xb') as file:
                    for size in _copy(source, file):
                        written.size += size
                        if written.size > most:
                            raise _bomb(archive, member, most)
                written.files += 1
    return written


def _copy(source: IO[bytes], file: IO[bytes]) -> Iterator[int]:
    while block := source.read(CHUNK):
        yield len(block)  # before it is written, so that the limit holds on the disk too
        file.write(block)


def _bomb(archive: Path, member: Member, most: float) -> DataError:
    what = f'{archive}: with the member {member.name[:200]!a} it holds more than {most:,.0f} bytes'
    return DataError(f'{what}, for an archive of {archive.stat().st_size:,}', DISTRUST)


@contextmanager
def _broken_is_named(archive: Path) -> Iterator[None]:
    try:
        yield
    except (*BROKEN, OSError) as error:
        fix = 'download it again, and compare its size with what the site says'
        with open(archive, 'rb') as file:
            if file.read(256).lstrip().lower().startswith((b'<!doctype html', b'<html')):
                fix = 'it is a web page, not the archive: open the link in a browser and press its download button'
        raise DataError(f'{archive} cannot be unpacked: {error or type(error).__name__}', fix) from error


def _moves(folder: Path, target: Path, archive: Path) -> Iterator[tuple[Path, Path]]:
    """What to rename to where; both are on one file system."""
    for entry in sorted(os.scandir(folder), key=lambda e: e.name):
        source, destination = Path(entry.path), target / entry.name
        if not os.path.lexists(destination):
            yield source, destination
        elif source.is_dir() and destination.is_dir() and not destination.is_symlink():
            yield from _moves(source, destination, archive)
        elif not _same(source, destination):
            raise DataError(
                f'{archive}: {destination} is there already, and is '
                + ('a link' if destination.is_symlink() else 'something else than the member of that name'),
                'move it away, or remove the archive if what is there is what you want',
            )


def _same(source: Path, destination: Path) -> bool:
    plain = source.is_file() and destination.is_file() and not destination.is_symlink()
    return plain and filecmp.cmp(source, destination, shallow=False)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise DataError(f'cannot make {folder}: {error.strerror}', 'give --root a folder you may write') from error


def _remove(folder: Path) -> None:
    if folder.is_symlink() or folder.is_file():
        raise DataError(f'{folder} is not a folder', 'move it away: unpacking needs that name')
    shutil.rmtree(folder, ignore_errors=True)
