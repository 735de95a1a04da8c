"""Files are whole or absent, whatever happens while they are written."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ssmr.artifacts.files import atomic_write, disk_space, read_json, sha256_file, write_json
from ssmr.errors import ArtifactError


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 64 KiB."""
    folder = tmp_path / 'small'
    folder.mkdir()
    mounted = subprocess.run(
        ['mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f'no small file system can be mounted here: {mounted.stderr.strip()}')
    yield folder
    subprocess.run(['umount', folder], check=True)


def test_a_written_file_has_the_text_and_no_leftovers(tmp_path: Path) -> None:
    with atomic_write(tmp_path / 'new' / 'a.txt') as file:
        file.write('Käthe\nKollwitz\n')
    assert (tmp_path / 'new' / 'a.txt').read_bytes() == 'Käthe\nKollwitz\n'.encode()
    assert os.listdir(tmp_path / 'new') == ['a.txt']


def test_a_failure_inside_the_block_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / 'a.txt'
    path.write_text('old')
    with pytest.raises(KeyError), atomic_write(path) as file:
        file.write('half of the ne')
        raise KeyError
    assert path.read_text() == 'old'
    assert os.listdir(tmp_path) == ['a.txt']


def test_the_file_is_not_visible_before_it_is_whole(tmp_path: Path) -> None:
    with atomic_write(tmp_path / 'a.bin', 'wb') as file:
        file.write(b'first half')
        file.flush()
        assert not (tmp_path / 'a.bin').exists()
        file.write(b'second half')
    assert (tmp_path / 'a.bin').read_bytes() == b'first halfsecond half'


def test_others_can_read_it_as_far_as_the_umask_allows(tmp_path: Path) -> None:
    previous = os.umask(0o027)
    try:
        write_json(tmp_path / 'a.json', 1)
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / 'a.json').stat().st_mode) == 0o640


def test_a_full_disk_is_named_and_the_old_file_stays(small_disk: Path) -> None:
    write_json(small_disk / 'kept.json', [1, 2, 3])
    with pytest.raises(ArtifactError, match=r'no space left to write .*kept\.json'):
        write_json(small_disk / 'kept.json', ['x' * 100_000])
    assert read_json(small_disk / 'kept.json') == [1, 2, 3]
    assert os.listdir(small_disk) == ['kept.json']


def test_a_file_size_limit_counts_as_a_full_disk(tmp_path: Path) -> None:
    code = f"""
import resource
from pathlib import Path
from ssmr.artifacts.files import write_json
from ssmr.errors import ArtifactError
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    write_json(Path({str(tmp_path)!r}) / 'a.json', 'x' * 10_000)
except ArtifactError as error:
    print(error)
"""
    out = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout
    assert 'no space left to write' in out and 'a.json' in out
    assert os.listdir(tmp_path) == []


def test_other_failures_of_the_system_keep_their_own_name(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), disk_space(tmp_path):
        raise PermissionError(13, 'denied')


@pytest.mark.parametrize('content', [b'', b'{"a": 1', b'\xff\xfe'])
def test_a_broken_json_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / 'a.json').write_bytes(content)
    with pytest.raises(ArtifactError, match=r'a\.json'):
        read_json(tmp_path / 'a.json')


def test_a_missing_json_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r'gone\.json'):
        read_json(tmp_path / 'gone.json')


def test_the_checksum_is_sha256_also_of_files_larger_than_one_block(tmp_path: Path) -> None:
    data = os.urandom((1 << 20) + 17)
    (tmp_path / 'a').write_bytes(data)
    assert sha256_file(tmp_path / 'a') == hashlib.sha256(data).hexdigest()
