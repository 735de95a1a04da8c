"""CsvTable with votes: columns for each possible score."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from csv_cases import read, refusal, write
from hypothesis import given, settings
from hypothesis import strategies as st


class TestVotes:
    TEXT = 'image,score,split,v1,v2,v3\na,1.75,train,2,1,1\nb,3,val,0,0,7\nc,2.5,test,.1,.3,.6\n'
    COLUMNS = ('v1', 'v2', 'v3')
    SCALE = (1, 3)

    def test_rows_become_shares_in_the_declared_order(self, tmp_path: Path) -> None:
        write(tmp_path, self.TEXT)
        table = read(tmp_path, distribution_columns=list(self.COLUMNS), scale=self.SCALE)
        np.testing.assert_allclose(table.distributions, [[0.5, 0.25, 0.25], [0, 0, 1], [0.1, 0.3, 0.6]])
        assert table.distributions.dtype == np.float64 and not table.extra
        turned = read(tmp_path, distribution_columns=['v3', 'v2', 'v1'], score_column=None, scale=self.SCALE)
        np.testing.assert_allclose(turned.distributions, table.distributions[:, ::-1])

    def test_undeclared_they_are_columns_like_others(self, tmp_path: Path) -> None:
        table = read(write(tmp_path, self.TEXT))
        assert table.distributions is None and table.extra['v1'].tolist() == [2, 0, 0.1]

    @settings(max_examples=20)
    @given(st.lists(st.lists(st.integers(0, 10**6), min_size=3, max_size=3).filter(any), min_size=3, max_size=20))
    def test_shares_sum_to_one(self, tmp_path_factory: pytest.TempPathFactory, counts: list[list[int]]) -> None:
        splits = ['train', 'val', 'test'] * len(counts)
        rows = [f'{i},{splits[i]},{",".join(map(str, row))}' for i, row in enumerate(counts)]
        root = write(tmp_path_factory.mktemp('works'), '\n'.join(['image,split,v1,v2,v3', *rows]))
        expected = np.array(counts) / np.sum(counts, axis=1, keepdims=True)
        table = read(root, distribution_columns=self.COLUMNS, score_column=None, scale=(-4, 7))
        np.testing.assert_allclose(table.distributions, expected)
        np.testing.assert_allclose(table.scores, [np.average([-4, 1.5, 7], weights=row) for row in counts])

    @pytest.mark.parametrize(
        ('votes', 'what'),
        [
            ('1,-2,3', "v2 is '-2'"),
            ('1,,3', 'v2 is nan'),
            ('1,2,nan', 'v3 is nan'),
            ('inf,2,3', "v1 is 'inf'"),
            ('many,2,3', "v1 is 'many'"),
            ('0,0.0,0', "votes is '0 in every column'"),
        ],
    )
    def test_a_bad_row_is_named_with_its_line_and_value(self, tmp_path: Path, votes: str, what: str) -> None:
        options = {'distribution_columns': self.COLUMNS, 'scale': self.SCALE}
        message = refusal(tmp_path, f'{self.TEXT}\nd,3,train,{votes}\n', **options)
        assert f'{tmp_path / "labels.csv"} line 6: {what} (1 such rows)' in message

    def test_a_missing_column_is_named(self, tmp_path: Path) -> None:
        assert "no column 'v4'" in refusal(tmp_path, self.TEXT, distribution_columns=['v1', 'v4'])

    @pytest.mark.parametrize('columns', ['v1', ['v1'], [], ['v1', 'v2', 'v1'], ['v1', 'score'], ['split', 'v1'], 5])
    def test_columns_that_cannot_be_meant_are_refused(self, tmp_path: Path, columns: Any) -> None:
        message = refusal(tmp_path, self.TEXT, distribution_columns=columns)
        assert f'table.distribution_columns is {columns!r}' in message

    def test_they_belong_to_the_labels(self, tmp_path: Path) -> None:
        options = {'distribution_columns': self.COLUMNS, 'scale': self.SCALE}
        one = read(write(tmp_path, self.TEXT), **options)
        same = read(write(tmp_path, self.TEXT.replace('2,1,1', '4,2,2')), **options)
        other = read(write(tmp_path, self.TEXT.replace('2,1,1', '1,2,1')), **options)
        assert one.scores_identity() == same.scores_identity() != other.scores_identity()
        assert one.scores_identity() != read(tmp_path, scale=self.SCALE).scores_identity()


class TestMeans:
    TEXT = 'image,split,v1,v2,v3\na,train,2,1,1\nb,val,0,0,7\nc,test,1,3,6\n'
    VOTES: dict[str, Any] = {'distribution_columns': ['v1', 'v2', 'v3'], 'scale': (1, 5)}  # noqa: RUF012

    def test_without_scores_they_are_the_means_of_the_votes(self, tmp_path: Path) -> None:
        table = read(write(tmp_path, self.TEXT), score_column=None, **self.VOTES)
        np.testing.assert_allclose(table.scores, [2.5, 5, 4])

    def test_without_scores_and_votes_nothing_is_left(self, tmp_path: Path) -> None:
        assert 'table.score_column is None' in refusal(tmp_path, self.TEXT, score_column=None)

    @pytest.mark.parametrize('columns', [['v3', 'v2', 'v1'], ['v1', 'v2', 'v3']])
    def test_a_score_far_from_its_votes_is_named_with_both(self, tmp_path: Path, columns: list[str]) -> None:
        right = columns[0] == 'v1'
        text = 'image,split,score,v1,v2,v3\na,train,3,0,9,0\nb,val,4.9,0,0,7\nc,test,1,7,0,0\n'
        options = {**self.VOTES, 'distribution_columns': columns}
        if right:
            assert read(write(tmp_path, text), **options).scores.tolist() == [3, 4.9, 1]
        else:
            message = refusal(tmp_path, text, **options)
            assert 'labels.csv line 3: score is 4.9, but the mean of its votes is 1 (2 such rows)' in message

    def test_rounded_scores_and_ratings_sorted_into_bins_agree(self, tmp_path: Path) -> None:
        text = 'image,split,score,low,high\na,train,4.9,1,0\nb,val,5.1,0,1\nc,test,5,1,1\n'
        assert len(read(write(tmp_path, text), distribution_columns=['low', 'high'])) == 3
