"""Publishing a model: its weights and where they come from, nothing of what only going on with training needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ssmr.artifacts.files import read_json, sha256_file
from ssmr.engine.checkpoint_content import read_inputs, require_weights
from ssmr.engine.checkpoint_files import read_checkpoint
from ssmr.engine.checkpoints import CheckpointFolder
from ssmr.engine.environment import RECORD as ENVIRONMENT
from ssmr.engine.published import write_published
from ssmr.engine.runner import WEIGHTS_FIELDS
from ssmr.errors import CheckpointError
from ssmr.stages.project import Project, plain

#: Options that name places on somebody's disk, or how a run began, and say nothing about the model.
LEFT_OUT = ('work_dir', 'artifact_dir', 'load_from', 'resume')


def publish(project: Project, name: str, checkpoint: Path, folder: Path) -> Path:
    """Write the weights of a checkpoint as safetensors, with what the model is beside it as JSON.

    Where the run averages its weights, those of a checkpoint are the averaged ones.

    Args:
        project: What the checkpoint was trained with.
        name: What to call the model.
        checkpoint: Of ours.
        folder: Where to.

    Returns:
        ``<name>-<8 digits of its SHA-256>.safetensors``.

    Raises:
        CheckpointError: The checkpoint is damaged, unsafe or of another config.
        ArtifactError: The disk is full.
    """
    inputs = project.model_inputs()
    CheckpointFolder(checkpoint.parent).require_intact(checkpoint)
    content = read_checkpoint(checkpoint, {field: inputs[field] for field in WEIGHTS_FIELDS})
    try:
        require_weights(content['state_dict'], {}, 'state_dict')
    except ValueError as error:
        raise CheckpointError(f'{checkpoint} is damaged: {error}', 'publish another checkpoint') from error
    meta, checksum = content['meta'], sha256_file(checkpoint)
    config = plain(project.cfg.to_dict())
    provenance = {
        'inputs': read_inputs(meta),
        'config': {field: value for field, value in config.items() if field not in LEFT_OUT},
        'split': project.table.split_name,
        'metrics': _metrics(checkpoint.parent, checksum),
        'training': {field: meta.get(field) for field in ('epoch', 'iter', 'seed', 'versions')},
        'git': _git(checkpoint.parent),
        'checkpoint_sha256': checksum,
    }
    return write_published(folder, name, content['state_dict'], provenance)


def _metrics(work_dir: Path, checksum: str) -> dict[str, Any]:
    """What ``tools/test.py`` has found for this very checkpoint, by split."""
    found = {}
    for split in ('val', 'test'):
        path = work_dir / f'metrics_{split}.json'
        report = read_json(path) if path.is_file() else None
        if isinstance(report, dict) and report.get('checkpoint_sha256') == checksum:
            found[split] = report
    return found


def _git(work_dir: Path) -> Any:
    """The state of the checkout that the model was trained with, if the run has noted it."""
    path = work_dir / ENVIRONMENT
    record = read_json(path) if path.is_file() else {}
    return record.get('git') if isinstance(record, dict) else None
