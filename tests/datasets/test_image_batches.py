"""Batches with pictures: which are shown, how their draws are made, and how a broken one is reported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from ssmr.datasets.augmentation import Augmentation
from ssmr.datasets.image_batches import ImageDataset, collate_images
from ssmr.datasets.images import load_image
from ssmr.datasets.samplers import DrawSampler
from ssmr.errors import ImageError

FILES = tuple(f'{i}.png' for i in range(6))
WORKS = np.array([[4, 0, 1], [2, 1, 3], [5, 3, 0]])  # rows and two references each


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.resize((8, 8)), np.float32).transpose(2, 0, 1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for file in FILES:
        Image.fromarray(rng.integers(0, 256, (20, 24, 3), np.uint8)).save(tmp_path / file)
    return tmp_path


def dataset(root: Path, augmentation: Augmentation | None = None) -> ImageDataset:
    return ImageDataset(root, FILES, WORKS, pixels, augmentation)


def batches(data: ImageDataset, workers: int, epoch: int, seed: int = 0, **options: bool) -> list[list[torch.Tensor]]:
    sampler = DrawSampler(data, shuffle=True, seed=seed)
    sampler.set_epoch(epoch)
    loader = DataLoader(data, 2, sampler=sampler, num_workers=workers, collate_fn=collate_images, **options)
    return list(loader)


def by_row(found: list[list[torch.Tensor]]) -> dict[int, torch.Tensor]:
    return {row: image for rows, images in found for row, image in zip(rows.tolist(), images, strict=True)}


def test_an_item_is_a_row_with_its_picture_and_those_of_its_references(root: Path) -> None:
    data = dataset(root)
    assert len(data) == 3
    for i, works in enumerate(WORKS):
        row, images = data[i]
        assert type(row) is int and row == works[0]
        np.testing.assert_array_equal(images, [pixels(load_image(root, FILES[w])) for w in works])


def test_a_batch_stacks_rows_and_pictures(root: Path) -> None:
    data = dataset(root)
    rows, images = collate_images([data[0], data[2]])
    assert rows.tolist() == [4, 5] and rows.dtype == torch.int64
    assert images.shape == (2, 3, 3, 8, 8) and images.dtype == torch.float32


def test_only_items_of_the_draw_sampler_are_augmented(root: Path) -> None:
    data = dataset(root, Augmentation(min_area=0.5))
    for i in range(3):
        np.testing.assert_array_equal(data[i][1], dataset(root)[i][1])
        assert not np.array_equal(data[i, 0, 0][1], dataset(root)[i][1])


def test_draws_depend_on_seed_epoch_and_row_alone(root: Path) -> None:
    data = dataset(root, Augmentation(min_area=0.3))
    first = by_row(batches(data, 0, epoch=3))
    assert sorted(first) == [2, 4, 5]
    for workers in (0, 1, 2):
        again = by_row(batches(data, workers, epoch=3))
        assert all(torch.equal(first[row], again[row]) for row in first)
    for other in (by_row(batches(data, 0, epoch=4)), by_row(batches(data, 0, epoch=3, seed=1))):
        assert not any(torch.equal(first[row], other[row]) for row in first)


def test_one_picture_in_two_graphs_is_drawn_twice(root: Path) -> None:
    data = dataset(root, Augmentation(min_area=0.3))
    assert not np.array_equal(data[0, 0, 0][1][1], data[2, 0, 0][1][2])  # work 0 as a reference of 4 and of 5


def test_workers_that_outlive_an_epoch_see_the_next_one(root: Path) -> None:
    data = dataset(root, Augmentation(min_area=0.3))
    sampler = DrawSampler(data, shuffle=True, seed=0)
    loader = DataLoader(
        data, 2, sampler=sampler, num_workers=1, collate_fn=collate_images, persistent_workers=True
    )  # fmt: skip
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        found, expected = by_row(list(loader)), by_row(batches(data, 0, epoch))
        assert all(torch.equal(found[row], expected[row]) for row in expected)


def test_the_draw_sampler_goes_through_the_positions_of_mmengines(root: Path) -> None:
    from mmengine.dataset import DefaultSampler

    draws, plain = (cls(range(10), shuffle=True, seed=5) for cls in (DrawSampler, DefaultSampler))
    for sampler in (draws, plain):
        sampler.set_epoch(2)
    assert list(draws) == [(position, 5, 2) for position in plain]
    assert len(draws) == len(plain) == 10


@pytest.mark.parametrize('workers', [0, 1])
def test_a_broken_picture_is_an_error_with_its_fix(root: Path, workers: int) -> None:
    (root / FILES[1]).write_bytes(b'no image')
    loader = DataLoader(dataset(root), 3, num_workers=workers, collate_fn=collate_images)
    (found,) = list(loader)
    assert isinstance(found, ImageError) and f'{FILES[1]} is not an image' in found.message and 'JPEG' in found.fix
