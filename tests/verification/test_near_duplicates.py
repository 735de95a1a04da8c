"""Near duplicates: altered copies are found, other works are not, blank pictures do not all look alike."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from painted_works import make_table, paint_files, paintings
from PIL import Image, ImageEnhance, ImageOps

from ssmr.datasets.image_table import ImageTable
from ssmr.errors import ConfigError
from ssmr.verification.duplicates import find_duplicates
from ssmr.verification.hash_search import near_pairs
from ssmr.verification.links import find_links, is_flat
from ssmr.verification.pictures import HASH_SIZE, Picture, inspect

BYTES = HASH_SIZE**2 // 8


def jpeg(image: Image.Image, path: Path) -> None:
    image.save(path, 'JPEG', quality=40)


ALTERED: dict[str, Callable[[Image.Image, Path], None]] = {
    'saved again': jpeg,
    'half the size': lambda image, path: jpeg(image.resize((48, 48)), path),
    'grey': lambda image, path: jpeg(image.convert('L'), path),
    'brighter': lambda image, path: jpeg(ImageEnhance.Brightness(image).enhance(1.1), path),
    'bordered': lambda image, path: jpeg(ImageOps.expand(image, 2, 'white'), path),
}


@pytest.mark.parametrize('how', ALTERED)
def test_an_altered_copy_is_the_only_duplicate(tmp_path: Path, how: str) -> None:
    painted = paint_files(tmp_path)
    ALTERED[how](paintings()[4], tmp_path / 'copy.jpg')
    table = make_table([*painted, 'copy.jpg'], ['train'] * 12 + ['test'], root=tmp_path)
    found = find_duplicates(table, inspect(tmp_path, table.files))
    assert [group.images for group in found.groups] == [['w04.png', 'copy.jpg']]
    assert found.groups[0].across and found.leaks == 1
    assert found.groups[0].identical == [False, False]


def test_groups_tell_splits_scores_and_identical_files(tmp_path: Path) -> None:
    paint_files(tmp_path)
    (tmp_path / 'same.png').write_bytes((tmp_path / 'w00.png').read_bytes())
    jpeg(paintings()[0], tmp_path / 'again.jpg')
    jpeg(paintings()[1], tmp_path / 'val.jpg')
    files = ['w00.png', 'same.png', 'again.jpg', 'w01.png', 'val.jpg', 'w02.png']
    splits = ['train', 'train', 'train', 'train', 'val', 'test']
    table = make_table(files, splits, [1, 3, 5, 2, 2, 9], groups=[0, 0, 0, 1, 2, 3], root=tmp_path)
    found = find_duplicates(table, inspect(tmp_path, files))
    across, within = found.groups  # those across splits come first
    assert across.images == ['w01.png', 'val.jpg'] and across.across and not across.known
    assert within.images == ['w00.png', 'same.png', 'again.jpg'] and not within.across and within.known
    assert within.identical == [True, True, False]
    assert within.score_sd == pytest.approx(np.std([1, 3, 5])) and across.score_sd == 0
    assert found.inside_sd == pytest.approx(np.sqrt((np.var([1, 3, 5]) + 0) / 2))
    assert found.overall_sd == pytest.approx(np.std([1, 3, 5, 2, 2, 9]))
    assert found.leaks == 1 and found.works == 5


def test_works_that_are_not_used_do_not_cross_splits(tmp_path: Path) -> None:
    paint_files(tmp_path)
    jpeg(paintings()[0], tmp_path / 'copy.jpg')
    table = make_table(['w00.png', 'copy.jpg'], ['train', 'none'], [4, np.nan], root=tmp_path)
    found = find_duplicates(table, inspect(tmp_path, table.files))
    assert len(found.groups) == 1 and found.across == [] and found.leaks == 0
    assert found.groups[0].scores == [4, None] and found.groups[0].score_sd is None


def test_the_order_of_works_does_not_matter(tmp_path: Path) -> None:
    painted = paint_files(tmp_path)
    for i in (3, 7):
        jpeg(paintings()[i], tmp_path / f'copy{i}.jpg')
    files = [*painted, 'copy3.jpg', 'copy7.jpg']

    def sets(files: list[str]) -> set[frozenset[str]]:
        found = find_duplicates(make_table(files, root=tmp_path), inspect(tmp_path, files))
        return {frozenset(group.images) for group in found.groups}

    expected = {frozenset({'w03.png', 'copy3.jpg'}), frozenset({'w07.png', 'copy7.jpg'})}
    assert sets(files) == sets(files[::-1]) == sets(sorted(files)) == expected


def test_blank_and_even_pictures_are_alike_only_in_the_same_colour(tmp_path: Path) -> None:
    colours = ['#ffffff', '#fefefe', '#e0d0b0', '#000000', '#804000']
    for i, colour in enumerate(colours):
        Image.new('RGB', (80, 60), colour).save(tmp_path / f'{i}.png')
    ramp = np.tile(np.linspace(40, 200, 80), (60, 1))
    for name, values in {'ramp': ramp, 'other': 255 - ramp, 'steep': np.clip(2 * ramp - 100, 0, 255)}.items():
        Image.fromarray(values.astype(np.uint8)).save(tmp_path / f'{name}.png')
    files = [*(f'{i}.png' for i in range(5)), 'ramp.png', 'other.png', 'steep.png']
    pictures = inspect(tmp_path, files)
    assert all(is_flat(picture.hash) for picture in pictures)
    found = find_duplicates(make_table(files, root=tmp_path), pictures)
    assert [group.images for group in found.groups] == [['0.png', '1.png']]
    assert found.flat == len(files)


def test_paintings_have_usable_hashes(tmp_path: Path) -> None:
    painted = paint_files(tmp_path)
    assert not any(is_flat(picture.hash) for picture in inspect(tmp_path, painted))


def test_unreadable_works_are_in_no_group(tmp_path: Path) -> None:
    paint_files(tmp_path)
    files = ['absent.png', 'w00.png', 'gone.png']
    found = find_duplicates(make_table(files, root=tmp_path), inspect(tmp_path, files))
    assert found.groups == [] and found.inside_sd is None


@pytest.mark.parametrize('threshold', [-1, 97])
def test_a_threshold_that_links_anything_is_refused(threshold: int) -> None:
    with pytest.raises(ConfigError, match=f'--threshold is {threshold}'):
        find_duplicates(make_table([]), [], threshold)


def half_set(rng: np.random.Generator) -> bytes:
    return np.packbits(rng.permutation(np.arange(HASH_SIZE**2) % 2)).tobytes()


def made_up(n: int, seed: int) -> tuple[np.ndarray, list[Picture]]:
    """Hashes with half of their bits set, in chains: each may be a former one with some bits exchanged."""
    rng, hashes = np.random.default_rng(seed), []
    for i in range(n):
        bits = np.unpackbits(np.frombuffer(half_set(rng), np.uint8))
        if i and rng.random() < 0.7:
            bits = np.unpackbits(hashes[rng.integers(i)])
            moved = rng.integers(0, 45)  # each exchange is two bits
            ones, zeros = (rng.permutation(np.flatnonzero(bits == value))[:moved] for value in (1, 0))
            bits[ones], bits[zeros] = 0, 1
        hashes.append(np.packbits(bits))
    return np.array(hashes), [Picture(f'{i}', '', 1, 1, h.tobytes(), b'x') for i, h in enumerate(hashes)]


@given(n=st.integers(2, 25), seed=st.integers(0, 999), threshold=st.sampled_from([0, 20, 64, 96]))
def test_groups_equal_the_components_of_all_near_pairs(n: int, seed: int, threshold: int) -> None:
    hashes, pictures = made_up(n, seed)
    links, distances = find_links(pictures, np.zeros(n, dtype=bool), threshold)
    ours, theirs = nx.Graph(links.tolist()), nx.Graph(near_pairs(hashes, threshold)[0].tolist())
    assert {*map(frozenset, nx.connected_components(ours))} == {*map(frozenset, nx.connected_components(theirs))}
    exact = [int(np.unpackbits(hashes[i] ^ hashes[j]).sum()) for i, j in links]
    assert distances.tolist() == exact and all(d <= threshold for d in exact)


def test_a_thousand_equal_hashes_are_few_links() -> None:
    one = half_set(np.random.default_rng(0))
    pictures = [Picture(f'{i}', '', 1, 1, one, b'x') for i in range(1000)]
    links, _ = find_links(pictures, np.zeros(1000, dtype=bool), 64)
    assert len(links) == 999 and nx.is_connected(nx.Graph(links.tolist()))


@pytest.mark.data
def test_a_painting_in_other_colours_is_found_among_real_ones(shared_data: Path) -> None:
    root = shared_data / 'sidhu477'
    files = tuple(f'images/{path.name}' for path in sorted((root / 'images').iterdir()))
    n = len(files)
    table = ImageTable(
        name='paintings', root=root, ids=files, files=files, scores=np.zeros(n), splits=np.full(n, 'train'),
        groups=np.arange(n), scale=(1, 9), threshold=5, split_name='',
    )  # fmt: skip
    found = find_duplicates(table, inspect(root, files))
    assert [group.images for group in found.groups] == [['images/abs_098.jpg', 'images/abs_201.jpg']]
    digests = {hashlib.sha256((root / name).read_bytes()).hexdigest() for name in found.groups[0].images}
    assert len(digests) == 2 and found.groups[0].identical == [False, False]
