"""The feature bank: a kill loses at most one shard, and what is opened is what was written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmr.artifacts.feature_bank import CONTENTS, FEATURES, IDS, PROGRESS, QUARANTINE, FeatureBank, FeatureBankWriter
from ssmr.artifacts.store import MANIFEST, ArtifactKey, ArtifactStore
from ssmr.errors import ArtifactError

N, D, SHARD = 23, 5, 4
KEY_INPUTS = {'encoder': 'random numbers'}
VALUES = np.random.default_rng(0).normal(size=(N, D)).astype(np.float32)
NAMES = [f'{i:03d}.jpg' for i in range(N)]


def key() -> ArtifactKey:
    return ArtifactKey('features', 'works', KEY_INPUTS)


def write_all(folder: Path, values: np.ndarray = VALUES, bad: dict[str, str] | None = None) -> dict[str, int]:
    writer = FeatureBankWriter(folder, NAMES, values.shape[1], SHARD)
    for shard in writer.pending:
        rows = writer.shards[shard]
        here = {NAMES[i]: bad[NAMES[i]] for i in rows if bad and NAMES[i] in bad}
        writer.write(shard, values[rows.start : rows.stop], here)
    writer.finish()
    return {'dim': values.shape[1]}


def test_what_is_opened_is_what_was_written(tmp_path: Path) -> None:
    values = VALUES.copy()
    values[7] = 0
    folder = ArtifactStore(tmp_path).get_or_build(key(), lambda f: write_all(f, values, {NAMES[7]: 'truncated'}))
    bank = FeatureBank.open(folder)
    assert bank.ids == tuple(NAMES)
    assert bank.dim == D
    assert bank.quarantine == {NAMES[7]: 'truncated'}
    assert np.flatnonzero(~bank.valid).tolist() == [7]
    np.testing.assert_array_equal(bank.features, values)


def test_the_array_is_memory_mapped_and_read_only(tmp_path: Path) -> None:
    bank = FeatureBank.open(ArtifactStore(tmp_path).get_or_build(key(), write_all))
    assert isinstance(bank.features, np.memmap)
    with pytest.raises(ValueError, match='read-only'):
        bank.features[0] = 1


def test_the_file_is_an_ordinary_npy_file(tmp_path: Path) -> None:
    folder = ArtifactStore(tmp_path).get_or_build(key(), write_all)
    np.save(tmp_path / 'oracle.npy', VALUES)
    assert (folder / FEATURES).read_bytes()[-VALUES.nbytes :] == VALUES.tobytes()
    np.testing.assert_array_equal(np.load(folder / FEATURES), np.load(tmp_path / 'oracle.npy'))


@given(n=st.integers(1, 40), shard=st.integers(1, 50))
def test_the_shards_cover_every_row_once_in_order(tmp_path_factory: pytest.TempPathFactory, n: int, shard: int) -> None:
    folder = tmp_path_factory.mktemp('bank')
    writer = FeatureBankWriter(folder, [str(i) for i in range(n)], 2, shard)
    assert [row for rows in writer.shards for row in rows] == list(range(n))
    assert all(len(rows) <= shard for rows in writer.shards)


class TestGoingOn:
    def test_a_second_writer_does_what_is_left(self, tmp_path: Path) -> None:
        first = FeatureBankWriter(tmp_path, NAMES, D, SHARD)
        for shard in (0, 3):
            rows = first.shards[shard]
            first.write(shard, VALUES[rows.start : rows.stop], {NAMES[rows.start]: 'bad'})
        second = FeatureBankWriter(tmp_path, NAMES, D, SHARD)
        assert second.pending == [1, 2, 4, 5]
        assert second.quarantine == {NAMES[0]: 'bad', NAMES[12]: 'bad'}

    @pytest.mark.parametrize(('dim', 'shard'), [(D + 1, SHARD), (D, SHARD + 1)])
    def test_another_layout_starts_anew(self, tmp_path: Path, dim: int, shard: int) -> None:
        first = FeatureBankWriter(tmp_path, NAMES, D, SHARD)
        first.write(0, VALUES[:SHARD], {})
        second = FeatureBankWriter(tmp_path, NAMES, dim, shard)
        assert second.pending == list(range(len(second.shards)))
        assert (tmp_path / FEATURES).stat().st_size % 4 == 0

    def test_progress_without_its_array_is_not_believed(self, tmp_path: Path) -> None:
        FeatureBankWriter(tmp_path, NAMES, D, SHARD).write(0, VALUES[:SHARD], {})
        (tmp_path / FEATURES).unlink()
        assert 0 in FeatureBankWriter(tmp_path, NAMES, D, SHARD).pending

    def test_an_incomplete_bank_cannot_be_finished(self, tmp_path: Path) -> None:
        writer = FeatureBankWriter(tmp_path, NAMES, D, SHARD)
        writer.write(0, VALUES[:SHARD], {})
        with pytest.raises(ArtifactError, match='5 shards'):
            writer.finish()


#: Builds the bank slowly and says on its standard output which shards are durable.
SLOW_BUILD = """
import sys, time
from pathlib import Path
import numpy as np
from ssmr.artifacts.feature_bank import FeatureBankWriter
from ssmr.artifacts.store import ArtifactKey, ArtifactStore
root, pause = Path(sys.argv[1]), float(sys.argv[2])
values = np.load(sys.argv[3])
names = [f'{i:03d}.jpg' for i in range(len(values))]
def build(folder):
    writer = FeatureBankWriter(folder, names, values.shape[1], 4)
    for shard in writer.pending:
        rows = writer.shards[shard]
        time.sleep(pause)
        writer.write(shard, values[rows.start : rows.stop], {})
        print(shard, flush=True)
    writer.finish()
    return {}
