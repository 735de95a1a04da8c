"""The image table: which works there are, where their files lie, how they were rated, which split they are in."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from ssmr.config.fingerprint import fingerprint
from ssmr.errors import DataError

SPLITS = ('train', 'val', 'test')


@dataclass(frozen=True)
class ImageTable:
    """N rated works.

    Attributes:
        name: Of the data set, for reports.
        root: The folder that every image lies under.
        ids: N distinct names.
        files: N paths relative to ``root``, with forward slashes.
        scores: [N] float64 on ``scale``.
        splits: [N] of 'train', 'val', 'test'.
        groups: [N] int64; a work and its duplicates share a number, and never become each other's references.
        scale: Lowest and highest possible score.
        threshold: Above it a work counts as good, for Acc.
        rule: '>' or '>=', the tie rule of ``threshold``.
        extra: Further columns, name -> [N], for breakdowns and reports.
        distributions: [N, bins] shares of the votes for each score, rows summing to 1; None where only means are known.
    """

    name: str
    root: Path
    ids: tuple[str, ...]
    files: tuple[str, ...]
    scores: np.ndarray
    splits: np.ndarray
    groups: np.ndarray
    scale: tuple[float, float]
    threshold: float
    rule: Literal['>', '>='] = '>'
    extra: dict[str, np.ndarray] = field(default_factory=dict)
    distributions: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, split: str) -> np.ndarray:
        """[n] int64: the rows of a split."""
        return np.flatnonzero(self.splits == split)

    def numbers(self, column: str | None) -> np.ndarray:
        """[N] float64: a further column of numbers, or the scores where ``column`` is None.

        Raises:
            DataError: There is no such column, or it does not hold numbers only.
        """
        if column is None:
            return self.scores
        values = self.extra.get(column)
        if values is None or not np.issubdtype(values.dtype, np.number) or not np.isfinite(values).all():
            raise DataError(
                f'the labels of {self.name} have no column {column!r} of numbers in every row',
                f'they have {", ".join(self.extra) or "no further columns"}',
            )
        return values.astype(np.float64)

    def path(self, row: int) -> Path:
        """The image file of a row."""
        return self.root / self.files[row]

    def images_identity(self) -> str:
        """A fingerprint of what encoders see: ids, files, and each file's size and modification time.

        Scores and splits are left out, so that a corrected label does not send anybody back to extraction.

        Raises:
            DataError: Not one of the files exists.
        """
        stats = [_stat(self.root / name) for name in self.files]
        if all(s is None for s in stats):
            raise DataError(
                f'none of the {len(self)} images of {self.name} is there (first: {self.path(0)})',
                'check table.root and the image folder of the config, or get the images first',
            )
        return fingerprint({'ids': self.ids, 'files': self.files, 'stats': stats})

    def pool_identity(self) -> str:
        """A fingerprint of who may refer to whom: ids, splits and duplicate groups."""
        return fingerprint({'ids': self.ids, 'splits': self.splits.tolist(), 'groups': self.groups.tolist()})

    def require_scores(self) -> None:
        """Refuse works that nobody has rated; whatever learns or measures asks for the scores' identity first.

        Raises:
            DataError: The table is a gallery (:func:`ssmr.datasets.gallery.read_gallery`).
        """
        if np.isnan(self.scores).all():
            raise DataError(
                f'the works of {self.name} have no scores: there is nothing to learn or to be measured against',
                'use a table with scores (CsvTable, BAID…); a gallery is for tools/evaluate_style_retrieval.py',
            )

    def scores_identity(self) -> str:
        """A fingerprint of the labels, their scale and, where there are any, the shares of the votes.

        Raises:
            DataError: See :meth:`require_scores`.
        """
        self.require_scores()
        votes = {} if self.distributions is None else {'distributions': self.distributions.tolist()}
        return fingerprint({'ids': self.ids, 'scores': self.scores.tolist(), 'scale': self.scale, **votes})


def _stat(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


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
        votes: Numbers or shares of votes, a column for each possible score, with the rows and the index of ``frame``.

    Raises:
        DataError: Duplicate or empty names, scores that are missing or off the scale, paths that leave the root,
            unknown splits, no training rows, or votes that are missing, negative or all 0; names the file and the line.
    """
    if rule not in ('>', '>='):
        raise DataError(f'the tie rule of {name} is {rule!r}', "use '>' or '>='")
    low, high = _scale(scale, source)
    files = image_files(frame, root, image_dir)
    scores = pd.to_numeric(frame['score'], errors='coerce')
    _refuse(frame, 'score', ~np.isfinite(scores), 'every work needs a number as its score')
    off = (scores < low) | (scores > high)
    _refuse(frame, 'score', off, f'the declared scale is {low:g} to {high:g}; correct the score or table.scale')
    _refuse(frame, 'split', ~frame['split'].isin(SPLITS), 'a split is train, val or test')
    splits = frame['split'].to_numpy(dtype='U5')
    for split in SPLITS:
        if not (splits == split).any():
            raise DataError(f'{source} has no rows of the {split} split', 'train, val and test are all needed')
    groups = frame['group'].fillna(frame['image']) if 'group' in frame else frame['image']
    extra = {str(c): frame[c].to_numpy() for c in frame if c not in ('image', 'score', 'split', 'group')}
    return ImageTable(
        name, root, tuple(map(str, frame['image'])), files, scores.to_numpy(dtype=np.float64), splits,
        pd.factorize(groups.astype(str))[0].astype(np.int64), (low, high), float(threshold), rule, extra,
        None if votes is None else _shares(votes),
    )  # fmt: skip


