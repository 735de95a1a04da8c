"""All checks of a data set, and the files they leave."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ssmr.artifacts.files import atomic_write, write_json
from ssmr.datasets.image_table import ImageTable
from ssmr.verification.adjacent_ids import adjacent_ids
from ssmr.verification.duplicates import THRESHOLD, find_duplicates
from ssmr.verification.findings import Findings, Images
from ssmr.verification.image_folder import image_sizes, unnamed_files
from ssmr.verification.labels import describe_labels
from ssmr.verification.pictures import inspect

QUARANTINE, DUPLICATES, REPORT = 'quarantine.csv', 'duplicates.csv', 'report.json'


@dataclass(frozen=True)
class Options:
    """What tools/verify_data.py can be told.

    Attributes:
        pictures: Whether to look at the pictures, or at the labels alone.
        threshold: Bits in which duplicates may differ.
        gap: Largest step within a run of ids.
        run: Fewest works of a run of ids.
        workers: Threads; None for one a processor.
    """

    pictures: bool = True
    threshold: int = THRESHOLD
    gap: int = 1
    run: int = 5
    workers: int | None = None


def verify(table: ImageTable, options: Options) -> Findings:
    """Run all checks.

    Raises:
        DataError: Not one of the images is there.
        ConfigError: The threshold is out of range.
    """
    images = _images(table, options) if options.pictures else None
    adjacent = adjacent_ids(table, options.gap, options.run)
    return Findings(table.name, len(table), describe_labels(table), adjacent, images)


def _images(table: ImageTable, options: Options) -> Images:
    table.images_identity()  # refuses a folder without a single image, at once
    pictures = inspect(table.root, table.files, options.workers)
    return Images(
        unreadable={table.ids[row]: found.reason for row, found in enumerate(pictures) if found.reason},
        unnamed=unnamed_files(table),
        duplicates=find_duplicates(table, pictures, options.threshold),
        sizes=image_sizes(pictures),
    )


def write_lists(found: Findings, out: Path) -> None:
    """Write report.json and, where pictures were looked at, quarantine.csv and duplicates.csv, even if they are empty.

    duplicates.csv has a line for each work of a group: image, group (a number from 1), split, score, and whether its
    file is byte for byte the same as another of the group. :func:`ssmr.datasets.duplicates.with_duplicates` reads it.

    Raises:
        ArtifactError: The disk is full.
    """
    write_json(out / REPORT, found.record())
    if found.images is None:
        return
    _write_csv(out / QUARANTINE, ('image', 'reason'), found.images.unreadable.items())
    rows = [
        (image, number, split, '' if score is None else score, 'yes' if identical else 'no')
        for number, group in enumerate(found.images.duplicates.groups, start=1)
        for image, split, score, identical in zip(
            group.images, group.splits, group.scores, group.identical, strict=True
        )
    ]
    _write_csv(out / DUPLICATES, ('image', 'group', 'split', 'score', 'identical'), rows)


def _write_csv(path: Path, header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    with atomic_write(path) as file:
        table = csv.writer(file, lineterminator='\n')
        table.writerow(header)
        table.writerows(rows)
