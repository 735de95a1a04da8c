"""Label files: what is wrong is named with file, line and value."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from csv_cases import GOOD, read, refusal, write
from hypothesis import given, settings
from hypothesis import strategies as st

from ssmr.datasets.delimited_text import LabelWarning
from ssmr.datasets.label_files import read_labels
from ssmr.errors import DataError


class TestForms:
    """Other forms of the same labels."""

    FRAME = pd.DataFrame({'image': ['0012', 'b', 'c'], 'score': [1, 2.5, 9], 'split': ['train', 'val', 'test']})

    def test_parquet(self, tmp_path: Path) -> None:
        self.FRAME.assign(year=pd.array([1900, None, 1910], dtype='Int64')).to_parquet(tmp_path / 'labels.parquet')
        table = read(tmp_path, labels='labels.parquet')
        assert table.ids == ('0012', 'b', 'c') and table.scores.tolist() == [1, 2.5, 9]
        np.testing.assert_array_equal(table.extra['year'], [1900, np.nan, 1910])
        assert table.split_name == 'column split of labels.parquet'

    def test_parquet_with_the_names_as_index(self, tmp_path: Path) -> None:
        self.FRAME.set_index('image').to_parquet(tmp_path / 'labels.parquet')
        assert read(tmp_path, labels='labels.parquet').ids == ('0012', 'b', 'c')

    def test_excel(self, tmp_path: Path) -> None:
        self.FRAME.to_excel(tmp_path / 'labels.xlsx', index=False)
        table = read(tmp_path, labels='labels.xlsx')
        assert table.ids == ('0012', 'b', 'c') and table.scores.tolist() == [1, 2.5, 9]

    @pytest.mark.parametrize(('name', 'row'), [('labels.parquet', 'row 2'), ('labels.xlsx', 'row 3')])
    def test_a_bad_row_is_named(self, tmp_path: Path, name: str, row: str) -> None:
        frame = self.FRAME.assign(score=[1, 11, 9])
        (frame.to_parquet if name.endswith('parquet') else frame.to_excel)(tmp_path / name, index=False)
        with pytest.raises(DataError, match=rf'{re.escape(name)} {row}: score is 11 '):
            read(tmp_path, labels=name)

    @pytest.mark.parametrize('name', ['labels.parquet', 'labels.xlsx', 'labels.sav'])
    @pytest.mark.parametrize('content', [b'', GOOD.encode(), b'PAR1 PK\3\4 $FL2' + bytes(100)])
    def test_a_damaged_file_is_named(self, tmp_path: Path, name: str, content: bytes) -> None:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=f'cannot read .*{re.escape(name)}'):
            read(tmp_path, labels=name)

    @pytest.mark.parametrize('name', ['labels.parquet', 'labels.xlsx', 'labels.sav', 'labels.csv'])
    def test_a_missing_file_is_named(self, tmp_path: Path, name: str) -> None:
        (tmp_path / 'images').mkdir()
        with pytest.raises(DataError, match=re.escape(name)):
            read(tmp_path, labels=name)

    @pytest.mark.parametrize(('name', 'extra'), [('labels.parquet', 'parquet'), ('labels.sav', 'spreadsheets')])
    def test_without_the_package_the_extra_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, extra: str
    ) -> None:
        (tmp_path / name).write_bytes(b'')
        for package in ('pyarrow', 'fastparquet', 'pyreadstat'):
            monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(DataError, match=rf'ssmr\[{extra}\]'):
            read(tmp_path, labels=name)

    @pytest.mark.parametrize(('delimiter', 'given'), [(';', ';'), ('\t', 'tab'), ('\t', '\t'), ('|', '|')])
    def test_another_delimiter(self, tmp_path: Path, delimiter: str, given: str) -> None:
        text = GOOD.replace(',', delimiter)
        assert read(write(tmp_path, text), delimiter=given).ids == ('a.jpg', 'b.jpg', 'c.jpg')

    @pytest.mark.parametrize('encoding', ['latin-1', 'utf-16', 'cp1252'])
    def test_another_encoding(self, tmp_path: Path, encoding: str) -> None:
        write(tmp_path, GOOD.replace('a.jpg', 'ä.jpg'), encoding)
        assert read(tmp_path, encoding=encoding).ids[0] == 'ä.jpg'

    def test_of_several_encodings_the_first_that_fits_is_taken_with_a_warning(self, tmp_path: Path) -> None:
        path = write(tmp_path, GOOD.replace('a.jpg', 'ä.jpg'), 'latin-1') / 'labels.csv'
        with pytest.warns(LabelWarning, match='is not utf-8; it is read as latin-1'):
            assert read_labels(path, ['image'], encoding=('utf-8', 'latin-1'))['image'].iloc[0] == 'ä.jpg'
        write(tmp_path, GOOD.replace('a.jpg', 'ä.jpg'))
        assert read_labels(path, ['image'], encoding=('utf-8', 'latin-1'))['image'].iloc[0] == 'ä.jpg'

    def test_quoted_line_breaks_and_delimiters_belong_to_their_value(self, tmp_path: Path) -> None:
        text = 'image,score,split,note\na,1,train,"two\nlines, a ""quote"""\nb,2,val,x\nc,3,test,y\nd,99,train,z\n'
        assert 'labels.csv line 6: score is' in refusal(tmp_path, text)  # the line of an editor, not the row's number
        table = read(write(tmp_path, text.replace('99', '9')))
        assert table.extra['note'][0] == 'two\nlines, a "quote"'

    def test_columns_of_numbers_are_numbers_and_others_texts(self, tmp_path: Path) -> None:
        text = 'image,score,split,year,note,,\na,1,train,1900,x,,\nb,2,val,,,,\nc,3,test,1e3,7,,\n'
        table = read(write(tmp_path, text))
        np.testing.assert_array_equal(table.extra['year'], [1900, np.nan, 1000])
        assert table.extra['note'].tolist()[::2] == ['x', '7'] and table.extra.keys() == {'year', 'note'}


