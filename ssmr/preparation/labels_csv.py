"""An image table as a CSV that the reader CsvTable reads back, whatever the data set's own format is."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from ssmr.artifacts.files import atomic_write, sha256_file
from ssmr.datasets.image_table import ImageTable
from ssmr.errors import DataError

LABELS = 'labels.csv'


def csv_table_keywords(table: ImageTable) -> dict[str, object]:
    """The config of the reader that reads :func:`labels_text` back, but for the root.

    Raises:
        DataError: A work is not named by its file below one folder, as CsvTable wants it.
    """
    keywords: dict[str, object] = {
        'type': 'CsvTable', 'name': table.name, 'labels': LABELS, 'image_dir': _image_dir(table),
        'scale': list(table.scale), 'threshold': table.threshold, 'rule': table.rule,
    }  # fmt: skip
    if _has_groups(table):
        keywords['group_column'] = 'group'
    if table.distributions is not None:
        keywords['distribution_columns'] = _vote_columns(table.distributions)
    return keywords


def labels_text(table: ImageTable) -> str:
    """The CSV: image, score, split, group (where works have duplicates), votes_1… (shares), then further columns.

    Numbers are written so that they are read back exactly. A group is named by its first work; works without duplicates
    have none.
    """
    columns: dict[str, object] = {'image': list(table.ids), 'score': table.scores, 'split': table.splits}
    if _has_groups(table):
        columns['group'] = _group_names(table)
    if table.distributions is not None:
        columns |= dict(zip(_vote_columns(table.distributions), table.distributions.T, strict=True))
    extra = {f'{name}_column' if name in columns else name: values for name, values in table.extra.items()}
    return str(pd.DataFrame({**columns, **extra}).to_csv(index=False, lineterminator='\n'))


def write_labels(root: Path, text: str, earlier: str | None) -> str:
    """Write ``root/labels.csv`` atomically, unless it says that already.

    Args:
        root: The data root.
        text: The CSV.
        earlier: The checksum of the file that an earlier run wrote; that one may be replaced.

    Returns:
        The file's SHA-256.

    Raises:
        DataError: There is a ``labels.csv`` that is not ours, or that was changed since.
        ArtifactError: The disk is full.
    """
    path, data = root / LABELS, text.encode()
    checksum = hashlib.sha256(data).hexdigest()
    if path.exists():
        there = sha256_file(path) if path.is_file() else ''
        if there == checksum:
            return checksum
        if there != earlier or not there:
            raise DataError(
                f'{path} is there already, and was not written by this tool or was changed since',
                'move it away, or give it another name',
            )
    with atomic_write(path, 'wb') as file:
        file.write(data)
    return checksum


def _image_dir(table: ImageTable) -> str:
    first = table.files[0].removesuffix(table.ids[0]).rstrip('/')
    expected = [f'{first}/{name}' if first else name for name in table.ids]
    wrong = [name for name, file, other in zip(table.ids, table.files, expected, strict=True) if file != other]
    if wrong:
        raise DataError(
            f'{table.name}: the file of {wrong[0]!r} is not {first}/{wrong[0]}', 'name works by their files'
        )
    return first


def _has_groups(table: ImageTable) -> bool:
    return len(np.unique(table.groups)) < len(table)


def _group_names(table: ImageTable) -> list[str]:
    _, first, inverse, counts = np.unique(table.groups, return_index=True, return_inverse=True, return_counts=True)
    return [table.ids[first[group]] if counts[group] > 1 else '' for group in inverse]


def _vote_columns(distributions: np.ndarray) -> list[str]:
    return [f'votes_{number}' for number in range(1, distributions.shape[1] + 1)]
