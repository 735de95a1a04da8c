"""The image table: its identities, unused works, names that stand twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from csv_cases import GOOD, read, refusal, write

from ssmr.datasets.image_table import ImageTable
from ssmr.errors import DataError


class TestTwice:
    @pytest.mark.parametrize('image', ['a.jpg', './a.jpg', 'x/../a.jpg', '.\\a.jpg'])
    @pytest.mark.parametrize('score', ['1', '3'])
    def test_both_rows_and_both_scores_are_named(self, tmp_path: Path, image: str, score: str) -> None:
        message = refusal(tmp_path, f'{GOOD}\n{image},{score},train\n')
        labels = tmp_path / 'labels.csv'
        assert f'{labels} line 6: image is {image!r} (1 such rows), as in {labels} line 2' in message
        assert f'with the scores 1 and {score}' in message


class TestUnused:
    TEXT = GOOD + 'd.jpg,,none\ne.jpg,4,none\n'

    def test_they_need_no_score(self, tmp_path: Path) -> None:
        table = read(write(tmp_path, self.TEXT))
        assert np.isnan(table.scores[3]) and table.scores[4] == 4
        assert len(table.scores_identity()) == 64

    @pytest.mark.parametrize('row', ['f.jpg,,train', 'f.jpg,x,none', 'f.jpg,inf,none', 'f.jpg,11,none'])
    def test_others_do_and_a_score_must_be_one(self, tmp_path: Path, row: str) -> None:
        assert 'line 7: score is' in refusal(tmp_path, f'{self.TEXT}{row}\n')

    def test_they_belong_to_the_pool(self, tmp_path: Path) -> None:
        before = read(write(tmp_path, self.TEXT)).pool_identity()
        assert before != read(write(tmp_path, self.TEXT.replace('4,none', '4,train'))).pool_identity()


def test_no_fingerprint_sees_how_the_splits_came_about(tmp_path: Path) -> None:
    table = read(write(tmp_path, GOOD))
    other = replace(table, split_name='otherwise')
    assert table.pool_identity() == other.pool_identity() and table.scores_identity() == other.scores_identity()


def test_names_without_their_ending_are_recognised(tmp_path: Path) -> None:
    (tmp_path / 'images').mkdir()
    (tmp_path / 'images' / 'a.jpg').touch()
    table = read(write(tmp_path, GOOD.replace('.jpg', '')))
    with pytest.raises(DataError, match=r'there is a\.jpg: names in the labels need their ending'):
        table.images_identity()


class TestIdentities:
    def identities(self, table: ImageTable) -> tuple[str, str, str]:
        return table.images_identity(), table.pool_identity(), table.scores_identity()

    @pytest.mark.parametrize(
        ('old', 'new', 'changed'),
        [
            ('a.jpg,1,train', 'a.jpg,1.5,train', (False, False, True)),
            ('b.jpg,2.5,val', 'b.jpg,2.5,train', (False, True, False)),
            ('b.jpg', 'd.jpg', (True, True, True)),
        ],
    )
    def test_each_covers_its_own(self, tmp_path: Path, old: str, new: str, changed: tuple[bool, ...]) -> None:
        (tmp_path / 'images').mkdir()
        for name in 'abcd':
            (tmp_path / 'images' / f'{name}.jpg').write_bytes(b'x')
        text = GOOD + 'e.jpg,2,val\n'
        before = self.identities(read(write(tmp_path, text)))
        after = self.identities(read(write(tmp_path, text.replace(old, new))))
        assert tuple(a != b for a, b in zip(before, after, strict=True)) == changed

    def test_the_scale_belongs_to_the_labels(self, tmp_path: Path) -> None:
        write(tmp_path, GOOD)
        assert read(tmp_path, scale=(0, 9)).scores_identity() != read(tmp_path).scores_identity()
