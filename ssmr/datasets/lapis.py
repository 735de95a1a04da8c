"""LAPIS, the Leuven art personalised image set (Maerten et al., CVPR Workshops 2025)."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from ssmr.datasets.build_table import build_table, refuse
from ssmr.datasets.delimited_text import LabelWarning
from ssmr.datasets.image_table import UNUSED, ImageTable
from ssmr.datasets.label_files import read_labels, require_root
from ssmr.datasets.splits import read_list, refuse_unlabelled, splits_of_lists
from ssmr.errors import DataError
from ssmr.registry import DATASETS

#: Label files by their names, with the columns of image, rating and participant.
SOURCES = {
    'LAPIS_PIAA.csv': ('image_filename', 'rating', 'participant_id'),
    'LAPIS_individualratings_metaANDdemodata.csv': ('imageName', 'response', 'participant_id'),
}
LISTS = {'train': 'TrainImageSet.txt', 'val': 'ValImageSet.txt', 'test': 'TestImageSet.txt'}
COUNTS = {'train': 8_205, 'val': 1_173, 'test': 2_345}
#: Edges of the ten bins of ratings; the last one holds 100 too.
EDGES = np.arange(0, 101, 10)


@DATASETS.register_module(name='LAPIS')
def read_lapis(root: str, image_dir: str = 'images') -> ImageTable:
    """Read LAPIS in its authors' layout: ``annotation/``, ``imageset/`` and the images.

    A score is the mean of single ratings from 0 to 100; a work counts as good above 50. The shares of the ratings in
    ten bins of width 10 are the distribution; their standard deviation ``rating_sd``, their number ``raters``, and
    ``style`` and ``genre`` where the ratings tell them are ``extra``. Rated works of no list are in the split 'none'.

    Args:
        root: The data root.
        image_dir: Folder of the images below ``root``.

    Raises:
        DataError: A file is missing (says what to get), a rating is no number from 0 to 100, a list names a work that
            is not rated or in another list, or see :func:`ssmr.datasets.build_table.build_table`.
    """
    need = (
        f'python tools/prepare_data.py lapis --root {root} says what to get: annotation/, imageset/ and the images, on '
        'request from the authors (github.com/Anne-SofieMaerten/LAPIS)'
    )
    folder = require_root(root, need)
    files = {split: folder / 'imageset' / name for split, name in LISTS.items()}
    source = next((path for path in (folder / 'annotation' / name for name in SOURCES) if path.is_file()), None)
    missing = [
        path for path in (source or folder / 'annotation' / next(iter(SOURCES)), *files.values()) if not path.is_file()
    ]
    if source is None or missing:
        raise DataError(f'LAPIS is incomplete: there is no {missing[0]}', need)
    ratings = _read_ratings(source)
    works = _works(ratings)
    lists = {split: read_list(file) for split, file in files.items()}
    for split, names in lists.items():
        refuse_unlabelled(names, works['image'], source)
        if len(names) != COUNTS[split]:
            message = f'{files[split]} lists {len(names)} works, that of LAPIS {COUNTS[split]}'
            warnings.warn(message, LabelWarning, stacklevel=2)
    works['split'] = works['image'].map(splits_of_lists(lists)).fillna(UNUSED)
    counts = '/'.join(f'{len(names):,}' for names in lists.values())
    return build_table(
        works, source, name='LAPIS', root=folder, image_dir=image_dir, scale=(0, 100), threshold=50, rule='>',
        split_name=f"LAPIS, the authors' lists ({counts} works)", votes=_votes(ratings, works.index),
    )  # fmt: skip


def _read_ratings(source: Path) -> pd.DataFrame:
    """Single ratings: columns image, rating, and what else the file has."""
    image, rating, participant = SOURCES[source.name]
    frame = read_labels(source, [image, rating], encoding=('utf-8', 'latin-1'))
    taken = {'image', 'rating'} - {image, rating}
    frame = frame.rename(columns={name: f'{name}_column' for name in taken}).rename(
        columns={image: 'image', rating: 'rating'}
    )
    numbers = pd.to_numeric(frame['rating'], errors='coerce').astype(np.float64)
    refuse(frame, 'image', frame['image'].isna(), f'give every rating its work in the column {image}')
    refuse(frame, 'rating', ~numbers.between(EDGES[0], EDGES[-1]), 'a rating is a number from 0 to 100')
    if participant in frame:
        twice = int(frame.duplicated(['image', participant]).sum())
        if twice:
            message = f'{source}: {twice} rows are by a participant who rated that work already; all of them count'
            warnings.warn(message, LabelWarning, stacklevel=4)
    return frame.assign(rating=numbers)


def _works(ratings: pd.DataFrame) -> pd.DataFrame:
    """One row a work, whose index says where its first rating is."""
    groups = ratings.groupby('image', sort=False)
    found = groups['rating'].agg(score='mean', rating_sd='std', raters='count')
    for column in ('style', 'genre'):
        if column in ratings and (groups[column].nunique(dropna=False) == 1).all():
            found[column] = groups[column].first()
    first = ~ratings['image'].duplicated()
    works = found.reset_index()
    works.index = ratings.index[first]  # groups are in the order of their first rows
    return works


def _votes(ratings: pd.DataFrame, index: pd.Index) -> pd.DataFrame:
    """Numbers of ratings in each bin, [works, 10]."""
    work = pd.factorize(ratings['image'])[0]
    bins = np.searchsorted(EDGES[1:-1], ratings['rating'].to_numpy(), side='right')
    counts = np.zeros((len(index), len(EDGES) - 1), dtype=np.int64)
    np.add.at(counts, (work, bins), 1)
    return pd.DataFrame(counts, index=index, columns=[f'votes_{low}' for low in EDGES[:-1]])
