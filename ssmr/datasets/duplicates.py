"""Duplicates that a list names: they never refer to each other, and those that cross splits can be left out."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from ssmr.datasets.delimited_text import LabelWarning, read_delimited
from ssmr.datasets.image_table import UNUSED, ImageTable
from ssmr.errors import DataError

COLUMNS = ('image', 'group')


def with_duplicates(table: ImageTable, path: str | Path) -> ImageTable:
    """Join the duplicate groups of a table with those of a list; what either of them joins stays together.

    Args:
        table: The works.
        path: A CSV with the columns image (ids of the table) and group (any name); others are ignored. A work in two
            groups joins them. Works that the table does not have are left out with a warning, so that one list serves
            the whole set and parts of it.

    Returns:
        The table with groups numbered in the order of their first works.

    Raises:
        DataError: The file cannot be read, lacks a column or a value, or names works but none of the table's.
    """
    source = Path(path)
    frame = _read(source)
    unknown = ~frame['image'].isin(table.ids)
    if unknown.any():
        first = f'{frame.index[int(np.argmax(unknown))]}: {frame["image"][unknown].iloc[0]!r}'
        if unknown.all():
            raise DataError(
                f'{source} names no work of {table.name} (first: {first})',
                'give the list that tools/verify_data.py wrote for this data set, with the same names of images',
            )
        warnings.warn(
            f'{first} is no work of {table.name} ({int(unknown.sum())} of {len(frame)} lines are left out)',
            LabelWarning,
            stacklevel=2,
        )
    works, names = pd.factorize(pd.concat([pd.Series(table.ids, dtype=object), frame['image']]))
    groups, _ = pd.factorize(frame['group'])
    listed = works[len(table) :], groups + table.groups.max() + 1
    joined = _components(np.r_[works[: len(table)], listed[0]], np.r_[table.groups, listed[1]], len(names))
    return replace(table, groups=pd.factorize(joined[: len(table)])[0].astype(np.int64))


def with_identical_files(groups: np.ndarray, contents: np.ndarray) -> np.ndarray:
    """Join the groups of works whose files are the same, byte by byte.

    Args:
        groups: [N] of a table.
        contents: [N, 32] uint8, SHA-256 of the files; zeros where it is not known.

    Returns:
        [N] int64.
    """
    known = np.flatnonzero(contents.any(axis=1))
    _, same = np.unique(contents[known], axis=0, return_inverse=True)
    works = np.r_[np.arange(len(groups)), known]
    return _components(works, np.r_[groups, same.ravel() + groups.max(initial=-1) + 1], len(groups)).astype(np.int64)


def leaks(table: ImageTable) -> np.ndarray:
    """[n] int64: the training rows that have a duplicate in val or test, whose score they would give away."""
    held_out = table.groups[np.isin(table.splits, ('val', 'test'))]
    return np.flatnonzero((table.splits == 'train') & np.isin(table.groups, held_out))


def without_leaks(table: ImageTable) -> ImageTable:
    """The same table with the rows of :func:`leaks` in the split 'none'.

    Raises:
        DataError: No training work would be left.
    """
    splits = table.splits.copy()
    splits[leaks(table)] = UNUSED
    if not (splits == 'train').any():
        raise DataError(
            f'every training work of {table.name} has a duplicate in val or test',
            'check the list of duplicates, or keep them with duplicates.leaks=keep',
        )
    return replace(table, splits=splits)


def _read(source: Path) -> pd.DataFrame:
    """The list as texts; it may be empty, since a set without duplicates is no fault."""
    frame = read_delimited(source)
    for column in COLUMNS:
        if column not in frame:
            raise DataError(
                f'{source} has no column {column!r}; it has {", ".join(map(str, frame))}',
                'a list of duplicates has the columns image and group, as tools/verify_data.py writes it',
            )
        empty = frame[column].isna()
        if empty.any():
            raise DataError(
                f'{frame.index[int(np.argmax(empty))]}: {column} is empty ({int(empty.sum())} such rows)',
                'give every line an image and the name of its group',
            )
    return frame


def _components(works: np.ndarray, groups: np.ndarray, n: int) -> np.ndarray:
    """[n] component of each work, where work ``works[i]`` belongs to group ``groups[i]``."""
    from scipy.sparse import coo_array  # both slow to import
    from scipy.sparse.csgraph import connected_components

    size = n + int(groups.max(initial=-1)) + 1
    edges = coo_array((np.ones(len(works), dtype=bool), (works, n + groups)), shape=(size, size))
    numbers: np.ndarray = connected_components(edges, directed=False)[1]
    return numbers[:n]