class TestBadText:
    @pytest.mark.parametrize(('delimiter', 'name'), [(';', ';'), ('\t', 'tab'), ('|', '|')])
    def test_the_delimiter_is_recognised_in_a_header_of_one_piece(
        self, tmp_path: Path, delimiter: str, name: str
    ) -> None:
        message = refusal(tmp_path, GOOD.replace(',', delimiter))
        assert f'its delimiter is {name!r}' in message and f"table.delimiter='{name}'" in message

    def test_the_declared_delimiter_may_be_the_wrong_one(self, tmp_path: Path) -> None:
        assert "its delimiter is ',', not ';'" in refusal(tmp_path, GOOD, delimiter=';')
        assert 'table.delimiter is' in refusal(tmp_path, GOOD, delimiter='::')

    @pytest.mark.parametrize(
        ('row', 'fields'), [('d.jpg,1', 2), ('d.jpg', 1), ('d.jpg,1,train,5', 4), ('d,3,5,val', 4)]
    )
    def test_a_row_of_another_length_is_named(self, tmp_path: Path, row: str, fields: int) -> None:
        message = refusal(tmp_path, f'{GOOD}\n{row}\n')
        assert f'labels.csv line 6 has {fields} fields, the header has 3' in message

    @pytest.mark.parametrize('row', ['"d.jpg,1,train', 'd.jpg,1,"train" x'])
    def test_an_open_quotation_mark_is_named(self, tmp_path: Path, row: str) -> None:
        assert 'the row that begins on line 5 cannot be read' in refusal(tmp_path, f'{GOOD}{row}\ne,1,train\n')

    @pytest.mark.parametrize('encoding', ['utf-16', 'utf-16-le', 'utf-16-be', 'utf-32'])
    def test_wide_text_is_named(self, tmp_path: Path, encoding: str) -> None:
        write(tmp_path, GOOD, encoding)
        with pytest.raises(DataError, match=r"labels\.csv is (UTF-16 text|no text)(?s:.*)table\.encoding='utf-16'"):
            read(tmp_path)

    def test_text_in_another_encoding_is_named_with_its_line(self, tmp_path: Path) -> None:
        write(tmp_path, GOOD.replace('b.jpg', 'ä.jpg'), 'latin-1')
        with pytest.raises(DataError, match=r"line 3 is not utf-8 \(byte 0xe4\)(?s:.*)table\.encoding='latin-1'"):
            read(tmp_path)

    def test_an_unknown_encoding_is_named(self, tmp_path: Path) -> None:
        assert "table.encoding is 'latin-one'" in refusal(tmp_path, GOOD, encoding='latin-one')

    def test_a_name_for_two_columns_is_refused(self, tmp_path: Path) -> None:
        assert "two columns 'score'" in refusal(tmp_path, GOOD.replace('split', 'score'))

    def test_a_file_without_a_header_is_recognised(self, tmp_path: Path) -> None:
        assert 'is its header line missing?' in refusal(tmp_path, GOOD.split('\n', 1)[1])

    @settings(max_examples=200)
    @given(st.binary(max_size=200))
    def test_whatever_the_bytes_the_error_is_ours(
        self, tmp_path_factory: pytest.TempPathFactory, content: bytes
    ) -> None:
        root = tmp_path_factory.mktemp('works')
        (root / 'labels.csv').write_bytes(b'image,score,split\n' + content)
        with pytest.raises(DataError, match=r'labels\.csv'):
            read(root)


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

    def test_an_image_in_place_of_the_labels_is_named(self, tmp_path: Path) -> None:
        (tmp_path / 'labels.csv').write_bytes(b'\x89PNG\r\n\x1a\n' + bytes(range(256)))
        with pytest.raises(DataError, match=r'labels\.csv'):
            read(tmp_path)
