"""What an archive holds: its files and folders in order, each checked before its bytes are touched."""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from ssmr.errors import DataError
from ssmr.preparation.member_names import DISTRUST, MemberNames

TAR_OPENERS: dict[str, Callable[[Path], Any]] = {
    '.tar': partial(open, mode='rb'),
    '.tar.gz': gzip.open, '.tgz': gzip.open,
    '.tar.bz2': bz2.open, '.tbz2': bz2.open,
    '.tar.xz': lzma.open, '.txz': lzma.open,
}  # fmt: skip
SUFFIXES = ('.zip', *TAR_OPENERS)
#: A tar's headers are read whole; names and comments need no more than this.
MAX_HEADER_BYTES = 1 << 20
BLOCK = 512
MAX_PADDING = 64 << 20


@dataclass(frozen=True)
class Member:
    """A file or a folder of an archive.

    Attributes:
        name: As the archive gives it.
        path: Where it belongs, relative to the target.
        open: Opens the bytes of a file; None for a folder.
    """

    name: str
    path: PurePosixPath
    open: Callable[[], IO[bytes]] | None


def suffix_of(archive: Path) -> str | None:
    """The ending of an archive that can be unpacked, or None."""
    return next((s for s in sorted(SUFFIXES, key=len, reverse=True) if archive.name.lower().endswith(s)), None)


@contextmanager
def open_members(archive: Path, max_files: int) -> Iterator[Iterator[Member]]:
    """Open a zip or tar archive.

    Args:
        archive: Its ending says what it is, see SUFFIXES.
        max_files: Most members that it may have.

    Raises:
        DataError: Another kind of archive, too many members; or, while the members are read, one that is encrypted, a
            link or a device, or has a name that :class:`MemberNames` refuses.
    """
    suffix = suffix_of(archive)
    if suffix is None:
        raise DataError(
            f'{archive} is no archive of a kind that is unpacked here ({", ".join(SUFFIXES)})', _by_hand(archive)
        )
    names = MemberNames(archive)
    if suffix == '.zip':
        with zipfile.ZipFile(archive) as zipped:
            yield _limited(_zip_members(zipped, names), names, max_files)
    else:
        with TAR_OPENERS[suffix](archive) as raw:
            blocks = _Blocks(raw, archive)
            with tarfile.TarFile(fileobj=blocks, mode='r') as tar:  # type: ignore[arg-type]
                yield _limited(_tar_members(tar, blocks, names), names, max_files)


def _by_hand(archive: Path) -> str:
    if '.7z' in archive.name.lower():
        return f'unpack it yourself: 7z x {archive.name} (of several parts name the first, NAME.7z.001)'
    return 'unpack it yourself, or give a zip or tar archive'


def _limited(members: Iterator[Member | None], names: MemberNames, max_files: int) -> Iterator[Member]:
    for number, member in enumerate(members, start=1):
        if number > max_files:
            fix = 'if that is right, unpack it yourself'
            raise DataError(f'{names.archive} has more than {max_files:,} members', fix)
        if member is not None:
            yield member


def _zip_members(archive: zipfile.ZipFile, names: MemberNames) -> Iterator[Member | None]:
    for info in archive.infolist():
        if '\0' in info.orig_filename:  # zipfile cuts the name there
            raise names.refusal(info.orig_filename, 'has a control character in its path')
        if info.flag_bits & 1:
            fix = 'unpack it yourself with the password (docs/datasets.md says where to), and take it out of downloads/'
            raise names.refusal(info.filename, 'is encrypted', fix)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise names.refusal(info.filename, 'is a link' if kind == stat.S_IFLNK else 'is no file')
        folder = info.filename.endswith('/')  # ZipInfo.is_dir fails on empty names
        path = names.add(info.filename, folder)
        yield (None if path is None else Member(info.filename, path, None if folder else partial(archive.open, info)))


def _tar_members(archive: tarfile.TarFile, blocks: _Blocks, names: MemberNames) -> Iterator[Member | None]:
    while (info := blocks.header(archive)) is not None:
        if not info.isfile() and not info.isdir():
            raise names.refusal(info.name, 'is a link' if info.issym() or info.islnk() else 'is no file')
        path = names.add(info.name, info.isdir())
        _second_opinion(info, names)
        yield (
            None
            if path is None
            else Member(info.name, path, None if info.isdir() else partial(_content, archive, info))
        )
    blocks.require_end()


def _content(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = archive.extractfile(info)
    assert content is not None  # it is a file
    return content


def _second_opinion(info: tarfile.TarInfo, names: MemberNames) -> None:
    """Ask Python's own filter too, where it has one (3.10.12, 3.11.4, 3.12)."""
    if hasattr(tarfile, 'data_filter'):
        try:
            tarfile.data_filter(info, str(names.archive.parent))
        except tarfile.FilterError as error:
            raise names.refusal(info.name, f'is refused by Python: {error}') from error


class _Blocks:
    """The bytes of a tar, watched while tarfile reads headers, which it takes into memory whole.

    Args:
        raw: The decompressed bytes.
        archive: For errors.
    """

    def __init__(self, raw: IO[bytes], archive: Path) -> None:
        self.raw, self.archive = raw, archive
        self.tell, self.seek = raw.tell, raw.seek
        self._last = b''
        self._allowed: int | None = MAX_HEADER_BYTES

    def read(self, size: int) -> bytes:
        """Read ``size`` bytes."""
        if self._allowed is not None:
            self._allowed -= size
            if self._allowed < 0:
                raise DataError(f'{self.archive} has a header of more than {MAX_HEADER_BYTES:,} bytes', DISTRUST)
        data = self.raw.read(size)
        self._last = data[-BLOCK:]
        return data

    def header(self, archive: tarfile.TarFile) -> tarfile.TarInfo | None:
        """Read the next header; None at the end."""
        self._allowed = MAX_HEADER_BYTES
        info = archive.next()
        self._allowed = None
        archive.members = []  # type: ignore[attr-defined]  # tarfile would keep them all
        return info

    def require_end(self) -> None:
        """Check the end mark, which tarfile does not ask for, and read on to where the checksum of a gzip is.

        Raises:
            EOFError: The last header was not the end mark, or far too much follows it.
        """
        if self._last != bytes(BLOCK):
            raise EOFError('it ends, or is damaged, before the end mark')
        for _ in range(MAX_PADDING // MAX_HEADER_BYTES):
            if not self.raw.read(MAX_HEADER_BYTES):
                return
        raise EOFError('it goes on after the end mark')
