"""What the checks of a data set found, and what of it the reader should know."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ssmr.verification.adjacent_ids import AdjacentIds
from ssmr.verification.duplicates import Duplicates
from ssmr.verification.image_folder import Sizes, Unnamed
from ssmr.verification.labels import Labels

#: Adjacent ids are a warning at this p-value.
SERIES = 0.01


@dataclass(frozen=True)
class Images:
    """What the pictures showed.

    Attributes:
        unreadable: Id -> why the file cannot be read, in the order of the table.
        unnamed: Files that no label names.
        duplicates: Groups of near duplicates.
        sizes: Of the readable ones; None where there are none.
    """

    unreadable: dict[str, str]
    unnamed: Unnamed
    duplicates: Duplicates
    sizes: Sizes | None


@dataclass(frozen=True)
class Findings:
    """All that was found.

    Attributes:
        name: Of the data set.
        works: How many it has.
        labels: Scores by split.
        adjacent: Runs of ids.
        images: What the pictures showed; None where they were not looked at.
    """

    name: str
    works: int
    labels: Labels
    adjacent: AdjacentIds
    images: Images | None

    @property
    def warnings(self) -> list[str]:
        """What the reader should know before training, one sentence each."""
        return [*_image_warnings(self.images), *_label_warnings(self.labels), *_id_warnings(self.adjacent)]

    @property
    def faults(self) -> list[str]:
        """What ``--strict`` does not accept: files that cannot be read, and works in two splits."""
        if self.images is None:
            return []
        counts = {
            'images that cannot be read': len(self.images.unreadable),
            'groups of duplicates across splits': len(self.images.duplicates.across),
        }
        return [f'{what}: {count}' for what, count in counts.items() if count]

    def record(self) -> dict[str, Any]:
        """Everything as plain values for JSON."""
        return {**asdict(self), 'warnings': self.warnings}


def _image_warnings(images: Images | None) -> Iterator[str]:
    if images is None:
        return
    across = len(images.duplicates.across)
    within = len(images.duplicates.groups) - across
    if images.unreadable:
        yield f'Images that cannot be read: {len(images.unreadable)}; see quarantine.csv.'
    if images.unnamed.files:
        yield f'Image files that no label names: {images.unnamed.files}.'
    if across:
        yield (
            f'Groups of duplicates across splits: {across}; training works among them that are also in val or test: '
            f'{images.duplicates.leaks} (duplicates.leaks=drop leaves these out of training).'
        )
    if within:
        yield f'Groups of duplicates within one split: {within}.'


def _label_warnings(labels: Labels) -> Iterator[str]:
    splits = {split.split: split for split in labels.splits}
    for found in labels.differences:
        if found.warn:
            a, b = splits[found.first], splits[found.second]
            yield (
                f'The labels of {a.split} and {b.split} are not drawn alike: Kolmogorov-Smirnov statistic '
                f'{found.statistic:.3f}; mean {a.mean:.3f} and {b.mean:.3f}, sd {a.sd:.3f} and {b.sd:.3f}.'
            )


def _id_warnings(adjacent: AdjacentIds) -> Iterator[str]:
    if adjacent.p is not None and adjacent.p <= SERIES:
        yield (
            f'Works with adjacent ids have scores that are alike: they differ by {adjacent.difference:.3f} on average, '
            f'shuffled ones by {adjacent.by_chance:.3f} (p = {adjacent.p:.3g}). They may be series, which the '
            'retriever MinIdGap keeps from being references of each other.'
        )
