"""Readers: a table comes out only of labels that are right; what is wrong is named with file, line and value."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssmr.datasets.image_table import ImageTable
from ssmr.datasets.readers import read_baid, read_csv_table, split_of
from ssmr.errors import DataError

GOOD = 'image,score,split\na.jpg,1,train\nb.jpg,2.5,val\nc.jpg,9,test\n'


def write(root: Path, text: str) -> Path:
    (root / 'labels.csv').write_bytes(text.encode())
    return root


def read(root: Path, **options: Any) -> ImageTable:
    return read_csv_table(str(root), **options)


def refusal(root: Path, text: str, **options: Any) -> str:
    write(root, text)
    with pytest.raises(DataError) as caught:
        read(root, **options)
    return str(caught.value)


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


class TestVotes:
    TEXT = 'image,score,split,v1,v2,v3\na,1,train,2,1,1\nb,2,val,0,0,7\nc,3,test,.1,.3,.6\n'
    COLUMNS = ('v1', 'v2', 'v3')

    def test_rows_become_shares_in_the_declared_order(self, tmp_path: Path) -> None:
        write(tmp_path, self.TEXT)
        table = read(tmp_path, distribution_columns=list(self.COLUMNS))
        np.testing.assert_allclose(table.distributions, [[0.5, 0.25, 0.25], [0, 0, 1], [0.1, 0.3, 0.6]])
        assert table.distributions.dtype == np.float64 and not table.extra
        turned = read(tmp_path, distribution_columns=['v3', 'v2', 'v1'])
        np.testing.assert_allclose(turned.distributions, table.distributions[:, ::-1])

    def test_undeclared_they_are_columns_like_others(self, tmp_path: Path) -> None:
        table = read(write(tmp_path, self.TEXT))
        assert table.distributions is None and table.extra['v1'].tolist() == [2, 0, 0.1]

    @settings(max_examples=20)
    @given(st.lists(st.lists(st.integers(0, 10**6), min_size=3, max_size=3).filter(any), min_size=3, max_size=20))
    def test_shares_sum_to_one(self, tmp_path_factory: pytest.TempPathFactory, counts: list[list[int]]) -> None:
        splits = ['train', 'val', 'test'] * len(counts)
        rows = [f'{i},5,{splits[i]},{",".join(map(str, row))}' for i, row in enumerate(counts)]
        root = write(tmp_path_factory.mktemp('works'), '\n'.join(['image,score,split,v1,v2,v3', *rows]))
        expected = np.array(counts) / np.sum(counts, axis=1, keepdims=True)
        np.testing.assert_allclose(read(root, distribution_columns=self.COLUMNS).distributions, expected)

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
        message = refusal(tmp_path, f'{self.TEXT}\nd,3,train,{votes}\n', distribution_columns=self.COLUMNS)
        assert f'{tmp_path / "labels.csv"} line 6: {what} (1 such rows)' in message

    def test_a_missing_column_is_named(self, tmp_path: Path) -> None:
        assert "no column 'v4'" in refusal(tmp_path, self.TEXT, distribution_columns=['v1', 'v4'])

    @pytest.mark.parametrize('columns', ['v1', ['v1'], [], ['v1', 'v2', 'v1'], ['v1', 'score'], ['split', 'v1'], 5])
    def test_columns_that_cannot_be_meant_are_refused(self, tmp_path: Path, columns: Any) -> None:
        message = refusal(tmp_path, self.TEXT, distribution_columns=columns)
        assert f'table.distribution_columns is {columns!r}' in message

    def test_they_belong_to_the_labels(self, tmp_path: Path) -> None:
        one = read(write(tmp_path, self.TEXT), distribution_columns=self.COLUMNS)
        same = read(write(tmp_path, self.TEXT.replace('2,1,1', '4,2,2')), distribution_columns=self.COLUMNS)
        other = read(write(tmp_path, self.TEXT.replace('2,1,1', '1,2,1')), distribution_columns=self.COLUMNS)
        assert one.scores_identity() == same.scores_identity() != other.scores_identity()
        assert one.scores_identity() != read(tmp_path).scores_identity()


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

    @pytest.mark.parametrize('value', ['Train', 'validation', '', '0', ' train'])
    def test_an_unknown_split_is_named(self, tmp_path: Path, value: str) -> None:
        message = refusal(tmp_path, GOOD + f'd.jpg,4,{value}\n')
        assert 'labels.csv line 5: split is ' in message and 'train, val or test' in message

    @pytest.mark.parametrize('split', ['train', 'val', 'test'])
    def test_every_split_needs_rows(self, tmp_path: Path, split: str) -> None:
        rows = [line for line in GOOD.splitlines() if not line.endswith(f',{split}')]
        assert f'no rows of the {split} split' in refusal(tmp_path, '\n'.join(rows))


class TestBadLabels:
    @pytest.mark.parametrize(
        ('header', 'missing', 'close'),
        [('imgae,score,split', 'image', 'imgae'), ('image,scores,split', 'score', 'scores'), ('a,b,c', 'image', None)],
    )
    def test_a_missing_column_is_named_with_the_close_one(
        self, tmp_path: Path, header: str, missing: str, close: str | None
    ) -> None:
        message = refusal(tmp_path, GOOD.replace('image,score,split', header))
        assert f'no column {missing!r}; it has {", ".join(header.split(","))}' in message
        assert ('did you mean' in message) == (close is not None)
        assert close is None or f'did you mean {close!r}?' in message

    @pytest.mark.parametrize(
        ('row', 'what'),
        [
            ('a.jpg,3,train', "image is 'a.jpg'"),
            ('./a.jpg,3,train', "image is './a.jpg'"),
            ('x/../a.jpg,3,train', "image is 'x/../a.jpg'"),
            (',3,train', 'image is nan'),
            ('d.jpg,,train', 'score is nan'),
            ('d.jpg,nan,train', 'score is nan'),
            ('d.jpg,inf,train', "score is 'inf'"),
            ('d.jpg,good,train', "score is 'good'"),
            ('d.jpg,"3,5",train', "score is '3,5'"),
            ('d.jpg,10.01,train', "score is '10.01'"),
            ('d.jpg,-0.01,train', "score is '-0.01'"),
            ('/etc/passwd,3,train', "image is '/etc/passwd'"),
            ('../a.jpg,3,train', None),
            ('../../x.jpg,3,train', "image is '../../x.jpg'"),
            ('x/../../../x.jpg,3,train', "image is 'x/../../../x.jpg'"),
            ('..\\..\\x.jpg,3,train', r"image is '..\\..\\x.jpg'"),
        ],
    )
    def test_a_bad_row_is_named_with_its_line_and_value(self, tmp_path: Path, row: str, what: str | None) -> None:
        if what is None:  # from images/ to the root: still below the root
            assert len(read(write(tmp_path, GOOD + row + '\n'))) == 4
            return
        message = refusal(tmp_path, GOOD + '\n' + row + '\n')
        assert f'{tmp_path / "labels.csv"} line 6: {what} (1 such rows)' in message

    def test_all_bad_rows_are_counted(self, tmp_path: Path) -> None:
        assert '(3 such rows)' in refusal(tmp_path, GOOD + 'd,11,val\ne,12,val\nf,13,val\n')

    @pytest.mark.parametrize('scale', [(0,), (5, 5), (10, 0), (0, float('nan')), 'ab', 5, None, (1, 2, 3)])
    def test_a_scale_that_is_none_is_refused(self, tmp_path: Path, scale: Any) -> None:
        assert f'is {scale!r}' in refusal(tmp_path, GOOD, scale=scale)

    def test_the_ends_of_the_scale_belong_to_it(self, tmp_path: Path) -> None:
        assert read(write(tmp_path, GOOD), scale=(1, 9)).scores.tolist() == [1, 2.5, 9]

    def test_an_unknown_tie_rule_is_refused(self, tmp_path: Path) -> None:
        assert "'<'" in refusal(tmp_path, GOOD, rule='<')

    @pytest.mark.parametrize('text', ['', '\n', 'image,score,split\n', 'image,score,split\n\n\n'])
    def test_an_empty_file_is_named(self, tmp_path: Path, text: str) -> None:
        assert 'labels.csv' in refusal(tmp_path, text)

    @pytest.mark.parametrize('text', [GOOD + 'd.jpg,1,train,5\n', GOOD.replace(',split', '')])
    def test_rows_longer_than_the_header_are_refused(self, tmp_path: Path, text: str) -> None:
        assert 'labels.csv' in refusal(tmp_path, text)

    def test_text_in_another_encoding_is_named(self, tmp_path: Path) -> None:
        (tmp_path / 'labels.csv').write_bytes(GOOD.replace('a.jpg', 'ä.jpg').encode('latin-1'))
        with pytest.raises(DataError, match=r'labels\.csv'):
            read(tmp_path)

    def test_an_image_in_place_of_the_labels_is_named(self, tmp_path: Path) -> None:
        (tmp_path / 'labels.csv').write_bytes(b'\x89PNG\r\n\x1a\n' + bytes(range(256)))
        with pytest.raises(DataError, match=r'labels\.csv'):
            read(tmp_path)


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


def baid(root: Path, rows: dict[str, str] | None = None) -> Path:
    (root / 'dataset').mkdir(parents=True)
    for i, split in enumerate(('train', 'val', 'test')):
        text = (rows or {}).get(split, f'{i}.jpg,{i + 4.5}\n')
        (root / 'dataset' / f'{split}_set.csv').write_text('image,score\n' + text)
    return root


class TestBaid:
    def test_what_is_read(self, tmp_path: Path) -> None:
        table = read_baid(str(baid(tmp_path / 'baid')))
        assert table.ids == ('0.jpg', '1.jpg', '2.jpg')
        assert table.splits.tolist() == ['train', 'val', 'test']
        assert table.path(2) == tmp_path / 'baid' / 'images' / '2.jpg'
        assert (table.scale, table.threshold, table.rule) == ((0.0, 10.0), 5.0, '>')

    def test_without_it_the_error_says_what_to_get_and_what_runs_without(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match='is missing') as caught:
            read_baid(str(tmp_path / 'gone'))
        for text in ('github.com/Dreemurr-T/BAID', 'images/<id>.jpg', 'configs/ssmr_efficientnet_quickstart.py'):
            assert text in caught.value.fix

    @pytest.mark.parametrize('split', ['train', 'val', 'test'])
    def test_a_missing_label_file_is_named(self, tmp_path: Path, split: str) -> None:
        path = baid(tmp_path / 'baid') / 'dataset' / f'{split}_set.csv'
        path.unlink()
        with pytest.raises(DataError) as caught:
            read_baid(str(tmp_path / 'baid'))
        assert str(path) in caught.value.message and 'github.com' in caught.value.fix

    def test_a_work_in_two_splits_is_named_with_its_file(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"val_set\.csv line 3: image is '0\.jpg'"):
            read_baid(str(baid(tmp_path / 'baid', {'val': '1.jpg,5\n0.jpg,5\n'})))

    @pytest.mark.data
    def test_the_published_labels(self, tmp_path: Path, shared_data: Path) -> None:
        (tmp_path / 'baid' / 'dataset').mkdir(parents=True)
        expected = {}
        for split in ('train', 'val', 'test'):
            source = shared_data / 'labels' / f'baid_{split}.csv'
            os.symlink(source, tmp_path / 'baid' / 'dataset' / f'{split}_set.csv')
            expected[split] = pd.read_csv(source)
        table = read_baid(str(tmp_path / 'baid'))
        assert {s: len(table.rows(s)) for s in expected} == {'train': 50737, 'val': 3200, 'test': 6400}
        assert len(set(table.ids)) == 60337
        for split, frame in expected.items():
            rows = table.rows(split)
            assert [table.ids[r] for r in rows] == frame['image'].tolist()
            np.testing.assert_array_equal(table.scores[rows], frame['score'])
