"""How results are measured: one value that every section of a report is given, so that all follow the same rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from ssmr.evaluation.bootstrap import Draws, Interval, PairedDifference, bootstrap_draws, interval_of, paired_bootstrap
from ssmr.evaluation.metrics import Rule, evaluate_scores


@dataclass(frozen=True)
class Protocol:
    """The split of low and high scores, and the resamples behind the intervals.

    Attributes:
        threshold: Of the accuracies.
        rule: ``'>'`` or ``'>='``, as in ``evaluate_scores``.
        n_resamples: Of the bootstrap; 0 leaves the intervals out.
        seed: Of the resamples.
        scale: Lowest and highest possible score, where known; for reports.
        split_name: How the works came to be divided, and which labels they are; for reports.
    """

    threshold: float = 5.0
    rule: Rule = '>'
    n_resamples: int = 1000
    seed: int = 0
    scale: tuple[float, float] | None = None
    split_name: str = ''

    @property
    def split(self) -> Mapping[str, Any]:
        """``threshold`` and ``rule``, as keywords of the metrics."""
        return {'threshold': self.threshold, 'rule': self.rule}

    @property
    def record(self) -> dict[str, Any]:
        """What a table and a JSON file say about how was measured: the rule, and scale and split name where known."""
        known = {'scale': self.scale, 'split_name': self.split_name}
        return {**self.split, **{name: value for name, value in known.items() if value}}

    def metrics(self, scores: npt.ArrayLike, predictions: npt.ArrayLike) -> dict[str, float | None]:
        """Every metric; see :func:`ssmr.evaluation.metrics.evaluate_scores`."""
        return evaluate_scores(scores, predictions, **self.split)

    def intervals(
        self, scores: npt.ArrayLike, predictions: npt.ArrayLike, metrics: Sequence[str] = ('srcc', 'plcc', 'acc')
    ) -> dict[str, Interval | None]:
        """95 % intervals of metrics, empty without resamples; see ``bootstrap_intervals``."""
        return {name: interval_of(drawn) for name, drawn in self.draws(scores, predictions, metrics).items()}

    def draws(
        self, scores: npt.ArrayLike, predictions: npt.ArrayLike, metrics: Sequence[str] = ('srcc', 'plcc', 'acc')
    ) -> dict[str, Draws]:
        """Metrics on every resample, empty without resamples; see ``bootstrap_draws``."""
        if self.n_resamples == 0:
            return {}
        return bootstrap_draws(scores, predictions, metrics, self.n_resamples, self.seed, **self.split)

    def difference(
        self, scores: npt.ArrayLike, a: npt.ArrayLike, b: npt.ArrayLike, metric: str = 'srcc'
    ) -> PairedDifference:
        """Metric of ``a`` less that of ``b``; needs resamples. See ``paired_bootstrap``."""
        return paired_bootstrap(scores, a, b, metric, self.n_resamples, seed=self.seed, **self.split)
