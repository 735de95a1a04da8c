"""Stage 4: a checkpoint on a split, beside the baselines that need no model, with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ssmr.artifacts.feature_bank import FeatureBank
from ssmr.artifacts.files import write_json
from ssmr.artifacts.reference_index import ReferenceIndex
from ssmr.engine.hooks import PredictionCollector
from ssmr.engine.runner import build_runner
from ssmr.evaluation.baselines import FrozenFeatures, trivial_baselines
from ssmr.evaluation.bootstrap import bootstrap_intervals
from ssmr.evaluation.metrics import evaluate_scores
from ssmr.evaluation.predictions import Predictions, write_predictions
from ssmr.evaluation.report import metrics_table
from ssmr.registry import MODELS
from ssmr.stages.project import Project
from ssmr.stages.train import build_assessor, dataset_of, metric_config, split_rows

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
    """

    metrics: dict[str, dict[str, float | None]]
    intervals: dict[str, Any]
    table: str
    predictions: Path
    left_out: int


def evaluate(
    project: Project, banks: Mapping[str, FeatureBank], index: ReferenceIndex, checkpoint: Path, split: str = 'test'
) -> Evaluation:
    """Evaluate a checkpoint and the baselines, and write ``predictions_<split>.csv`` and ``metrics_<split>.json``.

    Raises:
        CheckpointError: The checkpoint is unsafe, damaged or belongs to another config.
    """
    rows = split_rows(project, index, split)
    table = project.table
    outputs = predict(project, banks, index, checkpoint, rows)
    references = index.references[np.searchsorted(index.queries, rows)]
    reference_scores = table.scores[references]
    label = getattr(MODELS.get(project.cfg.model.type), 'label', MODEL)
    everyone = {label: outputs} | baselines(project, banks, index, rows)
    rule: Any = {'threshold': table.threshold, 'rule': table.rule}
    draws = project.cfg.get('evaluation', {})
    options = {'n_resamples': draws.get('bootstrap', 1000), 'seed': draws.get('seed', 0), **rule}
    scores = table.scores[rows]
    metrics = {name: evaluate_scores(scores, p, **rule) for name, p in everyone.items()}
    intervals = {name: bootstrap_intervals(scores, p, **options) for name, p in everyone.items()}
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
    report = {'split': split, 'left_out': left_out, 'metrics': metrics, 'intervals': intervals, **rule}
    write_json(project.work_dir / f'metrics_{split}.json', report)
    return Evaluation(metrics, intervals, metrics_table(metrics, intervals, **rule), path, left_out)


def predict(
    project: Project, banks: Mapping[str, FeatureBank], index: ReferenceIndex, checkpoint: Path, rows: np.ndarray
) -> np.ndarray:
    """Predict the scores of rows [n] with a checkpoint; [n] float64 in the same order."""
    collector = PredictionCollector()
    model = build_assessor(project, banks, index)
    cfg = project.cfg.copy()
    cfg.load_from, cfg.resume = str(checkpoint), False
    datasets = {'test': dataset_of(project, index, model, rows)}
    build_runner(cfg, model, datasets, metric_config(project), project.model_inputs(), [collector]).test()
    found = {sample['row']: sample['prediction'] for sample in collector.samples}
    return np.array([found[row] for row in rows.tolist()])


def baselines(
    project: Project, banks: Mapping[str, FeatureBank], index: ReferenceIndex, rows: np.ndarray
) -> dict[str, np.ndarray]:
    """The predictions of the trivial baselines for rows [n]; name -> [n]."""
    table = project.table
    features = np.concatenate([banks[view].features for view in project.node_views], axis=1)
    train, val = (split_rows(project, index, s) for s in ('train', 'val'))
    frozen = FrozenFeatures(features[train], features[val], table.scores[val], features[rows])
    labels = table.scores[index.references[np.searchsorted(index.queries, rows)]]
    k = index.num_references
    ks: list[int | None] = [n for n in (4, 16) if n < k] + [None]
    return trivial_baselines(
        table.scores[train], len(rows), reference_scores=labels, ks=ks, features=frozen,
        threshold=table.threshold, rule=table.rule,
    )  # fmt: skip
