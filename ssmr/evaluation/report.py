"""Tables of results in Markdown, which read well in a terminal too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ssmr.errors import DataError
from ssmr.evaluation.bootstrap import PairedDifference
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
    scale: tuple[float, float] | None = None,
    split_name: str = '',
) -> str:
    """Lay out the metrics of models and baselines on the same images.

    Args:
        rows: What ``evaluate_scores`` returned, by the name of the model or baseline.
        intervals: What ``bootstrap_intervals`` returned, by the same names; printed as ``[low, high]``.
        threshold: With which the accuracies were computed.
        rule: Likewise.
        scale: Lowest and highest possible score, where known.
        split_name: How the works came to be divided, where known.

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
        [name, *(with_interval(metrics[column], found[name], column) for column in COLUMNS)]
        for name, metrics in rows.items()
    ]
    protocol = [f'n = {n}', f'acc: score {rule} {threshold:g}', f'majority_acc {number(majority)}']
    protocol += [f'scale {scale[0]:g} to {scale[1]:g}'] if scale else []
    protocol += [split_name] if split_name else []
    text = f'{"; ".join(protocol)}\n\n{markdown(header, body)}'
    return f'{text}\n\n{REASON}' if has_undefined(body) else text


def difference_table(differences: Mapping[str, PairedDifference]) -> str:
    """Lay out what ``paired_bootstrap`` returned, by name, as Markdown."""
    body = [
        [
            name,
            with_interval(d.difference, {name: _ends(d)}, name),
            UNDEFINED if d.p_value is None else f'{d.p_value:.3f}',
        ]
        for name, d in differences.items()
    ]
    return markdown(['', 'difference [low, high]', 'p'], body)


def _ends(d: PairedDifference) -> tuple[float, float] | None:
    return None if d.low is None or d.high is None else (d.low, d.high)


def number(value: float | None) -> str:
    """Four decimals, or a dash for what is undefined."""
    return UNDEFINED if value is None else f'{value:.4f}'


def with_interval(value: float | None, intervals: Intervals, column: str) -> str:
    """A value and, where ``intervals`` has the column, its ends."""
    if column not in intervals:
        return number(value)
    ends = intervals[column]
    return f'{number(value)} [{UNDEFINED if ends is None else ", ".join(map(number, ends))}]'


def has_undefined(body: Iterable[Sequence[str]]) -> bool:
    """Whether a cell beside the names is undefined, so that the table needs an explanation."""
    return any(UNDEFINED in cell for row in body for cell in row[1:])


def markdown(header: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """An aligned table: names (the first column) to the left, numbers to the right."""
    lines = [header, *([_escape(name), *cells] for name, *cells in body)]
    widths = [max(2, *map(len, column)) for column in zip(*lines, strict=True)]
    rule = [f':{"-" * (widths[0] - 1)}', *(f'{"-" * (width - 1)}:' for width in widths[1:])]
    top, *rows = ([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in lines)
    return '\n'.join(_row(cells) for cells in (top, rule, *rows))


def _escape(name: str) -> str:
    return ' '.join(name.replace('|', r'\|').split())


def _row(cells: Iterable[str]) -> str:
    return f'| {" | ".join(cells)} |'
