"""The store: an artifact is whole or does not exist, is built once, and every change to it is noticed."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssmr.artifacts.store import MANIFEST, ArtifactKey, ArtifactStore, read_manifest
from ssmr.errors import ArtifactError, DataError

KEY = ArtifactKey('features', 'works', {'encoder': {'type': 'A', 'size': 224}, 'seed': 0})


def build(folder: Path) -> dict[str, Any]:
    (folder / 'data.bin').write_bytes(bytes(range(100)))
    (folder / 'notes.json').write_text('{}')
    return {'rows': 100}


def never(folder: Path) -> dict[str, Any]:
    raise AssertionError('it is there already')


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / 'store')


def built_names(store: ArtifactStore) -> list[str]:
    return sorted(p.name for p in store.root.rglob('*') if not p.name.endswith('.lock') and p.parent != store.root)


def test_a_miss_builds_and_a_hit_does_not(store: ArtifactStore) -> None:
    assert not store.has(KEY)
    folder = store.get_or_build(KEY, build)
    assert store.has(KEY)
    assert store.get_or_build(KEY, never) == folder == store.path(KEY)
    manifest = read_manifest(folder)
    assert manifest['facts'] == {'rows': 100}
    assert manifest['inputs'] == KEY.inputs
    assert sorted(manifest['files']) == ['data.bin', 'notes.json']


def test_other_inputs_are_another_artifact(store: ArtifactStore) -> None:
    store.get_or_build(KEY, build)
    other = ArtifactKey(KEY.kind, KEY.name, {**KEY.inputs, 'seed': 1})
    assert not store.has(other)
    assert store.get_or_build(other, build) != store.path(KEY)


def _build_slowly(root: str, log: str) -> None:
    def build_once(folder: Path) -> dict[str, Any]:
        with open(log, 'a') as file:
            file.write(f'{os.getpid()}\n')
        time.sleep(0.5)
        return build(folder)

    read_manifest(ArtifactStore(root).get_or_build(KEY, build_once))


def test_two_processes_at_once_build_it_once(store: ArtifactStore, tmp_path: Path) -> None:
    context = multiprocessing.get_context('fork')
    log = tmp_path / 'log'
    processes = [context.Process(target=_build_slowly, args=(str(store.root), str(log))) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert [p.exitcode for p in processes] == [0, 0, 0]
    assert len(log.read_text().splitlines()) == 1


def test_a_folder_without_a_manifest_does_not_exist(store: ArtifactStore) -> None:
    folder = store.get_or_build(KEY, build)
    (folder / MANIFEST).unlink()
    (folder / 'stray').write_text('from the former artifact')
    assert not store.has(KEY)
    with pytest.raises(ArtifactError, match='has no manifest'):
        read_manifest(folder)
    store.get_or_build(KEY, build)  # built anew, in its place
    assert sorted(os.listdir(folder)) == ['data.bin', MANIFEST, 'notes.json']


def test_nothing_exists_until_the_build_is_done(store: ArtifactStore) -> None:
    def look(folder: Path) -> dict[str, Any]:
        assert not store.has(KEY) and not store.path(KEY).exists()
        return build(folder)

    store.get_or_build(KEY, look)


def test_bad_input_leaves_nothing_behind(store: ArtifactStore) -> None:
    def fail(folder: Path) -> dict[str, Any]:
        build(folder)
        raise DataError('bad', 'fix it')

    with pytest.raises(DataError):
        store.get_or_build(KEY, fail)
    assert built_names(store) == []
    store.get_or_build(KEY, build)


def test_an_interrupted_build_goes_on_where_it_was(store: ArtifactStore) -> None:
    def interrupted(folder: Path) -> dict[str, Any]:
        (folder / 'first').write_text('done')
        (folder / '.second.tmp').write_text('ha')
        raise KeyboardInterrupt

    def go_on(folder: Path) -> dict[str, Any]:
        assert (folder / 'first').read_text() == 'done'
        return build(folder)

    with pytest.raises(KeyboardInterrupt):
        store.get_or_build(KEY, interrupted)
    assert not store.has(KEY)
    assert sorted(read_manifest(store.get_or_build(KEY, go_on))['files']) == ['data.bin', 'first', 'notes.json']
    assert not (store.path(KEY) / '.second.tmp').exists()


def test_a_kill_between_manifest_and_rename_costs_nothing(store: ArtifactStore) -> None:
    folder = store.get_or_build(KEY, build)
    folder.rename(folder.with_name(folder.name + '.partial'))
    assert not store.has(KEY)
    again = store.get_or_build(KEY, lambda partial: {'rows': len((partial / 'data.bin').read_bytes())})
    assert read_manifest(again)['facts'] == {'rows': 100}


def test_a_full_disk_is_an_error_that_leaves_former_artifacts_alone(tmp_path: Path) -> None:
    disk = tmp_path / 'disk'
    disk.mkdir()
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk], capture_output=True).returncode:
        pytest.skip('no small file system can be mounted here')
    try:
        store = ArtifactStore(disk)
        store.get_or_build(KEY, build)
        large = ArtifactKey(KEY.kind, KEY.name, {'seed': 2})
        with pytest.raises(ArtifactError, match='no space left'):
            store.get_or_build(large, lambda folder: {'n': (folder / 'large').write_bytes(bytes(100_000))})
        assert [p.name for p in store.path(KEY).parent.iterdir() if p.is_dir()] == [KEY.folder]
        read_manifest(store.path(KEY))
        store.get_or_build(large, build)  # the space is free again
        with pytest.raises(OSError), open(disk / 'ballast', 'wb', buffering=0) as file:
            while True:
                file.write(bytes(4096))  # to the last block
        with pytest.raises(ArtifactError, match='no space left'):
            store.get_or_build(ArtifactKey(KEY.kind, KEY.name, {'seed': 3}), build)
        read_manifest(store.path(large))
    finally:
        subprocess.run(['umount', disk], check=True)


def _edit(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def corrupt(folder: Path) -> None:
        manifest = json.loads((folder / MANIFEST).read_text())
        change(manifest)
        (folder / MANIFEST).write_text(json.dumps(manifest))

    return corrupt


def _flip(folder: Path) -> None:
    data = bytearray((folder / 'data.bin').read_bytes())
    data[50] ^= 1
    (folder / 'data.bin').write_bytes(data)


CORRUPTIONS: dict[str, Callable[[Path], object]] = {
    'a flipped bit': _flip,
    'a truncated file': lambda f: os.truncate(f / 'data.bin', 99),
    'a longer file': lambda f: os.truncate(f / 'data.bin', 101),
    'a missing file': lambda f: (f / 'data.bin').unlink(),
    'a folder in its place': lambda f: ((f / 'data.bin').unlink(), (f / 'data.bin').mkdir()),
    'a manifest cut short': lambda f: os.truncate(f / MANIFEST, 20),
    'an empty manifest': lambda f: os.truncate(f / MANIFEST, 0),
    'a manifest that is a list': lambda f: (f / MANIFEST).write_text('[]'),
    'edited inputs': _edit(lambda m: m['inputs'].update(seed=5)),
    'inputs that are no numbers': _edit(lambda m: m['inputs'].update(seed=float('nan'))),
    'an edited fingerprint': _edit(lambda m: m.update(fingerprint='0' * 64)),
    'a path that leaves the folder': _edit(lambda m: m['files'].update({'../x': m['files']['data.bin']})),
    'an absolute path': _edit(lambda m: m['files'].update({'/etc/passwd': m['files']['data.bin']})),
    'a parent folder': _edit(lambda m: m['files'].update({'..': m['files']['data.bin']})),
    'files as a list': _edit(lambda m: m.update(files=['data.bin'])),
    'a file without a size': _edit(lambda m: m['files']['data.bin'].pop('bytes')),
    'a file without a checksum': _edit(lambda m: m['files']['data.bin'].pop('sha256')),
    'a file entry of the wrong kind': _edit(lambda m: m['files'].update({'data.bin': 5})),
    **{f'no {name}': _edit(lambda m, n=name: m.pop(n)) for name in ('files', 'inputs', 'fingerprint', 'facts')},  # type: ignore[misc]
}


@pytest.mark.parametrize('corrupt', CORRUPTIONS.values(), ids=CORRUPTIONS.keys())
def test_every_corruption_is_refused_with_the_folder_to_remove(
    store: ArtifactStore, corrupt: Callable[[Path], object]
) -> None:
    folder = store.get_or_build(KEY, build)
    (folder.parent / 'x').write_bytes(bytes(range(100)))  # what '../x' would find
    corrupt(folder)
    with pytest.raises(ArtifactError) as caught:
        read_manifest(folder)
    assert str(folder) in str(caught.value)


def test_a_file_that_the_manifest_does_not_vouch_for_is_not_read(store: ArtifactStore) -> None:
    folder = store.get_or_build(KEY, build)
    read_manifest(folder, ['data.bin'])
    _edit(lambda m: m['files'].pop('data.bin'))(folder)
    with pytest.raises(ArtifactError, match=r'no data\.bin'):
        read_manifest(folder, ['data.bin'])


class TestStaleFields:
    def test_an_empty_store_has_no_reason(self, store: ArtifactStore) -> None:
        assert store.stale_fields(KEY) == []

    def test_they_are_exactly_the_changed_ones_dotted(self, store: ArtifactStore) -> None:
        store.get_or_build(KEY, build)
        new = {'encoder': {'type': 'A', 'size': 256, 'crop': True}}
        assert store.stale_fields(ArtifactKey(KEY.kind, KEY.name, new)) == ['encoder.crop', 'encoder.size', 'seed']

    def test_the_most_similar_artifact_counts(self, store: ArtifactStore) -> None:
        far = ArtifactKey(KEY.kind, KEY.name, {'encoder': {'type': 'B', 'size': 1}, 'seed': 9})
        for key in (far, KEY):
            store.get_or_build(key, build)
        changed = ArtifactKey(KEY.kind, KEY.name, {**KEY.inputs, 'seed': 1})
        assert store.stale_fields(changed) == ['seed']

    def test_other_data_sets_and_kinds_do_not_count(self, store: ArtifactStore) -> None:
        for kind, name in (('features', 'works-1890'), ('references', 'works')):
            store.get_or_build(ArtifactKey(kind, name, {'seed': 7}), build)
        assert store.stale_fields(KEY) == []

    def test_names_with_special_characters_are_plain_names(self, store: ArtifactStore) -> None:
        store.get_or_build(ArtifactKey('features', 'works [1]', {'seed': 7}), build)
        assert store.stale_fields(ArtifactKey('features', 'works [1]', {'seed': 8})) == ['seed']
