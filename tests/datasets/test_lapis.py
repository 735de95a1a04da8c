"""LAPIS: single ratings to means and shares, against NumPy; the authors' lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ssmr.datasets.delimited_text import LabelWarning
from ssmr.datasets.image_table import UNUSED
from ssmr.datasets.lapis import read_lapis
from ssmr.errors import DataError

pytestmark = pytest.mark.filterwarnings('ignore::ssmr.datasets.delimited_text.LabelWarning')

IMAGES = [f'work {i}.jpg' for i in range(20)]
LISTS = {'Train': IMAGES[:10], 'Val': IMAGES[10:13], 'Test': IMAGES[13:18]}


def ratings(**columns: Any) -> pd.DataFrame:
    """Six raters a work, in no order; the ends of the scale and of the bins are among the ratings."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        [(image, p, float(rng.choice([0, 9.99, 10, 55, 90, 100]))) for image in IMAGES for p in range(6)],
        columns=['image_filename', 'participant_id', 'rating'],
    )
    frame['style'] = frame['image_filename'].map(lambda name: f'style {len(name)}')
    frame['genre'] = 'portrait'
    frame['age'] = frame['participant_id'] + 20
    return frame.sample(frac=1, random_state=0, ignore_index=True).assign(**columns)


def lapis(root: Path, frame: pd.DataFrame, name: str = 'LAPIS_PIAA.csv', encoding: str = 'utf-8') -> Path:
    (root / 'annotation').mkdir(parents=True, exist_ok=True)
    (root / 'imageset').mkdir(exist_ok=True)
    frame.to_csv(root / 'annotation' / name, index=False, encoding=encoding)
    for split, names in LISTS.items():
        (root / 'imageset' / f'{split}ImageSet.txt').write_text('\n'.join(names) + '\n')
    return root


def refusal(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_lapis(str(root))
    return str(caught.value)


@pytest.mark.parametrize(
    ('name', 'columns'),
    [
        ('LAPIS_PIAA.csv', {}),
        (
            'LAPIS_individualratings_metaANDdemodata.csv',
            {'image_filename': 'imageName', 'rating': 'response', 'participant_id': 'who'},
        ),
    ],
)
def test_what_is_read(tmp_path: Path, name: str, columns: dict[str, str]) -> None:
    frame = ratings()
    table = read_lapis(str(lapis(tmp_path, frame.rename(columns=columns), name)))
    assert set(table.ids) == set(IMAGES) and table.files[0] == f'images/{table.ids[0]}'
    assert (table.scale, table.threshold, table.rule) == ((0, 100), 50, '>')
    edges = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
    for row, image in enumerate(table.ids):
        given = frame.loc[frame['image_filename'] == image, 'rating'].to_numpy()
        assert table.scores[row] == pytest.approx(given.mean())
        assert table.extra['rating_sd'][row] == pytest.approx(given.std(ddof=1))
        np.testing.assert_allclose(table.distributions[row], np.histogram(given, edges)[0] / len(given))
        assert table.extra['style'][row] == f'style {len(image)}'
    assert set(table.extra['raters']) == {6} and 'age' not in table.extra
    of = {image: split for split, names in LISTS.items() for image in names}
    assert table.splits.tolist() == [of.get(image, UNUSED).lower() for image in table.ids]
    assert table.split_name == "LAPIS, the authors' lists (10/3/5 works)"


def test_a_style_that_raters_do_not_agree_on_is_left_out(tmp_path: Path) -> None:
    frame = ratings()
    frame.loc[0, 'style'] = 'other'
    assert read_lapis(str(lapis(tmp_path, frame))).extra.keys() == {'rating_sd', 'raters', 'genre'}


def test_latin_1_is_read_with_a_warning(tmp_path: Path) -> None:
    lapis(tmp_path, ratings(style='Fläche'), encoding='latin-1')
    with pytest.warns(LabelWarning, match='is not utf-8; it is read as latin-1'):
        assert read_lapis(str(tmp_path)).extra['style'][0] == 'Fläche'


def test_second_ratings_by_a_participant_are_counted(tmp_path: Path) -> None:
    frame = ratings()
    with pytest.warns(LabelWarning, match='2 rows are by a participant who rated that work already'):
        read_lapis(str(lapis(tmp_path, pd.concat([frame, frame.head(2)]))))


@pytest.mark.parametrize('rating', [np.nan, -1, 100.5, 'good'])
def test_a_bad_rating_is_named(tmp_path: Path, rating: Any) -> None:
    frame = ratings()
    frame['rating'] = frame['rating'].astype(object).where(frame.index != 3, rating)
    assert 'LAPIS_PIAA.csv line 5: rating is ' in refusal(lapis(tmp_path, frame))


def test_a_rating_of_no_work_is_named(tmp_path: Path) -> None:
    frame = ratings()
    frame['image_filename'] = frame['image_filename'].where(frame.index != 3)
    assert 'LAPIS_PIAA.csv line 5: image is nan' in refusal(lapis(tmp_path, frame))


@pytest.mark.parametrize('column', ['image_filename', 'rating'])
def test_a_missing_column_is_named(tmp_path: Path, column: str) -> None:
    assert f'no column {column!r}' in refusal(lapis(tmp_path, ratings().drop(columns=column)))


def test_a_listed_work_without_ratings_is_named(tmp_path: Path) -> None:
    (lapis(tmp_path, ratings()) / 'imageset' / 'ValImageSet.txt').write_text('work 10.jpg\nwork 99.jpg\n')
    assert "ValImageSet.txt line 2: 'work 99.jpg' is not in" in refusal(tmp_path)


def test_a_work_in_two_lists_is_named(tmp_path: Path) -> None:
    (lapis(tmp_path, ratings()) / 'imageset' / 'TestImageSet.txt').write_text('work 14.jpg\nwork 3.jpg\n')
    assert "TestImageSet.txt line 2: 'work 3.jpg' is in" in refusal(tmp_path)


@pytest.mark.parametrize('name', ['annotation/LAPIS_PIAA.csv', 'imageset/ValImageSet.txt'])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    (lapis(tmp_path, ratings()) / name).unlink()
    message = refusal(tmp_path)
    assert str(tmp_path / name) in message and 'tools/prepare_data.py lapis --root' in message


def test_without_it_the_error_says_what_to_get(tmp_path: Path) -> None:
    assert 'on request' in refusal(tmp_path / 'gone')


def test_other_counts_are_said(tmp_path: Path) -> None:
    with pytest.warns(LabelWarning, match='lists 3 works, that of LAPIS 1173'):
        read_lapis(str(lapis(tmp_path, ratings())))
