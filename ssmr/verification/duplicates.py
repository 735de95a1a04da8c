"""Near duplicates: groups of pictures that show one work, within and across splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ssmr.artifacts.files import sha256_file
from ssmr.datasets.image_table import SPLITS, ImageTable
from ssmr.errors import ConfigError
from ssmr.verification.links import find_links, is_flat
from ssmr.verification.pictures import HASH_SIZE, Picture

#: Bits in which duplicates may differ, a quarter of the hash; tools/benchmark/duplicates.py has the measurement.
THRESHOLD = 64
#: Beyond this, unrelated pictures are linked by the thousand.
HIGHEST = 96


@dataclass(frozen=True)
class Group:
    """Pictures that show one work, as far as a hash can tell.

    Attributes:
        rows: Of the table, ascending; two or more.
        images: Their ids.
        splits: Their splits.
        scores: Their scores; None where there is none.
        score_sd: Standard deviation of the scores (of a population); None with fewer than two.
        identical: Which files are byte for byte the same as another of the group.
        distance: The largest number of bits in which two linked pictures differ.
        known: The table has them all in one group already.
    """

    rows: list[int]
    images: list[str]
    splits: list[str]
    scores: list[float | None]
    score_sd: float | None
    identical: list[bool]
    distance: int
    known: bool

    @property
    def across(self) -> bool:
        """Whether two of train, val and test have the work."""
        return len({*self.splits} & {*SPLITS}) > 1


@dataclass(frozen=True)
class Duplicates:
    """What was found.

    Attributes:
        groups: Those across splits first, then by their first row.
        threshold: Bits in which linked pictures may differ.
        flat: Number of pictures without a usable hash (a blank canvas), which were compared by thumbnail.
        leaks: Number of training works that are also in val or test.
        inside_sd: How far the scores of one group lie apart: root mean variance; None without scores.
        overall_sd: The same of all works of the table, to compare with.
    """

    groups: list[Group]
    threshold: int
    flat: int
    leaks: int
    inside_sd: float | None
    overall_sd: float | None

    @property
    def across(self) -> list[Group]:
        """The groups that more than one split has."""
        return [group for group in self.groups if group.across]

    @property
    def works(self) -> int:
        """Number of works in all groups."""
        return sum(len(group.rows) for group in self.groups)


def find_duplicates(table: ImageTable, pictures: Sequence[Picture], threshold: int = THRESHOLD) -> Duplicates:
    """Group the readable pictures of a table by perceptual hash.

    Found are copies that were saved again, scaled, toned, bordered or cut a little; not mirrored or turned ones.
    Groups are connected components: a work that is near to two others joins them.

    Args:
        table: The works.
        pictures: One a row.
        threshold: Bits in which duplicates may differ, 0 to HIGHEST.

    Raises:
        ConfigError: The threshold is out of range.
    """
    if not 0 <= threshold <= HIGHEST:
        raise ConfigError(f'--threshold is {threshold}', f'give 0 to {HIGHEST} bits of {HASH_SIZE**2}')
    rows = np.array([row for row, picture in enumerate(pictures) if not picture.reason], dtype=np.int64)
    flat = np.array([is_flat(pictures[row].hash) for row in rows], dtype=bool)
    pairs, distances = find_links([pictures[row] for row in rows], flat, threshold)
    links = rows[pairs]
    _, labels = connected_components(
        coo_array((np.ones(len(links), bool), (links[:, 0], links[:, 1])), shape=(len(table),) * 2), directed=False
    )
    furthest = np.zeros(len(table), dtype=np.int64)  # by component, of which there are at most as many
    np.maximum.at(furthest, labels[links[:, 0]], distances)
    members: dict[int, list[int]] = {}
    for row in np.unique(links):
        members.setdefault(int(labels[row]), []).append(int(row))
    groups = [_group(table, found, int(furthest[label])) for label, found in members.items()]
    groups.sort(key=lambda group: (not group.across, group.rows))
    return Duplicates(groups, threshold, int(flat.sum()), _leaks(groups), _inside_sd(groups), _sd(table.scores))


def _group(table: ImageTable, rows: list[int], distance: int) -> Group:
    scores = table.scores[rows]
    hashes = [sha256_file(table.path(row)) for row in rows]
    times = Counter(hashes)
    return Group(
        rows=rows,
        images=[table.ids[row] for row in rows],
        splits=[str(table.splits[row]) for row in rows],
        scores=[float(score) if np.isfinite(score) else None for score in scores],
        score_sd=_sd(scores),
        identical=[times[value] > 1 for value in hashes],
        distance=distance,
        known=len({*table.groups[rows].tolist()}) == 1,
    )


def _leaks(groups: Sequence[Group]) -> int:
    leaking = [group.splits for group in groups if group.across]
    return sum(splits.count('train') for splits in leaking)


def _inside_sd(groups: Sequence[Group]) -> float | None:
    variances = [group.score_sd**2 for group in groups if group.score_sd is not None]
    return float(np.sqrt(np.mean(variances))) if variances else None


def _sd(scores: np.ndarray) -> float | None:
    known = scores[np.isfinite(scores)]
    return float(known.std()) if len(known) > 1 else None
