"""Readers: from a data set's own files to an image table."""

from __future__ import annotations

import difflib
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pandas as pd

from ssmr.datasets.image_table import SPLITS, ImageTable, build_table
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
    score_column: str = 'score',
    split_column: str = 'split',
    group_column: str | None = None,
    name: str | None = None,
    distribution_columns: Sequence[str] | None = None,
) -> ImageTable:
    """Read a folder of images and a CSV ``image,score[,split]``.

    Without a column ``split``, works are split 80 / 10 / 10 by a checksum of their name: the same on every machine, and
    a work keeps its split when others are added.

    Args:
        root: The data root.
        labels: The CSV, relative to ``root`` (or absolute).
        image_dir: Folder of the images below ``root``; '' for the root itself.
        scale: Lowest and highest possible score.
        threshold: Above it a work counts as good, for Acc.
        rule: '>' or '>=', the tie rule of ``threshold``.
        image_column: Holds the file name below ``image_dir``; it is the work's id too.
        score_column: Holds the mean score.
        split_column: Holds train, val or test.
        group_column: Holds a name shared by duplicates, which are then never each other's references; empty for works
            without duplicates.
        name: Of the data set; by default the root's last part.
        distribution_columns: Hold the number or the share of votes for each possible score, from the lowest to the
            highest; every row is divided by its sum.

    Raises:
        DataError: ``distribution_columns`` is no list of two or more columns of their own, or see
            :func:`ssmr.datasets.image_table.build_table`.
    """
    folder = _require_root(root, f'put the images in {Path(root) / image_dir} and the labels in {Path(root) / labels}')
    source = folder / labels
    names = {image_column: 'image', score_column: 'score'} | ({group_column: 'group'} if group_column else {})
    bins = _vote_columns(distribution_columns, [*names, split_column])
    frame = read_labels(source, [*names, *([split_column] if split_column != SPLIT else []), *bins])
    votes, frame = frame[bins], frame.drop(columns=bins)
    frame = _rename(frame, names | {split_column: SPLIT})
    if SPLIT not in frame:
        _refuse_almost_split(frame, source)
        frame[SPLIT] = [split_of(str(i)) for i in frame['image']]
    return build_table(
        frame, source, name=name or folder.resolve().name, root=folder, image_dir=image_dir, scale=scale,
        threshold=threshold, rule=rule, votes=votes if bins else None,
    )  # fmt: skip


@DATASETS.register_module(name='BAID')
def read_baid(root: str) -> ImageTable:
    """Read BAID in its authors' layout: ``images/<id>.jpg`` and ``dataset/{train,val,test}_set.csv``.

    Scores run from 0 to 10; a work counts as good above 5, ties are not good (BAID's rule).

    Raises:
        DataError: A file is missing (says what to get), or see :func:`ssmr.datasets.image_table.build_table`.
    """
    need = (
        'get the label files dataset/{train,val,test}_set.csv of github.com/Dreemurr-T/BAID and the 60,337 images of '
        f'its downloading_script/image_list.csv as images/<id>.jpg below {root}; to see ssmr run without BAID: '
        'python tools/train.py configs/ssmr_efficientnet_quickstart.py'
    )
    folder = _require_root(root, need)
    frames = []
    for split in SPLITS:
        source = folder / 'dataset' / f'{split}_set.csv'
        if not source.is_file():
            raise DataError(f'BAID is incomplete: there is no {source}', need)
        frames.append(read_labels(source, ['image', 'score'])[['image', 'score']].assign(split=split))
    return build_table(
        pd.concat(frames), folder / 'dataset', name='BAID', root=folder, image_dir='images', scale=(0, 10), threshold=5,
        rule='>',
    )  # fmt: skip


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


def _require_root(root: str, fix: str) -> Path:
    folder = Path(root)
    if not folder.is_dir() or not any(folder.iterdir()):
        raise DataError(f'the data root {folder} is {"empty" if folder.is_dir() else "missing"}', fix)
    return folder


def read_labels(source: Path, required: Sequence[str]) -> pd.DataFrame:
    """Read a label CSV; the index of the result says where each row comes from, e.g. 'labels.csv line 2'.

    Blank lines are skipped. A row that spans lines (a quoted line break) shifts the numbers of those below it.

    Args:
        source: The CSV.
        required: Columns that must be there.

    Raises:
        DataError: The file is missing, empty, not a CSV, or lacks a column.
    """
    try:
        frame = pd.read_csv(source, dtype=dict.fromkeys(required, str), skip_blank_lines=False)
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise DataError(f'cannot read the labels {source}: {error}', 'give a CSV file with a header line') from error
    for column in required:
        if column not in frame:
            close = difflib.get_close_matches(column, map(str, frame), n=1)
            hint = f'; did you mean {close[0]!r}?' if close else ''
            raise DataError(
                f'{source} has no column {column!r}; it has {", ".join(map(str, frame))}{hint}',
                'rename the column, or name yours in the config (table.image_column, table.score_column…)',
            )
    if not isinstance(frame.index, pd.RangeIndex):  # pandas takes the first fields of too long rows for an index
        raise DataError(f'{source} has more fields in its rows than names in its header', 'correct the header line')
    frame.index = pd.Index([f'{source} line {n}' for n in range(2, len(frame) + 2)], dtype=object)
    frame = frame.dropna(how='all')
    if frame.empty:
        raise DataError(f'{source} has a header but no rows', 'list at least one work per split')
    return frame


def split_of(image: str) -> str:
    """The split of a work where the labels name none: 80 / 10 / 10 by CRC-32 of its name."""
    bucket = zlib.crc32(image.encode()) % 10
    return 'val' if bucket == 8 else 'test' if bucket == 9 else 'train'
