"""Vectors that need not be computed again: those of pictures that an earlier bank of the same encoder has seen.

A picture is known by the SHA-256 of its file, whatever it is called and wherever it stands in the table. Reading all
files costs little beside encoding them, and a size and a time can be those of another picture.
"""

from __future__ import annotations

import glob
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from ssmr.artifacts.arrays import read_array
from ssmr.artifacts.feature_bank import CONTENT, CONTENTS, FeatureBank, read_features
from ssmr.artifacts.files import read_json
from ssmr.artifacts.store import MANIFEST, ArtifactKey
from ssmr.datasets.image_table import ImageTable
from ssmr.datasets.images import image_content
from ssmr.engine import ranks
from ssmr.errors import ArtifactError, ImageError
from ssmr.stages.encoding import cores
from ssmr.stages.project import Project

#: Pictures that a thread hashes before it takes more: to hand over a small file costs more than to hash it.
SLICE = 64


@dataclass(frozen=True)
class Known:
    """Rows of a table that are in an earlier bank of M works.

    Attributes:
        rows: [N] int64, the row of that bank, or -1.
        features: [M, D] float32.
        contents: [M, 32] uint8.
    """

    rows: np.ndarray
    features: np.ndarray
    contents: np.ndarray

    @property
    def count(self) -> int:
        """How many rows of the table there are."""
        return int((self.rows >= 0).sum())


def known_vectors(project: Project, key: ArtifactKey, dim: int) -> Known:
    """Look which vectors of a bank that is to be built exist already; all ranks call this, rank 0 reads the pictures.

    Of the banks that differ in their images only, the newest that is whole is taken.
    """
    found = ranks.from_first(ranks.everywhere(lambda: _find(project, key) if ranks.is_first() else None))
    if found is None:
        return Known(np.full(len(project.table), -1), np.empty((0, dim), np.float32), np.empty((0, CONTENT), np.uint8))
    folder, rows = found
    known = ranks.everywhere(lambda: Known(rows, *_arrays(folder)))
    ranks.print_once(f'{known.count} of {len(rows)} pictures are in {folder} and need no encoding')
    return known


def _find(project: Project, key: ArtifactKey) -> tuple[Path, np.ndarray] | None:
    """The bank, and [N] its rows or -1."""
    for folder in _candidates(project.store.root, key):
        try:
            valid = FeatureBank.open(folder).valid
            _, contents = _arrays(folder)
        except ArtifactError as error:
            print(f'{error.message}; its vectors are computed again')
            continue
        places = {content.tobytes(): row for row, content in enumerate(contents) if valid[row] and content.any()}
        found = np.array([places.get(content, -1) for content in _table_contents(project.table)], np.int64)
        return (folder, found) if (found >= 0).any() else None
    return None


def _candidates(root: Path, key: ArtifactKey) -> list[Path]:
    """Banks that differ from ``key`` in their images only, and know what these were; the newest first."""
    found = []
    for path in root.glob(f'{key.kind}/{glob.escape(key.name)}-*/{MANIFEST}'):
        if path.parent.suffix == '.partial':
            continue
        try:
            manifest = read_json(path)
            same = {**manifest['inputs'], 'images': None} == {**key.inputs, 'images': None}
            if same and CONTENTS in manifest['files']:
                found.append((str(manifest['created']), path.parent))
        except (ArtifactError, TypeError, KeyError):  # whoever needs that bank will hear of it
            continue
    return [folder for _, folder in sorted(found, reverse=True)]


def _arrays(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Features [M, D] and contents [M, 32] of a bank."""
    features = read_features(folder)
    contents = read_array(folder / CONTENTS, np.uint8)
    if contents.shape != (len(features), CONTENT):
        raise ArtifactError(f'{folder / CONTENTS} has the shape {contents.shape}', f'remove {folder} and run it again')
    return features, contents


def _table_contents(table: ImageTable) -> list[bytes]:
    """SHA-256 of every picture, b'' of those that cannot be read."""

    def contents(files: Sequence[str]) -> list[bytes]:
        return [_content(table.root, file) for file in files]

    files = table.files
    slices = [files[start : start + SLICE] for start in range(0, len(files), SLICE)]
    with ThreadPoolExecutor(cores()) as pool:  # hashing does not hold Python's lock
        return list(chain.from_iterable(pool.map(contents, slices)))


def _content(root: Path, file: str) -> bytes:
    try:
        return image_content(root, file)
    except ImageError:  # extraction will say so
        return b''
