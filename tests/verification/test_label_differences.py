"""Labels by split: the figures are right, and splits that are drawn differently are told apart from chance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from painted_works import make_table
from scipy import stats

from ssmr.datasets.image_table import ImageTable
from ssmr.verification.labels import describe_labels


def drawn(**scores: np.ndarray) -> ImageTable:
    splits = [split for split, values in scores.items() for _ in values]
    return make_table([f'{i}.jpg' for i in range(len(splits))], splits, np.concatenate(list(scores.values())))


def test_figures_are_those_of_numpy_and_scipy() -> None:
    rng = np.random.default_rng(0)
    train, val, test = rng.uniform(0, 10, 300), rng.uniform(2, 8, 50), rng.uniform(0, 10, 80)
    found = describe_labels(drawn(train=train, val=val, test=test))
    for described, values in zip(found.splits, (train, val, test), strict=True):
        assert (described.works, described.lowest, described.highest) == (len(values), values.min(), values.max())
        assert described.mean == pytest.approx(values.mean()) and described.sd == pytest.approx(values.std())
        assert described.high == pytest.approx((values > 5).mean())
        assert sum(described.histogram) == len(values)
        assert described.histogram[0] == ((values >= 0) & (values < 0.5)).sum()
    first = found.differences[0]
    oracle = stats.ks_2samp(train, val)
    assert (first.first, first.second) == ('train', 'val')
    assert (first.statistic, first.p) == pytest.approx((oracle.statistic, oracle.pvalue))


def test_alike_splits_give_no_warning_however_large() -> None:
    rng = np.random.default_rng(1)
    slightly = {'train': rng.normal(5, 1, 40_000), 'val': rng.normal(5.06, 1, 40_000), 'test': rng.normal(5, 1, 40_000)}
    found = describe_labels(drawn(**{k: v.clip(0, 10) for k, v in slightly.items()}))
    assert found.differences[0].p < 1e-6  # significant, but small
    assert not any(difference.warn for difference in found.differences)


def test_few_works_give_no_warning() -> None:
    found = describe_labels(drawn(train=np.arange(8.0), val=np.arange(4.0), test=np.arange(3.0, 8)))
    assert max(difference.statistic for difference in found.differences) > 0.1
    assert not any(difference.warn for difference in found.differences)


def test_works_without_scores_are_counted_alone() -> None:
    table = make_table(['a', 'b', 'c'], ['train', 'train', 'none'], [1, 3, np.nan])
    train, unused = describe_labels(table).splits
    assert (train.works, train.mean) == (2, 2)
    assert (unused.split, unused.works, unused.mean, unused.histogram) == ('none', 1, None, ())


def test_a_gallery_has_no_labels_to_compare() -> None:
    found = describe_labels(make_table(['a', 'b'], None, [np.nan, np.nan]))
    assert found.differences == () and found.scale is None and found.splits[0].works == 2


def test_the_tie_rule_is_the_tables() -> None:
    table = make_table(['a', 'b'], None, [5, 6])
    assert describe_labels(table).splits[0].high == 0.5


def baid(shared_data: Path) -> ImageTable:
    frames = [pd.read_csv(shared_data / 'labels' / f'baid_{s}.csv').assign(split=s) for s in ('train', 'val', 'test')]
    frame = pd.concat(frames)
    return make_table(frame['image'].tolist(), frame['split'].tolist(), frame['score'].to_numpy())


@pytest.mark.data
def test_baids_splits_are_not_drawn_alike(shared_data: Path) -> None:
    found = describe_labels(baid(shared_data))
    figures = [(round(s.mean, 3), round(s.sd, 3), round(s.high, 4)) for s in found.splits]
    assert figures == [(4.571, 1.646, 0.2097), (4.077, 1.094, 0.0750), (4.717, 0.607, 0.2380)]
    assert [(d.first, d.second, round(d.statistic, 3)) for d in found.differences if d.warn] == [
        ('train', 'val', 0.165), ('train', 'test', 0.548), ('val', 'test', 0.683),
    ]  # fmt: skip
