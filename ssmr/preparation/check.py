"""Looking at what the user put into a data root: labels, images, and what belongs to neither."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from ssmr.datasets.image_table import UNUSED, ImageTable
from ssmr.errors import DataError
from ssmr.preparation.guides import Guide
from ssmr.preparation.outcome import Missing
from ssmr.verification.pictures import inspect

#: How many files a message names.
NAMED = 5


@dataclass(frozen=True)
class Leftover:
    """Files beside the images that no label names: how many, and the first of them."""

    count: int
    first: tuple[str, ...]


def require_labels(guide: Guide, root: Path, table: dict[str, object]) -> None:
    """Check that the label files are there.

    Args:
        guide: Of the data set.
        root: Its folder.
        table: The reader's keywords; files that they name instead of the guide's are left to the reader.

    Raises:
        DataError: One is missing; says what to get and, if a file of that name lies elsewhere below ``root``, where.
    """
    replaced = {str(value) for key, value in guide.table.items() if table.get(key) != value}
    for names in guide.need if 'labels' not in table else ():
        if replaced & {*names} or any((root / name).is_file() for name in names):
            continue
        found = find_elsewhere(root, names)
        fix = f'move {found} to {root / names[0]}' if found else guide.text(root)
        others = f' (nor {", ".join(names[1:])})' if len(names) > 1 else ''
        raise DataError(f'{guide.name} is incomplete: there is no {root / names[0]}{others}', fix)


def find_elsewhere(root: Path, names: Sequence[str]) -> Path | None:
    """The first file below ``root`` whose name, without its folder, is that of one of ``names``."""
    wanted = {PurePosixPath(name).name for name in names}
    for folder, folders, files in os.walk(root):
        folders.sort()
        found = sorted(wanted.intersection(files))
        if found:
            return Path(folder) / found[0]
    return None


def missing_images(guide: Guide, table: ImageTable, workers: int | None) -> tuple[Missing, ...]:
    """Decode every image that the labels name, works that are not used included.

    Returns:
        Those that are missing or broken, each with its reason.

    Raises:
        DataError: Not one is there; says what to get or, if they lie elsewhere below the root, what to move where.
    """
    if not any((table.root / file).is_file() for file in table.files):
        raise _no_images(guide, table)
    pictures = inspect(table.root, table.files, workers)
    bad = [(name, picture) for name, picture in zip(table.ids, pictures, strict=True) if picture.reason]
    return tuple(Missing(name, '', picture.reason + known(guide, name)) for name, picture in bad)


def known(guide: Guide, image: str) -> str:
    """What to add to the reason of an image that others miss too."""
    common = PurePosixPath(image).stem in guide.known_missing
    return '; known to be missing or broken in the copies that go around' if common else ''


def _no_images(guide: Guide, table: ImageTable) -> DataError:
    message = f'{guide.name}: none of its {len(table):,} images is there (first: {table.path(0)})'
    found = find_elsewhere(table.root, table.files[:100])
    if found is None:
        return DataError(message, guide.text(table.root))
    place = table.path(
        next(row for row, file in enumerate(table.files) if PurePosixPath(file).name == found.name)
    ).parent
    return DataError(message, f'they seem to lie in {found.parent}: move its files to {place}')


def used(table: ImageTable, images: Collection[str]) -> int:
    """How many of ``images`` belong to a split that is used."""
    splits = dict(zip(table.ids, table.splits.tolist(), strict=True))
    return sum(splits.get(image, UNUSED) != UNUSED for image in images)


def leftover(table: ImageTable) -> Leftover:
    """Count the files in the folders of the images that are in no row, but for hidden ones and those in the root."""
    expected = set(table.files)
    found = []
    for folder in sorted({str(PurePosixPath(file).parent) for file in table.files} - {'.'}):
        if (table.root / folder).is_dir():
            names = [entry.name for entry in os.scandir(table.root / folder) if entry.is_file()]
            found += [f'{folder}/{name}' for name in names if name[0] != '.' and f'{folder}/{name}' not in expected]
    return Leftover(len(found), tuple(sorted(found)[:NAMED]))


def split_counts(table: ImageTable) -> dict[str, int]:
    """Split -> number of works, in the order of their first rows."""
    names, first, counts = np.unique(table.splits, return_index=True, return_counts=True)
    return {str(names[i]): int(counts[i]) for i in np.argsort(first)}
