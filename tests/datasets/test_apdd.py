"""APDDv2: Latin-1 text with comments, a total and ten attributes, splits by column, list or checksum."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ssmr.datasets.apdd import ATTRIBUTES, LABELS, read_apdd
from ssmr.datasets.delimited_text import LabelWarning
from ssmr.datasets.image_table import UNUSED, ImageTable
from ssmr.datasets.splits import split_of
from ssmr.errors import DataError

pytestmark = pytest.mark.filterwarnings('ignore::ssmr.datasets.delimited_text.LabelWarning')

COLUMNS = (
    'Theme and logic', 'Creativity', 'Layout and composition', 'Space and perspective', 'The sense of order',
    'Light and shadow', 'Color', 'Details and texture', 'The overall', 'Mood',
)  # fmt: skip
N = 60


def labels(**columns: Any) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            'filename': [f'{i:032x}.jpg' for i in range(N)],
            'Artistic Categories': [' Oil Painting-Symbolism', 'Sketching '] * (N // 2),
            'Total aesthetic score': rng.integers(30, 95, N),
            **{name: rng.uniform(1, 10, N).round(1) for name in COLUMNS},
            'Language Comment': 'Fine brushwork,\nand a "café" mood.',
        }
    )
    return frame.assign(**columns)


def apdd(root: Path, frame: pd.DataFrame, encoding: str = 'latin-1') -> Path:
    root.mkdir(exist_ok=True)
    frame.to_csv(root / LABELS, index=False, encoding=encoding)
    return root


def read(root: Path, frame: pd.DataFrame | None = None, **options: Any) -> ImageTable:
    return read_apdd(str(apdd(root, labels() if frame is None else frame)), **options)


def refusal(root: Path, frame: pd.DataFrame, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        read(root, frame, **options)
    return str(caught.value)


def test_what_is_read(tmp_path: Path) -> None:
    frame = labels()
    table = read(tmp_path, frame)
    assert table.ids == tuple(frame['filename']) and table.files[1].startswith('images/0000')
    np.testing.assert_array_equal(table.scores, frame['Total aesthetic score'])
    assert (table.scale, table.threshold, table.rule) == ((0, 100), 50, '>')
    assert table.extra.keys() == {'category', *ATTRIBUTES}
    assert table.extra['category'][:2].tolist() == ['Oil Painting-Symbolism', 'Sketching']
    for name, column in zip(ATTRIBUTES, COLUMNS, strict=True):
        np.testing.assert_array_equal(table.extra[name], frame[column])


@pytest.mark.parametrize('folder', ['images', 'APDDv2images'])
def test_the_image_folder_is_looked_for(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    assert read(tmp_path).files[0].startswith(f'{folder}/')
    assert read(tmp_path, image_dir='x').files[0].startswith('x/')


class TestSplits:
    def test_by_checksum(self, tmp_path: Path) -> None:
        table = read(tmp_path)
        assert table.splits.tolist() == [split_of(i) for i in table.ids]
        assert table.split_name == 'APDDv2: 80/10/10 by checksum of the name; no official list'

    def test_by_column(self, tmp_path: Path) -> None:
        table = read(tmp_path, labels(split=['train', 'val', 'test'] * (N // 3)))
        assert table.splits[:3].tolist() == ['train', 'val', 'test']
        assert table.split_name == f'APDDv2: column split of {LABELS}'

    @pytest.mark.parametrize('ending', ['', '.jpg', '.png'])
    def test_by_lists(self, tmp_path: Path, ending: str) -> None:
        (tmp_path / 'splits').mkdir()
        for split, rows in {'train': range(30), 'val': range(30, 40), 'test': range(40, 50)}.items():
            (tmp_path / 'splits' / f'{split}.txt').write_text(''.join(f'{i:032x}{ending}\n' for i in rows))
        table = read(tmp_path)
        assert table.splits.tolist() == ['train'] * 30 + ['val'] * 10 + ['test'] * 10 + [UNUSED] * 10
        assert table.split_name == 'APDDv2: lists splits/{train,val,test}.txt (30/10/10 works)'
        (tmp_path / 'splits' / 'val.txt').write_text('a.jpg\n')
        assert "val.txt line 1: 'a' is not in" in refusal(tmp_path, labels())
        (tmp_path / 'splits' / 'val.txt').unlink()
        assert 'val.txt' in refusal(tmp_path, labels())


class TestScores:
    def test_an_attribute_may_be_the_score_and_works_without_it_are_unused(self, tmp_path: Path) -> None:
        frame = labels()
        frame['Mood'] = frame['Mood'].where(frame.index % 6 != 1)
        table = read(tmp_path, frame, score_column='mood', scale=(0, 10), threshold=5)
        assert np.flatnonzero(table.splits == UNUSED).tolist() == list(range(1, N, 6))
        assert table.split_name.endswith('; 10 works without mood unused')
        np.testing.assert_array_equal(table.scores, frame['Mood'])
        np.testing.assert_array_equal(table.extra['total_aesthetic_score'], frame['Total aesthetic score'])

    def test_missing_attributes_stay_missing(self, tmp_path: Path) -> None:
        frame = labels()
        frame['Color'] = [' ', *frame['Color'].astype(str)[1:]]
        colour = read(tmp_path, frame).extra['color']
        assert np.isnan(colour[0]) and np.isfinite(colour[1:]).all()

    def test_a_missing_total_is_named(self, tmp_path: Path) -> None:
        frame = labels()
        frame['Total aesthetic score'] = frame['Total aesthetic score'].where(frame.index != 2)
        assert f'{LABELS} line 6: score is nan' in refusal(tmp_path, frame)  # a comment has two lines

    def test_a_scale_that_no_score_comes_near_is_refused(self, tmp_path: Path) -> None:
        frame = labels()
        frame['Total aesthetic score'] /= 10
        assert "table.scale='(0,10)'" in refusal(tmp_path, frame)
        assert len(read(tmp_path, frame, scale=(0, 10), threshold=5)) == N

    def test_text_in_a_number_column_is_named(self, tmp_path: Path) -> None:
        frame = labels()
        frame['Creativity'] = ['good', *frame['Creativity'].astype(str)[1:]]
        assert f"{LABELS} line 2: creativity is 'good' (1 such rows)" in refusal(tmp_path, frame)

    @pytest.mark.parametrize('column', ['filename', 'Artistic Categories', 'Total aesthetic score'])
    def test_a_missing_column_is_named(self, tmp_path: Path, column: str) -> None:
        assert 'has no column' in refusal(tmp_path, labels().drop(columns=column))

    def test_another_score_column_is_named(self, tmp_path: Path) -> None:
        assert "no column 'moods'" in refusal(tmp_path, labels(), score_column='moods')


def test_utf8_labels_are_read_with_their_encoding(tmp_path: Path) -> None:
    frame = labels().replace(' Oil Painting-Symbolism', 'Öl')
    apdd(tmp_path, frame, 'utf-8')
    assert read_apdd(str(tmp_path), encoding='utf-8').extra['category'][0] == 'Öl'


def test_a_work_listed_twice_is_named(tmp_path: Path) -> None:
    frame = labels()
    frame.loc[3, 'filename'] = ' ' + frame.loc[1, 'filename']
    assert 'line 8: image is' in refusal(tmp_path, frame)


def test_without_it_the_error_says_what_to_get(tmp_path: Path) -> None:
    (tmp_path / 'images').mkdir()
    for root in (tmp_path, tmp_path / 'gone'):
        with pytest.raises(DataError, match=r'tools/prepare_data\.py apdd --root'):
            read_apdd(str(root))


def test_another_number_of_works_is_said(tmp_path: Path) -> None:
    with pytest.warns(LabelWarning, match=f'has {N} works, APDDv2 has 10023'):
        read(tmp_path)