def image_files(frame: pd.DataFrame, root: Path, image_dir: str) -> tuple[str, ...]:
    """Check the column ``image`` of a frame of works and return the files below ``root``, with forward slashes.

    Raises:
        DataError: Duplicate or empty names, or paths that leave the root; names the file and the line.
    """
    _refuse(frame, 'image', frame['image'].isna() | (frame['image'] == ''), 'give every row an image name')
    files = [_normal(image_dir, str(i)) for i in frame['image']]
    below = pd.Series(files, index=frame.index)
    leaves = f'paths must stay below {root}; no absolute paths and no ..'
    _refuse(frame, 'image', below.map(_leaves_root).astype(bool), leaves)
    _refuse(frame, 'image', below.duplicated(), 'every image may be listed once; remove the second')
    return tuple(files)


def _shares(votes: pd.DataFrame) -> np.ndarray:
    """Numbers or shares of votes to shares [N, bins] float64, rows summing to 1."""
    numbers = votes.apply(pd.to_numeric, errors='coerce')
    for column in votes:
        wrong = ~np.isfinite(numbers[column]) | (numbers[column] < 0)
        _refuse(votes, str(column), wrong, 'give the number or the share of votes, 0 or more')
    total = numbers.sum(axis=1)
    named = votes.assign(votes='0 in every column')
    _refuse(named, 'votes', total == 0, 'give every work a vote, or leave its row out')
    return numbers.div(total, axis=0).to_numpy(dtype=np.float64)


def _scale(scale: Sequence[float], source: Path) -> tuple[float, float]:
    try:
        low, high = map(float, scale)
    except (TypeError, ValueError):
        low = high = 0.0
    if not low < high:
        fix = "give (lowest, highest), e.g. table.scale='(0,10)'"
        raise DataError(f'the scale declared for {source} is {scale!r}', fix)
    return low, high


def _refuse(frame: pd.DataFrame, column: str, bad: pd.Series, fix: str) -> None:
    if bad.any():
        first = int(np.argmax(bad.to_numpy()))
        value = frame[column].iloc[first]
        raise DataError(f'{frame.index[first]}: {column} is {value!r} ({int(bad.sum())} such rows)', fix)


def _normal(image_dir: str, image: str) -> str:
    return posixpath.normpath(posixpath.join(image_dir, image.replace('\\', '/')))


def _leaves_root(file: str) -> bool:
    return file.startswith('/') or file.split('/')[0] == '..' or '\0' in file
