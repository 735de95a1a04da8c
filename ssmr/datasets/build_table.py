"""From a frame of works to an image table, with every row looked at."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from ssmr.datasets.image_table import SPLITS, UNUSED, ImageTable
from ssmr.errors import DataError


def build_table(
    frame: pd.DataFrame,
    source: Path,
    *,
    name: str,
    root: Path,
    image_dir: str,
    scale: Sequence[float],
    threshold: float,
    rule: Literal['>', '>='],
    split_name: str,
    votes: pd.DataFrame | None = None,
) -> ImageTable:
    """Check a frame of works and turn it into a table.

    Args:
        frame: Columns image, score, split, and optionally group (missing values: no duplicates); further columns are
            kept as ``extra``. The index says where each row comes from, e.g. 'labels.csv line 2', for errors.
        source: The label file or folder, for errors.
        name: Of the data set.
        root: The data root.
        image_dir: Folder of the images below ``root``; '' for the root itself.
        scale: Lowest and highest possible score.
        threshold: For Acc.
        rule: '>' or '>='.
        split_name: See :class:`ImageTable`.
        votes: Numbers or shares of votes, a column for each possible score, with the rows and the index of ``frame``.

    Raises:
        DataError: Duplicate or empty names, scores that are missing or off the scale, paths that leave the root,
            unknown splits, a split without rows, or votes that are missing, negative or all 0; names the file and the
            line.
    """
    if rule not in ('>', '>='):
        raise DataError(f'the tie rule of {name} is {rule!r}', "use '>' or '>='")
    low, high = checked_scale(scale, source)
    files = image_files(frame, root, image_dir)
    scores = pd.to_numeric(frame['score'], errors='coerce').astype(np.float64)
    unrated = frame['score'].isna() & (frame['split'] == UNUSED)
    refuse(
        frame,
        'score',
        ~scores.between(-np.inf, np.inf, 'neither') & ~unrated,
        'every work needs a number as its score, with a decimal point',
    )
    off = (scores < low) | (scores > high)
    refuse(frame, 'score', off, f'the declared scale is {low:g} to {high:g}; correct the score or table.scale')
    refuse(frame, 'split', ~frame['split'].isin((*SPLITS, UNUSED)), f'a split is train, val or test, or {UNUSED}')
    splits = frame['split'].to_numpy(dtype='U5')
    for split in SPLITS:
        if not (splits == split).any():
            raise DataError(f'{source} has no rows of the {split} split', 'train, val and test are all needed')
    groups = frame['group'].fillna(frame['image']) if 'group' in frame else frame['image']
    extra = {str(c): frame[c].to_numpy() for c in frame if c not in ('image', 'score', 'split', 'group')}
    return ImageTable(
        name, root, tuple(map(str, frame['image'])), files, scores.to_numpy(dtype=np.float64), splits,
        pd.factorize(groups.astype(str))[0].astype(np.int64), (low, high), float(threshold), split_name, rule, extra,
        None if votes is None else _shares(votes),
    )  # fmt: skip


def image_files(frame: pd.DataFrame, root: Path, image_dir: str) -> tuple[str, ...]:
    """Check the names of a frame of works and return the files below ``root``, with forward slashes.

    Args:
        frame: The column image, and optionally score; see :func:`build_table`.
        root: The data root.
        image_dir: Folder of the images below ``root``.

    Raises:
        DataError: Duplicate or empty names, or paths that leave the root; names the file and the line.
    """
    refuse(frame, 'image', frame['image'].isna() | (frame['image'] == ''), 'give every row an image name')
    files = [_normal(image_dir, str(i)) for i in frame['image']]
    below = pd.Series(files, index=frame.index)
    leaves = f'paths must stay below {root}; no absolute paths and no ..'
    refuse(frame, 'image', below.map(_leaves_root).astype(bool), leaves)
    _refuse_twice(frame, below)
    return tuple(files)


def _refuse_twice(frame: pd.DataFrame, files: pd.Series) -> None:
    again = files.duplicated().to_numpy()
    if again.any():
        second = int(np.argmax(again))
        first = int(np.argmax((files == files.iloc[second]).to_numpy()))
        scores = [frame['score'].iloc[row] for row in (first, second)] if 'score' in frame else []
        raise DataError(
            f'{frame.index[second]}: image is {frame["image"].iloc[second]!r} ({int(again.sum())} such rows), as in '
            f'{frame.index[first]}{" with the scores " if scores else ""}{" and ".join(map(str, scores))}',
            'every image may be listed once; find out which row is right and remove the other',
        )


def _shares(votes: pd.DataFrame) -> np.ndarray:
    """Numbers or shares of votes to shares [N, bins] float64, rows summing to 1."""
    numbers = votes.apply(pd.to_numeric, errors='coerce')
    for column in votes:
        wrong = ~np.isfinite(numbers[column]) | (numbers[column] < 0)
        refuse(votes, str(column), wrong, 'give the number or the share of votes, 0 or more')
    total = numbers.sum(axis=1)
    named = votes.assign(votes='0 in every column')
    refuse(named, 'votes', total == 0, 'give every work a vote, or leave its row out')
    return numbers.div(total, axis=0).to_numpy(dtype=np.float64)


def checked_scale(scale: Sequence[float], source: Path) -> tuple[float, float]:
    """Return a declared scale as (lowest, highest).

    Raises:
        DataError: It is none.
    """
    try:
        low, high = map(float, scale)
    except (TypeError, ValueError):
        low = high = 0.0
    if not low < high:
        fix = "give (lowest, highest), e.g. table.scale='(0,10)'"
        raise DataError(f'the scale declared for {source} is {scale!r}', fix)
    return low, high


def refuse(frame: pd.DataFrame, column: str, bad: pd.Series, fix: str) -> None:
    """Refuse a frame with bad rows, naming the first of them.

    Args:
        frame: Its index says where each row comes from.
        column: What is wrong with them.
        bad: [N] bool.
        fix: What to do.

    Raises:
        DataError: There is a bad row.
    """
    if bad.any():
        first = int(np.argmax(bad.to_numpy()))
        value = frame[column].iloc[first]
        value = value.item() if isinstance(value, np.generic) else value
        raise DataError(f'{frame.index[first]}: {column} is {value!r} ({int(bad.sum())} such rows)', fix)


def _normal(image_dir: str, image: str) -> str:
    return posixpath.normpath(posixpath.join(image_dir, image.replace('\\', '/')))


def _leaves_root(file: str) -> bool:
    return file.startswith('/') or file.split('/')[0] == '..' or '\0' in file
