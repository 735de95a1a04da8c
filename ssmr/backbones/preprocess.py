"""From an RGB picture to the array an encoder takes; a part of the encoder, hence of its fingerprint."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from ssmr.errors import ConfigError
from ssmr.registry import TRANSFORMS

POLICIES = ('crop', 'pad', 'squash')
INTERPOLATIONS = ('bicubic', 'bilinear', 'lanczos')
IMAGENET_MEAN, IMAGENET_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


@TRANSFORMS.register_module()
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
        ConfigError: An unknown policy or interpolation, or numbers that make no picture.
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
        if interpolation not in INTERPOLATIONS:
            raise ConfigError(
                f'preprocess.interpolation is {interpolation!r}', f'use one of {", ".join(INTERPOLATIONS)}'
            )
        if size < 1:
            raise ConfigError(f'preprocess.size is {size}', 'give the side of the square in pixels')
        self.size, self.policy = size, policy
        self.mean, self.std = _channels('mean', mean), _channels('std', std)
        if (self.std <= 0).any():
            raise ConfigError(f'preprocess.std is {std!r}', 'give three numbers above 0')
        self.resample = Image.Resampling[interpolation.upper()]

    def __call__(self, image: Image.Image) -> np.ndarray:
        """Return [3, size, size] float32."""
        pixels = (self.square(image).astype(np.float32) - self.mean) / self.std
        return np.ascontiguousarray(pixels.transpose(2, 0, 1))

    def square(self, image: Image.Image) -> np.ndarray:
        """The first half of a call, [size, size, 3] uint8: a quarter of the bytes."""
        square = (self.size, self.size)
        if self.policy == 'crop':
            image = ImageOps.fit(image, square, self.resample)
        elif self.policy == 'pad':
            image = ImageOps.pad(image, square, self.resample, color=tuple(round(float(m)) for m in self.mean))
        else:
            image = image.resize(square, self.resample)
        return np.asarray(image)

    def normalise(self, squares: Tensor) -> Tensor:
        """The second half, for many at once and wherever they are: the same numbers, bit by bit.

        Args:
            squares: [B, size, size, 3] uint8.

        Returns:
            [B, 3, size, size] float32, channels last in memory.
        """
        mean, std = (torch.from_numpy(values).to(squares.device) for values in (self.mean, self.std))
        return ((squares.float() - mean) / std).permute(0, 3, 1, 2)


def _channels(name: str, values: Sequence[float]) -> np.ndarray:
    """[3] float32."""
    try:
        array = np.asarray(values, np.float32)
    except (TypeError, ValueError):
        array = np.empty(0, np.float32)
    if array.shape != (3,) or not np.isfinite(array).all():
        raise ConfigError(f'preprocess.{name} is {values!r}', 'give three numbers: red, green, blue, from 0 to 255')
    return array
