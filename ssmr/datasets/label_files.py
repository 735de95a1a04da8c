"""Label files of any kind: from a file to a frame whose rows know where they come from."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ssmr.datasets.delimited_text import read_delimited
from ssmr.errors import DataError


def require_root(root: str | Path, fix: str) -> Path:
    """Return a data root.

    Args:
        root: The folder.
        fix: What to get, and how.

    Raises:
        DataError: It is missing or empty.
    """
    folder = Path(root)
    if not folder.is_dir() or not any(folder.iterdir()):
        raise DataError(f'the data root {folder} is {"empty" if folder.is_dir() else "missing"}', fix)
    return folder


def read_labels(
    source: Path, required: Sequence[str], delimiter: str = ',', encoding: str | Sequence[str] = 'utf-8'
) -> pd.DataFrame:
    """Read a table of labels; its suffix tells the format: .parquet, .xlsx, .sav (SPSS), else delimited text.

    The index of the result says where each row comes from: 'labels.csv line 2', 'labels.parquet row 1', and for
    spreadsheets the number that they show. Rows without any value are left out.

    Args:
        source: The file.
        required: Columns that must be there; of delimited text their values stay text, so that '0012' remains a name,
            while other columns become numbers where all their values are.
        delimiter: Of text; see :func:`ssmr.datasets.delimited_text.read_delimited`.
        encoding: Likewise.

    Raises:
        DataError: The file is missing, empty, malformed or lacks a column, or its format needs a package.
    """
    read = _FORMATS.get(source.suffix.lower())
    if read is None:
        frame = read_delimited(source, delimiter, encoding)
        require_columns(frame, source, required)
        for name in frame.columns.difference(pd.Index(required)):
            frame[name] = _inferred(frame[name])
    else:
        frame = _read_binary(source, read)
        require_columns(frame, source, required)
    frame = frame.dropna(how='all')
    if frame.empty:
        raise DataError(f'{source} has a header but no rows', 'list at least one work per split')
    return frame


def require_columns(frame: pd.DataFrame, source: Path, required: Sequence[str]) -> None:
    """Refuse a table that lacks a column.

    Raises:
        DataError: Names the column, those that there are, and a close one.
    """
    for column in required:
        if column not in frame:
            close = difflib.get_close_matches(column, map(str, frame), n=1)
            hint = f'; did you mean {close[0]!r}?' if close else ''
            if any(_is_number(name) for name in frame):
                hint = '; is its header line missing?'
            raise DataError(
                f'{source} has no column {column!r}; it has {", ".join(map(str, frame))}{hint}',
                'rename the column, or name yours in the config (table.image_column, table.score_column…)',
            )


def _inferred(column: pd.Series) -> pd.Series:
    """Numbers where all values are, else the texts."""
    try:
        return pd.to_numeric(column)
    except (ValueError, TypeError):
        return column


def _is_number(text: object) -> bool:
    try:
        float(str(text))
    except ValueError:
        return False
    return True


def _read_binary(source: Path, read: Callable[[Path], pd.DataFrame]) -> pd.DataFrame:
    if not source.is_file():
        raise DataError(f'there is no file {source}', 'get the file, or correct its name')
    try:
        frame = read(source)
    except ImportError as error:
        extra = 'parquet' if source.suffix == '.parquet' else 'spreadsheets'
        raise DataError(f'cannot read {source}: {error}', f"pip install 'ssmr[{extra}]', or save it as CSV") from error
    except Exception as error:  # each format has errors of its own, not all of them ValueError or OSError
        raise DataError(f'cannot read {source}: {error}', 'get the file again, or save it as CSV') from error
    first = {'.xlsx': 2}.get(source.suffix, 1)
    frame.index = pd.Index([f'{source} row {n}' for n in range(first, len(frame) + first)], dtype=object)
    frame = frame.rename(columns=str)
    for name in frame:
        frame[name] = _numpy(frame[name])
    return frame


def _numpy(column: pd.Series) -> pd.Series:
    """The column without pandas' own number types, whose missing values NumPy does not know."""
    if not pd.api.types.is_extension_array_dtype(column.dtype) or not pd.api.types.is_numeric_dtype(column.dtype):
        return column
    return pd.Series(column.to_numpy(dtype=np.float64, na_value=np.nan), index=column.index)


def _read_parquet(source: Path) -> pd.DataFrame:
    frame = pd.read_parquet(source)
    return frame.reset_index() if any(frame.index.names) else frame.reset_index(drop=True)


_FORMATS: dict[str, Callable[[Path], pd.DataFrame]] = {
    '.parquet': _read_parquet,
    '.xlsx': pd.read_excel,
    '.sav': lambda source: pd.read_spss(source, convert_categoricals=False),
}
