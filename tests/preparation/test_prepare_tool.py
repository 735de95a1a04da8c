"""The command line of tools/prepare_data.py: what it takes, what it says, how it exits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from small_data_sets import vaps


def run(repo: Path, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(repo / 'tools' / 'prepare_data.py'), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd or repo, timeout=120)


def test_help_documents_the_exit_status(repo: Path) -> None:
    done = run(repo, '--help')
    assert done.returncode == 0 and '3 images are missing' in ' '.join(done.stdout.split())


def test_what_is_lacking_is_an_error_with_status_1(repo: Path, tmp_path: Path) -> None:
    done = run(repo, 'LAPIS', cwd=tmp_path)
    assert done.returncode == 1 and done.stdout == '' and not any(tmp_path.iterdir())
    assert done.stderr.startswith('error: LAPIS is incomplete') and 'data/lapis/imageset' in done.stderr


def test_complete_is_status_0_and_missing_images_are_status_3(repo: Path, tmp_path: Path) -> None:
    vaps(tmp_path)
    done = run(repo, 'vaps', '--root', str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith('train: python tools/train.py configs/ssmr_swin_vaps.py')
    next((tmp_path / '1 Scenes').glob('*.jpg')).unlink()
    done = run(repo, 'VAPS', '--root', str(tmp_path), '--workers', '1')
    assert done.returncode == 3 and f'missing or broken: 1 images, listed in {tmp_path / "missing.csv"}' in done.stdout


@pytest.mark.parametrize('arguments', [[], ['coco'], ['vaps', '--rate', 'fast']])
def test_a_misspelt_command_is_status_2(arguments: list[str], repo: Path) -> None:
    assert run(repo, *arguments).returncode == 2


def test_a_broken_archive_is_named(repo: Path, tmp_path: Path) -> None:
    (tmp_path / 'x.zip').write_bytes(b'PK\3\4 and no more')
    done = run(repo, 'apdd', '--root', str(tmp_path / 'root'), '--archive', str(tmp_path / 'x.zip'))
    assert done.returncode == 1 and f'{tmp_path / "x.zip"} cannot be unpacked' in done.stderr
