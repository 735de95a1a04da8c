"""Stage 3: training the assessor (MRGR) with MMEngine's runner."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ssmr.artifacts.fault_points import fault_point
from ssmr.artifacts.feature_bank import FeatureBank
from ssmr.artifacts.files import atomic_write, sha256_file, write_json
from ssmr.artifacts.reference_index import ReferenceIndex
from ssmr.config.fingerprint import changed_fields, fingerprint
from ssmr.config.parts import keywords
from ssmr.datasets.image_batches import ImageDataset, ImageInput
from ssmr.datasets.reference_graph import GraphGather, RowDataset
from ssmr.engine import ranks
from ssmr.engine.build_runner import build_runner
from ssmr.engine.checkpoints import BEST, RECORD, CheckpointFolder
from ssmr.engine.environment import write_environment
from ssmr.engine.runner import SafeRunner
from ssmr.errors import CheckpointError, ConfigError
from ssmr.registry import MODELS
from ssmr.stages.project import Project, plain


def build_assessor(project: Project, banks: Mapping[str, FeatureBank], index: ReferenceIndex) -> Any:
    """Build the model with its graph gatherer.

    Raises:
        ConfigError: The node view's dimension is not the model's, or the graph wants more references than are stored.
    """
    cfg = project.cfg
    part = plain(cfg.model)
    known, is_open = keywords(MODELS.get(part['type']))
    dim = sum(banks[view].dim for view in project.node_views)
    if 'in_dim' in known and part.get('encoder') is None and part.get('in_dim', dim) != dim:
        names = ' + '.join(project.node_views)
        raise ConfigError(
            f"model.in_dim is {part['in_dim']}, but the encoder of graph.view '{names}' gives {dim}",
            f'set model.in_dim={dim}, or choose another encoder',
        )
    k = cfg.graph.num_references
    if k > index.num_references:
        raise ConfigError(
            f'graph.num_references={k}, but retriever.num_references={index.num_references} are stored',
            'raise retriever.num_references',
        )
    filled = {'in_dim': dim, **part, 'num_references': k, 'data_preprocessor': _gather(project, banks, index, k)}
    with torch.random.fork_rng(devices=[]):  # the runner sets its seed only after it is given the model
        torch.manual_seed(cfg.get('randomness', {}).get('seed') or 0)
        model = MODELS.build({name: v for name, v in filled.items() if name in part or name in known or is_open})
    model.fit_targets(torch.from_numpy(project.table.scores[split_rows(project, index, 'train')]))
    return model


def _gather(project: Project, banks: Mapping[str, FeatureBank], index: ReferenceIndex, k: int) -> GraphGather:
    graph = project.cfg.graph
    threshold = graph.get('min_similarity')
    if threshold is not None:
        alone = int((index.similarities[:, :k] < threshold).all(axis=1).sum())
        print(
            f'graph.min_similarity={threshold:g} leaves {alone} of {len(index.queries)} works without references: '
            'they are judged alone',
            file=sys.stderr,
        )
    return GraphGather(
        [banks[view].features for view in project.node_views],
        index,
        project.table.scores,
        k,
        threshold,
        split_rows(project, index, 'train') if graph.get('standardise') else None,
        project.table.distributions,
    )


def node_features(project: Project, banks: Mapping[str, FeatureBank]) -> np.ndarray:
    """[N, D] float32: the vectors of the nodes, those of several views side by side."""
    return np.concatenate([banks[view].features for view in project.node_views], axis=1)


def split_rows(project: Project, index: ReferenceIndex, split: str) -> Any:
    """[n] rows of a split that have references (all but the quarantined)."""
    return index.queries[project.table.splits[index.queries] == split]


def dataset_of(
    project: Project, index: ReferenceIndex, model: Any, rows: np.ndarray, training: bool = False
) -> RowDataset | ImageDataset:
    """The dataset of rows [n] that a model takes: plain rows, or with the pictures that it reads."""
    wanted: ImageInput | None = getattr(model, 'image_input', None)
    if wanted is None:
        return RowDataset(rows)
    works = rows[:, None]
    if wanted.references:
        works = np.hstack([works, index.of(rows)[:, : project.cfg.graph.num_references]])
    table, augmentation = project.table, wanted.augmentation if training else None
    return ImageDataset(table.root, table.files, works, wanted.preprocess, augmentation)


def metric_config(project: Project) -> dict[str, Any]:
    """The metric of all loops, with the data set's own threshold and tie rule."""
    table = project.table  # 'gpu' means between processes, on whatever device; mmengine's 'cpu' is pickles in a folder
    return {'type': 'AestheticMetric', 'threshold': table.threshold, 'rule': table.rule, 'collect_device': 'gpu'}


def trained_checkpoint(project: Project) -> Path | None:
    """The checkpoint in the work folder if it was trained with exactly these inputs and is unchanged, else None."""
    wanted = fingerprint(project.train_inputs())  # first: weights that are missing shall not be met after hours
    record = CheckpointFolder(project.work_dir).record()
    if record is None or record['fingerprint'] != wanted:
        return None
    path = project.work_dir / BEST
    return path if path.is_file() and sha256_file(path) == record['sha256'] else None


def stale_training_fields(project: Project) -> list[str]:
    """The inputs in which the work folder's trained model differs from the config."""
    record = CheckpointFolder(project.work_dir).record()
    return [] if record is None else changed_fields(record['inputs'], project.train_inputs())


def train(project: Project, banks: Mapping[str, FeatureBank], index: ReferenceIndex) -> Path:
    """Train, and return the best checkpoint by validation SRCC as ``best.pth`` in the work folder."""
    model = ranks.everywhere(lambda: build_assessor(project, banks, index))
    datasets = {
        split: dataset_of(project, index, model, split_rows(project, index, split), training=split == 'train')
        for split in ('train', 'val')
    }
    inputs = project.train_inputs()
    runner: SafeRunner = build_runner(project.cfg, model, datasets, metric_config(project), inputs)
    if ranks.is_first():
        write_environment(project.work_dir, runner.seed)
    runner.train()
    best = project.work_dir / BEST
    ranks.together(lambda: _keep(_best_or_last(runner), best, inputs) if ranks.is_first() else None)
    return best


def _keep(checkpoint: Path, best: Path, inputs: dict[str, Any]) -> None:
    """Copy the chosen checkpoint to its final name, and record what it belongs to."""
    for leftover in best.parent.glob(f'.{best.name}.*.tmp'):  # of a kill in the middle of this
        leftover.unlink()
    with atomic_write(best, 'wb') as file, open(checkpoint, 'rb') as source:
        shutil.copyfileobj(source, file)
        file.flush()
        (best.parent / RECORD).unlink(missing_ok=True)  # it vouches for the former one
        fault_point('former record deleted')
    fault_point('best copied')
    record = {
        'inputs': inputs,
        'fingerprint': fingerprint(inputs),
        'checkpoint': best.name,
        'sha256': sha256_file(best),
    }
    write_json(best.parent / RECORD, record)


def _best_or_last(runner: SafeRunner) -> Path:
    hub = runner.message_hub
    name = Path(hub.get_info('best_ckpt') or hub.get_info('last_ckpt')).name  # the folder may have been moved
    if not runner.checkpoints.holds(name):
        raise CheckpointError(
            f'there is nothing to keep: {name} is not in {runner.checkpoints.folder}, or is damaged',
            'the run began at its end, or the disk is bad: train for longer, or again',
        )
    return runner.checkpoints.folder / name
