"""A model's predictions as a CSV file that spreadsheets and the evaluation tool read."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ssmr.artifacts.files import atomic_write
from ssmr.errors import DataError
from ssmr.evaluation.csv_columns import ID_COLUMN, read_columns
from ssmr.evaluation.metrics import FloatArray, finite_vector

REFERENCE_IDS = 'reference_ids'


@dataclass(frozen=True)
class Predictions:
    """Predictions of n images; ``None`` columns are left out of the file.

    Attributes:
        ids: The n images, each once.
        scores: [n] labels.
        predictions: [n], on the labels' scale.
        reference_mean: [n] mean label of the references.
        reference_sd: [n] standard deviation of the labels of the references.
        reference_ids: The references of each image, nearest first; separated by spaces in the file.
        extra: Further columns of [n] numbers, by name.
    """

    ids: Sequence[str]
    scores: npt.NDArray[np.floating]
    predictions: npt.NDArray[np.floating]
    reference_mean: npt.NDArray[np.floating] | None = None
    reference_sd: npt.NDArray[np.floating] | None = None
    reference_ids: Sequence[Sequence[str]] | None = None
    extra: Mapping[str, npt.NDArray[np.floating]] = field(default_factory=dict)

    def columns(self) -> dict[str, FloatArray]:
        """The numeric columns in the file's order, checked.

        Raises:
            DataError: A column has not n finite numbers, or an extra column takes a name that has a meaning.
        """
        named = {
            'score': self.scores,
            'prediction': self.predictions,
            'reference_mean': self.reference_mean,
            'reference_sd': self.reference_sd,
        }
        if taken := {ID_COLUMN, REFERENCE_IDS, *named} & set(self.extra):
            raise DataError(f'the extra column {min(taken)} has a meaning already', 'give it another name')
        present = {name: values for name, values in (named | dict(self.extra)).items() if values is not None}
        columns = {name: finite_vector(values, f'column {name}') for name, values in present.items()}
        for name, values in columns.items():
            if len(values) != len(self.ids):
                raise DataError(
                    f'column {name} has {len(values)} values for {len(self.ids)} images', 'give one an image'
                )
        return columns


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write predictions as CSV; numbers read back exactly as they were. The file is whole or absent.

    Args:
        path: The file; its folder is created.
        predictions: What to write.

    Raises:
        DataError: An image is listed twice, unnamed or named with a line break, or a column does not fit.
        ArtifactError: The disk is full.
    """
    columns = predictions.columns()
    if len(set(predictions.ids)) != len(predictions.ids) or '' in predictions.ids:
        raise DataError('an image is listed twice or has no name', 'predict every image once')
    if broken := [name for name in predictions.ids if '\r' in name or '\n' in name]:
        raise DataError(f'the image name {broken[0]!r} has a line break', 'rename the image')
    references = predictions.reference_ids
    if references is not None and len(references) != len(predictions.ids):
        raise DataError(f'{len(references)} lists of references for {len(predictions.ids)} images', 'give one an image')
    header = [ID_COLUMN, *columns]
    fields: list[Iterable[str]] = [predictions.ids, *(map(repr, values.tolist()) for values in columns.values())]
    if references is not None:
        header.append(REFERENCE_IDS)
        fields.append([_join(names) for names in references])
    with atomic_write(Path(path)) as file:
        writer = csv.writer(file, lineterminator='\n')
        writer.writerow(header)
        writer.writerows(zip(*fields, strict=True))


def read_predictions(path: Path) -> Predictions:
    """Read the columns ``image``, ``score`` and ``prediction``; any other is ignored.

    Raises:
        DataError: The file cannot be used; names the file, the line and the column.
    """
    ids, (scores, predictions) = read_columns(Path(path), ['score', 'prediction'])
    return Predictions(ids, finite_vector(scores, 'score'), finite_vector(predictions, 'prediction'))


def _join(references: Sequence[str]) -> str:
    """Ids separated by spaces; one that holds a space is quoted, as in a CSV whose delimiter is a space."""
    line = io.StringIO()
    csv.writer(line, delimiter=' ').writerow(references)
    return line.getvalue().removesuffix('\r\n')
