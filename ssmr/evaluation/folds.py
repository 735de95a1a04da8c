"""Folds for small data sets: stratified by label, duplicates kept together, with an inner part for selection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ssmr.errors import ConfigError


@dataclass(frozen=True)
class Fold:
    """One fold of one repeat.

    Attributes:
        repeat: Number of the repeat, from 0.
        number: Number of the fold in it, from 0.
        splits: [N] of 'train', 'val', 'test'.
    """

    repeat: int
    number: int
    splits: npt.NDArray[np.str_]


def make_folds(
    scores: npt.NDArray[np.floating],
    groups: npt.NDArray[np.integer],
    folds: int = 5,
    repeats: int = 1,
    strata: int = 10,
    inner: int = 8,
    seed: int = 0,
) -> list[Fold]:
    """Divide works so that in each repeat each is tested once.

    Labels are cut at their quantiles into strata, of which every fold gets its share. In each fold, one ``inner``-th of
    what is not tested becomes 'val': models are selected there, never on the tested part.

    Args:
        scores: [N] labels.
        groups: [N] integers; works of one group (duplicates) stay together.
        folds: Parts a repeat, 2 or more.
        repeats: How often to divide anew.
        strata: Quantile bins of the labels.
        inner: Parts into which the rest of a fold is divided; one of them is 'val'.
        seed: Of the first repeat; the next ones count on.

    Raises:
        ConfigError: A number is too small, or a stratum has fewer works than there are folds (or inner parts).
    """
    if folds < 2 or repeats < 1 or inner < 2 or strata < 1:
        raise ConfigError(
            f'folds={folds}, repeats={repeats}, inner={inner}, strata={strata}',
            'give two or more folds and inner parts, one or more repeats and strata',
        )
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    grouped = len(np.unique(groups)) < len(groups)
    splitter = StratifiedGroupKFold if grouped else StratifiedKFold  # which is much faster
    found = []
    for repeat in range(repeats):
        bins = _strata(scores, strata, folds, f'{folds} folds')
        outer = splitter(folds, shuffle=True, random_state=seed + repeat)
        for number, (rest, test) in enumerate(outer.split(scores, bins, groups if grouped else None)):
            splits = np.full(len(scores), 'train', dtype='U5')
            splits[test] = 'test'
            inner_bins = _strata(scores[rest], strata, inner, f'{inner} inner parts of a fold')
            parts = splitter(inner, shuffle=True, random_state=seed + repeat)
            _, val = next(parts.split(scores[rest], inner_bins, groups[rest] if grouped else None))
            splits[rest[val]] = 'val'
            found.append(Fold(repeat, number, splits))
    return found


def own_split(splits: npt.NDArray[np.str_], repeats: int = 1) -> list[Fold]:
    """The data set's own division [N], as one fold that is repeated: only seeds differ.

    Raises:
        ConfigError: ``repeats`` is not positive.
    """
    if repeats < 1:
        raise ConfigError(f'repeats={repeats}', 'give one or more')
    return [Fold(repeat, 0, splits) for repeat in range(repeats)]


def _strata(scores: npt.NDArray[np.floating], strata: int, parts: int, what: str) -> npt.NDArray[np.intp]:
    """[n] the stratum of each label; equal labels share one."""
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, strata + 1)[1:-1]))
    bins = np.searchsorted(edges, scores, side='right')
    smallest = int(np.bincount(bins)[np.unique(bins)].min())
    if smallest < parts:
        raise ConfigError(
            f'{what} and {strata} strata of {len(scores)} works: the smallest stratum has only {smallest}',
            'lower --folds, --inner or --strata, or add works',
        )
    return np.asarray(bins)
