"""BAID's list of images: a CSV of addresses and the file names they are stored under."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ssmr.datasets.label_files import read_labels
from ssmr.errors import DataError

COLUMNS = ('image_link', 'image_name')
#: The longest file name, in bytes, of the usual file systems.
LONGEST_NAME = 255


@dataclass(frozen=True)
class Work:
    """One image to fetch: the file name it gets, and its address."""

    image: str
    url: str


def read_image_list(source: Path) -> list[Work]:
    """Read a CSV ``image_link,image_name``.

    A list comes from elsewhere and its names become files here, so only plain names are taken: no folder, nothing
    hidden, no two that a file system without upper and lower case would mix up.

    Raises:
        DataError: The file cannot be read, or a row has no plain, unique name or no http(s) address; names the line.
    """
    frame = read_labels(source, list(COLUMNS))
    works, seen = [], dict[str, str]()
    rows = zip(map(str, frame.index), frame[COLUMNS[0]], frame[COLUMNS[1]], strict=True)
    for where, url, name in rows:
        if wrong := _wrong_name(name):
            raise DataError(f'{where}: image_name {name!r} {wrong}', 'give a plain file name such as 123.jpg')
        if wrong := _wrong_url(url):
            raise DataError(f'{where}: image_link {url!r} {wrong}', 'give an address that starts with http(s)://')
        key = unicodedata.normalize('NFC', name).casefold()
        if key in seen:
            raise DataError(
                f'{where}: image_name {name!r} is listed before, at {seen[key]}', 'keep one of the two rows'
            )
        seen[key] = where
        works.append(Work(name, url))
    return works


def _wrong_name(name: object) -> str | None:
    if not isinstance(name, str) or not name.strip():
        return 'is empty'
    if '/' in name or '\\' in name:
        return 'names a folder'
    if name.startswith('.'):
        return 'starts with a dot'
    if _has_controls(name):
        return 'has characters that cannot be printed'
    try:
        long = len(name.encode()) > LONGEST_NAME
    except UnicodeEncodeError:
        return 'is not proper Unicode'
    return f'is longer than {LONGEST_NAME} bytes' if long else None


def _wrong_url(url: object) -> str | None:
    if not isinstance(url, str) or not url.strip():
        return 'is empty'
    if _has_controls(url):
        return 'has characters that cannot be printed'
    try:
        parts = urlsplit(url)
        _ = parts.port  # parsed, and refused, only when asked for
    except ValueError as error:
        return f'is no address ({error})'
    return None if parts.scheme in ('http', 'https') and parts.hostname else 'is no http(s) address'


def _has_controls(text: str) -> bool:
    return any(unicodedata.category(c) in ('Cc', 'Zl', 'Zp') for c in text)
