"""APDDv2, aesthetics of paintings and drawings (Jin et al., 2024)."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ssmr.datasets.build_table import build_table, refuse
from ssmr.datasets.delimited_text import LabelWarning
from ssmr.datasets.image_table import SPLITS, UNUSED, ImageTable
from ssmr.datasets.label_files import read_labels, require_columns, require_root
from ssmr.datasets.splits import BY_CHECKSUM, read_list, refuse_unlabelled, split_of, splits_of_lists
from ssmr.errors import DataError
from ssmr.registry import DATASETS

LABELS = 'APDDv2-10023.csv'
ATTRIBUTES = (
    'theme_and_logic', 'creativity', 'layout_and_composition', 'space_and_perspective', 'the_sense_of_order',
    'light_and_shadow', 'color', 'details_and_texture', 'the_overall', 'mood',
)  # fmt: skip
TOTAL, CATEGORY, COMMENT = 'total_aesthetic_score', 'artistic_categories', 'language_comment'
WORKS = 10_023
#: Folders of the images, the first that is there.
FOLDERS = ('images', 'APDDv2images')


@DATASETS.register_module(name='APDDv2')
def read_apdd(
    root: str,
    labels: str = LABELS,
    image_dir: str | None = None,
    score_column: str = TOTAL,
    scale: Sequence[float] = (0.0, 100.0),
    threshold: float = 50.0,
    encoding: str = 'latin-1',
) -> ImageTable:
    """Read APDDv2: ``APDDv2-10023.csv`` and the images.

    Splits are, in this order: a column ``split`` of the labels, the lists ``splits/{train,val,test}.txt``, or 80/10/10
    by a checksum of the name; no list of the authors' 8,019 / 1,002 / 1,002 works is known to us. The columns
    ``category`` and the ten attributes (NaN where a work has none) are ``extra``.

    Args:
        root: The data root.
        labels: The labels, relative to ``root``.
        image_dir: Folder of the images; None takes the first of ``images`` and ``APDDv2images`` that is there.
        score_column: The total, or an attribute ('creativity', 'mood'…); works without it are in the split 'none'.
        scale: Lowest and highest possible score; as far as public code shows the total runs from 0 to 100 and an
            attribute from 0 to 10.
        threshold: Above it a work counts as good, for Acc.
        encoding: Of the labels.

    Raises:
        DataError: A file is missing (says what to get), no score comes near the scale, or see
            :func:`ssmr.datasets.build_table.build_table`.
    """
    need = (
        f'python tools/prepare_data.py apdd --root {root} says what to get: {LABELS} and the images of '
        'github.com/BestiVictory/APDDv2'
    )
    folder = require_root(root, need)
    source = folder / labels
    if not source.is_file():
        raise DataError(f'APDDv2 is incomplete: there is no {source}', need)
    frame = _read(source, encoding, score_column)
    if len(frame) != WORKS:
        warnings.warn(f'{source} has {len(frame)} works, APDDv2 has {WORKS}', LabelWarning, stacklevel=2)
    frame = frame.assign(score=frame[score_column]).drop(columns=[score_column, COMMENT], errors='ignore')
    _require_scale(frame, source, score_column, scale)
    frame, split_name = _with_splits(frame, folder, source)
    unrated = frame['score'].isna()
    if unrated.any() and score_column != TOTAL:
        frame['split'] = frame['split'].mask(unrated, UNUSED)
        split_name += f'; {int(unrated.sum())} works without {score_column} unused'
    found = next((name for name in FOLDERS if (folder / name).is_dir()), FOLDERS[0])
    return build_table(
        frame, source, name='APDDv2', root=folder, image_dir=found if image_dir is None else image_dir, scale=scale,
        threshold=threshold, rule='>', split_name=f'APDDv2: {split_name}',
    )  # fmt: skip


def _read(source: Path, encoding: str, score_column: str) -> pd.DataFrame:
    """The labels with names in snake case, without blanks around texts; total and attributes as numbers."""
    frame = read_labels(source, [], encoding=encoding)
    frame = frame.rename(columns={name: _snake(str(name)) for name in frame})
    require_columns(frame, source, ['filename', CATEGORY, score_column])
    for column in ('filename', CATEGORY):
        frame[column] = frame[column].map(lambda value: value.strip() if isinstance(value, str) else value)
    for column in {TOTAL, *ATTRIBUTES, score_column} & {*frame}:
        frame[column] = _numbers(frame, column)
    return frame.rename(columns={'filename': 'image', CATEGORY: 'category', 'score': 'score_column'})


def _snake(name: str) -> str:
    return re.sub(r'\W+', '_', name.strip()).strip('_').lower()


def _numbers(frame: pd.DataFrame, column: str) -> pd.Series:
    texts = frame[column].map(lambda value: value.strip() or np.nan if isinstance(value, str) else value)
    numbers = pd.to_numeric(texts, errors='coerce').astype(np.float64)
    refuse(frame, column, numbers.isna() & texts.notna(), 'give a number, or nothing where the work has none')
    return numbers


def _require_scale(frame: pd.DataFrame, source: Path, column: str, scale: Sequence[float]) -> None:
    highest = frame['score'].max()
    if highest <= float(scale[-1]) / 10:
        raise DataError(
            f'{source}: {column} is at most {highest:g}, on a declared scale of {scale[0]:g} to {scale[-1]:g}',
            "declare the scale that it has, e.g. table.scale='(0,10)' and table.threshold=5",
        )


def _with_splits(frame: pd.DataFrame, folder: Path, source: Path) -> tuple[pd.DataFrame, str]:
    if 'split' in frame:
        return frame, f'column split of {source.name}'
    files = {split: folder / 'splits' / f'{split}.txt' for split in SPLITS}
    if not any(file.is_file() for file in files.values()):
        return frame.assign(
            split=[split_of(str(image)) for image in frame['image']]
        ), f'{BY_CHECKSUM}; no official list'
    stems = frame['image'].astype(str).str.replace(r'\.\w+$', '', regex=True)
    lists = {
        split: {re.sub(r'\.\w+$', '', n): at for n, at in read_list(file).items()} for split, file in files.items()
    }
    for names in lists.values():
        refuse_unlabelled(names, stems, source)
    splits = stems.map(splits_of_lists(lists)).fillna(UNUSED)
    counts = '/'.join(f'{len(names):,}' for names in lists.values())
    return frame.assign(split=splits), f'lists splits/{{train,val,test}}.txt ({counts} works)'
