"""Painted works, and tables of them, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from ssmr.datasets.image_table import ImageTable
from ssmr.datasets.procedural.work import paint


@cache
def paintings() -> list[Image.Image]:
    """Twelve different works of 96 x 96 pixels."""
    return [paint(3, index, 96).image for index in range(12)]


def paint_files(root: Path) -> list[str]:
    """The works as files w00.png to w11.png in ``root``."""
    files = [f'w{i:02d}.png' for i in range(len(paintings()))]
    for file, image in zip(files, paintings(), strict=True):
        image.save(root / file)
    return files


def make_table(
    files: Sequence[str],
    splits: Sequence[str] | None = None,
    scores: Sequence[float] | np.ndarray | None = None,
    groups: Sequence[int] | None = None,
    root: Path = Path(),
) -> ImageTable:
    """A table of files, with scores (default: 0 to 10 evenly) and splits (default: train)."""
    n = len(files)
    return ImageTable(
        name='works', root=root, ids=tuple(files), files=tuple(files),
        scores=np.array(scores if scores is not None else np.linspace(0, 10, n), dtype=np.float64),
        splits=np.array(splits or ['train'] * n, dtype='U5'),
        groups=np.array(groups if groups is not None else range(n), dtype=np.int64),
        scale=(0, 10), threshold=5, split_name='made up',
    )  # fmt: skip
