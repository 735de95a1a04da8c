"""Splits that the labels do not name: by checksum, or by lists of names."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path

from ssmr.artifacts.files import sha256_file
from ssmr.datasets.delimited_text import read_text
from ssmr.errors import DataError

BY_CHECKSUM = '80/10/10 by checksum of the name'


def split_of(name: str) -> str:
    """The split of a work where the labels name none: 80 / 10 / 10 by CRC-32 of its name.

    The same on every machine, and a work keeps its split when others are added or removed.
    """
    bucket = zlib.crc32(name.encode()) % 10
    return 'val' if bucket == 8 else 'test' if bucket == 9 else 'train'


def held_out(name: str, share: float) -> bool:
    """Whether a training work is held out for validation: a share of the works, by CRC-32 of the name."""
    return zlib.crc32(name.encode()) < share * 2**32


def check_share(share: float) -> None:
    """Refuse a share of held-out works that leaves nothing on one side.

    Raises:
        DataError: ``share`` is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise DataError(f'table.val_share is {share!r}', 'give a share above 0 and below 1, e.g. 0.05')


def read_list(source: Path, ending: str = '') -> dict[str, str]:
    """Read a list of works, one a line: its first column, separated by commas or blanks from others.

    Args:
        source: The list. A first line without digits is a header in a .csv file.
        ending: A file name's, '.jpg', that names may have and that is cut off.

    Returns:
        Name -> where it is listed, '<source> line <n>', in the file's order.

    Raises:
        DataError: The list cannot be read, is empty, or names a work twice.
    """
    found: dict[str, str] = {}
    for number, text in enumerate(read_text(source).splitlines(), start=1):
        name = text.split(',')[0].strip().strip('"')
        is_header = number == 1 and source.suffix == '.csv' and not any(map(str.isdigit, name))
        if not name or is_header:
            continue
        name = name.removesuffix(ending)
        if name in found:
            raise DataError(
                f'{source} line {number}: {name!r} is listed already, in {found[name]}', 'remove one of them'
            )
        found[name] = f'{source} line {number}'
    if not found:
        raise DataError(f'{source} lists no work', 'give one name a line')
    return found


def splits_of_lists(lists: dict[str, dict[str, str]]) -> dict[str, str]:
    """Join the lists of several splits.

    Args:
        lists: Split -> what :func:`read_list` returned.

    Returns:
        Name -> split.

    Raises:
        DataError: A work is in two lists; names both lines.
    """
    places: dict[str, tuple[str, str]] = {}
    for split, names in lists.items():
        for name, place in names.items():
            if name in places:
                raise DataError(f'{place}: {name!r} is in {places[name][1]} too', 'a work belongs to one split')
            places[name] = split, place
    return {name: split for name, (split, _) in places.items()}


def refuse_unlabelled(listed: dict[str, str], known: Iterable[str], labels: Path) -> None:
    """Refuse lists that name works without labels.

    Args:
        listed: Name -> where it is listed.
        known: The works with labels.
        labels: Where these are.

    Raises:
        DataError: Names the first such line, and says how many there are.
    """
    known = set(known)
    unlabelled = [name for name in listed if name not in known]
    if unlabelled:
        raise DataError(
            f'{listed[unlabelled[0]]}: {unlabelled[0]!r} is not in {labels} ({len(unlabelled)} such lines)',
            'the list and the labels do not belong together, or one of them is cut off',
        )


def short_hash(source: Path) -> str:
    """The first eight digits of a file's SHA-256, for reports."""
    return sha256_file(source)[:8]
