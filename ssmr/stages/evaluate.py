"""Stage 4: a checkpoint on a split, beside the baselines that need no model, with intervals."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dist import all_gather_object

from ssmr.artifacts.feature_bank import FeatureBank
from ssmr.artifacts.files import sha256_file, write_json
from ssmr.artifacts.reference_index import ReferenceIndex
from ssmr.datasets.duplicates import leaks
from ssmr.datasets.image_table import ImageTable
from ssmr.engine import ranks
from ssmr.engine.build_runner import build_runner
from ssmr.engine.hooks import PredictionCollector
from ssmr.evaluation.baselines import FrozenFeatures, UploadNumbers, trivial_baselines
from ssmr.evaluation.predictions import Predictions, write_predictions
from ssmr.evaluation.report import metrics_table
from ssmr.registry import MODELS
from ssmr.stages.project import Project
from ssmr.stages.train import build_assessor, dataset_of, metric_config, node_features, split_rows
from ssmr.verification.upload_numbers import upload_numbers

MODEL = 'ssmr'


@dataclass(frozen=True)
class Evaluation:
    """What ``tools/test.py`` shows.

    Attributes:
        metrics: model or baseline -> its metrics.
        intervals: likewise -> metric -> 95 % interval.
        table: Both, as Markdown.
        predictions: The CSV of the model's predictions.
        left_out: Works of the split whose image could not be read.
        leaks: Training works that are duplicates of works of val or test: trained on, never their references.
    """

    metrics: dict[str, dict[str, float | None]]
    intervals: dict[str, Any]
    table: str
    predictions: Path
    left_out: int
    leaks: int


def evaluate(
    project: Project, banks: Mapping[str, FeatureBank], index: ReferenceIndex, checkpoint: Path, split: str = 'test'
) -> Evaluation:
    """Evaluate a checkpoint and the baselines, and write ``predictions_<split>.csv`` and ``metrics_<split>.json``.

    Raises:
        CheckpointError: The checkpoint is unsafe, damaged or belongs to another config.
    """
    rows = split_rows(project, index, split)
    outputs = predict(project, banks, index, checkpoint, rows)
    report = partial(_report, project, banks, index, checkpoint, split, outputs)
    made = ranks.together(lambda: report() if ranks.is_first() else None)
    found: Evaluation = made[0]  # type: ignore[assignment]  # rank 0 made it
    return found


def _report(
    project: Project,
    banks: Mapping[str, FeatureBank],
    index: ReferenceIndex,
    checkpoint: Path,
    split: str,
    outputs: np.ndarray,
) -> Evaluation:
    rows, table = split_rows(project, index, split), project.table
    references = index.of(rows)
    reference_scores = table.scores[references]
    label = getattr(MODELS.get(project.cfg.model.type), 'label', MODEL)
    everyone = {label: outputs} | baselines(project, banks, index, rows)
    scores, protocol = table.scores[rows], project.protocol
    metrics = {name: protocol.metrics(scores, p) for name, p in everyone.items()}
    intervals = {name: protocol.intervals(scores, p) for name, p in everyone.items()}
    path = project.work_dir / f'predictions_{split}.csv'
    ids = np.array(table.ids, dtype=object)
    write_predictions(
        path,
        Predictions(
            list(ids[rows]), scores, outputs, reference_scores.mean(axis=1), reference_scores.std(axis=1),
            [list(r) for r in ids[references]],
        ),
    )  # fmt: skip
    left_out = len(table.rows(split)) - len(rows)
    leaking = len(leaks(table))
    report = {
        'split': split,
        'checkpoint_sha256': sha256_file(checkpoint),
        'left_out': left_out,
        'leaks': leaking,
        'metrics': metrics,
        'intervals': intervals,
        **protocol.record,
    }
    write_json(project.work_dir / f'metrics_{split}.json', report)
    return Evaluation(metrics, intervals, metrics_table(metrics, intervals, **protocol.record), path, left_out, leaking)


def predict(
    project: Project, banks: Mapping[str, FeatureBank], index: ReferenceIndex, checkpoint: Path, rows: np.ndarray
) -> np.ndarray:
    """Predict the scores of rows [n] with a checkpoint; [n] float64 in the same order."""
    collector = PredictionCollector()
    model = ranks.everywhere(lambda: build_assessor(project, banks, index))
    cfg = project.cfg.copy()
    cfg.load_from, cfg.resume = str(checkpoint), False
    datasets = {'test': dataset_of(project, index, model, rows)}
    build_runner(cfg, model, datasets, metric_config(project), project.model_inputs(), [collector]).test()
    samples = itertools.chain.from_iterable(all_gather_object(collector.samples))  # of all ranks
    found = {sample['row']: sample['prediction'] for sample in samples}
    return np.array([found[row] for row in rows.tolist()])


def baselines(
    project: Project, banks: Mapping[str, FeatureBank], index: ReferenceIndex, rows: np.ndarray
) -> dict[str, np.ndarray]:
    """The predictions of the trivial baselines for rows [n]; name -> [n]."""
    table = project.table
    features = node_features(project, banks)
    train, val = (split_rows(project, index, s) for s in ('train', 'val'))
    frozen = FrozenFeatures(features[train], features[val], table.scores[val], features[rows])
    labels = table.scores[index.of(rows)]
    k = index.num_references
    ks: list[int | None] = [n for n in (4, 16) if n < k] + [None]
    numbers = numbers_of(table, train, rows)
    return trivial_baselines(
        table.scores[train], len(rows), reference_scores=labels, ks=ks, features=frozen, numbers=numbers,
        threshold=table.threshold, rule=table.rule,
    )  # fmt: skip


def numbers_of(table: ImageTable, known: np.ndarray, rows: np.ndarray) -> UploadNumbers | None:
    """The numbers in the ids of rows [M] and [n], for the baseline that sees no picture; None where one has none."""
    numbers, numbered, _ = upload_numbers(table.ids)
    found = np.full(len(table), -1, dtype=np.int64)
    found[numbered] = numbers
    used = UploadNumbers(found[known], found[rows])
    return None if (used.train < 0).any() or (used.test < 0).any() else used
