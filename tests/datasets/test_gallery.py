"""Galleries: unrated works, all of them references of each other, that nothing can be trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ssmr.datasets.csv_table import read_csv_table
from ssmr.datasets.gallery import read_gallery
from ssmr.errors import DataError

CSV = 'image,style,artist,year\na.jpg,Baroque,rembrandt,1640\nb.jpg,Realism,repin,\nsub/c.jpg,Baroque,,1650\n'


def gallery(tmp_path: Path, text: str = CSV, **options: str) -> object:
    (tmp_path / 'labels.csv').write_text(text)
    return read_gallery(str(tmp_path), **options)


def refusal(tmp_path: Path, text: str, **options: str) -> str:
    with pytest.raises(DataError) as caught:
        gallery(tmp_path, text, **options)
    return str(caught.value)


def test_every_work_is_a_reference_and_keeps_its_columns(tmp_path: Path) -> None:
    table = gallery(tmp_path)
    assert table.ids == ('a.jpg', 'b.jpg', 'sub/c.jpg')
    assert table.files == ('images/a.jpg', 'images/b.jpg', 'images/sub/c.jpg')
    assert table.rows('train').tolist() == [0, 1, 2] and len(table.rows('val')) == len(table.rows('test')) == 0
    assert np.isnan(table.scores).all()
    assert table.name == tmp_path.name
    assert set(table.extra) == {'style', 'artist', 'year'}
    assert list(table.extra['style']) == ['Baroque', 'Realism', 'Baroque']
    assert len(set(table.groups)) == 3


def test_columns_and_folders_may_have_other_names(tmp_path: Path) -> None:
    text = CSV.replace('image,', 'file,')
    table = gallery(tmp_path, text, image_column='file', image_dir='', group_column='style', name='mine')
    assert table.files[2] == 'sub/c.jpg' and table.name == 'mine'
    assert table.groups.tolist() == [0, 1, 0]


def test_identities_that_need_no_scores_are_there(tmp_path: Path) -> None:
    table = gallery(tmp_path)
    (tmp_path / 'images').mkdir()
    (tmp_path / 'images' / 'a.jpg').touch()
    before = table.images_identity(), table.pool_identity()
    assert before == (gallery(tmp_path).images_identity(), gallery(tmp_path).pool_identity())
    other = gallery(tmp_path, CSV, group_column='style')
    assert other.images_identity() == before[0] and other.pool_identity() != before[1]


@pytest.mark.parametrize(
    ('text', 'named'),
    [
        ('file\na.jpg\n', "no column 'image'"),
        ('image\na.jpg\nb.jpg\na.jpg\n', 'line 4'),
        ('image,style\na.jpg,x\n,y\n', 'line 3'),
        ('image\n../a.jpg\n../../b.jpg\n', 'line 3'),
        ('image\n/etc/passwd\n', 'line 2'),
        ('image\n', 'no rows'),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, named: str) -> None:
    assert named in refusal(tmp_path, text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'labels\.csv'):
        read_gallery(str(tmp_path))


def test_only_a_table_with_scores_can_be_learned_from(tmp_path: Path, works: Path) -> None:
    assert len(read_csv_table(str(works)).scores_identity()) == 64
    with pytest.raises(DataError, match=r'(?s)have no scores.*evaluate_style_retrieval'):
        gallery(tmp_path).scores_identity()
