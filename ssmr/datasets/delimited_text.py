"""Delimited text, strictly: every row has as many fields as the header, and knows the line that it begins on."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from ssmr.errors import DataError

#: Texts that stand for a missing value.
MISSING = frozenset(('', 'NA', 'N/A', '#N/A', 'NaN', 'nan', 'NULL', 'null', 'None'))
DELIMITERS = {',': ',', ';': ';', '\t': 'tab', '|': '|'}


class LabelWarning(UserWarning):
    """Labels that can be used, but are not quite what they should be."""


def read_delimited(source: Path, delimiter: str = ',', encoding: str | Sequence[str] = 'utf-8') -> pd.DataFrame:
    """Read a file with a header line; all values are text, or NaN where there is none.

    pandas would fill short rows up, take long ones for an index, and count a quoted line break as a row; here each is
    told apart. Blank lines are skipped, columns without a name are left out.

    Args:
        source: The file.
        delimiter: One character, or 'tab'.
        encoding: Of the text; of several the first that fits is taken, with a warning if it is not the first of all.

    Returns:
        The values; the index is '<source> line <n>', the line that a row begins on.

    Raises:
        DataError: The file cannot be read or decoded, has no header, another delimiter, a row with too many or too few
            fields, or a quotation mark that is not closed.
    """
    delimiter = {'tab': '\t', '\\t': '\t'}.get(delimiter, delimiter)
    if len(delimiter) != 1:
        raise DataError(f'table.delimiter is {delimiter!r}', "give one character, or 'tab'")
    rows = _rows(source, read_text(source, encoding), delimiter)
    _, header = next(rows, (0, []))
    _check_header(source, header, delimiter)
    lines, values = [], []
    for line, row in rows:
        if len(row) != len(header):
            raise DataError(
                f'{source} line {line} has {len(row)} fields, the header has {len(header)}',
                f'correct the line; a value that contains the delimiter {delimiter!r} must be in "quotation marks"',
            )
        if any(row):
            lines.append(f'{source} line {line}')
            values.append([float('nan') if value.strip() in MISSING else value for value in row])
    frame = pd.DataFrame(values, index=pd.Index(lines, dtype=object), columns=header, dtype=object)
    return frame.loc[:, [name != '' for name in header]]


def read_text(source: Path, encoding: str | Sequence[str] = 'utf-8') -> str:
    """Read a text file, without its byte order mark.

    Args:
        source: The file.
        encoding: See :func:`read_delimited`.

    Raises:
        DataError: It cannot be read, or is no text in that encoding; names the line.
    """
    encodings = [encoding] if isinstance(encoding, str) else list(encoding)
    try:
        data = source.read_bytes()
    except OSError as error:
        raise DataError(f'cannot read {source}: {error.strerror}', 'get the file, or correct its name') from error
    wide = data.startswith((b'\xff\xfe', b'\xfe\xff'))
    if (wide or b'\0' in data) and not any(name.lower().startswith(('utf-16', 'utf-32')) for name in encodings):
        what = 'UTF-16 text' if wide else 'no text: it has zero bytes'
        raise DataError(f'{source} is {what}', "save it as CSV in UTF-8, or say table.encoding='utf-16' (CsvTable)")
    for name in encodings[:-1]:
        try:
            return data.decode(name).lstrip('\ufeff')
        except UnicodeDecodeError:
            warnings.warn(f'{source} is not {name}; it is read as {encodings[-1]}', LabelWarning, stacklevel=4)
    return _decode(source, data, encodings[-1])


def _decode(source: Path, data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding).lstrip('\ufeff')
    except UnicodeDecodeError as error:
        line = data.count(b'\n', 0, error.start) + 1
        raise DataError(
            f'{source} line {line} is not {encoding} (byte 0x{data[error.start]:02x})',
            "save the file as UTF-8, or name its encoding: table.encoding='latin-1' (CsvTable)",
        ) from error
    except LookupError as error:
        raise DataError(
            f'table.encoding is {encoding!r}', "use a name that Python knows: 'utf-8', 'latin-1'…"
        ) from error


def _rows(source: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line on which each row begins, and its fields; without blank lines."""
    reader = csv.reader(io.StringIO(text, newline=''), delimiter=delimiter, strict=True)
    line = 1
    try:
        for row in reader:
            if row:
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f'{source}: the row that begins on line {line} cannot be read: {error}',
            'close its quotation marks, and double those within a quoted value',
        ) from error


def _check_header(source: Path, header: Sequence[str], delimiter: str) -> None:
    if not any(header):
        raise DataError(f'{source} is empty', 'give a file with a header line and a line for each work')
    others = [d for d in DELIMITERS if d != delimiter and d in header[0]]
    if len(header) == 1 and others:
        raise DataError(
            f'{source} line 1: the header is one piece, {header[0]!r}; its delimiter is {DELIMITERS[others[0]]!r}, not '
            f'{DELIMITERS.get(delimiter, delimiter)!r}',
            f"save the file with commas, or say table.delimiter='{DELIMITERS[others[0]]}' (CsvTable)",
        )
    twice = [name for name in header if name and header.count(name) > 1]
    if twice:
        raise DataError(f'{source} line 1: there are two columns {twice[0]!r}', 'rename one of them')
