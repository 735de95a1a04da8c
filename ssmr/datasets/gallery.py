"""Galleries: works that nobody has rated, to be searched by style or content but not learned from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ssmr.datasets.build_table import image_files
from ssmr.datasets.image_table import ImageTable
from ssmr.datasets.label_files import read_labels
from ssmr.registry import DATASETS


@DATASETS.register_module(name='Gallery')
def read_gallery(
    root: str,
    labels: str = 'labels.csv',
    image_dir: str = 'images',
    image_column: str = 'image',
    group_column: str | None = None,
    name: str | None = None,
) -> ImageTable:
    """Read a folder of images and a table (CSV, Parquet…) with a column of file names.

    All other columns are kept as ``extra``.

    Every work is in the split 'train', so that each may be a reference of all others; scores and scale are NaN.

    Args:
        root: The data root.
        labels: The table, relative to ``root`` (or absolute).
        image_dir: Folder of the images below ``root``; '' for the root itself.
        image_column: Holds the file name below ``image_dir``; it is the work's id too.
        group_column: Holds a name shared by duplicates, which are then never each other's references; empty for works
            without duplicates.
        name: Of the gallery; by default the root's last part.

    Raises:
        DataError: The table cannot be read or lacks a column; duplicate or empty names, or paths that leave the root.
    """
    folder = Path(root)
    frame = read_labels(folder / labels, [image_column, *([group_column] if group_column else [])])
    files = image_files(frame.assign(image=frame[image_column]), folder, image_dir)
    images = frame[image_column].astype(str)
    groups = images if group_column is None else frame[group_column].fillna(images).astype(str)
    return ImageTable(
        name=name or folder.resolve().name,
        root=folder,
        ids=tuple(images),
        files=files,
        scores=np.full(len(frame), np.nan),
        splits=np.full(len(frame), 'train', dtype='U5'),
        groups=pd.factorize(groups)[0].astype(np.int64),
        scale=(np.nan, np.nan),
        threshold=np.nan,
        split_name='a gallery: no scores, no splits',
        extra={str(c): frame[c].to_numpy() for c in frame if c not in (image_column, group_column)},
    )
