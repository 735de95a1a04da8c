"""From an RGB picture to the array an encoder takes; a part of the encoder, hence of its fingerprint."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageOps

from ssmr.errors import ConfigError

POLICIES = ('crop', 'pad', 'squash')
IMAGENET_MEAN, IMAGENET_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


class Preprocess:
    """Resize to a square and normalise.

    Args:
        size: Side of the square, in pixels.
        mean: Per channel (RGB, 0 to 255), subtracted.
        std: Per channel, divided by.
        policy: What becomes of the aspect ratio: 'crop' keeps it and cuts the longer side's ends, 'pad' keeps it and
            adds the mean colour, 'squash' gives it up and keeps the whole composition.
        interpolation: 'bicubic', 'bilinear' or 'lanczos'.

    Raises:
        ConfigError: An unknown policy or interpolation.
    """

    def __init__(
        self,
        size: int = 224,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        policy: str = 'crop',
        interpolation: str = 'bicubic',
    ) -> None:
        if policy not in POLICIES:
            raise ConfigError(f'preprocess.policy is {policy!r}', f'use one of {", ".join(POLICIES)}')
        if interpolation.upper() not in Image.Resampling.__members__:
            raise ConfigError(f'preprocess.interpolation is {interpolation!r}', 'use bicubic, bilinear or lanczos')
        self.size, self.policy = size, policy
        self.mean, self.std = np.asarray(mean, np.float32), np.asarray(std, np.float32)
        self.resample = Image.Resampling[interpolation.upper()]

    def __call__(self, image: Image.Image) -> np.ndarray:
        """Return [3, size, size] float32."""
        square = (self.size, self.size)
        if self.policy == 'crop':
            image = ImageOps.fit(image, square, self.resample)
        elif self.policy == 'pad':
            image = ImageOps.pad(image, square, self.resample, color=tuple(round(float(m)) for m in self.mean))
        else:
            image = image.resize(square, self.resample)
        pixels = (np.asarray(image, dtype=np.float32) - self.mean) / self.std
        return np.ascontiguousarray(pixels.transpose(2, 0, 1))