ArtifactStore(root).get_or_build(ArtifactKey('features', 'works', {'encoder': 'random numbers'}), build)
"""


def test_a_kill_loses_at_most_one_shard_and_the_bytes_are_the_same(tmp_path: Path) -> None:
    np.save(tmp_path / 'values.npy', VALUES)
    run = [sys.executable, '-c', SLOW_BUILD, str(tmp_path / 'killed')]
    durable: list[int] = []
    for kills in range(2):
        with subprocess.Popen(
            [*run, '0.1', str(tmp_path / 'values.npy')], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            durable += [int(process.stdout.readline()) for _ in range(2)]
            time.sleep(0.03 * kills)
            process.send_signal(signal.SIGKILL)
        assert not ArtifactStore(tmp_path / 'killed').has(key())
    assert durable == [0, 1, 2, 3]  # the second run went on where the first was killed
    rest = subprocess.run([*run, '0', str(tmp_path / 'values.npy')], capture_output=True, text=True, check=True)
    assert rest.stdout.split() == ['4', '5']
    whole = ArtifactStore(tmp_path / 'whole').get_or_build(key(), write_all)
    killed = ArtifactStore(tmp_path / 'killed').path(key())
    names = sorted(set(os.listdir(whole)) - {MANIFEST})
    assert (
        names
        == sorted(set(os.listdir(killed)) - {MANIFEST})
        == sorted([CONTENTS, FEATURES, IDS, PROGRESS.format(0), QUARANTINE])
    )
    for name in names:
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name
    FeatureBank.open(killed)


class TestRefusals:
    @pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
    def test_numbers_that_are_none(self, tmp_path: Path, value: float) -> None:
        values = VALUES[:SHARD].copy()
        values[2, 1] = value
        with pytest.raises(ArtifactError, match='NaN or infinity'):
            FeatureBankWriter(tmp_path, NAMES, D, SHARD).write(0, values, {})

    @pytest.mark.parametrize('shape', [(SHARD, D + 1), (SHARD - 1, D), (SHARD * D,)])
    def test_a_shard_of_another_shape(self, tmp_path: Path, shape: tuple[int, ...]) -> None:
        with pytest.raises(ArtifactError, match='has shape'):
            FeatureBankWriter(tmp_path, NAMES, D, SHARD).write(0, np.zeros(shape, np.float32), {})

    @pytest.mark.parametrize(
        'array',
        [VALUES.astype(np.float64), VALUES[:, 0], VALUES[:-1], np.array([{'a': 1}] * N, dtype=object)],
        ids=['float64', 'one-dimensional', 'a row short', 'objects'],
    )
    def test_an_array_that_is_no_bank(self, tmp_path: Path, array: np.ndarray) -> None:
        def build(folder: Path) -> dict[str, int]:
            write_all(folder)
            np.save(folder / FEATURES, array, allow_pickle=array.dtype == object)
            return {}

        folder = ArtifactStore(tmp_path).get_or_build(key(), build)
        with pytest.raises(ArtifactError, match=str(folder)):
            FeatureBank.open(folder)

    @pytest.mark.parametrize('name', [FEATURES, IDS, QUARANTINE])
    @pytest.mark.parametrize('harm', [lambda p: p.unlink(), lambda p: os.truncate(p, p.stat().st_size - 1)])
    def test_a_damaged_file(self, tmp_path: Path, name: str, harm: Callable[[Path], None]) -> None:
        folder = ArtifactStore(tmp_path).get_or_build(key(), write_all)
        harm(folder / name)
        with pytest.raises(ArtifactError, match=name):
            FeatureBank.open(folder)

    def test_a_file_that_was_taken_off_the_manifest(self, tmp_path: Path) -> None:
        folder = ArtifactStore(tmp_path).get_or_build(key(), write_all)
        manifest = json.loads((folder / MANIFEST).read_text())
        del manifest['files'][FEATURES]
        (folder / MANIFEST).write_text(json.dumps(manifest))
        with pytest.raises(ArtifactError, match=FEATURES):
            FeatureBank.open(folder)

    def test_a_folder_that_is_no_artifact(self, tmp_path: Path) -> None:
        with pytest.raises(ArtifactError, match='not a complete artifact'):
            FeatureBank.open(tmp_path)


def test_too_little_space_is_met_before_the_first_shard(tmp_path: Path) -> None:
    code = f"""
