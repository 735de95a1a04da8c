"""Augmentation for aesthetics: only what leaves a work as good as it was."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from ssmr.errors import ConfigError
from ssmr.registry import TRANSFORMS


@TRANSFORMS.register_module()
class Augmentation:
    """A mild random crop and a horizontal flip.

    Colour, blur, noise, rotation and erasing are left out on purpose: palette, sharpness, horizon and completeness are
    what a score judges, and a picture changed in them would keep a label that is no longer its own.

    Args:
        flip: Probability of a horizontal flip, 0 to 1.
        min_area: Share of the picture's area that a crop keeps at least, above 0 and at most 1; 1 does not crop.
        max_stretch: Factor, 1 or more, by which a crop's aspect ratio may differ from the picture's, either way.

    Raises:
        ConfigError: A number out of its range.
    """

    def __init__(self, flip: float = 0.5, min_area: float = 0.8, max_stretch: float = 1.1) -> None:
        _require('flip', flip, 0 <= flip <= 1, 'from 0 to 1')
        _require('min_area', min_area, 0 < min_area <= 1, 'above 0 and at most 1')
        _require('max_stretch', max_stretch, 1 <= max_stretch < math.inf, 'of 1 or more')
        self.flip, self.min_area, self.max_stretch = flip, min_area, max_stretch

    def __call__(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        """Return a changed copy; the same ``rng`` state gives the same one."""
        image = image.crop(self.box(*image.size, rng))
        return ImageOps.mirror(image) if rng.random() < self.flip else image

    def box(self, width: int, height: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
        """Draw a crop of a picture in pixels: left, top, right, bottom.

        torchvision's RandomResizedCrop draws likewise, but rounds below the smallest area, takes absolute aspect
        ratios, and resizes, which is the encoder's preprocessing.
        """
        area = rng.uniform(self.min_area, 1)
        stretch = min(self.max_stretch, 1 / area) ** rng.uniform(-1, 1)  # within it no side outgrows the picture
        w = min(width, math.ceil(width * math.sqrt(area * stretch)))
        h = min(height, math.ceil(height * math.sqrt(area / stretch)))
        left, top = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
        return left, top, left + w, top + h


def build_augmentation(keywords: Mapping[str, Any] | None) -> Augmentation | None:
    """Build one from a config's keywords; None for None."""
    return None if keywords is None else Augmentation(**keywords)


def _require(name: str, value: float, holds: bool, what: str) -> None:
    if not holds:
        raise ConfigError(f'augmentation.{name} is {value!r}', f'give a number {what}')
