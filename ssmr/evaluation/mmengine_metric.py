"""The metrics inside a training run: mmengine's evaluator calls this on the validation and test loops."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any, cast

from mmengine.dist import get_world_size
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from ssmr.errors import DataError
from ssmr.evaluation.metrics import Rule, evaluate_scores
from ssmr.registry import METRICS

CORRELATIONS = ('srcc', 'plcc', 'krcc')
Result = tuple[int, float, float]


@METRICS.register_module()
class AestheticMetric(BaseMetric):
    """SRCC, PLCC, KRCC, errors and accuracies of one evaluation, the same on any number of ranks.

    A correlation that is undefined because the predictions are constant is reported as -1.0, with a warning, so that
    ``save_best='srcc'`` always has a number and never keeps a collapsed model; files and tables of results say
    "undefined" instead. Other undefined metrics are left out, which depends on the labels alone.

    Args:
        threshold: Of the accuracies.
        rule: ``'>'`` (BAID) or ``'>='``.
        prefix: Put before the names, as in ``val/srcc``; none by default.
        collect_device: ``'cpu'`` or ``'gpu'``, by which ranks exchange results.
        collect_dir: A folder shared by the ranks, for ``'cpu'``.
    """

    default_prefix = ''  # None would make mmengine warn

    def __init__(
        self,
        threshold: float = 5.0,
        rule: Rule = '>',
        prefix: str | None = None,
        collect_device: str = 'cpu',
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix, collect_dir)
        self.threshold = threshold
        self.rule = rule
        self.size: int | None = None

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep ``row`` (the image's position in the table), ``prediction`` and ``score`` of each sample."""
        self.results += [(int(s['row']), float(s['prediction']), float(s['score'])) for s in data_samples]

    def evaluate(self, size: int) -> dict:
        """Collect the results of all ranks and compute the metrics of ``size`` images.

        mmengine cuts what it collected at ``size``, which drops images instead of the padding unless the ranks'
        parts interleave. Here nothing is cut, and ``compute_metrics`` removes the padding by row.
        """
        self.size = size
        return super().evaluate(size * get_world_size())

    def compute_metrics(self, results: list[Result]) -> dict[str, float]:
        """Metrics of the distinct rows of ``results``.

        Raises:
            DataError: A value is not finite, or rows are missing after ``evaluate(size)``.
        """
        rows = {row: (prediction, score) for row, prediction, score in sorted(results)}
        if self.size is not None and len(rows) != self.size:
            raise DataError(f'{len(rows)} of {self.size} images were evaluated', 'check the sampler of this loop')
        if bad := [row for row, values in rows.items() if not all(map(math.isfinite, values))]:
            raise DataError(
                f'row {bad[0]} of the table: prediction, score = {rows[bad[0]]} ({len(bad)} rows are not finite)',
                'training has diverged: lower the learning rate, clip gradients or turn --amp off',
            )
        predictions, scores = zip(*rows.values(), strict=True) if rows else ((), ())
        metrics = evaluate_scores(scores, predictions, threshold=self.threshold, rule=self.rule)
        undefined = [name for name in CORRELATIONS if metrics[name] is None]
        if undefined:
            message = f'{", ".join(undefined)} undefined (constant predictions or labels): reported as -1 here'
            print_log(message, logger='current', level=logging.WARNING)
        metrics |= dict.fromkeys(undefined, -1.0)
        return cast(dict[str, float], {name: value for name, value in metrics.items() if value is not None})
