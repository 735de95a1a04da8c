"""What a run was made with: versions, git state, machine, command; written beside its results."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_world_size

import ssmr
from ssmr.artifacts.files import write_json

PACKAGES = (
    'torch',
    'torchvision',
    'numpy',
    'scipy',
    'mmengine',
    'mmpretrain',
    'mmcv-lite',
    'pillow',
    'faiss-cpu',
    'faiss-gpu',
)
RECORD = 'environment.json'


def versions() -> dict[str, str]:
    """ssmr, Python and the packages that decide results, as far as they are installed."""
    found = {'ssmr': ssmr.__version__, 'python': platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def git_state() -> dict[str, Any] | None:
    """Commit and whether files differ from it, of the checkout that ssmr is run from; None outside of one."""

    def git(*arguments: str) -> str:
        command = ['git', '-C', str(Path(ssmr.__file__).parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        return {
            'commit': git('rev-parse', 'HEAD'),
            'changed': bool(git('status', '--porcelain', '--untracked-files=no')),
        }
    except (OSError, subprocess.SubprocessError):
        return None


def write_environment(folder: Path, seed: int | None) -> None:
    """Write ``environment.json`` into the work folder.

    Args:
        folder: The work folder.
        seed: Of the run.
    """
    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    write_json(
        folder / RECORD,
        {
            'versions': versions(),
            'git': git_state(),
            'seed': seed,
            'deterministic': torch.are_deterministic_algorithms_enabled(),
            'command': sys.argv,
            'host': socket.gethostname(),
            'platform': platform.platform(),
            'processes': get_world_size(),
            'threads': torch.get_num_threads(),
            'gpus': devices,
            'slurm': {name: value for name, value in os.environ.items() if name.startswith('SLURM_JOB_')},
        },
    )