import resource
from pathlib import Path
from ssmr.artifacts.feature_bank import FeatureBankWriter
from ssmr.artifacts.store import ArtifactKey, ArtifactStore
from ssmr.errors import ArtifactError
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
def build(folder):
    FeatureBankWriter(folder, ['x'] * 1000, 512, 10)
    print('a shard could be written')
try:
    ArtifactStore({str(tmp_path)!r}).get_or_build(ArtifactKey('features', 'works', {{}}), build)
except ArtifactError as error:
    print(error.message)
"""
    out = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout
    assert out.startswith('no space left to write') and FEATURES in out
    assert [p.name for p in (tmp_path / 'features').iterdir() if p.is_dir()] == []


class TestBytes:
    steps = np.array([0.1, 1e-8, 3, 0.7, 2**-20], np.float32)
    multiples = np.random.default_rng(1).integers(-127, 128, (N, D)).astype(np.int8)

    def write(self, folder: Path) -> dict[str, int]:
        for _ in range(2):  # the second time after a kill
            writer = FeatureBankWriter(folder, NAMES, D, SHARD, steps=self.steps)
            for shard in writer.pending[:3]:
                rows = writer.shards[shard]
                writer.write(shard, self.multiples[rows.start : rows.stop] * self.steps, {})
        writer.finish()
        return {'dim': D}

    def test_multiples_of_steps_are_stored_in_a_byte_and_come_back_exactly(self, tmp_path: Path) -> None:
        folder = ArtifactStore(tmp_path).get_or_build(key(), self.write)
        np.testing.assert_array_equal(FeatureBank.open(folder).features, self.multiples * self.steps)
        np.testing.assert_array_equal(np.load(folder / FEATURES), self.multiples)

    @pytest.mark.parametrize('value', [0.25, 20.0])
    def test_other_numbers_are_refused(self, tmp_path: Path, value: float) -> None:
        writer = FeatureBankWriter(tmp_path, NAMES, D, SHARD, steps=self.steps)
        with pytest.raises(ArtifactError, match='not multiples of the steps'):
            writer.write(0, np.full((SHARD, D), value, np.float32), {})

    def test_steps_of_another_length_are_found(self, tmp_path: Path) -> None:
        folder = ArtifactStore(tmp_path).get_or_build(key(), self.write)
        np.save(folder / 'steps.npy', self.steps[:-1])
        with pytest.raises(ArtifactError):
            FeatureBank.open(folder)
