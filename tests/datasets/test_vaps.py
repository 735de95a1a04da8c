"""VAPS: SPSS, Excel and CSV files in their authors' layout, pictures in folders by category or all in one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat
import pytest

from ssmr.datasets.delimited_text import LabelWarning
from ssmr.datasets.splits import split_of
from ssmr.datasets.vaps import FOLDERS, read_vaps
from ssmr.errors import DataError

pytestmark = pytest.mark.filterwarnings('ignore::ssmr.datasets.delimited_text.LabelWarning')

N = 60
NUMBERS = 10101 + np.arange(N)
RATINGS = pd.DataFrame(
    {
        'Picture_Number': NUMBERS.astype(float),
        'Liking_Mean_All': np.linspace(1.5, 6.5, N).round(2),
        'Valence_Mean_All': np.linspace(6, 2, N).round(2),
    }
)
INFORMATION = pd.DataFrame(
    {
        'Picture_Number': NUMBERS[::-1],
        'Artist': [f'artist {n % 7}' for n in NUMBERS[::-1]],
        'Title': 'Fläche, no. 1',
        'Style': ['Cubistic tendencies', 'Baroque and Rococo'] * (N // 2),
        'Date': '1484-86',
        'Category': [n % 5 + 1 for n in NUMBERS[::-1]],
    }
)


def to_sav(frame: pd.DataFrame, path: Path) -> None:
    pyreadstat.write_sav(frame, str(path))


def to_csv(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path, index=False)


def to_xlsx(frame: pd.DataFrame, path: Path) -> None:
    frame.to_excel(path, index=False)


def vaps(root: Path, ratings: pd.DataFrame = RATINGS, information: pd.DataFrame | None = INFORMATION) -> Path:
    root.mkdir(exist_ok=True)
    to_sav(ratings, root / 'VAPS_ValidationData.sav')
    if information is not None:
        to_xlsx(information, root / 'VAPS_Information.xlsx')
    return root


@pytest.mark.parametrize(('write', 'name'), [(to_sav, 'sav'), (to_csv, 'csv'), (to_xlsx, 'xlsx')])
@pytest.mark.parametrize('information', ['xlsx', 'csv', None])
def test_what_is_read(
    tmp_path: Path, write: Callable[[pd.DataFrame, Path], None], name: str, information: str | None
) -> None:
    write(RATINGS, tmp_path / f'VAPS_ValidationData.{name}')
    if information is not None:
        (to_xlsx if information == 'xlsx' else to_csv)(INFORMATION, tmp_path / f'VAPS_Information.{information}')
    table = read_vaps(str(tmp_path))
    assert table.ids == tuple(f'{n}.jpg' for n in NUMBERS) and table.files[0] == 'images/10101.jpg'
    np.testing.assert_allclose(table.scores, RATINGS['Liking_Mean_All'])
    assert (table.scale, table.threshold, table.rule) == ((1, 7), 4, '>')
    np.testing.assert_allclose(table.extra['Valence_Mean_All'], RATINGS['Valence_Mean_All'])
    assert table.splits.tolist() == [split_of(i) for i in table.ids]
    assert table.split_name == 'VAPS: 80/10/10 by checksum of the name; there is no official split'
    assert ('category' in table.extra) == (information is not None)
    if information is not None:
        described = INFORMATION.iloc[::-1]  # the other order of rows
        assert table.extra['period'].tolist() == described['Style'].tolist()
        assert table.extra['artist'].tolist() == described['Artist'].tolist()
        assert table.extra['category'].tolist() == [FOLDERS[c][2:] for c in described['Category']]
        assert table.extra['title'][0] == 'Fläche, no. 1' and table.extra['date'][0] == '1484-86'


def test_another_rating_may_be_the_score(tmp_path: Path) -> None:
    table = read_vaps(str(vaps(tmp_path)), score_column='Valence_Mean_All')
    np.testing.assert_allclose(table.scores, RATINGS['Valence_Mean_All'])
    np.testing.assert_allclose(table.extra['Liking_Mean_All'], RATINGS['Liking_Mean_All'])


@pytest.mark.parametrize('base', ['', 'images', 'elsewhere'])
def test_pictures_may_lie_in_folders_by_category(tmp_path: Path, base: str) -> None:
    for folder in FOLDERS.values():
        (vaps(tmp_path) / base / folder).mkdir(parents=True)
    table = read_vaps(str(tmp_path), image_dir=base if base == 'elsewhere' else None)
    path = f'{FOLDERS[10103 % 5 + 1]}/10103.jpg'
    assert table.ids[2] == path and table.path(2) == tmp_path / base / path
    assert table.splits.tolist() == [split_of(f'{n}.jpg') for n in NUMBERS], 'the layout does not change the splits'


def test_other_files_may_be_named(tmp_path: Path) -> None:
    vaps(tmp_path)
    to_csv(RATINGS.assign(Liking_Mean_All=4.5), tmp_path / 'mine.csv')
    to_csv(INFORMATION.assign(Artist='me'), tmp_path / 'works.csv')
    table = read_vaps(str(tmp_path), labels='mine.csv', information='works.csv')
    assert set(table.scores) == {4.5} and set(table.extra['artist']) == {'me'}


def refusal(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_vaps(str(root))
    return str(caught.value)


def test_without_it_the_error_says_what_to_get(tmp_path: Path) -> None:
    (tmp_path / 'x').touch()
    for message in (refusal(tmp_path / 'gone'), refusal(tmp_path)):
        assert 'tools/prepare_data.py vaps --root' in message and 'VAPS_ValidationData.sav' in message


@pytest.mark.parametrize(('number', 'what'), [(10102.5, '10102.5'), (np.nan, 'nan'), (10101, 'image is')])
def test_a_picture_number_that_is_none_is_named(tmp_path: Path, number: float, what: str) -> None:
    numbers = RATINGS['Picture_Number'].where(RATINGS.index != 1, number)
    message = refusal(vaps(tmp_path, RATINGS.assign(Picture_Number=numbers), None))
    assert f'{tmp_path / "VAPS_ValidationData.sav"} row 2: ' in message and what in message


def test_a_rating_off_the_scale_is_named(tmp_path: Path) -> None:
    ratings = RATINGS['Liking_Mean_All'].where(RATINGS.index != 4, 7.5)
    assert 'row 5: score is 7.5' in refusal(vaps(tmp_path, RATINGS.assign(Liking_Mean_All=ratings)))


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    assert "no column 'Liking_Mean_All'" in refusal(vaps(tmp_path, RATINGS.drop(columns='Liking_Mean_All')))
    assert "no column 'Picture_Number'" in refusal(
        vaps(tmp_path, RATINGS, INFORMATION.rename(columns={'Picture_Number': 'Number'}))
    )


def test_a_work_described_twice_is_named(tmp_path: Path) -> None:
    twice = pd.concat([INFORMATION, INFORMATION.tail(1)])
    assert f'VAPS_Information.xlsx row {N + 2}: Picture_Number is 10101 (1 such rows)' in refusal(
        vaps(tmp_path, RATINGS, twice)
    )


@pytest.mark.parametrize(('information', 'what'), [(None, "column 'Category'"), (INFORMATION.replace(5, 6), 'is 6')])
def test_folders_need_known_categories(tmp_path: Path, information: pd.DataFrame | None, what: str) -> None:
    for folder in FOLDERS.values():
        (tmp_path / folder).mkdir()
    assert what in refusal(vaps(tmp_path, RATINGS, information))


def test_works_without_a_description_are_counted(tmp_path: Path) -> None:
    with pytest.warns(LabelWarning, match='does not describe 3 rated works, first Picture_Number 10101'):
        table = read_vaps(str(vaps(tmp_path, RATINGS, INFORMATION.iloc[:-3])))
    assert table.extra['category'][0] == 'unknown' and len(table) == N


def test_another_number_of_works_is_said(tmp_path: Path) -> None:
    with pytest.warns(LabelWarning, match=f'has {N} works, VAPS has 999'):
        read_vaps(str(vaps(tmp_path)))


@pytest.mark.data
@pytest.mark.filterwarnings('error::ssmr.datasets.delimited_text.LabelWarning')
def test_the_real_ratings(tmp_path: Path, shared_data: Path) -> None:
    shutil.copy(shared_data / 'labels' / 'vaps999_labels.csv', tmp_path)
    table = read_vaps(str(tmp_path))
    real = pd.read_csv(shared_data / 'labels' / 'vaps999_labels.csv')
    assert len(table) == 999 and len(set(table.extra['period'])) == 13
    np.testing.assert_array_equal(table.scores, real['Liking_Mean_All'])
    assert pd.Series(table.extra['category']).value_counts().to_dict() == {
        'Scenes': 305,
        'Portraits': 190,
        'Toward Abstraction': 180,
        'Landscapes': 174,
        'Still Lifes': 150,
    }
    shares = {s: len(table.rows(s)) / 999 for s in ('train', 'val', 'test')}
    assert shares == pytest.approx({'train': 0.8, 'val': 0.1, 'test': 0.1}, abs=0.03)
