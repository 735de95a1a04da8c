"""Any folder of rated images with a table of labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from ssmr.datasets.build_table import build_table, checked_scale
from ssmr.datasets.image_table import ImageTable
from ssmr.datasets.label_files import read_labels, require_root
from ssmr.datasets.splits import BY_CHECKSUM, split_of
from ssmr.errors import DataError
from ssmr.registry import DATASETS

SPLIT = 'split'


@DATASETS.register_module(name='CsvTable')
def read_csv_table(
    root: str,
    labels: str = 'labels.csv',
    image_dir: str = 'images',
    scale: Sequence[float] = (0.0, 10.0),
    threshold: float = 5.0,
    rule: Literal['>', '>='] = '>',
    image_column: str = 'image',
    score_column: str | None = 'score',
    split_column: str = 'split',
    group_column: str | None = None,
    name: str | None = None,
    distribution_columns: Sequence[str] | None = None,
    delimiter: str = ',',
    encoding: str = 'utf-8',
) -> ImageTable:
    """Read a folder of images and a table ``image,score[,split]``: CSV, Parquet or Excel.

    Without a column ``split``, works are split 80 / 10 / 10 by a checksum of their name: the same on every machine, and
    a work keeps its split when others are added.

    Args:
        root: The data root.
        labels: The table, relative to ``root`` (or absolute); .parquet and .xlsx are read as such, all else as CSV.
        image_dir: Folder of the images below ``root``; '' for the root itself.
        scale: Lowest and highest possible score.
        threshold: Above it a work counts as good, for Acc.
        rule: '>' or '>=', the tie rule of ``threshold``.
        image_column: Holds the file name below ``image_dir``; it is the work's id too.
        score_column: Holds the mean score; None computes it from the votes.
        split_column: Holds train, val, test, or none for works that are not used.
        group_column: Holds a name shared by duplicates, which are then never each other's references; empty for works
            without duplicates.
        name: Of the data set; by default the root's last part.
        distribution_columns: Hold the number or the share of votes for each possible score, from the lowest to the
            highest of ``scale`` in equal steps; every row is divided by its sum.
        delimiter: Of a CSV: one character, or 'tab'.
        encoding: Of a CSV.

    Raises:
        DataError: ``distribution_columns`` is no list of two or more columns of their own, there are neither scores nor
            votes, a score is not the mean of its votes, or see :func:`ssmr.datasets.label_files.read_labels` and
            :func:`ssmr.datasets.build_table.build_table`.
    """
    folder = require_root(root, f'put the images in {Path(root) / image_dir} and the labels in {Path(root) / labels}')
    source = folder / labels
    given = {image_column: 'image', score_column: 'score', group_column: 'group'}
    names = {column: use for column, use in given.items() if column is not None}
    bins = _vote_columns(distribution_columns, [*names, split_column])
    if score_column is None and not bins:
        raise DataError('table.score_column is None', 'name the column of scores, or table.distribution_columns')
    required = [*names, *([split_column] if split_column != SPLIT else []), *bins]
    frame = read_labels(source, required, delimiter, encoding)
    votes, frame = frame[bins], frame.drop(columns=bins)
    frame = _rename(frame, names | {split_column: SPLIT})
    if bins:
        frame = _with_means(frame, votes, checked_scale(scale, source))
    split_name = f'column {split_column} of {source.name}'
    if SPLIT not in frame:
        _refuse_almost_split(frame, source)
        frame[SPLIT] = [split_of(str(i)) for i in frame['image']]
        split_name = BY_CHECKSUM
    return build_table(
        frame, source, name=name or folder.resolve().name, root=folder, image_dir=image_dir, scale=scale,
        threshold=threshold, rule=rule, split_name=split_name, votes=votes if bins else None,
    )  # fmt: skip


def _with_means(frame: pd.DataFrame, votes: pd.DataFrame, scale: tuple[float, float]) -> pd.DataFrame:
    """The frame with scores from the votes, or with its own after a look at whether they agree.

    A score may differ from the mean of its votes by the width of a bin: votes may be ratings that were sorted into
    bins. Votes and scores that are no numbers are left to ``build_table``, which names them.
    """
    values = np.linspace(*scale, votes.shape[1])
    numbers = votes.apply(pd.to_numeric, errors='coerce')
    total = numbers.where((numbers >= 0) & (numbers < np.inf)).sum(axis=1, skipna=False)  # NaN where a vote is none
    means = (numbers * values).sum(axis=1) / total.where(total > 0)
    if 'score' not in frame:
        return frame.assign(score=means.fillna(values[0]))
    scores = pd.to_numeric(frame['score'], errors='coerce')
    wrong = ((scores - means).abs() > (values[-1] - values[0]) / len(values)).to_numpy()
    if wrong.any():
        first = int(np.argmax(wrong))
        raise DataError(
            f'{frame.index[first]}: score is {frame["score"].iloc[first]}, but the mean of its votes is '
            f'{means.iloc[first]:.4g} ({int(wrong.sum())} such rows)',
            f'the {len(values)} columns of votes count as the scores {values[0]:g}, {values[1]:g}, … {values[-1]:g}: '
            'correct table.scale or the order of table.distribution_columns, or say table.score_column=None',
        )
    return frame


def _rename(frame: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """Give columns the table's names; others that have such a name (a second score…) stay as ``<name>_column``."""
    taken = {'image', 'score', SPLIT, 'group'} - names.keys()
    return frame.rename(columns={n: f'{n}_column' for n in taken} | names)


def _vote_columns(columns: Sequence[str] | None, taken: Sequence[str]) -> list[str]:
    if columns is None:
        return []
    fix = "list the columns of votes from the lowest score to the highest, e.g. ['votes_1', 'votes_2', 'votes_3']"
    if not isinstance(columns, (list, tuple)) or not 2 <= len(columns) == len({*columns} - {*taken}):
        raise DataError(f'table.distribution_columns is {columns!r}', f'{fix}; each once, and none with another use')
    return list(map(str, columns))


def _refuse_almost_split(frame: pd.DataFrame, source: Path) -> None:
    for column in map(str, frame):
        if column.strip().lower() == SPLIT:
            raise DataError(
                f'{source} has no column {SPLIT!r} but {column!r}', f'rename it, or set table.split_column={column!r}'
            )
