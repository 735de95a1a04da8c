"""What ``tools/evaluate_references.py`` shows: a method at several numbers of references, beside the plain mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ssmr.errors import ConfigError, DataError
from ssmr.evaluation.bootstrap import Interval, PairedDifference
from ssmr.evaluation.protocol import Protocol
from ssmr.evaluation.reference_weighting import Average, LabelPredictor, LabelScale, Method, fit_predictor
from ssmr.evaluation.references import ReferenceLabels
from ssmr.evaluation.report import difference_table, metrics_table, number

COMPARED = ('srcc', 'plcc')


class Outcome(NamedTuple):
    """A method at one k.

    Attributes:
        name: Its row in the table.
        metrics: What ``evaluate_scores`` returned.
        intervals: Empty without resamples.
        parameters: What was fitted; empty for a mean without weights.
        fit_srcc: SRCC on the lists it was fitted on; None without a fit.
        differences: Metric -> that of the method less that of the plain mean of the same references; empty for the
            plain mean itself and without resamples.
    """

    name: str
    metrics: dict[str, float | None]
    intervals: dict[str, Interval | None]
    parameters: Mapping[str, float]
    fit_srcc: float | None
    differences: dict[str, PairedDifference]


@dataclass(frozen=True)
class ReferenceReport:
    """The outcomes by k, those of the plain mean, and how all was measured."""

    outcomes: dict[int, Outcome]
    plain: dict[int, Outcome]
    found: ReferenceLabels
    protocol: Protocol

    def record(self) -> dict[str, Any]:
        """Plain values for JSON; every value under a name of ``Outcome`` is by k."""
        by_k = {
            'k': {k: o.metrics for k, o in self.outcomes.items()},
            'ci': {k: o.intervals for k, o in self.outcomes.items()},
            'parameters': {k: dict(o.parameters) for k, o in self.outcomes.items()},
            'fit_srcc': {k: o.fit_srcc for k, o in self.outcomes.items()},
            'differences': {
                k: {name: d._asdict() for name, d in o.differences.items()} for k, o in self.outcomes.items()
            },
        }
        return {'n': len(self.found.scores), 'left_out': self.found.left_out, **self.protocol.split, **by_k}

    def text(self) -> str:
        """Markdown: the plain mean and the method, the differences, and what was fitted."""
        shown = [*self.plain.values(), *(o for k, o in self.outcomes.items() if o is not self.plain[k])]
        metrics, intervals = {o.name: o.metrics for o in shown}, {o.name: o.intervals for o in shown}
        parts = [metrics_table(metrics, intervals, **self.protocol.split)]
        if differences := {f'{name}: {m}': d for name, _, _, _, _, ds in shown for m, d in ds.items()}:
            parts += ['Less the plain mean of the same references, paired:', difference_table(differences)]
        fitted = [f'{o.name}: SRCC {number(o.fit_srcc)} on the lists it was fitted on' for o in shown if o.parameters]
        parts += ['\n'.join(fitted)] if fitted else []
        if self.found.left_out:
            total = self.found.left_out + len(self.found.scores)
            parts.append(f'{self.found.left_out} of {total} queries have no list and were left out')
        return '\n\n'.join(parts)


def evaluate_references(
    found: ReferenceLabels,
    ks: Sequence[int],
    pool_scores: Mapping[str, float],
    method: Method = 'mean',
    average: Average = 'score',
    fit: ReferenceLabels | None = None,
    protocol: Protocol | None = None,
) -> ReferenceReport:
    """Predict from the labels of the first k references, for each k, and evaluate.

    Args:
        found: The queries to evaluate, with at least max(ks) references.
        ks: Numbers of references.
        pool_scores: Label of every image that may be a reference; its distribution defines percentiles.
        method: See ``fit_predictor``.
        average: Whether scores or percentiles are averaged; see ``LabelScale``.
        fit: The queries that parameters are fitted on, for each k by itself.
        protocol: How to measure; without intervals if None.

    Raises:
        ConfigError: ks is empty or has a k that is not between 1 and the number of references, or see
            ``fit_predictor``.
        DataError: A query to evaluate is among those to fit on.
    """
    if not ks or min(ks) < 1 or max(ks) > found.labels.shape[1]:
        raise ConfigError(f'k is {list(ks)}', f'give one or more whole numbers from 1 to {found.labels.shape[1]}')
    if fit is not None and (shared := sorted(set(fit.queries) & set(found.queries))):
        raise DataError(
            f'{len(shared)} queries to evaluate are among those to fit on, first {", ".join(shared[:5])}',
            'fit on the lists of another split, such as validation',
        )
    protocol, scale = protocol or Protocol(n_resamples=0), LabelScale(average, list(pool_scores.values()))
    plain = {k: _plain(found.first(k), k, protocol) for k in ks}
    if method == 'mean' and average == 'score':
        return ReferenceReport(plain, plain, found, protocol)
    outcomes = {
        k: _outcome(found.first(k), k, fit_predictor(method, scale, fit and fit.first(k)), protocol) for k in ks
    }
    return ReferenceReport(outcomes, plain, found, protocol)


def _plain(found: ReferenceLabels, k: int, protocol: Protocol) -> Outcome:
    prediction = found.labels.mean(axis=1)
    metrics, intervals = protocol.metrics(found.scores, prediction), protocol.intervals(found.scores, prediction)
    return Outcome(f'k = {k}', metrics, intervals, {}, None, {})


def _outcome(found: ReferenceLabels, k: int, predictor: LabelPredictor, protocol: Protocol) -> Outcome:
    prediction, plain = predictor(found), found.labels.mean(axis=1)
    values = [f'{name} = {value:g}' for name, value in predictor.parameters.items()]
    return Outcome(
        ', '.join([predictor.method, f'{predictor.scale.average}s', *values, f'k = {k}']),
        protocol.metrics(found.scores, prediction),
        protocol.intervals(found.scores, prediction),
        predictor.parameters,
        predictor.fit_srcc,
        {m: protocol.difference(found.scores, prediction, plain, m) for m in COMPARED if protocol.n_resamples},
    )
