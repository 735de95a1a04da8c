"""CsvTable: any folder of rated images; names, columns, groups and the data root."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from csv_cases import GOOD, read, refusal, write

from ssmr.errors import DataError


class TestCsv:
    def test_what_is_read(self, tmp_path: Path) -> None:
        table = read(write(tmp_path, GOOD), scale=(0, 10), threshold=4, name='works')
        assert (table.name, len(table), table.scale, table.threshold) == ('works', 3, (0.0, 10.0), 4.0)
        assert table.ids == ('a.jpg', 'b.jpg', 'c.jpg')
        assert table.path(1) == tmp_path / 'images' / 'b.jpg'
        assert table.scores.tolist() == [1, 2.5, 9] and table.scores.dtype == np.float64
        assert table.splits.tolist() == ['train', 'val', 'test']
        assert [table.rows(s).tolist() for s in ('train', 'val', 'test')] == [[0], [1], [2]]
        assert len(set(table.groups)) == 3

    @pytest.mark.parametrize(
        'text',
        [GOOD.replace('\n', '\r\n'), GOOD.rstrip(), '\ufeff' + GOOD, GOOD + '\n\n', GOOD.replace('\n', '\n\n', 2)],
    )
    def test_ordinary_variations_of_csv_do_not_matter(self, tmp_path: Path, text: str) -> None:
        assert read(write(tmp_path, text)).ids == ('a.jpg', 'b.jpg', 'c.jpg')

    def test_names_stay_text(self, tmp_path: Path) -> None:
        table = read(write(tmp_path, 'image,score,split\n0012,1,train\n0.10,2,val\n1e5,3,test\n'))
        assert table.ids == ('0012', '0.10', '1e5')

    def test_columns_may_have_other_names(self, tmp_path: Path) -> None:
        text = 'file,score,mean_score,split,fold\na,1,5,x,train\nb,2,6,y,val\nc,3,7,z,test\n'
        names = {'image_column': 'file', 'score_column': 'mean_score', 'split_column': 'fold'}
        table = read(write(tmp_path, text), **names)
        assert table.scores.tolist() == [5, 6, 7]
        assert table.extra['score_column'].tolist() == [1, 2, 3]
        assert table.extra['split_column'].tolist() == ['x', 'y', 'z']

    def test_further_columns_are_kept(self, tmp_path: Path) -> None:
        table = read(write(tmp_path, 'image,score,split,style\na,1,train,cubism\nb,2,val,\nc,3,test,fauvism\n'))
        assert table.extra['style'].tolist()[::2] == ['cubism', 'fauvism']

    def test_labels_and_images_may_lie_elsewhere_below_the_root(self, tmp_path: Path) -> None:
        (tmp_path / 'x').mkdir()
        (tmp_path / 'x' / 'y.csv').write_text(GOOD)
        table = read(tmp_path, labels='x/y.csv', image_dir='')
        assert table.path(0) == tmp_path / 'a.jpg'
        assert read(tmp_path, labels=str(tmp_path / 'x' / 'y.csv')).ids == table.ids


class TestGroups:
    TEXT = 'image,score,split,group\na,1,train,g\nb,2,val,g\nc,3,test,\nd,3,train,\n'

    def test_a_declared_column_joins_duplicates_and_empty_means_none(self, tmp_path: Path) -> None:
        a, b, c, d = read(write(tmp_path, self.TEXT), group_column='group').groups
        assert a == b and len({a, c, d}) == 3

    def test_an_undeclared_column_joins_nobody(self, tmp_path: Path) -> None:
        table = read(write(tmp_path, self.TEXT))
        assert len(set(table.groups)) == 4
        assert table.extra['group_column'].tolist()[:2] == ['g', 'g']

    def test_a_missing_column_is_named(self, tmp_path: Path) -> None:
        assert "no column 'gruop'" in refusal(tmp_path, self.TEXT, group_column='gruop')


class TestRoot:
    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match='is missing') as caught:
            read(tmp_path / 'gone')
        assert str(tmp_path / 'gone' / 'labels.csv') in caught.value.fix

    def test_empty(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match='is empty'):
            read(tmp_path)

    def test_without_labels(self, tmp_path: Path) -> None:
        (tmp_path / 'images').mkdir()
        with pytest.raises(DataError, match=r'labels\.csv'):
            read(tmp_path)

    def test_without_a_single_image(self, tmp_path: Path) -> None:
        table = read(write(tmp_path, GOOD))
        with pytest.raises(DataError, match=r'none of the 3 images .*images/a\.jpg'):
            table.images_identity()
