"""The image table: which works there are, where their files lie, how they were rated, which split they are in."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from ssmr.config.fingerprint import fingerprint
from ssmr.errors import DataError

SPLITS = ('train', 'val', 'test')
#: The split of works that are in the table and in the feature banks, and neither trained on, measured nor referred to.
UNUSED = 'none'


@dataclass(frozen=True)
class ImageTable:
    """N rated works.

    Attributes:
        name: Of the data set, for reports.
        root: The folder that every image lies under.
        ids: N distinct names.
        files: N paths relative to ``root``, with forward slashes.
        scores: [N] float64 on ``scale``; NaN is allowed for works of the split 'none'.
        splits: [N] of 'train', 'val', 'test', 'none'.
        groups: [N] int64; a work and its duplicates share a number, and never become each other's references.
        scale: Lowest and highest possible score.
        threshold: Above it a work counts as good, for Acc.
        split_name: How the splits came about and which release of the labels this is, one line for reports. No
            fingerprint sees it: what it tells of is in ``splits`` and ``scores``.
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
    split_name: str
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
                f'none of the {len(self)} images of {self.name} is there (first: {self.path(0)}{_like(self.path(0))})',
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
        scores = [None if s != s else s for s in self.scores.tolist()]  # NaN is no JSON
        return fingerprint({'ids': self.ids, 'scores': scores, 'scale': self.scale, **votes})


def _stat(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _like(path: Path) -> str:
    found = sorted(path.parent.glob(f'{glob.escape(path.name)}.*')) + sorted(
        path.parent.glob(f'{glob.escape(path.stem)}.*')
    )
    return f'; there is {found[0].name}: names in the labels need their ending' if found else ''
