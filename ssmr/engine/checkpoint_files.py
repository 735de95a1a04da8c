"""Reading checkpoints: files of ours, and whatever else may lie under their name."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ssmr.config.fingerprint import changed_fields
from ssmr.engine.checkpoint_content import read_inputs
from ssmr.engine.published import SUFFIX, read_published
from ssmr.errors import CheckpointError
from ssmr.safe_load import safe_torch_load


def read_checkpoint(path: Path, expected: Mapping[str, Any], map_location: str = 'cpu') -> dict[str, Any]:
    """Read a checkpoint of ours, or a published model, and make sure that it belongs to this config.

    Args:
        path: The file.
        expected: The inputs that must agree with those in the checkpoint.
        map_location: Where the tensors go.

    Returns:
        ``meta`` and ``state_dict``, and what else the file holds: tensors and plain data, of any form.

    Raises:
        CheckpointError: The file is missing, unsafe, damaged, or made by another config; names the fields.
    """
    if path.suffix == SUFFIX:
        content = read_published(path, map_location)
    else:
        _require_whole(path)
        content = safe_torch_load(path, map_location)
    try:
        if not isinstance(content, dict) or 'state_dict' not in content:
            raise ValueError('it holds no state_dict')
        theirs = read_inputs(content.get('meta'))
        differ = changed_fields({k: theirs.get(k) for k in expected}, expected)
    except (ValueError, RecursionError) as error:
        raise _not_ours(path, error) from error
    if differ:
        raise CheckpointError(
            f'{path} belongs to another config: it differs in {", ".join(differ[:8])}',
            'give the config (and --cfg-options, --weights) that the checkpoint was trained with',
        )
    return content


def _require_whole(path: Path) -> None:
    """Check the checksums inside the archive that a checkpoint is, which torch does not look at.

    Raises:
        CheckpointError: One differs, or it is no archive like those that torch writes.
    """
    if not path.is_file():
        return  # the loader says so
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise ValueError('it is compressed, as torch never does')  # and could fill the memory
            if sum(entry.file_size for entry in entries) > path.stat().st_size:
                raise ValueError('it says to be longer than it is')
            if (broken := archive.testzip()) is not None:
                raise ValueError(f'the checksum of {broken} inside it differs')
    except Exception as error:  # on garbage zipfile fails with whatever comes up (BadZipFile, struct.error…)
        raise _not_ours(path, error) from error


def _not_ours(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f'{path} is not a checkpoint that ssmr wrote, or is damaged: {str(error) or type(error).__name__}',
        'train with tools/train.py first, or use another checkpoint',
    )
