"""The image folder: files that no label names, and how large the pictures are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from PIL import Image

from ssmr.datasets.image_table import ImageTable
from ssmr.verification.pictures import Picture

#: Names that are listed.
LISTED = 10


@dataclass(frozen=True)
class Unnamed:
    """Pictures that lie beside those of the table and are not in it: their number, and the first names."""

    files: int
    first: tuple[str, ...]


@dataclass(frozen=True)
class Sizes:
    """The readable pictures.

    Attributes:
        pictures: How many there are.
        smallest: The picture with the fewest pixels: its file, width and height.
        largest: Likewise the most.
        median_pixels: Of all pictures.
        shortest_side: In pixels, of all pictures.
        aspect: Lowest, median and highest width / height.
        grey: How many have no colours.
    """

    pictures: int
    smallest: tuple[str, int, int]
    largest: tuple[str, int, int]
    median_pixels: float
    shortest_side: int
    aspect: tuple[float, float, float]
    grey: int


def unnamed_files(table: ImageTable) -> Unnamed:
    """List the image files, in the folders where the table has any, that it does not name."""
    endings = {*Image.registered_extensions()}
    named = {*table.files}
    found = []
    for folder in sorted({str(PurePosixPath(file).parent) for file in table.files}):
        place = table.root / folder
        if place.is_dir():
            names = [entry.name for entry in os.scandir(place) if entry.is_file() and entry.name[0] != '.']
            images = [name for name in names if os.path.splitext(name)[1].lower() in endings]
            found += [file for name in images if (file := str(PurePosixPath(folder) / name)) not in named]
    return Unnamed(len(found), tuple(sorted(found)[:LISTED]))


def image_sizes(pictures: Sequence[Picture]) -> Sizes | None:
    """Describe the pictures that can be read; None where there are none."""
    readable = [picture for picture in pictures if not picture.reason]
    if not readable:
        return None
    width, height = np.array([(picture.width, picture.height) for picture in readable], dtype=np.float64).T
    ends = [readable[int(np.argmin(width * height))], readable[int(np.argmax(width * height))]]
    smallest, largest = ((end.file, end.width, end.height) for end in ends)
    ratio = width / height
    return Sizes(
        pictures=len(readable),
        smallest=smallest,
        largest=largest,
        median_pixels=float(np.median(width * height)),
        shortest_side=int(min(width.min(), height.min())),
        aspect=(float(ratio.min()), float(np.median(ratio)), float(ratio.max())),
        grey=sum(picture.grey for picture in readable),
    )
