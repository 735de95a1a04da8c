"""The SSMR authors' text lists: one line a query, ``query.jpg ref1.jpg ... ref50.jpg ``, nearest first.

Ids are separated by single spaces and every line ends with a space, so ids have neither spaces nor line breaks.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ssmr.artifacts.files import atomic_write
from ssmr.errors import DataError


class ReferenceList(NamedTuple):
    """A query's id and the ids of its references, nearest first."""

    query: str
    references: tuple[str, ...]


def read_reference_lists(path: Path) -> list[ReferenceList]:
    """Read a text list.

    Args:
        path: A UTF-8 file; Windows line ends and a missing last line end are accepted.

    Returns:
        The lists in the file's order: list i is line i + 1.

    Raises:
        DataError: The file is missing, empty or not text; a line is empty or has no references, names its query or a
            reference twice; a query has two lines.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f'cannot read {path}: {error.strerror}', 'check the path and its permissions') from error
    if not data:
        raise DataError(f'{path} is empty', 'it needs a line for each query: query ref1 ref2 ...')
    lines = data.removeprefix(b'\xef\xbb\xbf').removesuffix(b'\n').split(b'\n')
    return _checked((_parse(line, f'{path}, line {i}') for i, line in enumerate(lines, 1)), str(path))


def write_reference_lists(path: Path, lists: Iterable[ReferenceList]) -> None:
    """Write a text list; the file is whole or absent.

    Args:
        path: The file; its folder is created.
        lists: At least one, which ``read_reference_lists`` will return as they are.

    Raises:
        DataError: The lists break a rule of ``read_reference_lists``, or an id has a space, a line break or a NUL.
        ArtifactError: The disk is full.
    """
    checked = _checked(lists, str(path))
    if not checked:
        raise DataError(f'{path}: there are no lists to write', 'give at least one query')
    for i, entry in enumerate(checked, 1):
        for name in (entry.query, *entry.references):
            if not name or any(character in name for character in ' \r\n\0\ufeff'):
                raise DataError(f'{path}, line {i}: the id {name!r} cannot be written', 'use ids without spaces')
    with atomic_write(Path(path)) as file:
        file.writelines(' '.join((entry.query, *entry.references)) + ' \n' for entry in checked)


def _parse(line: bytes, where: str) -> ReferenceList:
    if b'\0' in line:
        raise DataError(f'{where}: binary data', 'name a text list, one query a line')
    try:
        names = [name for name in line.decode('utf-8').removesuffix('\r').split(' ') if name]
    except UnicodeDecodeError as error:
        raise DataError(f'{where}: not UTF-8 text ({error.reason})', 'save the list as UTF-8 text') from error
    if not names:
        raise DataError(f'{where}: empty line', 'remove it: every line is a query and its references')
    return ReferenceList(names[0], tuple(names[1:]))


def _checked(lists: Iterable[ReferenceList], source: str) -> list[ReferenceList]:
    lines: dict[str, int] = {}
    checked = []
    for line, entry in enumerate(lists, 1):
        where = f'{source}, line {line}: query {entry.query}'
        if entry.query in lines:
            raise DataError(f'{where} is already on line {lines[entry.query]}', 'keep one of them')
        if not entry.references:
            raise DataError(f'{where} has no references', 'ids are separated by single spaces: query ref1 ref2 ...')
        if entry.query in entry.references:
            raise DataError(f'{where} refers to itself', 'remove it: its own label would leak')
        if len(set(entry.references)) < len(entry.references):
            twice = next(name for i, name in enumerate(entry.references) if name in entry.references[:i])
            raise DataError(f'{where} has the reference {twice} twice', 'name each reference once')
        lines[entry.query] = line
        checked.append(entry)
    return checked
