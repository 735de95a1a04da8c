"""Metrics by group: a style, a theme, a period."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ssmr.errors import ConfigError, DataError
from ssmr.evaluation.bootstrap import Interval
from ssmr.evaluation.metrics import finite_vector
from ssmr.evaluation.protocol import Protocol
from ssmr.evaluation.report import REASON, UNDEFINED, has_undefined, markdown, with_interval

SHOWN = ('srcc', 'plcc', 'mae', 'bias', 'sd_ratio')
WITH_INTERVAL = ('srcc', 'plcc', 'mae')
NO_VALUE = '(no value)'


class Group(NamedTuple):
    """The results on the images of one group.

    Attributes:
        n: Number of images.
        metrics: What ``evaluate_scores`` returned; None where the group is too small to judge.
        intervals: 95 % intervals of SRCC, PLCC and MAE; empty without resamples or where it is too small.
    """

    n: int
    metrics: dict[str, float | None] | None
    intervals: dict[str, Interval | None]


def breakdown(
    groups: Sequence[str],
    scores: npt.ArrayLike,
    predictions: npt.ArrayLike,
    min_size: int = 10,
    protocol: Protocol | None = None,
) -> dict[str, Group]:
    """Measure each group by itself.

    Args:
        groups: The group of each of the n images; an empty one becomes ``(no value)``.
        scores: [n] labels.
        predictions: [n] predictions.
        min_size: Groups of fewer images are listed without metrics. With 10 images the 95 % interval of a correlation
            of .55 still reaches from about -.1 to .9.
        protocol: How to measure; the usual one if None.

    Returns:
        The groups by name, the largest first, then by name.

    Raises:
        ConfigError: min_size is below 2.
        DataError: The lengths differ, or a number is not finite.
    """
    if min_size < 2:
        raise ConfigError(f'the minimum size of a group is {min_size}', 'use at least 2: metrics need two images')
    protocol = protocol or Protocol()
    labels, predicted = finite_vector(scores, 'scores'), finite_vector(predictions, 'predictions')
    if not len(groups) == len(labels) == len(predicted):
        raise DataError(
            f'{len(groups)} groups, {len(labels)} scores and {len(predicted)} predictions', 'give one of each an image'
        )
    members: defaultdict[str, list[int]] = defaultdict(list)
    for position, name in enumerate(groups):
        members[name or NO_VALUE].append(position)

    def measure(rows: npt.NDArray[np.int64]) -> Group:
        if len(rows) < min_size:
            return Group(len(rows), None, {})
        pair = labels[rows], predicted[rows]
        return Group(len(rows), protocol.metrics(*pair), protocol.intervals(*pair, WITH_INTERVAL))

    order = sorted(members, key=lambda name: (-len(members[name]), name))
    return {name: measure(np.array(members[name])) for name in order}


def breakdown_table(groups: Mapping[str, Group], column: str, min_size: int) -> str:
    """Lay out what ``breakdown`` returned as Markdown.

    Args:
        groups: The groups by name.
        column: What they are groups of; heads the first column.
        min_size: With which they were measured.
    """
    shown = set().union(*(group.intervals for group in groups.values()))
    header = [column, 'n', *(f'{name} [low, high]' if name in shown else name for name in SHOWN)]
    body = [[name, *_cells(group)] for name, group in groups.items()]
    notes = [markdown(header, body)]
    judged = [row for row, group in zip(body, groups.values(), strict=True) if group.metrics is not None]
    if len(judged) < len(body):
        notes.append(f'Groups of fewer than {min_size} images, too small to judge: {len(body) - len(judged)}.')
    if has_undefined(judged):
        notes.append(REASON)
    return '\n\n'.join(notes)


def _cells(group: Group) -> list[str]:
    if group.metrics is None:
        return [f'{group.n} (too small)', *[UNDEFINED] * len(SHOWN)]
    return [str(group.n), *(with_interval(group.metrics[name], group.intervals, name) for name in SHOWN)]
