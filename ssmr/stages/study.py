"""What a cross-validated study reports: every arm on the same works, spread over repeats, paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from mmengine.config import Config

from ssmr.artifacts.files import write_json
from ssmr.datasets.image_table import UNUSED
from ssmr.errors import ConfigError, DataError
from ssmr.evaluation.folds import make_folds, own_split
from ssmr.evaluation.predictions import Predictions, write_predictions
from ssmr.stages.comparison import RunsComparison, compare_runs, difference_line
from ssmr.stages.cross_validation import cross_validate
from ssmr.stages.project import Project


@dataclass(frozen=True)
class Study:
    """How works are divided; see :func:`ssmr.evaluation.folds.make_folds`.

    Attributes:
        folds: Parts a repeat; 0 for the data set's own split, of which the test part is predicted.
        repeats: Divisions; each also is a seed.
        strata: Quantile bins of the labels.
        inner: One part of so many of the rest of a fold selects the epoch.
        seed: Of the divisions.
        jobs: Processes.
    """

    folds: int = 5
    repeats: int = 5
    strata: int = 10
    inner: int = 8
    seed: int = 0
    jobs: int = 1


@dataclass(frozen=True)
class StudyReport:
    """What ``tools/cross_validate.py`` shows.

    Attributes:
        comparison: All figures.
        text: Them, to be read.
        srcc: arm -> SRCC and its interval; arms whose SRCC is undefined are left out.
    """

    comparison: RunsComparison
    text: str
    srcc: dict[str, tuple[float, float, float]]


def report(cfg: Config, study: Study, against: Sequence[str] = (), truth: str | None = None) -> StudyReport:
    """Cross-validate, compare, and write ``cross_validation.json`` and each arm's predictions into the work folder.

    Args:
        cfg: A checked config; see :func:`ssmr.stages.cross_validation.arm_configs`.
        study: How works are divided.
        against: Arms that every other arm is compared with.
        truth: A column of the labels to compare with instead of the scores.

    Raises:
        ConfigError: An unknown arm, column, or number.
        DataError: Fewer than two works could be read by all arms.
    """
    arms = list(cfg.get('arms') or {'ssmr': {}})
    for name in against:
        if name not in arms:
            raise ConfigError(f'--against {name}: there is no such arm', f'the arms are {", ".join(arms)}')
    whole = Project(cfg)
    table = whole.table
    labels = table.numbers(truth)
    if study.folds:
        how = (study.folds, study.repeats, study.strata, study.inner, study.seed)
        used = table.splits != UNUSED
        folds = make_folds(table.scores[used], table.groups[used], *how)
        folds = [replace(fold, splits=_spread(fold.splits, used)) for fold in folds]
    else:
        folds = own_split(table.splits, study.repeats)
    runs = cross_validate(cfg, folds, study.jobs)
    tested = np.any([fold.splits == 'test' for fold in folds], axis=0)
    readable = ~np.isnan(np.stack(list(runs.values()))).any(axis=(0, 1))
    if readable.sum() < 2:
        raise DataError(f'{readable.sum()} works could be read by all arms', 'see quarantine.csv')
    runs = {name: p[:, readable] for name, p in runs.items()}
    pairs = [(a, b) for b in against for a in arms if a != b]
    protocol = replace(whole.protocol, split_name=_division(study, table.split_name))
    found = compare_runs(labels[readable], runs, pairs, protocol)
    folder = Path(cfg.work_dir)
    left_out = int((tested & ~readable).sum())
    write_json(
        folder / 'cross_validation.json',
        {**asdict(study), 'truth': truth, 'left_out': left_out, **protocol.record, **found.to_json()},
    )
    ids = [i for i, good in zip(table.ids, readable, strict=True) if good]
    for name, p in runs.items():  # averaged over the repeats: one file a model, for tools/compare_predictions.py
        write_predictions(folder / f'predictions_{name}.csv', Predictions(ids, labels[readable], p.mean(axis=0)))
    return StudyReport(found, _text(found, left_out), _points(found))


def _spread(splits: np.ndarray, used: np.ndarray) -> np.ndarray:
    """[N]: the splits of the works in use; the others stay unused."""
    found = np.full(len(used), UNUSED, dtype='U5')
    found[used] = splits
    return found


def _division(study: Study, own: str) -> str:
    if not study.folds:
        return f'{own}; means of {study.repeats} seeds'
    return (
        f'{study.repeats} x {study.folds}-fold, strata {study.strata}, one of {study.inner} inner parts for selection, '
        f'seed {study.seed}; means of the repeats'
    )


def _text(found: RunsComparison, left_out: int) -> str:
    spread = [
        f'  {name}: {np.mean(numbers):.4f} +- {np.std(numbers, ddof=1):.4f}'
        for name, values in found.srcc_by_run.items()
        if len(numbers := [v for v in values if v is not None]) == len(values) > 1
    ]
    lines = [
        *([f'{left_out} works could not be read', ''] if left_out else []),
        found.table,
        '',
        *(['SRCC over the repeats, mean and standard deviation:', *spread, ''] if spread else []),
        *(difference_line(pair, d) for pair, d in found.differences.items()),
    ]
    return '\n'.join(lines).rstrip()


def _points(found: RunsComparison) -> dict[str, tuple[float, float, float]]:
    points = {}
    for name, metrics in found.metrics.items():
        value, ends = metrics['srcc'], found.intervals[name].get('srcc')
        if value is not None and ends is not None:
            points[name] = (value, *ends)
    return points
