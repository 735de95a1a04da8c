"""A trained model outside of any run: its weights, checked like those of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from ssmr.engine.checkpoint_content import require_weights
from ssmr.engine.checkpoint_files import read_checkpoint
from ssmr.engine.checkpoints import CheckpointFolder
from ssmr.engine.runner import WEIGHTS_FIELDS
from ssmr.errors import CheckpointError


def load_trained(model: nn.Module, path: Path, inputs: Mapping[str, Any]) -> None:
    """Load the weights of a checkpoint or a published model.

    Args:
        model: As the config builds it.
        path: ``best.pth`` or another checkpoint, or a published ``.safetensors``.
        inputs: What the config says that its checkpoints belong to (:meth:`ssmr.stages.project.Project.model_inputs`).

    Raises:
        CheckpointError: The file is missing, unsafe, damaged, of another config, or does not fit.
    """
    CheckpointFolder(path.parent).require_intact(path)
    content = read_checkpoint(path, {name: inputs[name] for name in WEIGHTS_FIELDS})
    try:
        require_weights(content['state_dict'], model.state_dict(), 'state_dict')
        model.load_state_dict(content['state_dict'])
    except (ValueError, RuntimeError) as error:
        raise CheckpointError(
            f'{path} does not fit the model, or is damaged: {error}',
            'use the config it came from, or another checkpoint',
        ) from error
