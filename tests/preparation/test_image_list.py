"""BAID's image list: names become files, so only plain ones are taken."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmr.errors import DataError
from ssmr.preparation.image_list import Work, read_image_list

URL = 'https://example.org/a.jpg'


def write(path: Path, *rows: tuple[str, str], header: tuple[str, str] = ('image_link', 'image_name')) -> Path:
    with open(path, 'w', newline='', encoding='utf-8') as file:
        csv.writer(file).writerows([header, *rows])
    return path


def test_the_authors_format(tmp_path: Path) -> None:
    path = tmp_path / 'list.csv'
    path.write_text('image_link,image_name\nhttps://image-cloud.fasosites.com/contests/1/93068org.jpg,93068.jpg\n')
    assert read_image_list(path) == [Work('93068.jpg', 'https://image-cloud.fasosites.com/contests/1/93068org.jpg')]


def test_names_that_look_like_numbers_stay_names(tmp_path: Path) -> None:
    works = read_image_list(write(tmp_path / 'l.csv', (URL, '007'), (URL, '1e3'), (URL, 'NA.jpg')))
    assert [work.image for work in works] == ['007', '1e3', 'NA.jpg']


@pytest.mark.parametrize(
    ('name', 'what'),
    [
        ('', 'is empty'), ('  ', 'is empty'), ('a/b.jpg', 'folder'), ('/a.jpg', 'folder'), ('..', 'dot'),
        ('.', 'dot'), ('.hidden', 'dot'), ('.partial', 'dot'), ('..\\a.jpg', 'folder'), ('a\tb.jpg', 'printed'),
        ('a\x7f.jpg', 'printed'), ('a' * 256, 'longer than 255'), ('é' * 128, 'longer than 255'),
    ],
)  # fmt: skip
def test_a_name_that_is_not_plain_is_refused_with_its_line(tmp_path: Path, name: str, what: str) -> None:
    path = write(tmp_path / 'list.csv', (URL, 'good.jpg'), (URL, name))
    with pytest.raises(DataError, match=what) as error:
        read_image_list(path)
    assert 'list.csv line 3' in error.value.message


@pytest.mark.parametrize(
    'url',
    ['', 'a.jpg', 'ftp://h/a', 'file:///a', 'http://', 'https:///a', 'http://[::1', 'http://h:x/', 'data:1', 'http://h/\x01'],
)  # fmt: skip
def test_an_address_that_is_not_http_is_refused_with_its_line(tmp_path: Path, url: str) -> None:
    path = write(tmp_path / 'list.csv', (URL, 'good.jpg'), (url, 'b.jpg'))
    with pytest.raises(DataError, match='image_link') as error:
        read_image_list(path)
    assert 'list.csv line 3' in error.value.message


@pytest.mark.parametrize('other', ['a.jpg', 'A.JPG', 'a.jPg'])
def test_names_that_differ_in_case_alone_are_refused(tmp_path: Path, other: str) -> None:
    with pytest.raises(DataError, match=r'line 3.*is listed before, at .*line 2'):
        read_image_list(write(tmp_path / 'list.csv', (URL, 'a.jpg'), (URL, other)))


def test_names_that_differ_in_how_accents_are_written_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='is listed before'):
        read_image_list(write(tmp_path / 'list.csv', (URL, 'caf\u00e9.jpg'), (URL, 'cafe\u0301.jpg')))


def test_a_nul_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'list.csv').write_bytes(f'image_link,image_name\n{URL},a\0.jpg\n'.encode())
    with pytest.raises(DataError, match=r'list\.csv'):
        read_image_list(tmp_path / 'list.csv')


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='image_link'):
        read_image_list(write(tmp_path / 'list.csv', (URL, 'a.jpg'), header=('link', 'image_name')))


@given(name=st.text(max_size=20) | st.text('./\\\0aA\n', max_size=6))
def test_whatever_is_accepted_stays_in_its_folder(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    folder = tmp_path_factory.mktemp('any')
    try:
        path = write(folder / 'list.csv', (URL, name))
        works = read_image_list(path)
    except (DataError, UnicodeEncodeError, csv.Error):  # csv.Error: Python 3.10 writes no NUL
        return
    [work] = works
    target = folder / 'images' / work.image
    target.parent.mkdir()
    target.write_bytes(b'')
    assert [path.name for path in (folder / 'images').iterdir()] == [work.image]
    assert target.resolve().parent == (folder / 'images').resolve()
