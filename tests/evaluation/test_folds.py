"""Folds: each work tested once a repeat, strata and groups kept, selection apart from the test."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssmr.errors import ConfigError
from ssmr.evaluation.folds import make_folds


@settings(max_examples=25)
@given(
    n=st.integers(60, 160),
    folds=st.integers(2, 5),
    repeats=st.integers(1, 3),
    seed=st.integers(0, 100),
)
def test_each_work_is_tested_once_a_repeat_and_never_selects_or_trains_there(
    n: int, folds: int, repeats: int, seed: int
) -> None:
    scores = np.random.default_rng(seed).normal(size=n)
    made = make_folds(scores, np.arange(n), folds, repeats, strata=4, inner=4, seed=seed)
    assert [(f.repeat, f.number) for f in made] == [(r, i) for r in range(repeats) for i in range(folds)]
    for repeat in range(repeats):
        tested = np.concatenate([np.flatnonzero(f.splits == 'test') for f in made if f.repeat == repeat])
        assert sorted(tested) == list(range(n))
    for fold in made:
        assert set(fold.splits) == {'train', 'val', 'test'}


def test_strata_are_shared_out() -> None:
    scores = np.random.default_rng(0).normal(size=200)
    top = scores >= np.quantile(scores, 0.9)
    for fold in make_folds(scores, np.arange(200), 5, 2, strata=10, inner=8):
        assert (fold.splits[top] == 'test').sum() == 4
        assert (fold.splits[top] == 'val').sum() == 2


def test_works_of_one_group_stay_together() -> None:
    rng = np.random.default_rng(1)
    groups = rng.integers(0, 60, 150)
    for fold in make_folds(rng.normal(size=150), groups, 4, 2, strata=3, inner=4):
        for group in np.unique(groups):
            assert len(set(fold.splits[groups == group])) == 1


def test_repeats_differ_and_the_seed_decides() -> None:
    scores = np.random.default_rng(2).normal(size=90)
    first, second = make_folds(scores, np.arange(90), 3, 2, strata=3, inner=3)[::3]
    assert (first.splits != second.splits).any()
    again = make_folds(scores, np.arange(90), 3, 1, strata=3, inner=3)[0]
    assert (first.splits == again.splits).all()
    counted_on = make_folds(scores, np.arange(90), 3, 1, strata=3, inner=3, seed=1)[0]
    assert (second.splits == counted_on.splits).all()


def test_equal_labels_share_a_stratum() -> None:
    scores = np.repeat([1.0, 2.0], 40)
    for fold in make_folds(scores, np.arange(80), 4, 1, strata=10, inner=3):
        assert (scores[fold.splits == 'test'] == 1.0).sum() == 10


@pytest.mark.parametrize(
    ('options', 'match'),
    [
        ({'folds': 1}, 'folds=1'),
        ({'repeats': 0}, 'repeats=0'),
        ({'folds': 5, 'strata': 10}, r'5 folds and 10 strata of 30 works: the smallest stratum has only 3'),
        ({'folds': 2, 'strata': 3, 'inner': 9}, r'9 inner parts of a fold and 3 strata'),
    ],
)
def test_folds_that_are_too_small_are_refused(options: dict, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        make_folds(np.arange(30.0), np.arange(30), **options)
