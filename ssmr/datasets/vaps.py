"""VAPS, the Vienna Art Picture System (Fekete et al., Psychology of Aesthetics, Creativity, and the Arts, 2023)."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from ssmr.datasets.build_table import build_table, refuse
from ssmr.datasets.delimited_text import LabelWarning
from ssmr.datasets.image_table import ImageTable
from ssmr.datasets.label_files import read_labels, require_root
from ssmr.datasets.splits import BY_CHECKSUM, split_of
from ssmr.errors import DataError
from ssmr.registry import DATASETS

#: The ratings as their authors give them, as exported from that, and with the works' descriptions already joined.
RATINGS = ('VAPS_ValidationData.sav', 'VAPS_ValidationData.csv', 'VAPS_ValidationData.xlsx', 'vaps999_labels.csv')
INFORMATION = ('VAPS_Information.xlsx', 'VAPS_Information.csv')
#: Folders of the pictures, by category.
FOLDERS = {1: '1 Scenes', 2: '2 Portraits', 3: '3 Landscapes', 4: '4 Still Lifes', 5: '5 Toward Abstraction'}
NUMBER, SCORE = 'Picture_Number', 'Liking_Mean_All'
DESCRIPTION = {'Artist': 'artist', 'Title': 'title', 'Style': 'period', 'Date': 'date', 'Category': 'category'}
WORKS = 999


@DATASETS.register_module(name='VAPS')
def read_vaps(
    root: str,
    labels: str | None = None,
    information: str | None = None,
    image_dir: str | None = None,
    score_column: str = SCORE,
) -> ImageTable:
    """Read VAPS: mean ratings from 1 to 7; a work counts as good above 4.

    There are no official splits: works are divided 80/10/10 by a checksum of ``<Picture_Number>.jpg``. With 999 works
    one division tells little; tools/cross_validate.py takes many. Category, period, artist, title and date are
    ``extra``, and so are the other ratings.

    Args:
        root: The data root.
        labels: The ratings (.sav, .csv, .xlsx), relative to ``root``; None looks for the names of ``RATINGS``.
        information: The works' descriptions; None looks for the names of ``INFORMATION``, and does without.
        image_dir: Folder of ``<Picture_Number>.jpg``; None looks for the authors' folders by category below ``root``
            and ``root/images``, and otherwise takes ``root/images``.
        score_column: The rating to predict.

    Raises:
        DataError: Ratings are missing (says what to get), a picture number is none or stands twice, a category is
            unknown though the pictures lie in folders by category, or see
            :func:`ssmr.datasets.build_table.build_table`.
    """
    need = (
        f'python tools/prepare_data.py vaps --root {root} says what to get: VAPS_ValidationData.sav and '
        'VAPS_Information.xlsx of osf.io/a7xcr, and the pictures, whose password its authors give'
    )
    folder = require_root(root, need)
    source = _find(folder, labels, RATINGS)
    if source is None:
        raise DataError(f'VAPS is incomplete: {folder} has none of {", ".join(RATINGS)}', need)
    frame = _numbered(read_labels(source, [NUMBER, score_column]))
    described = _find(folder, information, INFORMATION)
    if described is not None:
        frame = _with_information(frame, described)
    if len(frame) != WORKS:
        warnings.warn(f'{source} has {len(frame)} works, VAPS has {WORKS}', LabelWarning, stacklevel=2)
    frame = frame.rename(columns={'image': 'image_column', 'score': 'score_column', 'split': 'split_column'})
    names = [f'{number}.jpg' for number in frame[NUMBER]]
    splits = [split_of(name) for name in names]
    directory, names = _layout(folder, image_dir, frame, names)
    if 'Category' in frame:
        folders = pd.to_numeric(frame['Category'], errors='coerce').map(FOLDERS)
        frame['Category'] = folders.str.slice(2).fillna('unknown')  # without the number
    frame = frame.assign(image=names, split=splits).rename(columns={score_column: 'score', **DESCRIPTION})
    return build_table(
        frame, source, name='VAPS', root=folder, image_dir=directory, scale=(1, 7), threshold=4, rule='>',
        split_name=f'VAPS: {BY_CHECKSUM}; there is no official split',
    )  # fmt: skip


def _find(folder: Path, given: str | None, known: tuple[str, ...]) -> Path | None:
    """The file that is given, there or not, else the first known one that is there."""
    if given is not None:
        return folder / given
    return next((folder / name for name in known if (folder / name).is_file()), None)


def _numbered(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with whole picture numbers (SPSS and Excel give 10101.0)."""
    numbers = pd.to_numeric(frame[NUMBER], errors='coerce')
    wrong = numbers.isna() | (numbers % 1 != 0)
    refuse(frame, NUMBER, wrong, 'give every row the whole number that names its picture')
    return frame.assign(**{NUMBER: numbers.astype(np.int64)})


def _with_information(frame: pd.DataFrame, source: Path) -> pd.DataFrame:
    """Join the works' descriptions; columns that the ratings have already are left."""
    information = _numbered(read_labels(source, [NUMBER]))
    refuse(information, NUMBER, information[NUMBER].duplicated(), 'a work is described once; remove the second row')
    information = information.set_index(NUMBER)
    lacking = ~frame[NUMBER].isin(information.index)
    if lacking.any():
        warnings.warn(
            f'{source} does not describe {int(lacking.sum())} rated works, first {NUMBER} '
            f'{frame.loc[lacking, NUMBER].iloc[0]}',
            LabelWarning,
            stacklevel=3,
        )
    new = [column for column in information if column not in frame]
    return frame.join(information[new], on=NUMBER)


def _layout(folder: Path, image_dir: str | None, frame: pd.DataFrame, names: list[str]) -> tuple[str, list[str]]:
    """The folder of the pictures, and their paths below it."""
    candidates = ('', 'images') if image_dir is None else (image_dir,)
    for candidate in candidates:
        if any((folder / candidate / name).is_dir() for name in FOLDERS.values()):
            return candidate, _in_folders(frame, names)
    return 'images' if image_dir is None else image_dir, names


def _in_folders(frame: pd.DataFrame, names: list[str]) -> list[str]:
    if 'Category' not in frame:
        raise DataError(
            'the pictures of VAPS lie in folders by category, but neither the ratings nor the information has a column '
            "'Category'",
            f'add {INFORMATION[0]}, or put all pictures into images/',
        )
    folders = pd.to_numeric(frame['Category'], errors='coerce').map(FOLDERS)
    known = ', '.join(f'{number} ({name[2:]})' for number, name in FOLDERS.items())
    refuse(frame, 'Category', folders.isna(), f'the categories are {known}')
    return [f'{directory}/{name}' for directory, name in zip(folders, names, strict=True)]
