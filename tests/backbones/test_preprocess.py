"""Preprocessing: which part of the picture an encoder sees, and with which numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ssmr.backbones.preprocess import Preprocess
from ssmr.errors import ConfigError

PLAIN: dict[str, Any] = {'mean': (0, 0, 0), 'std': (1, 1, 1)}


def bands(width: int, height: int) -> Image.Image:
    """A picture whose red grows from left to right by the share of the width, green from top to bottom."""
    red = np.broadcast_to(np.linspace(0, 255, width)[None], (height, width))
    green = np.broadcast_to(np.linspace(0, 255, height)[:, None], (height, width))
    return Image.fromarray(np.stack([red, green, np.zeros_like(red)], axis=2).astype(np.uint8))


@pytest.mark.parametrize('policy', ['crop', 'pad', 'squash'])
@pytest.mark.parametrize(('width', 'height'), [(40, 20), (20, 40), (33, 33), (1, 500), (500, 1), (1, 1)])
def test_any_picture_becomes_a_square(policy: str, width: int, height: int) -> None:
    pixels = Preprocess(size=16, policy=policy, **PLAIN)(bands(width, height))
    assert pixels.shape == (3, 16, 16) and pixels.dtype == np.float32 and pixels.flags.c_contiguous


@pytest.mark.parametrize('policy', ['crop', 'pad', 'squash'])
def test_a_square_of_the_right_size_is_only_normalised(policy: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    mean, std = (10.0, 20.0, 30.0), (2.0, 4.0, 8.0)
    pixels = Preprocess(size=8, mean=mean, std=std, policy=policy)(Image.fromarray(image))
    np.testing.assert_allclose(pixels, ((image - np.array(mean)) / np.array(std)).transpose(2, 0, 1), rtol=1e-6)


def test_crop_keeps_the_middle_and_cuts_the_ends() -> None:
    red, green, _ = Preprocess(size=20, policy='crop', **PLAIN)(bands(80, 20))
    assert red[0, 0] == pytest.approx(255 * 30 / 80, abs=5) and red[0, -1] == pytest.approx(255 * 50 / 80, abs=5)
    assert (green[0, 0], green[-1, 0]) == pytest.approx((0, 255), abs=5)


def test_squash_keeps_the_whole_composition() -> None:
    red, green, _ = Preprocess(size=20, policy='squash', **PLAIN)(bands(80, 20))
    assert (red[0, 0], red[0, -1], green[0, 0], green[-1, 0]) == pytest.approx((0, 255, 0, 255), abs=6)


def test_pad_keeps_the_whole_picture_and_fills_with_what_becomes_zero() -> None:
    pixels = Preprocess(size=20, mean=(100, 50, 25), std=(1, 1, 1), policy='pad')(bands(80, 20))
    np.testing.assert_array_equal(pixels[:, :7], 0)
    np.testing.assert_array_equal(pixels[:, -7:], 0)
    red = pixels[0, 8:12] + 100
    assert red[:, 0].max() < 10 and red[:, -1].min() > 245


@pytest.mark.parametrize('interpolation', ['bicubic', 'bilinear', 'lanczos'])
def test_the_interpolation_is_the_one_asked_for(interpolation: str) -> None:
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (30, 30, 3), dtype=np.uint8))
    pixels = Preprocess(size=10, interpolation=interpolation, policy='squash', **PLAIN)(image)
    expected = image.resize((10, 10), getattr(Image.Resampling, interpolation.upper()))
    np.testing.assert_array_equal(pixels.transpose(1, 2, 0), np.asarray(expected))


@pytest.mark.parametrize(
    ('field', 'value'),
    [
        ('policy', 'stretch'), ('policy', None), ('interpolation', 'linear'), ('interpolation', 'nearest'), ('size', 0),
        ('size', -5), ('mean', (1, 2)), ('mean', 127), ('mean', (1, 2, float('nan'))), ('std', (1, 1, 0)),
        ('std', (1, -1, 1)), ('std', 'abc'),
    ],
)  # fmt: skip
def test_what_makes_no_picture_is_refused(field: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f'preprocess.{field} is'):
        Preprocess(**{field: value})


@pytest.mark.parametrize('policy', ['crop', 'pad', 'squash'])
def test_the_two_halves_give_the_bits_of_the_whole(policy: str) -> None:
    pictures = [
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, (30, 20 + seed, 3), dtype=np.uint8))
        for seed in range(5)
    ]
    preprocess = Preprocess(size=17, policy=policy)
    squares = torch.from_numpy(np.stack([preprocess.square(picture) for picture in pictures]))
    assert squares.dtype == torch.uint8 and squares.shape == (5, 17, 17, 3)
    many = preprocess.normalise(squares)
    assert many.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_array_equal(many, np.stack([preprocess(picture) for picture in pictures]))
