"""Reading arrays and ids from files that may say anything about themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ssmr.artifacts.files import read_json
from ssmr.errors import ArtifactError


def read_array(path: Path, dtype: Any, *, mapped: bool = False) -> np.ndarray:
    """Read an array of one type of number.

    Args:
        path: An ``.npy`` file; an archive or a pickle is none.
        dtype: The type that it must have.
        mapped: Leave it on disk, read-only, and read what is used.

    Raises:
        ArtifactError: The file is missing, is no array, is shorter than it says, or holds another type.
    """
    fix = f'remove {path.parent} and run the command again'
    try:
        with np.errstate(over='ignore'):  # of the size that the file says it has; the mapping looks at the real one
            found = np.load(path, mmap_mode='r', allow_pickle=False)
    except Exception as error:  # on garbage NumPy's reader fails with whatever comes up (EOFError, OverflowError…)
        raise ArtifactError(f'{path} is not an array: {str(error) or type(error).__name__}', fix) from error
    if not isinstance(found, np.memmap) or found.dtype != dtype:
        kind = getattr(found, 'dtype', 'an archive')
        raise ArtifactError(f'{path} holds other types than an array of {np.dtype(dtype)}: {kind}', fix)
    return found if mapped else np.array(found)


def read_ids(path: Path) -> tuple[str, ...]:
    """The ids of a table, as an artifact holds them.

    Raises:
        ArtifactError: It is not a list of different names.
    """
    ids = read_json(path)
    if not isinstance(ids, list) or not all(isinstance(i, str) for i in ids) or len(set(ids)) != len(ids):
        raise ArtifactError(
            f'{path} is not a list of different names', f'remove {path.parent} and run the command again'
        )
    return tuple(ids)
