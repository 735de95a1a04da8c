"""Does it help to look at references? The model beside its two controls, on the same images, with paired intervals.

The controls are the same network without references (:class:`ssmr.reasoners.no_reference.NoReference`, identical
parameters) and the same network on random references (the placebo). Each is trained with several seeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config

from ssmr.artifacts.files import write_json
from ssmr.errors import ConfigError
from ssmr.evaluation.bootstrap import PairedDifference, bootstrap_intervals, paired_bootstrap
from ssmr.evaluation.metrics import evaluate_scores
from ssmr.evaluation.report import metrics_table
from ssmr.stages import pipeline
from ssmr.stages.evaluate import MODEL, baselines, predict
from ssmr.stages.project import Project, plain
from ssmr.stages.train import split_rows

CONTROLS = ('no_reference', 'random_references')


@dataclass(frozen=True)
class Comparison:
    """What ``tools/compare_controls.py`` shows.

    Attributes:
        table: Model, controls and baselines as Markdown; metrics are means over the seeds.
        srcc_by_seed: model or control -> SRCC of each seed alone.
        differences: control -> mean SRCC of the model less that of the control.
    """

    table: str
    srcc_by_seed: dict[str, list[float | None]]
    differences: dict[str, PairedDifference]


def arm_config(cfg: Config, arm: str, seed: int) -> Config:
    """The config of the model or of a control, with its own seed and work folder."""
    changed = Config(cfg.to_dict())
    changed.randomness = {**changed.get('randomness', {}), 'seed': seed}
    changed.work_dir = str(Path(cfg.work_dir) / 'controls' / f'{arm}_seed{seed}')
    if arm == 'no_reference':
        changed.model.reasoner = {'type': 'NoReference', 'reasoner': plain(cfg.model.reasoner)}
    elif arm == 'random_references':
        changed.retriever = {'type': 'RandomRetriever', 'seed': seed, 'num_references': cfg.retriever.num_references}
    return changed


def compare(cfg: Config, seeds: int, truth: str | None = None, split: str = 'test') -> Comparison:
    """Train the model and its controls, and compare them on one split.

    Args:
        cfg: A checked config.
        seeds: How many runs of each.
        truth: A column of the label file to compare with instead of the scores, where the truth is known.
        split: 'test' or 'val'.

    Raises:
        ConfigError: ``truth`` is not a column of numbers.
    """
    base = Project(cfg)
    banks, index = pipeline.references(base)
    rows = split_rows(base, index, split)
    labels = _labels(base, truth)[rows]
    runs = {arm: np.stack([_run(arm_config(cfg, arm, s), split) for s in range(seeds)]) for arm in (MODEL, *CONTROLS)}
    rule: Any = {'threshold': base.table.threshold, 'rule': base.table.rule}
    options = {'n_resamples': cfg.get('evaluation', {}).get('bootstrap', 1000), **rule}
    everyone = runs | {name: p[None] for name, p in baselines(base, banks, index, rows).items()}  # each [S, n]
    by_run = {name: [evaluate_scores(labels, run, **rule) for run in p] for name, p in everyone.items()}
    metrics = {name: _mean(found) for name, found in by_run.items()}
    intervals = {name: bootstrap_intervals(labels, p, **options) for name, p in everyone.items()}
    by_seed = {arm: [found['srcc'] for found in by_run[arm]] for arm in runs}
    differences = {c: paired_bootstrap(labels, runs[MODEL], runs[c], 'srcc', **options) for c in CONTROLS}
    report = {'metrics': metrics, 'intervals': intervals, 'srcc_by_seed': by_seed, 'truth': truth, 'split': split}
    report['differences'] = {c: d._asdict() for c, d in differences.items()}
    write_json(Path(cfg.work_dir) / f'controls_{split}{"_" + truth if truth else ""}.json', report)
    return Comparison(metrics_table(metrics, intervals, **rule), by_seed, differences)


def _mean(runs: list[dict[str, float | None]]) -> dict[str, float | None]:
    """The mean of each metric over runs; undefined where it is in any of them."""
    values = {name: [run[name] for run in runs] for name in runs[0]}
    means: dict[str, float | None] = {}
    for name, v in values.items():
        numbers = [x for x in v if x is not None]
        means[name] = v[0] if len(set(v)) == 1 else float(np.mean(numbers)) if len(numbers) == len(v) else None
    return means


def _run(cfg: Config, split: str) -> np.ndarray:
    project = Project(cfg)
    checkpoint = pipeline.run(project)
    banks, index = pipeline.references(project)
    return predict(project, banks, index, checkpoint, split_rows(project, index, split))


def _labels(project: Project, truth: str | None) -> np.ndarray:
    if truth is None:
        return project.table.scores
    column = project.table.extra.get(truth)
    if column is None or not np.issubdtype(column.dtype, np.number):
        raise ConfigError(
            f'--truth {truth}: the labels have no such column of numbers', f'they have {", ".join(project.table.extra)}'
        )
    return column
