"""Names inside archives: which may be written, and where; everything else is refused, nothing is repaired."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path, PurePosixPath

from ssmr.errors import DataError

#: Bytes that file systems allow for one name, and a bound for a whole path below every system's own.
NAME_BYTES, PATH_BYTES = 255, 1024
DISTRUST = 'do not trust this archive: get it again from its authors, or unpack it yourself where it can do no harm'
_CONTROL = re.compile(r'[\x00-\x1f\x7f]')
_DRIVE = re.compile(r'[A-Za-z]:')


class MemberNames:
    """The names met so far in one archive; refuses those that leave its folder or collide with each other.

    Args:
        archive: The archive, for errors.
    """

    def __init__(self, archive: Path) -> None:
        self.archive = archive
        self._seen: dict[str, tuple[str, bool]] = {}  # as a system without case sees it -> exact path, is a folder

    def add(self, name: str, folder: bool) -> PurePosixPath | None:
        """Check a member's name.

        Args:
            name: As the archive gives it, with forward slashes.
            folder: The member is a folder, not a file.

        Returns:
            Its path relative to the target; None for the target itself ('./') and for what macOS adds.

        Raises:
            DataError: The name is absolute, leaves the target, holds '..', a backslash, a control character or a drive
                letter, is empty, too long or not Unicode; or the member is there already, perhaps in other letters.
        """
        parts = self._parts(name)
        if not parts or parts[0] == '__MACOSX' or parts[-1] == '.DS_Store':
            return None
        for end in range(1, len(parts)):
            self._enter(name, '/'.join(parts[:end]), folder=True)
        self._enter(name, '/'.join(parts), folder)
        return PurePosixPath(*parts)

    def _parts(self, name: str) -> list[str]:
        try:
            size = len(name.encode())
        except UnicodeEncodeError:
            raise self.refusal(name, 'has a name that is not Unicode') from None
        parts = [part for part in name.split('/') if part not in ('', '.')]
        rules = (
            (not name, 'has no name'),
            (name.startswith('/'), 'has an absolute path'),
            ('..' in parts, "has a path that leaves its folder by '..'"),
            ('\\' in name, 'has a backslash in its path'),
            (_CONTROL.search(name), 'has a control character in its path'),
            (parts and _DRIVE.match(parts[0]), 'has a path with a drive letter'),
            (size > PATH_BYTES, f'has a path of {size} bytes'),
            (any(len(part.encode()) > NAME_BYTES for part in parts), f'has a name above {NAME_BYTES} bytes'),
        )
        for broken, what in rules:
            if broken:
                raise self.refusal(name, what)
        return parts

    def _enter(self, name: str, path: str, folder: bool) -> None:
        key = unicodedata.normalize('NFC', path).lower()
        known = self._seen.get(key)
        if known is None:
            self._seen[key] = path, folder
        elif known[0] != path:
            raise self.refusal(name, f'differs from {known[0]!a} in upper and lower case alone')
        elif known[1] != folder:
            raise self.refusal(name, f'makes {path!a} a file and a folder')
        elif not folder:
            raise self.refusal(name, 'is there twice')

    def refusal(self, name: str, what: str, fix: str = DISTRUST) -> DataError:
        """The error that names the archive and the member."""
        return DataError(f'{self.archive}: the member {name[:200]!a} {what}', fix)
