"""Batches with pictures, for models that train through their backbone: decoded by the loader's workers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, cast

import numpy as np
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from ssmr.datasets.augmentation import Augmentation
from ssmr.datasets.images import load_image
from ssmr.errors import ImageError

#: A position in the dataset, alone or with what ssmr.datasets.samplers.DrawSampler adds: the seed and the epoch.
Item = int | tuple[int, int, int]
Works = tuple[int, np.ndarray]


@dataclass(frozen=True)
class ImageInput:
    """What a model wants to see of the works themselves.

    Attributes:
        preprocess: From an RGB picture to [3, S, S] float32.
        augmentation: Of the training works; None shows them as they are.
        references: Whether it sees the K references too, or the query alone.
    """

    preprocess: Callable[[Image.Image], np.ndarray]
    augmentation: Augmentation | None = None
    references: bool = False


class ImageDataset(Dataset[Works | ImageError]):
    """Row numbers of a split, each with the pictures of its work and, if wanted, of its references.

    Args:
        root: The data root.
        files: [N] paths relative to it, by row of the table.
        works: [n, m] rows of the table whose pictures an item holds, its own row first.
        preprocess: See :class:`ImageInput`.
        augmentation: See :class:`ImageInput`; drawn anew for each picture, and only for items of a
            :class:`ssmr.datasets.samplers.DrawSampler`.
    """

    metainfo: ClassVar[dict[str, str]] = {}  # mmengine asks every dataset for it

    def __init__(
        self,
        root: Path,
        files: Sequence[str],
        works: np.ndarray,
        preprocess: Callable[[Image.Image], np.ndarray],
        augmentation: Augmentation | None = None,
    ) -> None:
        self.root, self.files, self.works = root, files, works
        self.preprocess, self.augmentation = preprocess, augmentation

    def __len__(self) -> int:
        return len(self.works)

    def __getitem__(self, item: Item) -> Works | ImageError:
        """Row and pictures [m, 3, S, S]; or the error, which a worker could not raise with its fix."""
        position, *draw = item if isinstance(item, tuple) else (item,)
        row = int(self.works[position, 0])
        rng = np.random.default_rng([*draw, row]) if draw else None
        try:
            return row, np.stack([self._picture(work, rng) for work in self.works[position]])
        except ImageError as error:
            return error

    def _picture(self, work: int, rng: np.random.Generator | None) -> np.ndarray:
        image = load_image(self.root, self.files[work])
        if rng is not None and self.augmentation is not None:
            image = self.augmentation(image, rng)
        return self.preprocess(image)


def collate_images(items: Sequence[Works | ImageError]) -> list[Tensor] | ImageError:
    """Rows [B] and pictures [B, m, 3, S, S]; or the first error, for the main process to raise."""
    failed = [item for item in items if isinstance(item, ImageError)]
    return failed[0] if failed else cast(list[Tensor], default_collate(list(items)))
