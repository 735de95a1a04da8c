"""Augmentation: crops within their bounds, flips at their rate, and nothing that a score would judge."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ssmr.datasets.augmentation import Augmentation, build_augmentation
from ssmr.errors import ConfigError


def picture(width: int, height: int) -> Image.Image:
    """Every pixel differs: red counts columns, green rows."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0], pixels[..., 1] = np.arange(width), np.arange(height)[:, None]
    return Image.fromarray(pixels)


@given(
    st.integers(1, 3000), st.integers(1, 3000), st.floats(0.05, 1), st.floats(1, 2), st.integers(0, 2**32)
)  # fmt: skip
def test_a_crop_keeps_its_share_and_nearly_its_shape(
    width: int, height: int, min_area: float, max_stretch: float, seed: int
) -> None:
    augmentation = Augmentation(min_area=min_area, max_stretch=max_stretch)
    left, top, right, bottom = augmentation.box(width, height, np.random.default_rng(seed))
    assert 0 <= left < right <= width and 0 <= top < bottom <= height
    w, h = right - left, bottom - top
    assert w * h >= min_area * width * height * (1 - 1e-9)
    # Sides are rounded up to whole pixels, by less than one.
    assert (w - 1) / h <= max_stretch * width / height * (1 + 1e-9)
    assert (h - 1) / w <= max_stretch * height / width * (1 + 1e-9)


def test_crops_spread_over_the_whole_range() -> None:
    augmentation, rng = Augmentation(min_area=0.5, max_stretch=1.2), np.random.default_rng(0)
    boxes = np.array([augmentation.box(1000, 600, rng) for _ in range(2000)])
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    areas, stretches = width * height / 6e5, (width / 1000) / (height / 600)
    assert areas.min() < 0.52 and areas.max() > 0.98 and 0.73 < areas.mean() < 0.77
    assert stretches.min() < 0.86 and stretches.max() > 1.16
    assert boxes[:, 0].min() == 0 and boxes[:, 2].max() == 1000


@pytest.mark.parametrize('flip', [0.0, 0.3, 1.0])
def test_flips_come_at_their_rate(flip: float) -> None:
    augmentation, rng = Augmentation(flip=flip, min_area=1.0), np.random.default_rng(0)
    image = picture(8, 4)
    mirrored = np.asarray(image)[:, ::-1]
    found = [np.asarray(augmentation(image, rng)) for _ in range(1000)]
    flipped = [np.array_equal(f, mirrored) for f in found]
    assert all(was or np.array_equal(f, np.asarray(image)) for f, was in zip(found, flipped, strict=True))
    assert np.mean(flipped) == pytest.approx(flip, abs=0.05)


def test_pixels_are_moved_and_never_changed() -> None:
    """Every crop is a block of the picture or of its mirror image: no colour, blur, rotation or erasing."""
    image, rng = picture(60, 40), np.random.default_rng(0)
    for _ in range(50):
        pixels = np.asarray(Augmentation(min_area=0.3)(image, rng)).astype(int)
        columns, rows = pixels[0, :, 0], pixels[:, 0, 1]
        assert set(np.diff(columns)) in ({1}, {-1}) and set(np.diff(rows)) == {1}
        assert (pixels[..., 0] == columns).all() and (pixels[..., 1] == rows[:, None]).all()


def test_the_same_state_gives_the_same_picture() -> None:
    image = picture(50, 50)
    one, same, other = (np.asarray(Augmentation()(image, np.random.default_rng(seed))) for seed in (1, 1, 2))
    assert np.array_equal(one, same) and not np.array_equal(one, other)


@pytest.mark.parametrize(
    ('name', 'value'),
    [('flip', -0.1), ('flip', 1.1), ('min_area', 0), ('min_area', 1.01), ('max_stretch', 0.9), ('flip', float('nan'))],
)
def test_numbers_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf'augmentation\.{name} is'):
        Augmentation(**{name: value})


def test_none_is_no_augmentation() -> None:
    assert build_augmentation(None) is None
    assert build_augmentation({'flip': 0.1}).flip == 0.1
