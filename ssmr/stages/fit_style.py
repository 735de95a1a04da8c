"""Fit the principal entries of Gram matrices to works of the training split."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from ssmr.artifacts.files import atomic_write
from ssmr.backbones.encoder import build_encoder
from ssmr.backbones.gram_style import GramStyle
from ssmr.backbones.principal_gram import PrincipalEntries
from ssmr.errors import ConfigError, DataError
from ssmr.progress import progress
from ssmr.stages.encoding import CPU_BATCH, encode
from ssmr.stages.project import Project, plain


def fit_style(project: Project, view: str, smaller: float, works: int) -> Path:
    """Fit the encoder of a view, and write its file of axes.

    Args:
        project: The config's.
        view: Whose encoder is a ``PrincipalGram``.
        smaller: How many times fewer bytes a descriptor shall have than the upper triangles in float32.
        works: To fit to, drawn from the training split (seed 0); all of it where there are no more.

    Returns:
        The file, ``encoders.VIEW.axes`` of the config.

    Raises:
        ConfigError: The view has another encoder, or a number is out of range.
        DataError: No picture can be read.
    """
    config = plain(project.cfg.encoders.get(view, {}))
    if config.get('type') != 'PrincipalGram':
        raise ConfigError(f'encoders.{view} is not a PrincipalGram, but {config.get("type")}', 'name its view')
    if smaller < 4 or works < 1:
        raise ConfigError(f'--smaller {smaller:g}, --works {works}', 'it takes 4 or more (a byte each), and 1 or more')
    path = Path(config.pop('axes')).expanduser()
    tensors: dict[str, Tensor] = {}
    for layer, (channels, triangles) in enumerate(_triangles(project, config, works)):
        numbers = max(1, int(4 * triangles.shape[1] / smaller))
        tensors |= PrincipalEntries.fit(triangles, channels, numbers).tensors(layer)
    with atomic_write(path, 'wb') as file:
        file.write(save(tensors))
    return path


def _triangles(project: Project, config: dict[str, Any], works: int) -> list[tuple[int, Tensor]]:
    """Of each layer the number of channels C, and the whole triangles [M, C (C + 1) / 2] of some works."""
    encoder = build_encoder('style', {**config, 'type': 'GramStyle', 'dim': sys.maxsize})
    assert isinstance(encoder, GramStyle)
    encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
    rows = np.flatnonzero(project.table.splits == 'train')
    rows = np.sort(np.random.default_rng(0).choice(rows, min(works, len(rows)), replace=False))
    found = []
    with progress('Gram matrices', len(rows)) as advance:
        for work in encode(encoder, project.table, rows.tolist(), 'cpu', CPU_BATCH, None):
            advance(1)
            if not work.reason:
                found.append(work.vector)
    if not found:
        raise DataError(f'no training work of {project.table.name} can be read', 'run tools/verify_data.py on it')
    layers = list(encoder.triangles)
    vectors = torch.from_numpy(np.stack(found)) * len(layers) ** 0.5
    parts = vectors.split([len(layer.index) for layer in layers], dim=1)  # type: ignore[arg-type]
    return [(int(layer.channels), part) for layer, part in zip(layers, parts, strict=True)]  # type: ignore[arg-type]
