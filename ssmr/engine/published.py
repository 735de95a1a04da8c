"""Published models: weights as safetensors, with a name that has their hash, and what they are as JSON beside them.

The JSON is in the safetensors file too, so that the hash covers it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ssmr.artifacts.files import atomic_write, read_json, sha256_file, write_json
from ssmr.errors import ArtifactError, CheckpointError

SUFFIX = '.safetensors'
NAME = re.compile(r'.+-([0-9a-f]{8})\.safetensors')
#: The key of the JSON in the file's metadata, which are texts by name.
KEY = 'ssmr'


def write_published(folder: Path, name: str, weights: Mapping[str, Tensor], provenance: Mapping[str, Any]) -> Path:
    """Write ``<name>-<first 8 digits of its SHA-256>.safetensors`` and the same with ``.json``, which comes last.

    Args:
        folder: Where to; created.
        name: What to call the model.
        weights: The state dict; the versions of its modules are kept.
        provenance: What the model is, as plain JSON; ``inputs`` are what it belongs to.

    Returns:
        The safetensors file.

    Raises:
        ArtifactError: The disk is full.
    """
    from safetensors.torch import save

    described = {**provenance, 'module_versions': getattr(weights, '_metadata', {})}
    tensors = {key: tensor.detach().cpu().clone().contiguous() for key, tensor in weights.items()}  # tied ones, too
    data = save(tensors, {KEY: json.dumps(described, sort_keys=True, allow_nan=False)})
    checksum = hashlib.sha256(data).hexdigest()
    path = folder / f'{name}-{checksum[:8]}{SUFFIX}'
    with atomic_write(path, 'wb') as file:
        file.write(data)
    write_json(path.with_suffix('.json'), {**described, 'sha256': checksum})
    return path


def read_published(path: Path, device: str = 'cpu') -> dict[str, Any]:
    """Read a published model in the form of a checkpoint without training state.

    Args:
        path: The safetensors file; its JSON must lie beside it.
        device: Where the tensors go.

    Returns:
        ``state_dict``, and ``meta`` with ``ssmr_inputs``.

    Raises:
        CheckpointError: A file is missing, has been renamed or changed, or the two do not belong together.
    """
    from safetensors import safe_open

    fix = 'get both files again, and keep their names'
    named = NAME.fullmatch(path.name)
    if named is None or not path.is_file():
        raise CheckpointError(f'there is no published model {path} (NAME-<8 digits of its hash>{SUFFIX})', fix)
    checksum = sha256_file(path)
    if not checksum.startswith(named[1]):
        raise CheckpointError(f'{path} is damaged or renamed: its SHA-256 begins with {checksum[:8]}', fix)
    try:
        described = read_json(path.with_suffix('.json'))
        with safe_open(path, 'pt', device=device) as file:
            inside = json.loads((file.metadata() or {})[KEY])
            weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # it is no dict
    except ArtifactError as error:
        raise CheckpointError(error.message, fix) from error
    except Exception as error:  # whatever the library makes of garbage, and of JSON that is none
        raise CheckpointError(f'{path} is no model that ssmr published: {error}', fix) from error
    if not isinstance(inside, dict) or described != {**inside, 'sha256': checksum}:
        raise CheckpointError(f'{path.with_suffix(".json")} does not belong to {path.name}', fix)
    return {
        'meta': {'ssmr_inputs': json.dumps(inside.get('inputs'))},
        'state_dict': _StateDict(weights, inside.get('module_versions')),
    }


class _StateDict(dict[str, Tensor]):
    """Weights with the versions of the modules that wrote them, where torch looks for them."""

    def __init__(self, weights: Mapping[str, Tensor], versions: Any) -> None:
        super().__init__(weights)
        self._metadata = versions

    def copy(self) -> _StateDict:
        return _StateDict(self, self._metadata)
