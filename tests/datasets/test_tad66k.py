"""TAD66K: the authors' layout; validation works come from the training works alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssmr.datasets.delimited_text import LabelWarning
from ssmr.datasets.splits import held_out
from ssmr.datasets.tad66k import read_tad66k
from ssmr.errors import DataError

pytestmark = pytest.mark.filterwarnings('ignore::ssmr.datasets.delimited_text.LabelWarning')

TRAIN, TEST = [f'{i}.jpg' for i in range(300)], [f'{i}test.jpg' for i in range(100)]


def write(path: Path, images: list[str], header: str = 'image,score') -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join([header, *(f'{image},{1 + i % 9}.25' for i, image in enumerate(images))]) + '\n')


def tad66k(root: Path, labels: str = 'labels') -> Path:
    write(root / labels / 'merge' / 'train.csv', TRAIN)
    write(root / labels / 'merge' / 'test.csv', TEST)
    return root


@pytest.mark.parametrize('labels', ['labels', ''])
def test_what_is_read(tmp_path: Path, labels: str) -> None:
    table = read_tad66k(str(tad66k(tmp_path, labels)))
    assert table.ids == (*TRAIN, *TEST) and table.files[0] == 'images/0.jpg'
    assert table.scores[:3].tolist() == [1.25, 2.25, 3.25]
    assert (table.scale, table.threshold, table.rule, table.extra) == ((0, 10), 5, '>', {})
    assert "TAD66K, the authors' test works; 0.05 of their training works" in table.split_name


@pytest.mark.parametrize('share', [0.05, 0.3])
def test_validation_works_are_training_works(tmp_path: Path, share: float) -> None:
    table = read_tad66k(str(tad66k(tmp_path)), val_share=share)
    assert [table.ids[r] for r in table.rows('test')] == TEST
    assert [table.ids[r] for r in table.rows('val')] == [i for i in TRAIN if held_out(i, share)] != []


@pytest.mark.parametrize('share', [0.0, 1.0, -1.0, float('nan')])
def test_a_share_that_is_none_is_refused(tmp_path: Path, share: float) -> None:
    with pytest.raises(DataError, match=r'table\.val_share is'):
        read_tad66k(str(tad66k(tmp_path)), val_share=share)


def test_themes_are_read_from_files_or_folders_of_their_name(tmp_path: Path) -> None:
    unmerge = tad66k(tmp_path) / 'labels' / 'unmerge'
    write(unmerge / 'animal.csv', TRAIN[:10])
    write(unmerge / 'rose' / 'train.csv', TRAIN[10:20])
    write(unmerge / 'rose' / 'test.csv', TEST[:2])
    write(unmerge / 'notes.csv', ['x'], 'file,score')
    table = read_tad66k(str(tmp_path))
    theme = dict(zip(table.ids, table.extra['theme'], strict=True))
    assert (theme['0.jpg'], theme['15.jpg'], theme['1test.jpg'], theme['99.jpg']) == (
        'animal',
        'rose',
        'rose',
        'unknown',
    )


def test_second_themes_are_counted(tmp_path: Path) -> None:
    unmerge = tad66k(tmp_path) / 'labels' / 'unmerge'
    write(unmerge / 'animal.csv', TRAIN[:10])
    write(unmerge / 'rose.csv', TRAIN[5:12])
    with pytest.warns(LabelWarning, match='5 rows give a work a second theme'):
        assert read_tad66k(str(tmp_path)).extra['theme'][5] == 'animal'


@pytest.mark.parametrize('split', ['train', 'test'])
def test_a_missing_file_is_named(tmp_path: Path, split: str) -> None:
    path = tad66k(tmp_path) / 'labels' / 'merge' / f'{split}.csv'
    path.unlink()
    with pytest.raises(DataError) as caught:
        read_tad66k(str(tmp_path))
    assert str(path) in caught.value.message and 'tools/prepare_data.py tad66k' in caught.value.fix


def test_without_it_the_error_says_what_to_get(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'is missing(?s:.*)TANet'):
        read_tad66k(str(tmp_path / 'gone'))


def test_other_counts_are_said(tmp_path: Path) -> None:
    with pytest.warns(LabelWarning, match='has 300 works, that of TAD66K 52248'):
        read_tad66k(str(tad66k(tmp_path)))


def test_a_work_in_both_files_is_named(tmp_path: Path) -> None:
    write(tad66k(tmp_path) / 'labels' / 'merge' / 'test.csv', [*TEST, '7.jpg'])
    with pytest.raises(DataError, match=r"test\.csv line 102: image is '7\.jpg' .*train\.csv line 9 with the scores"):
        read_tad66k(str(tmp_path))
