"""What a preparation is asked for, and what came of it."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from ssmr.artifacts.files import atomic_write

MISSING = 'missing.csv'


@dataclass(frozen=True)
class Options:
    """Everything that tools/prepare_data.py takes from the command line; a data set uses what applies to it.

    Args:
        image_list: A list of images and their addresses, instead of fetching it (``--image-list``).
        labels: A folder with the label files, instead of fetching them (``--labels``).
        mirror: An address below which the files lie as they will lie below the root (``--mirror``).
        connections: Downloads at a time (``--connections``).
        per_host: Of these, at most so many from one host (``--per-host``).
        rate: Requests a second in all, > 0 (``--rate``).
        archives: Archives that were fetched by hand (``--archive``).
        workers: Threads or processes that decode; None for one a core.
    """

    image_list: Path | None = None
    labels: Path | None = None
    mirror: str | None = None
    connections: int = 16
    per_host: int = 8
    rate: float = 50.0
    archives: tuple[Path, ...] = ()
    workers: int | None = None


@dataclass(frozen=True)
class Missing:
    """One image that is not there, where it should have come from ('' for nowhere known), and why."""

    image: str
    url: str
    reason: str


@dataclass(frozen=True)
class Outcome:
    """How complete a data set is.

    Args:
        name: Of the data set.
        root: Its folder.
        images: Number of images wanted.
        present: Number of those that are there and decode.
        missing: The others.
    """

    name: str
    root: Path
    images: int
    present: int
    missing: tuple[Missing, ...]

    def write_missing(self, root: Path) -> Path:
        """Write ``root/missing.csv`` (image, url, reason), or remove it where nothing is missing.

        Raises:
            ArtifactError: The disk is full.
        """
        path = root / MISSING
        if not self.missing:
            path.unlink(missing_ok=True)
            return path
        with atomic_write(path) as file:
            rows = csv.writer(file, lineterminator='\n')
            rows.writerow(('image', 'url', 'reason'))
            rows.writerows((item.image, item.url, item.reason) for item in self.missing)
        return path
