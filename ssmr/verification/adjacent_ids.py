"""Adjacent ids: works uploaded one after the other are often a series, and their scores know of each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ssmr.datasets.image_table import SPLITS, ImageTable
from ssmr.errors import ConfigError
from ssmr.evaluation.baselines import ID_NEIGHBOURS, UploadNumbers, id_baseline
from ssmr.evaluation.metrics import evaluate_scores
from ssmr.verification.upload_numbers import upload_numbers

#: Distances of ids that are looked at.
DISTANCES = tuple(range(1, 11))
#: Permutations of the scores that chance is told by.
PERMUTATIONS = 499
#: Runs that are listed.
LISTED = 10


@dataclass(frozen=True)
class Run:
    """Numbers that follow each other: how many works, and the ids of the first and the last."""

    works: int
    first: str
    last: str
    splits: tuple[str, ...]


@dataclass(frozen=True)
class Neighbours:
    """The scores of works at a distance of ids.

    Attributes:
        distance: Difference of their numbers.
        pairs: How many pairs there are.
        difference: Mean difference of their scores, without sign.
        correlation: Of their scores (Pearson); None where it is undefined.
    """

    distance: int
    pairs: int
    difference: float
    correlation: float | None


@dataclass(frozen=True)
class AdjacentIds:
    """What the numbers of the works tell.

    Attributes:
        numbered: Works whose id has a number (see :func:`ssmr.retrievers.id_gap.id_number`); numbers are compared
            among names that are otherwise alike.
        gap: Largest step within a run.
        length: Fewest works of a run.
        runs: How many there are.
        works_in_runs: How many works they have.
        crossing: How many runs have works of two splits.
        longest: The longest runs.
        near_training: Split -> share of its numbered works that have a training work's number within 1, 2, … 10.
        id_only: Split -> SRCC of the mean score of the training works with the nearest numbers, which sees no picture
            (:func:`ssmr.evaluation.baselines.id_baseline`); None where it is undefined, no entry for a single work.
        neighbours: Scores by distance of the ids.
        difference: Mean difference of the scores of all pairs within the gap, without sign; None without such pairs.
        by_chance: The same, of scores that are shuffled within their split and kind of names.
        p: Share of such shuffles with a difference as small; small values mean that neighbours are alike.
    """

    numbered: int
    gap: int
    length: int
    runs: int
    works_in_runs: int
    crossing: int
    longest: tuple[Run, ...]
    near_training: dict[str, tuple[float, ...]]
    id_only: dict[str, float | None]
    neighbours: tuple[Neighbours, ...]
    difference: float | None
    by_chance: float | None
    p: float | None


def adjacent_ids(table: ImageTable, gap: int = 1, length: int = 5, seed: int = 0) -> AdjacentIds:
    """Look for series: runs of numbers, how near held-out works are to training works, and how alike neighbours are.

    Args:
        table: The works; those whose id has no number are left out.
        gap: Largest step between the numbers of a run, 1 or more.
        length: Fewest works of a run, 2 or more.
        seed: Of the permutations.

    Raises:
        ConfigError: The gap or the length is too small.
    """
    for option, value, least in (('--gap', gap, 1), ('--run', length, 2)):
        if value < least:
            raise ConfigError(f'{option} is {value}', f'give {least} or more')
    numbers, rows, kinds = upload_numbers(table.ids)
    runs = [run for run in np.split(rows, np.flatnonzero(np.diff(numbers) > gap) + 1) if len(run) >= length]
    splits = [_used(table, run) for run in runs]
    longest = sorted(range(len(runs)), key=lambda i: -len(runs[i]))[:LISTED]
    training = numbers[table.splits[rows] == 'train']
    difference, by_chance, p = _against_chance(table, numbers, rows, kinds, gap, seed)
    return AdjacentIds(
        numbered=len(rows),
        gap=gap,
        length=length,
        runs=len(runs),
        works_in_runs=sum(map(len, runs)),
        crossing=sum(len(found) > 1 for found in splits),
        longest=tuple(Run(len(runs[i]), table.ids[runs[i][0]], table.ids[runs[i][-1]], splits[i]) for i in longest),
        near_training={
            split: _near(numbers[table.splits[rows] == split], training)
            for split in SPLITS[1:]
            if len(training) and (table.splits[rows] == split).any()
        },
        id_only=_id_only(table, numbers, rows),
        neighbours=tuple(_neighbours(table, numbers, rows)),
        difference=difference,
        by_chance=by_chance,
        p=p,
    )


def _used(table: ImageTable, rows: np.ndarray) -> tuple[str, ...]:
    return tuple(split for split in SPLITS if (table.splits[rows] == split).any())


def _near(queries: np.ndarray, pool: np.ndarray) -> tuple[float, ...]:
    """Share of ``queries`` with a number of the sorted ``pool`` within each of DISTANCES."""
    after = np.searchsorted(pool, queries)
    nearest = np.minimum(
        np.abs(queries - pool[np.maximum(after - 1, 0)]), np.abs(queries - pool[np.minimum(after, len(pool) - 1)])
    )
    return tuple(float((nearest <= distance).mean()) for distance in DISTANCES)


def _id_only(table: ImageTable, numbers: np.ndarray, rows: np.ndarray) -> dict[str, float | None]:
    of = {split: (table.splits[rows] == split) & np.isfinite(table.scores[rows]) for split in SPLITS}
    if of['train'].sum() < ID_NEIGHBOURS:
        return {}
    scores, found = table.scores[rows], {}
    for split in SPLITS[1:]:
        if of[split].sum() > 1:
            known = UploadNumbers(numbers[of['train']], numbers[of[split]])
            found[split] = evaluate_scores(scores[of[split]], id_baseline(scores[of['train']], known))['srcc']
    return found


def _pairs(numbers: np.ndarray, low: int, high: int) -> np.ndarray:
    """[P, 2] positions in the ascending ``numbers`` whose difference lies between ``low`` and ``high``."""
    start = np.searchsorted(numbers, numbers + low, side='left')
    count = np.searchsorted(numbers, numbers + high, side='right') - start
    first = np.repeat(np.arange(len(numbers)), count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.stack([first, np.repeat(start, count) + within], axis=1)


def _neighbours(table: ImageTable, numbers: np.ndarray, rows: np.ndarray) -> list[Neighbours]:
    rated = np.isfinite(table.scores[rows])
    numbers, scores = numbers[rated], table.scores[rows][rated]
    found = []
    for distance in DISTANCES:
        a, b = scores[_pairs(numbers, distance, distance)].T
        if len(a):
            defined = len(a) > 2 and a.std() > 0 and b.std() > 0
            correlation = float(np.corrcoef(a, b)[0, 1]) if defined else None
            found.append(Neighbours(distance, len(a), float(np.abs(a - b).mean()), correlation))
    return found


def _against_chance(
    table: ImageTable, numbers: np.ndarray, rows: np.ndarray, kinds: np.ndarray, gap: int, seed: int
) -> tuple[float | None, float | None, float | None]:
    """Mean score difference of neighbours, its mean over shuffles of the scores, and the p-value.

    Shuffling within each split and kind of names keeps their own levels, which would otherwise look like series where
    splits are ranges of numbers. p = (1 + shuffles as small) / (1 + shuffles) (Phipson & Smyth, 2010).
    """
    rated = np.isfinite(table.scores[rows])
    a, b = _pairs(numbers[rated], 1, gap).T
    if not len(a):
        return None, None, None
    scores, splits = table.scores[rows][rated], table.splits[rows][rated]
    observed = float(np.abs(scores[a] - scores[b]).mean())
    rng, shuffled = np.random.default_rng(seed), []
    cells = np.char.add(splits, kinds[rated].astype(str))
    order = np.argsort(cells, kind='stable')
    parts = np.split(order, np.flatnonzero(cells[order][1:] != cells[order][:-1]) + 1)
    for _ in range(PERMUTATIONS):
        for part in parts:
            scores[part] = rng.permutation(scores[part])
        shuffled.append(np.abs(scores[a] - scores[b]).mean())
    as_small = int((np.array(shuffled) <= observed).sum())
    return observed, float(np.mean(shuffled)), (1 + as_small) / (1 + PERMUTATIONS)
