"""Several models on the same works, each run several times: mean metrics, intervals, paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssmr.evaluation.bootstrap import PairedDifference, difference_of, interval_of
from ssmr.evaluation.protocol import Protocol
from ssmr.evaluation.report import metrics_table


@dataclass(frozen=True)
class RunsComparison:
    """What ``tools/compare_controls.py`` and ``tools/cross_validate.py`` show.

    Attributes:
        metrics: model -> its metrics, means over its runs.
        intervals: model -> metric -> 95 % interval over the works.
        table: Both, as Markdown.
        srcc_by_run: model -> SRCC of each run alone.
        differences: (model, other) -> mean SRCC of the model less that of the other, on the same works.
    """

    metrics: dict[str, dict[str, float | None]]
    intervals: dict[str, Any]
    table: str
    srcc_by_run: dict[str, list[float | None]]
    differences: dict[tuple[str, str], PairedDifference]

    def to_json(self) -> dict[str, Any]:
        """Plain values for a report."""
        return {
            'metrics': self.metrics,
            'intervals': self.intervals,
            'srcc_by_run': self.srcc_by_run,
            'differences': [
                {'model': a, 'less': b, **difference._asdict()} for (a, b), difference in self.differences.items()
            ],
        }


def compare_runs(
    labels: np.ndarray, runs: Mapping[str, np.ndarray], pairs: Sequence[tuple[str, str]], protocol: Protocol
) -> RunsComparison:
    """Compare models on the same works.

    Args:
        labels: [n].
        runs: model -> [S, n] predictions of S runs.
        pairs: Which models to compare, the second is taken from the first.
        protocol: How to measure; without resamples there are neither intervals nor differences.
    """
    by_run = {name: [protocol.metrics(labels, run) for run in p] for name, p in runs.items()}
    metrics = {name: _mean(found) for name, found in by_run.items()}
    drawn = {name: protocol.draws(labels, p) for name, p in runs.items()}
    intervals = {name: {metric: interval_of(d) for metric, d in found.items()} for name, found in drawn.items()}
    differences = {(a, b): difference_of(drawn[a]['srcc'], drawn[b]['srcc']) for a, b in pairs if drawn[a]}
    srcc = {name: [found['srcc'] for found in runs_found] for name, runs_found in by_run.items()}
    table = metrics_table(metrics, intervals, **protocol.record)
    return RunsComparison(metrics, intervals, table, srcc, differences)


def difference_line(pair: tuple[str, str], d: PairedDifference) -> str:
    """One line of text about a difference."""
    head = f'SRCC of {pair[0]} less that of {pair[1]}: '
    if d.difference is None or d.low is None or d.high is None or d.p_value is None:
        return head + 'undefined'
    return head + f'{d.difference:+.4f} [{d.low:+.4f}, {d.high:+.4f}], p = {d.p_value:.3f}'


def _mean(runs: list[dict[str, float | None]]) -> dict[str, float | None]:
    """The mean of each metric over runs; undefined where it is in any of them."""
    values = {name: [run[name] for run in runs] for name in runs[0]}
    means: dict[str, float | None] = {}
    for name, v in values.items():
        numbers = [x for x in v if x is not None]
        means[name] = v[0] if len(set(v)) == 1 else float(np.mean(numbers)) if len(numbers) == len(v) else None
    return means
