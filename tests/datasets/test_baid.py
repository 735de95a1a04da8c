"""BAID: its layout, its two releases of labels, and what must not be mixed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ssmr.datasets.baid import COUNTS, CURRENT, OLD, RELEASES, read_baid
from ssmr.datasets.delimited_text import LabelWarning
from ssmr.errors import DataError


def baid(root: Path, rows: dict[str, str] | None = None) -> Path:
    (root / 'dataset').mkdir(parents=True)
    for i, split in enumerate(('train', 'val', 'test')):
        text = (rows or {}).get(split, f'{i}.jpg,{i + 4.5}\n')
        (root / 'dataset' / f'{split}_set.csv').write_text('image,score\n' + text)
    return root


@pytest.mark.filterwarnings('ignore::ssmr.datasets.delimited_text.LabelWarning')
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
        for text in (
            'tools/prepare_data.py baid --root',
            'github.com/Dreemurr-T/BAID',
            'images/<id>.jpg',
            'configs/ssmr_efficientnet_quickstart.py',
        ):
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


def published(root: Path, shared_data: Path) -> Path:
    """The current labels in their authors' layout."""
    (root / 'dataset').mkdir(parents=True)
    for split in COUNTS:
        shutil.copyfile(shared_data / 'labels' / f'baid_{split}.csv', root / 'dataset' / f'{split}_set.csv')
    return root


def unrounded(split: str) -> pd.DataFrame:
    """Labels as the old release had them: as many works, full floats, its train minimum."""
    scores = np.random.default_rng(0).uniform(3, 9, COUNTS[split])
    if split == 'train':
        scores[7] = RELEASES[OLD].train_minimum + 1e-7 / 3
    return pd.DataFrame({'image': [f'{split}{i}.jpg' for i in range(len(scores))], 'score': scores})


class TestReleases:
    @pytest.fixture
    def dataset(self, tmp_path: Path, shared_data: Path) -> Path:
        return published(tmp_path / 'baid', shared_data) / 'dataset'

    @pytest.mark.data
    def test_the_current_labels(self, dataset: Path, shared_data: Path, recwarn: pytest.WarningsRecorder) -> None:
        table = read_baid(str(dataset.parent))
        assert table.split_name == 'BAID, labels of July 2023'
        assert not [w for w in recwarn if issubclass(w.category, LabelWarning)]
        assert {s: len(table.rows(s)) for s in COUNTS} == {'train': 50737, 'val': 3200, 'test': 6400}
        assert len(set(table.ids)) == 60337
        assert table.scores[table.rows('train')].min() == RELEASES[CURRENT].train_minimum
        for split in COUNTS:
            frame, rows = pd.read_csv(shared_data / 'labels' / f'baid_{split}.csv'), table.rows(split)
            assert [table.ids[r] for r in rows] == frame['image'].tolist()
            np.testing.assert_array_equal(table.scores[rows], frame['score'])

    @pytest.mark.data
    def test_changed_line_ends_are_no_known_release_but_the_likeness_is_told(self, dataset: Path) -> None:
        path = dataset / 'train_set.csv'
        path.write_bytes(path.read_bytes().replace(b'\n', b'\r\n'))
        with pytest.warns(LabelWarning, match=r'the minimum is that of July 2023, but the files are not'):
            table = read_baid(str(dataset.parent))
        assert table.split_name == 'BAID, unknown labels (50737/3200/6400 works, train minimum 2.700217)'

    @pytest.mark.data
    def test_a_changed_score_is_no_known_release(self, dataset: Path) -> None:
        path = dataset / 'test_set.csv'
        path.write_text(path.read_text().replace('5.1598', '5.1599', 1))
        with pytest.warns(LabelWarning, match='unknown labels'):
            read_baid(str(dataset.parent))

    @pytest.mark.data
    @pytest.mark.parametrize('old', [['train'], ['val'], ['test'], ['val', 'test']])
    def test_a_mixture_is_refused_with_both_files(self, dataset: Path, old: list[str]) -> None:
        for split in old:
            unrounded(split).to_csv(dataset / f'{split}_set.csv', index=False)
        with pytest.raises(DataError, match=rf'{old[0]}_set\.csv is of the labels of May 2023, .* July 2023'):
            read_baid(str(dataset.parent))

    def test_the_old_labels_are_named_with_a_warning(self, tmp_path: Path) -> None:
        (tmp_path / 'dataset').mkdir()
        for split in COUNTS:
            unrounded(split).to_csv(tmp_path / 'dataset' / f'{split}_set.csv', index=False)
        with pytest.warns(LabelWarning, match='the labels of May 2023 .* July 2023 replaced'):
            table = read_baid(str(tmp_path))
        assert table.split_name == 'BAID, labels of May 2023 (superseded)'

    def test_a_part_of_the_old_labels_is_no_release(self, tmp_path: Path) -> None:
        (tmp_path / 'dataset').mkdir()
        for split in COUNTS:
            unrounded(split).head(100).to_csv(tmp_path / 'dataset' / f'{split}_set.csv', index=False)
        with pytest.warns(LabelWarning, match='the minimum is that of May 2023, but the files are not'):
            assert 'unknown labels (100/100/100 works' in read_baid(str(tmp_path)).split_name

    def test_a_few_rows_are_unknown_labels(self, tmp_path: Path) -> None:
        with pytest.warns(LabelWarning, match=r'50737/3200/6400 works'):
            table = read_baid(str(baid(tmp_path / 'baid')))
        assert table.split_name == 'BAID, unknown labels (1/1/1 works, train minimum 4.5)'
