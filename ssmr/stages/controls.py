"""Does it help to look at references? The model beside its two controls, on the same images, with paired intervals.

The controls are the same network without references (:class:`ssmr.reasoners.no_reference.NoReference`, identical
parameters) and the same network on random references (the placebo). Each is trained with several seeds.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from mmengine.config import Config

from ssmr.artifacts.files import write_json
from ssmr.errors import ConfigError
from ssmr.stages import pipeline
from ssmr.stages.comparison import RunsComparison, compare_runs
from ssmr.stages.evaluate import MODEL, baselines, predict
from ssmr.stages.project import Project, plain
from ssmr.stages.train import split_rows

CONTROLS = ('no_reference', 'random_references')


def arm_config(cfg: Config, arm: str, seed: int) -> Config:
    """The config of the model or of a control, with its own seed and work folder."""
    changed = Config(cfg.to_dict())
    changed.randomness = {**changed.get('randomness', {}), 'seed': seed}
    changed.work_dir = str(Path(cfg.work_dir) / 'controls' / f'{arm}_seed{seed}')
    if arm == 'no_reference':
        model = changed.model.get('assessor', changed.model)
        model.reasoner = {'type': 'NoReference', 'reasoner': plain(model.reasoner)}
    elif arm == 'random_references':
        changed.retriever = {'type': 'RandomRetriever', 'seed': seed, 'num_references': cfg.retriever.num_references}
    return changed


def compare(cfg: Config, seeds: int, truth: str | None = None, split: str = 'test') -> RunsComparison:
    """Train the model and its controls, and compare them on one split.

    Args:
        cfg: A checked config.
        seeds: How many runs of each.
        truth: A column of the label file to compare with instead of the scores, where the truth is known.
        split: 'test' or 'val'.

    Raises:
        DataError: ``truth`` is not a column of numbers.
        ConfigError: The model uses no references.
    """
    if 'reasoner' not in cfg.model.get('assessor', cfg.model):
        raise ConfigError(
            f'{cfg.model.type} does not use references: there is nothing to control', 'give a model with a reasoner'
        )
    base = Project(cfg)
    banks, index = pipeline.references(base)
    rows = split_rows(base, index, split)
    labels = base.table.numbers(truth)[rows]
    runs = {arm: np.stack([_run(arm_config(cfg, arm, s), split) for s in range(seeds)]) for arm in (MODEL, *CONTROLS)}
    everyone = runs | {name: p[None] for name, p in baselines(base, banks, index, rows).items()}  # each [S, n]
    pairs = [(MODEL, control) for control in CONTROLS]
    result = compare_runs(labels, everyone, pairs, base.protocol)
    report = {**result.to_json(), 'truth': truth, 'split': split, **base.protocol.record}
    write_json(Path(cfg.work_dir) / f'controls_{split}{"_" + truth if truth else ""}.json', report)
    return result


def _run(cfg: Config, split: str) -> np.ndarray:
    project = Project(cfg)
    checkpoint = pipeline.run(project)
    banks, index = pipeline.references(project)
    return predict(project, banks, index, checkpoint, split_rows(project, index, split))
