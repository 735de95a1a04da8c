"""Strict reading of CSV tables of images: errors name the file, the line and the column."""

from __future__ import annotations

import csv
import difflib
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from ssmr.errors import DataError

ID_COLUMN = 'image'
Row = tuple[int, list[str]]
Value = TypeVar('Value')


def read_columns(path: Path, columns: Sequence[str]) -> tuple[list[str], list[list[float]]]:
    """Read the column ``image`` and columns of finite numbers; other columns are ignored.

    Args:
        path: A UTF-8 CSV file with a header.
        columns: Names of numeric columns.

    Returns:
        The n ids in the file's order, and for each column its n numbers.

    Raises:
        DataError: The file is missing, empty or no CSV, a column is missing or named twice, a row has another number
            of fields than the header, an image is unnamed or listed twice, or a value is not a finite number.
    """
    rows = _rows_by_image(path, columns)
    values = [
        [_number(row[position], f'{path}, line {line}, column {name}') for line, row in rows.values()]
        for position, name in enumerate(columns)
    ]
    return list(rows), values


def read_scores(path: Path, column: str = 'score') -> dict[str, float]:
    """Read a CSV of the columns ``image`` and ``score``: the label of each image, in the file's order.

    Args:
        path: As ``read_columns``.
        column: Another column of numbers to take instead.

    Raises:
        DataError: As ``read_columns``.
    """
    images, [scores] = read_columns(path, [column])
    return dict(zip(images, scores, strict=True))


def read_texts(path: Path, column: str) -> dict[str, str]:
    """Read the columns ``image`` and ``column`` as text, without the spaces around it, in the file's order.

    Raises:
        DataError: As ``read_columns``, but any text is a value.
    """
    return {image: row[0].strip() for image, (_, row) in _rows_by_image(path, [column]).items()}


def join(images: Sequence[str], values: Mapping[str, Value], path: Path) -> list[Value]:
    """The value of each image, in the order of ``images``; ``values`` may hold more.

    Args:
        images: The n images.
        values: What was read from ``path``, by image.
        path: For the message.

    Raises:
        DataError: An image has no value; names the first ones.
    """
    if missing := [image for image in images if image not in values]:
        raise DataError(
            f'{path}: {len(missing)} of {len(images)} images are missing, first {", ".join(missing[:5])}',
            'use the table these images are from, or add them',
        )
    return [values[image] for image in images]


def _rows_by_image(path: Path, columns: Sequence[str]) -> dict[str, Row]:
    """Each image's line and its fields in ``columns``, checked but for what the fields say."""
    rows = _rows(path)
    _, header = next(rows, (1, []))
    if not header:
        raise DataError(f'{path} is empty', f'it needs a header and the columns {ID_COLUMN}, {", ".join(columns)}')
    id_position, *positions = [_position(path, header, name) for name in (ID_COLUMN, *columns)]
    found: dict[str, Row] = {}
    for line, row in rows:
        if len(row) != len(header):
            raise DataError(
                f'{path}, line {line}: {len(row)} fields, the header has {len(header)}',
                'quote fields that hold a comma',
            )
        image = row[id_position]
        if not image:
            raise DataError(f'{path}, line {line}, column {ID_COLUMN}: empty', 'name the image')
        if image in found:
            raise DataError(
                f'{path}, line {line}, column {ID_COLUMN}: {image} is already on line {found[image][0]}',
                'keep one of them',
            )
        found[image] = line, [row[position] for position in positions]
    if not found:
        raise DataError(f'{path} has a header but no rows', 'give one row an image')
    return found


def _rows(path: Path) -> Iterator[Row]:
    """Yield the rows that are not blank, with the line each begins on, as an editor counts."""
    end = 0
    reader = csv.reader(io.StringIO(_text(path), newline=''), strict=True)
    try:
        for row in reader:
            start, end = end + 1, reader.line_num  # a quoted field may hold line breaks
            if row:
                yield start, row
    except csv.Error as error:
        raise DataError(f'{path}, line {end + 1}: no CSV ({error})', 'check the quotes of this line') from error


def _text(path: Path) -> str:
    try:
        return Path(path).read_bytes().decode('utf-8-sig')
    except OSError as error:
        raise DataError(f'cannot read {path}: {error.strerror}', 'check the path and its permissions') from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b'\n') + 1
        raise DataError(f'{path}, line {line}: not UTF-8 text ({error.reason})', 'save it as CSV in UTF-8') from error


def _position(path: Path, header: list[str], name: str) -> int:
    if header.count(name) == 1:
        return header.index(name)
    if name in header:
        raise DataError(f'{path}, line 1: the column {name} is there twice', 'rename one of them')
    close = difflib.get_close_matches(name, header, n=2, cutoff=0.5)
    hint = f'; did you mean {" or ".join(map(repr, close))}?' if close else ''
    raise DataError(
        f'{path}, line 1: no column {name}; it has {", ".join(map(repr, header))}{hint}',
        'name the columns in the first line, separated by commas',
    )


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise DataError(f'{where}: {text!r} is not a number', 'correct the value or leave the row out') from None
    if not math.isfinite(value):
        raise DataError(f'{where}: {text!r} is not finite', 'correct the value or leave the row out')
    return value
