"""What an inferencer says of a work, and its CSV file."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ssmr.artifacts.files import atomic_write


@dataclass(frozen=True)
class Reference:
    """A rated work that a new one was compared with.

    Attributes:
        id: In the table.
        file: The picture.
        similarity: By the config's retriever.
        score: Its label.
    """

    id: str
    file: Path
    similarity: float
    score: float


@dataclass(frozen=True)
class Assessment:
    """What a model says of a work.

    Attributes:
        image: The file, or "picture N" for one that came without.
        score: Predicted mean score, on the data set's scale.
        references: Those that its graph has, the most similar first; there may be none where ``graph.min_similarity``
            is set.
    """

    image: str
    score: float
    references: tuple[Reference, ...]

    @property
    def reference_mean(self) -> float:
        """Mean label of the references; NaN without any."""
        return float(np.mean([r.score for r in self.references])) if self.references else math.nan

    @property
    def reference_sd(self) -> float:
        """Standard deviation of the labels of the references: how far the evidence disagrees; NaN without any."""
        return float(np.std([r.score for r in self.references])) if self.references else math.nan

    def text(self, references: int) -> str:
        """The score in a line, and a line for each of the first references."""
        lines = [f'{self.score:.3f}  {self.image}  (references {self.reference_mean:.3f}, sd {self.reference_sd:.3f})']
        lines += [f'       {r.score:.3f}  {r.id}  similarity {r.similarity:.3f}' for r in self.references[:references]]
        return '\n'.join(lines)


def write_assessments(path: Path, assessments: Sequence[Assessment]) -> None:
    """Write a CSV ``image,prediction,reference_mean,reference_sd,reference_ids``; the file appears whole.

    Raises:
        ArtifactError: The disk is full.
    """
    with atomic_write(path) as file:
        writer = csv.writer(file)
        writer.writerow(['image', 'prediction', 'reference_mean', 'reference_sd', 'reference_ids'])
        for a in assessments:
            ids = ' '.join(r.id for r in a.references)
            writer.writerow([a.image, a.score, a.reference_mean, a.reference_sd, ids])
