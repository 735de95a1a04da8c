"""Splits: a column, a checksum of the name, or lists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from csv_cases import GOOD, read, refusal, write
from hypothesis import given
from hypothesis import strategies as st

from ssmr.datasets.image_table import UNUSED
from ssmr.datasets.splits import held_out, read_list, split_of, splits_of_lists
from ssmr.errors import DataError


class TestSplits:
    def test_without_a_column_the_names_decide(self, tmp_path: Path) -> None:
        names = [f'{i:04d}.jpg' for i in range(1000)]
        write(tmp_path, 'image,score\n' + ''.join(f'{n},5\n' for n in names))
        splits = read(tmp_path).splits
        assert splits.tolist() == [split_of(n) for n in names]
        shares = {s: float((splits == s).mean()) for s in ('train', 'val', 'test')}
        assert shares == pytest.approx({'train': 0.8, 'val': 0.1, 'test': 0.1}, abs=0.03)

    @given(st.sets(st.text('abcdefghij', min_size=4, max_size=4), min_size=60), st.integers(0, 2**32 - 1))
    def test_a_work_keeps_its_split_when_others_come_and_go(self, names: set[str], seed: int) -> None:
        rng = np.random.default_rng(seed)
        some = [n for n in sorted(names) if rng.random() < 0.5]
        everybody = {n: split_of(n) for n in rng.permutation(sorted(names))}
        assert {n: split_of(n) for n in some} == {n: everybody[n] for n in some}

    def test_the_rule_is_fixed_for_all_time(self) -> None:
        splits = {f'{i}.jpg': split_of(f'{i}.jpg') for i in range(20)}
        assert {n: s for n, s in splits.items() if s != 'train'} == {'11.jpg': 'test', '19.jpg': 'val'}

    @pytest.mark.parametrize('column', ['Split', ' split', 'SPLIT '])
    def test_a_column_that_was_surely_meant_is_not_overlooked(self, tmp_path: Path, column: str) -> None:
        assert f'but {column!r}' in refusal(tmp_path, GOOD.replace('split', column))

    def test_a_declared_column_must_be_there(self, tmp_path: Path) -> None:
        assert "no column 'fold'" in refusal(tmp_path, GOOD, split_column='fold')

    def test_the_table_says_how_they_came_about(self, tmp_path: Path) -> None:
        assert read(write(tmp_path, GOOD)).split_name == 'column split of labels.csv'
        assert read(write(tmp_path, GOOD.replace('split', 'fold')), split_column='fold').split_name.startswith(
            'column fold'
        )
        names = ''.join(f'{i},5\n' for i in range(50))
        assert read(write(tmp_path, 'image,score\n' + names)).split_name == '80/10/10 by checksum of the name'

    def test_unused_works_are_in_no_split(self, tmp_path: Path) -> None:
        table = read(write(tmp_path, GOOD + 'd.jpg,4,none\n'))
        assert table.rows(UNUSED).tolist() == [3]
        assert [table.rows(s).tolist() for s in ('train', 'val', 'test')] == [[0], [1], [2]]

    @pytest.mark.parametrize('value', ['Train', 'validation', '', '0', ' train'])
    def test_an_unknown_split_is_named(self, tmp_path: Path, value: str) -> None:
        message = refusal(tmp_path, GOOD + f'd.jpg,4,{value}\n')
        assert 'labels.csv line 5: split is ' in message and 'train, val or test' in message

    @pytest.mark.parametrize('split', ['train', 'val', 'test'])
    def test_every_split_needs_rows(self, tmp_path: Path, split: str) -> None:
        rows = [line for line in GOOD.splitlines() if not line.endswith(f',{split}')]
        assert f'no rows of the {split} split' in refusal(tmp_path, '\n'.join(rows))


class TestHeldOut:
    @given(st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=50), st.floats(0.01, 0.99))
    def test_a_larger_share_holds_out_all_of_a_smaller_one(self, names: list[str], share: float) -> None:
        assert {n for n in names if held_out(n, share / 2)} <= {n for n in names if held_out(n, share)}

    @pytest.mark.parametrize('share', [0.05, 0.2, 0.5])
    def test_the_share_is_about_what_was_asked(self, share: float) -> None:
        names = [f'{i}.jpg' for i in range(10_000)]
        assert np.mean([held_out(n, share) for n in names]) == pytest.approx(share, abs=0.02)


class TestLists:
    def test_what_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / 'list.csv'
        path.write_text('image_id,score\n"12",5\n13.jpg,4\n\n 14 ,1\n')
        assert read_list(path, '.jpg') == {'12': f'{path} line 2', '13': f'{path} line 3', '14': f'{path} line 5'}

    @pytest.mark.parametrize(('text', 'what'), [('a\nb\na\n', 'line 3'), ('', 'lists no work'), ('\n \n', 'no work')])
    def test_what_is_wrong_is_named(self, tmp_path: Path, text: str, what: str) -> None:
        path = tmp_path / 'list.txt'
        path.write_text(text)
        with pytest.raises(DataError, match=what):
            read_list(path)

    def test_a_work_in_two_lists_is_named_with_both_lines(self) -> None:
        with pytest.raises(DataError, match=r"test line 7: 'a' is in train line 2 too"):
            splits_of_lists({'train': {'a': 'train line 2'}, 'test': {'a': 'test line 7'}})
        assert splits_of_lists({'train': {'a': ''}, 'test': {'b': ''}}) == {'a': 'train', 'b': 'test'}
