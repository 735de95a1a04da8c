"""Two models on the same images: their metrics, and the paired difference between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ssmr.errors import ConfigError, DataError
from ssmr.evaluation.bootstrap import Interval, PairedDifference
from ssmr.evaluation.metrics import FloatArray, require_metrics
from ssmr.evaluation.predictions import Predictions, read_predictions
from ssmr.evaluation.protocol import Protocol
from ssmr.evaluation.report import difference_table, metrics_table

#: Labels of one image that differ by less, relative to their size, are the same number stored in float32.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Comparison:
    """What ``tools/compare_predictions.py`` shows.

    Attributes:
        metrics: The metrics of A and of B, by name.
        intervals: Their 95 % intervals.
        differences: metric -> that of A less that of B.
        left_out: Name -> how many of its images the other has not.
        protocol: How all was measured.
    """

    metrics: dict[str, dict[str, float | None]]
    intervals: dict[str, dict[str, Interval | None]]
    differences: dict[str, PairedDifference]
    left_out: dict[str, int]
    protocol: Protocol

    def record(self) -> dict[str, Any]:
        """Plain values for JSON."""
        differences = {metric: found._asdict() for metric, found in self.differences.items()}
        models = {name: {**self.metrics[name], 'ci': self.intervals[name]} for name in self.metrics}
        return {'models': models, 'differences': differences, 'left_out': self.left_out, **self.protocol.split}

    def text(self) -> str:
        """Both tables as Markdown."""
        a, b = self.metrics
        parts = [metrics_table(self.metrics, self.intervals, **self.protocol.split), f'{a} less {b}, paired:']
        parts.append(difference_table(self.differences))
        left_out = [f'{n} images of {name} are not in the other file' for name, n in self.left_out.items() if n]
        parts += [f'Left out: {" and ".join(left_out)}.'] if left_out else []
        return '\n\n'.join(parts)


def compare_files(a: Path, b: Path, metrics: Sequence[str], protocol: Protocol, *, common: bool = False) -> Comparison:
    """Compare two files of predictions.

    Args:
        a: CSV of the columns image, score and prediction.
        b: Another one, of the same images in any order.
        metrics: Whose differences to give.
        protocol: How to measure; it needs resamples.
        common: Use the images in both files instead of refusing other ones.

    Raises:
        DataError: A file cannot be used, an image is in one file only (or, with ``common``, all are), or the score of
            an image differs.
        ConfigError: An unknown metric, or a file is compared with itself.
    """
    require_metrics(metrics)
    if a.resolve() == b.resolve():
        raise ConfigError(f'{a} is given twice', 'name the predictions of two models')
    first, second = read_predictions(a), read_predictions(b)
    if not common:
        _require_images(first.ids, b, second)
        _require_images(second.ids, a, first)
    present = set(second.ids)
    if not (images := [image for image in first.ids if image in present]):
        raise DataError(f'{a} and {b} have no image in common', 'compare predictions of the same images')
    (scores, ours), (other_scores, theirs) = _rows(first, images), _rows(second, images)
    differ = np.flatnonzero(~np.isclose(scores, other_scores, rtol=TOLERANCE, atol=TOLERANCE))
    if len(differ):
        at = differ[0]
        raise DataError(
            f'{images[at]} has the score {scores[at]:g} in {a} but {other_scores[at]:g} in {b} '
            f'({len(differ)} of {len(images)} images differ)',
            'compare predictions of the same labels',
        )
    names = (a.stem, b.stem) if a.stem != b.stem else (str(a), str(b))
    models = dict(zip(names, (ours, theirs), strict=True))
    return Comparison(
        {name: protocol.metrics(scores, p) for name, p in models.items()},
        {name: protocol.intervals(scores, p) for name, p in models.items()},
        {metric: protocol.difference(scores, ours, theirs, metric) for metric in metrics},
        {name: len(data.ids) - len(images) for name, data in zip(names, (first, second), strict=True)},
        protocol,
    )


def _rows(data: Predictions, images: Sequence[str]) -> tuple[FloatArray, FloatArray]:
    """Scores and predictions of some of the images, in their order."""
    position = {image: row for row, image in enumerate(data.ids)}
    rows = [position[image] for image in images]
    return np.asarray(data.scores)[rows], np.asarray(data.predictions)[rows]


def _require_images(wanted: Sequence[str], path: Path, data: Predictions) -> None:
    present = set(data.ids)
    if missing := [image for image in wanted if image not in present]:
        raise DataError(
            f'{path} lacks {len(missing)} of {len(wanted)} images, first {", ".join(missing[:5])}',
            'predict them too, or compare the images that both files have (--common)',
        )
