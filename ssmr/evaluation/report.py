"""Tables of results in Markdown, which read well in a terminal too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ssmr.errors import DataError
from ssmr.evaluation.metrics import Rule

COLUMNS = ('srcc', 'plcc', 'krcc', 'rmse', 'mae', 'r2', 'acc', 'balanced_acc', 'sd_ratio')
UNDEFINED = '\N{EN DASH}'
REASON = (
    f'{UNDEFINED} undefined: a correlation needs labels and predictions that are not constant, r2 and sd_ratio labels '
    'that are not constant, balanced_acc labels on both sides of the threshold; an interval is undefined if the metric '
    'is on more than half of the resamples.'
)
Metrics = Mapping[str, float | None]
Intervals = Mapping[str, tuple[float, float] | None]


def metrics_table(
    rows: Mapping[str, Metrics],
    intervals: Mapping[str, Intervals] | None = None,
    *,
    threshold: float = 5.0,
    rule: Rule = '>',
) -> str:
    """Lay out the metrics of models and baselines on the same images.

    Args:
        rows: What ``evaluate_scores`` returned, by the name of the model or baseline.
        intervals: What ``bootstrap_intervals`` returned, by the same names; printed as ``[low, high]``.
        threshold: With which the accuracies were computed.
        rule: Likewise.

    Returns:
        A Markdown text without a final line end: the protocol, the table and, if needed, what "–" means.

    Raises:
        DataError: There are no rows, or they were not measured on the same labels.
    """
    protocols = {(metrics['n'], metrics['majority_acc']) for metrics in rows.values()}
    if len(protocols) != 1:
        raise DataError(
            f'{len(rows)} rows measured on {len(protocols)} sets of labels, as (n, majority_acc): {sorted(protocols)}',
            'put results on the same images into one table',
        )
    [(n, majority)] = protocols
    found = {name: (intervals or {}).get(name, {}) for name in rows}
    shown = [column for column in COLUMNS if column in set().union(*found.values())]
    header = ['', *(f'{column} [low, high]' if column in shown else column for column in COLUMNS)]
    body = [
        [_escape(name), *(_cell(metrics, found[name], column) for column in COLUMNS)] for name, metrics in rows.items()
    ]
    protocol = f'n = {n}; acc: score {rule} {threshold:g}; majority_acc {_number(majority)}'
    text = f'{protocol}\n\n{_markdown([header, *body])}'
    return f'{text}\n\n{REASON}' if any(UNDEFINED in cell for row in body for cell in row[1:]) else text


def _cell(metrics: Metrics, intervals: Intervals, column: str) -> str:
    value = _number(metrics[column])
    if column not in intervals:
        return value
    ends = intervals[column]
    return f'{value} [{UNDEFINED if ends is None else ", ".join(map(_number, ends))}]'


def _number(value: float | None) -> str:
    return UNDEFINED if value is None else f'{value:.4f}'


def _escape(name: str) -> str:
    return ' '.join(name.replace('|', r'\|').split())


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    """Aligned cells: the first column to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = [f':{"-" * (widths[0] - 1)}', *(f'{"-" * (width - 1)}:' for width in widths[1:])]
    header, *body = ([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in lines)
    return '\n'.join(_row(cells) for cells in (header, rule, *body))


def _row(cells: Iterable[str]) -> str:
    return f'| {" | ".join(cells)} |'
