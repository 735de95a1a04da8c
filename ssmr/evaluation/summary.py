"""What ``tools/evaluate_predictions.py`` shows: metrics of all images, and sections that look closer."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ssmr.errors import DataError
from ssmr.evaluation.breakdown import breakdown, breakdown_table
from ssmr.evaluation.calibration import Calibration, assess_uncertainty, fit_scale
from ssmr.evaluation.calibration_report import calibration_text
from ssmr.evaluation.csv_columns import join, read_scores, read_texts
from ssmr.evaluation.deciles import deciles_table, label_deciles
from ssmr.evaluation.predictions import Predictions, read_predictions
from ssmr.evaluation.protocol import Protocol
from ssmr.evaluation.report import metrics_table


@dataclass(frozen=True)
class SummaryOptions:
    """Which sections to make, and from what.

    Attributes:
        truth: A column of numbers that takes the place of the scores.
        labels: CSV with the columns ``truth`` and ``by``, joined by image; None looks for them in the predictions.
        by: A column of names to break the metrics down by.
        min_size: Images that a group needs to be judged.
        deciles: Whether to give bias and error by decile of the label.
        calibration: The column of predicted sds to calibrate.
        calibrate_on: Predictions of other images, with the same columns, that the sds' scale is fitted on; None: it
            is 1.
    """

    truth: str | None = None
    labels: Path | None = None
    by: str | None = None
    min_size: int = 10
    deciles: bool = False
    calibration: str | None = None
    calibrate_on: Path | None = None


class Summary(NamedTuple):
    """A report.

    Attributes:
        record: Plain values for JSON: the metrics, ``ci``, and ``groups``, ``deciles`` and ``calibration`` if made.
        text: The same as Markdown.
        calibration: For a plot; None where none was asked for.
    """

    record: dict[str, Any]
    text: str
    calibration: Calibration | None


def summarize(file: Path, options: SummaryOptions, protocol: Protocol) -> Summary:
    """Evaluate a CSV of predictions.

    Args:
        file: CSV of the columns image, score and prediction, and those that the options name.
        options: Which sections to make.
        protocol: How to measure.

    Raises:
        DataError: A file cannot be used, lacks a column or an image, an sd is negative, or the scale would be fitted
            on images that are judged.
        ConfigError: See ``breakdown`` and ``bootstrap_intervals``.
    """
    data = load_predictions(file, options)
    metrics = protocol.metrics(data.scores, data.predictions)
    intervals = protocol.intervals(data.scores, data.predictions)
    record: dict[str, Any] = {**metrics, **protocol.split, 'ci': intervals}
    texts = [metrics_table({file.stem: metrics}, {file.stem: intervals}, **protocol.split)]
    if options.by is not None:
        source = options.labels or file
        names = join(data.ids, read_texts(source, options.by), source)
        groups = breakdown(names, data.scores, data.predictions, options.min_size, protocol)
        record['groups'] = {name: group._asdict() for name, group in groups.items()}
        texts.append(breakdown_table(groups, options.by, options.min_size))
    if options.deciles:
        deciles = label_deciles(data.scores, data.predictions)
        record['deciles'] = [b._asdict() for b in deciles]
        texts.append(deciles_table(deciles))
    calibration = None
    if options.calibration is not None:
        fitted_on = None if options.calibrate_on is None else str(options.calibrate_on)
        calibration = calibrate(data, file, options, protocol)
        record['calibration'] = {**calibration.record(), 'column': options.calibration, 'fitted_on': fitted_on}
        texts.append(calibration_text(calibration, options.calibration, fitted_on))
    return Summary(record, '\n\n'.join(texts), calibration)


def load_predictions(file: Path, options: SummaryOptions) -> Predictions:
    """Read predictions, with the truth and the sd that the options name.

    Raises:
        DataError: A file cannot be used, has no such column, or lacks an image.
    """
    data = read_predictions(file)
    if options.truth is not None:
        source = options.labels or file
        scores = np.array(join(data.ids, read_scores(source, options.truth), source))
        data = dataclasses.replace(data, scores=scores)
    if options.calibration is not None:
        data = dataclasses.replace(data, reference_sd=np.array(list(read_scores(file, options.calibration).values())))
    return data


def calibrate(data: Predictions, file: Path, options: SummaryOptions, protocol: Protocol) -> Calibration:
    """Compare sds and errors of ``data``, which was read from ``file``, after fitting the scale on other images.

    Raises:
        DataError: As ``summarize``.
    """
    scale = 1.0
    if options.calibrate_on is not None:
        other = load_predictions(options.calibrate_on, options)
        if shared := sorted(set(other.ids) & set(data.ids)):
            raise DataError(
                f'{options.calibrate_on} and {file} share {len(shared)} images, first {", ".join(shared[:5])}',
                'fit the scale on other images, such as the predictions of the validation split',
            )
        scale = fit_scale(other.predictions - other.scores, _sd(other))
    return assess_uncertainty(data.predictions - data.scores, _sd(data), scale, protocol=protocol)


def _sd(data: Predictions) -> np.ndarray:
    assert data.reference_sd is not None  # load_predictions read it
    return data.reference_sd
