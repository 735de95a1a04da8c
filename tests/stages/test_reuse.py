"""New works: only they are encoded, and the bank is that of a whole extraction, byte by byte."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssmr.artifacts.feature_bank import CONTENTS, FEATURES, IDS, QUARANTINE, FeatureBank
from ssmr.artifacts.store import MANIFEST
from ssmr.config.load import load_config
from ssmr.stages import encoding
from ssmr.stages.extract import feature_bank
from ssmr.stages.project import Project


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows that were decoded and encoded."""
    rows: list[int] = []
    load = encoding._load

    def noted(*arguments: object) -> encoding.Loaded:
        loaded = load(*arguments)  # type: ignore[arg-type]
        rows.extend(loaded.rows)
        return loaded

    monkeypatch.setattr(encoding, '_load', noted)
    return rows


def extract(config: Path, artifacts: Path) -> Path:
    """The folder of the semantic bank."""
    project = Project(load_config(config, (f'artifact_dir={artifacts}',)))
    feature_bank(project, 'semantic')
    return project.store.path(project.bank_key('semantic'))


def assert_as_a_whole(config: Path, tmp_path: Path, bank: Path) -> None:
    whole = extract(config, tmp_path / 'whole')
    for name in (FEATURES, CONTENTS, IDS, QUARANTINE):
        assert (bank / name).read_bytes() == (whole / name).read_bytes(), name


def list_works(works: Path, keep: list[int]) -> None:
    """Leave these rows in the table, in this order."""
    header, *rows = (works / 'labels.csv').read_text().splitlines()
    (works / 'labels.csv').write_text('\n'.join([header, *(rows[i] for i in keep)]) + '\n')


def repaint(works: Path, number: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (48, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(works / 'images' / f'{number:03d}.png')


def test_new_removed_and_reordered_works(tiny_config: Path, works: Path, tmp_path: Path, encoded: list[int]) -> None:
    labels = (works / 'labels.csv').read_text()
    list_works(works, [i for i in range(24) if i not in (3, 17)])
    extract(tiny_config, tmp_path / 'kept')
    (works / 'labels.csv').write_text(labels)
    order = [i for i in range(23, -1, -1) if i != 8]
    list_works(works, order)
    encoded.clear()
    bank = extract(tiny_config, tmp_path / 'kept')
    assert sorted(encoded) == sorted([order.index(3), order.index(17)])
    assert json.loads((bank / MANIFEST).read_text())['facts']['reused'] == 21
    assert_as_a_whole(tiny_config, tmp_path, bank)


def test_a_changed_picture_is_encoded_whatever_its_size_and_time(
    tiny_config: Path, works: Path, tmp_path: Path, encoded: list[int]
) -> None:
    path = works / 'images' / '005.bmp'
    path.write_bytes(b'')
    labels = (works / 'labels.csv').read_text()
    (works / 'labels.csv').write_text(labels.replace('005.png', '005.bmp'))
    Image.new('RGB', (40, 48), 'red').save(path)
    before = path.stat()
    extract(tiny_config, tmp_path / 'kept')
    Image.new('RGB', (40, 48), 'blue').save(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    repaint(works, 9, 0)
    encoded.clear()
    bank = extract(tiny_config, tmp_path / 'kept')
    assert encoded == [5, 9]
    assert_as_a_whole(tiny_config, tmp_path, bank)


def test_a_picture_that_was_only_moved_or_touched_is_known(
    tiny_config: Path, works: Path, tmp_path: Path, encoded: list[int]
) -> None:
    extract(tiny_config, tmp_path / 'kept')
    (works / 'images' / '002.png').rename(works / 'images' / 'renamed.png')
    (works / 'labels.csv').write_text((works / 'labels.csv').read_text().replace('002.png', 'renamed.png'))
    os.utime(works / 'images' / '004.png', (1, 1))
    encoded.clear()
    extract(tiny_config, tmp_path / 'kept')
    assert encoded == []


def test_a_work_that_could_not_be_read_is_tried_again(
    tiny_config: Path, works: Path, tmp_path: Path, encoded: list[int]
) -> None:
    (works / 'images' / '007.png').write_bytes(b'no image')
    extract(tiny_config, tmp_path / 'kept')
    repaint(works, 1, 1)
    encoded.clear()
    bank = extract(tiny_config, tmp_path / 'kept')
    assert encoded == [1, 7] and FeatureBank.open(bank).quarantine.keys() == {'007.png'}
    assert_as_a_whole(tiny_config, tmp_path, bank)


@pytest.mark.parametrize(
    'option', ['encoders.semantic.preprocess.size=40', 'encoders.semantic.backbone.out_indices=[3]']
)
def test_another_encoder_knows_nothing(tiny_config: Path, tmp_path: Path, encoded: list[int], option: str) -> None:
    extract(tiny_config, tmp_path / 'kept')
    encoded.clear()
    feature_bank(Project(load_config(tiny_config, (option, f'artifact_dir={tmp_path / "kept"}'))), 'semantic')
    assert sorted(encoded) == list(range(24))


@pytest.mark.parametrize('harm', ['changed', 'shorter', 'no contents', 'manifest'])
def test_a_damaged_bank_is_not_believed(
    tiny_config: Path, works: Path, tmp_path: Path, encoded: list[int], harm: str
) -> None:
    bank = extract(tiny_config, tmp_path / 'kept')
    if harm == 'changed':
        with open(bank / FEATURES, 'r+b') as file:
            file.seek(-4, os.SEEK_END)
            file.write(b'abcd')
    elif harm == 'shorter':
        os.truncate(bank / FEATURES, 200)
    elif harm == 'no contents':
        (bank / CONTENTS).unlink()
    else:
        (bank / MANIFEST).write_text('[1')
    repaint(works, 9, 0)
    encoded.clear()
    built = extract(tiny_config, tmp_path / 'kept')
    assert sorted(encoded) == list(range(24))
    assert_as_a_whole(tiny_config, tmp_path, built)


def test_the_newest_whole_bank_is_taken(tiny_config: Path, works: Path, tmp_path: Path, encoded: list[int]) -> None:
    older = extract(tiny_config, tmp_path / 'kept')
    repaint(works, 9, 0)
    newer = extract(tiny_config, tmp_path / 'kept')
    for bank, year in ((older, 2001), (newer, 2002)):
        manifest = json.loads((bank / MANIFEST).read_text())
        (bank / MANIFEST).write_text(json.dumps(manifest | {'created': str(year)}))
    repaint(works, 10, 1)
    encoded.clear()
    newest = extract(tiny_config, tmp_path / 'kept')
    assert encoded == [10]
    shutil.rmtree(newest)
    os.truncate(newer / FEATURES, 200)
    encoded.clear()
    extract(tiny_config, tmp_path / 'kept')
    assert encoded == [9, 10]
