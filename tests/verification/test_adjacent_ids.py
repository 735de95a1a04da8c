"""Adjacent ids: runs, nearness to training works, and series that their scores give away."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from painted_works import make_table

from ssmr.errors import ConfigError
from ssmr.verification.adjacent_ids import DISTANCES, adjacent_ids


def names(numbers: list[int]) -> list[str]:
    return [f'{number}.jpg' for number in numbers]


def test_runs_are_found_in_any_order() -> None:
    numbers = [7, 3, 5, 4, 20, 21, 90, 6, 22]
    found = adjacent_ids(make_table(names(numbers), ['test', *['train'] * 8]), gap=1, length=3)
    assert [(run.works, run.first, run.last, run.splits) for run in found.longest] == [
        (5, '3.jpg', '7.jpg', ('train', 'test')), (3, '20.jpg', '22.jpg', ('train',)),
    ]  # fmt: skip
    assert (found.runs, found.works_in_runs, found.crossing, found.numbered) == (2, 8, 1, 9)


def test_the_gap_joins_runs() -> None:
    numbers = names([1, 3, 5, 10, 12])
    assert adjacent_ids(make_table(numbers), gap=1, length=2).runs == 0
    assert [run.works for run in adjacent_ids(make_table(numbers), gap=2, length=2).longest] == [3, 2]


def test_numbers_are_compared_among_names_that_are_otherwise_alike() -> None:
    ids = ['abs_001.jpg', 'abs_2.jpg', 'rep_002.jpg', 'rep_003.jpg', 'b/abs_003.jpg', 'b/abs_004.jpg', 'abs_3.jpg']
    found = adjacent_ids(make_table(ids, ['train'] * 4 + ['test'] * 3), length=2)
    assert sorted((run.first, run.last) for run in found.longest) == [
        ('abs_001.jpg', 'abs_3.jpg'), ('b/abs_003.jpg', 'b/abs_004.jpg'), ('rep_002.jpg', 'rep_003.jpg'),
    ]  # fmt: skip
    assert found.near_training['test'] == pytest.approx([1 / 3] * 10)  # abs_3 alone has a training work near to it
    assert sum(neighbours.pairs for neighbours in found.neighbours) == 3 + 1 + 1


def test_ids_without_a_number_are_left_out() -> None:
    found = adjacent_ids(make_table(['mona_lisa.jpg', '1.jpg', '2.jpg']), length=2)
    assert (found.numbered, found.runs) == (2, 1)
    nothing = adjacent_ids(make_table(['mona_lisa.jpg', 'scream.jpg']))
    assert (nothing.numbered, nothing.runs, nothing.p, nothing.near_training) == (0, 0, None, {})


@given(data=st.data(), n=st.integers(1, 30))
def test_nearness_and_neighbours_equal_all_pairs(data: st.DataObject, n: int) -> None:
    numbers = data.draw(st.lists(st.integers(0, 60), min_size=n, max_size=n, unique=True))
    splits = data.draw(st.lists(st.sampled_from(['train', 'val', 'test']), min_size=n, max_size=n))
    scores = np.random.default_rng(n).uniform(0, 10, n)
    found = adjacent_ids(make_table(names(numbers), splits, scores), gap=3)
    training = [number for number, split in zip(numbers, splits, strict=True) if split == 'train']
    for split in ('val', 'test'):
        own = [number for number, of in zip(numbers, splits, strict=True) if of == split]
        if own and training:
            nearest = [min(abs(number - other) for other in training) for number in own]
            assert found.near_training[split] == pytest.approx([np.mean([x <= d for x in nearest]) for d in DISTANCES])
        else:
            assert split not in found.near_training
    pairs = [(abs(numbers[i] - numbers[j]), abs(scores[i] - scores[j])) for i, j in itertools.combinations(range(n), 2)]
    expected = {d: [s for apart, s in pairs if apart == d] for d in DISTANCES}
    assert {x.distance: (x.pairs, pytest.approx(x.difference)) for x in found.neighbours} == {
        d: (len(s), np.mean(s)) for d, s in expected.items() if s
    }
    near = [s for apart, s in pairs if apart <= 3]
    assert found.difference == (pytest.approx(np.mean(near)) if near else None)


def test_a_series_is_told_from_chance() -> None:
    rng = np.random.default_rng(0)
    series = np.repeat(rng.uniform(1, 9, 40), 5) + rng.normal(0, 0.3, 200)
    table = make_table(names(list(range(200))), None, series)
    found = adjacent_ids(table)
    assert found.p == pytest.approx(1 / 500) and found.difference < found.by_chance / 2
    assert found.neighbours[0].correlation > 0.5
    mixed = adjacent_ids(make_table(names(list(range(200))), None, rng.permutation(series)))
    assert mixed.p > 0.05


def test_splits_that_are_ranges_of_numbers_are_no_series() -> None:
    """Each split has its own level of scores, but within it the order of the numbers means nothing."""
    rng = np.random.default_rng(1)
    scores = np.r_[rng.normal(3, 0.5, 150), rng.normal(7, 0.5, 150)].clip(0, 10)
    found = adjacent_ids(make_table(names(list(range(300))), ['train'] * 150 + ['test'] * 150, scores))
    assert found.neighbours[0].correlation > 0.8 and found.p > 0.05


def test_kinds_of_names_with_levels_of_their_own_are_no_series() -> None:
    rng = np.random.default_rng(2)
    ids = [f'{kind}_{i}.jpg' for kind in ('abs', 'rep') for i in range(150)]
    found = adjacent_ids(make_table(ids, None, np.r_[rng.normal(3, 0.5, 150), rng.normal(7, 0.5, 150)]))
    assert found.neighbours[0].correlation > 0.8 and found.p > 0.05


@pytest.mark.parametrize(('gap', 'length', 'option'), [(0, 5, '--gap is 0'), (1, 1, '--run is 1')])
def test_options_without_sense_are_refused(gap: int, length: int, option: str) -> None:
    with pytest.raises(ConfigError, match=option):
        adjacent_ids(make_table(['1.jpg']), gap, length)


@pytest.mark.data
def test_the_ids_of_baid_alone_tell_something_about_its_scores(shared_data: Path) -> None:
    frames = [
        pd.read_csv(shared_data / 'labels' / f'baid_{split}.csv').assign(split=split)
        for split in ('train', 'val', 'test')
    ]
    works = pd.concat(frames)
    found = adjacent_ids(make_table(works.image.tolist(), works.split.tolist(), works.score.to_numpy()))
    assert found.id_only == {'val': pytest.approx(0.1495, abs=5e-4), 'test': pytest.approx(0.1065, abs=5e-4)}


def test_ids_alone_need_sixteen_training_works() -> None:
    for works, splits in ((15, set()), (16, {'val'})):
        found = adjacent_ids(
            make_table(names(list(range(20))), ['train'] * works + ['val'] * (20 - works), np.arange(20.0) / 4)
        )
        assert set(found.id_only) == splits
