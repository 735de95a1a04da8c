"""Data sets that the user gets: what is missing is asked for, what is there is looked at and becomes one CSV."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_data_sets import CFG, MAKERS, apdd, ava, paint, prepare, tad66k, vaps, write

from ssmr.datasets.image_table import ImageTable
from ssmr.datasets.splits import split_of
from ssmr.errors import ConfigError, DataError
from ssmr.preparation import prepare as module
from ssmr.preparation.guides import GUIDES
from ssmr.preparation.labels_csv import csv_table_keywords, labels_text
from ssmr.preparation.outcome import Options
from ssmr.registry import DATASETS

sets = pytest.mark.parametrize('key', MAKERS)


def refusal(key: str, root: Path, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        prepare(key, root, **options)
    return str(caught.value)


def record(root: Path) -> dict[str, Any]:
    return dict(json.loads((root / 'prepared.json').read_text()))


def assert_same(one: ImageTable, other: ImageTable) -> None:
    assert (one.ids, one.files, one.scale, one.threshold, one.rule) == (
        other.ids, other.files, other.scale, other.threshold, other.rule,
    )  # fmt: skip
    np.testing.assert_array_equal(one.scores, other.scores)
    np.testing.assert_array_equal(one.splits, other.splits)
    np.testing.assert_array_equal(one.groups, other.groups)
    assert (one.distributions is None) == (other.distributions is None)
    if one.distributions is not None:
        np.testing.assert_allclose(one.distributions, other.distributions, rtol=1e-14)


class TestComplete:
    @sets
    def test_the_csv_reads_back_as_the_same_table(self, key: str, tmp_path: Path) -> None:
        MAKERS[key](tmp_path)
        found, _ = prepare(key, tmp_path)
        assert found.missing_used == 0 and found.leftover.count == 0
        again = DATASETS.build({**record(tmp_path)['table'], 'root': str(tmp_path)})
        assert_same(again, found.table)
        assert again.extra.keys() == found.table.extra.keys()
        assert again.name == found.table.name == GUIDES[key].name

    @sets
    def test_the_record_says_what_there_is(self, key: str, tmp_path: Path) -> None:
        MAKERS[key](tmp_path)
        found, _ = prepare(key, tmp_path)
        noted = record(tmp_path)
        splits, counts = np.unique(found.table.splits, return_counts=True)
        assert noted['splits'] == dict(zip(splits.tolist(), counts.tolist(), strict=True))
        assert noted['works'] == len(found.table) and noted['split_name'] == found.table.split_name
        assert noted['labels'], 'the files of the labels are known'
        for name, checksum in noted['labels'].items():
            assert module.sha256_file(tmp_path / name) == checksum

    @sets
    def test_a_second_run_says_the_same(self, key: str, tmp_path: Path) -> None:
        MAKERS[key](tmp_path)
        first, _ = prepare(key, tmp_path)
        labels, noted = (tmp_path / 'labels.csv').read_bytes(), record(tmp_path)
        second, _ = prepare(key, tmp_path)
        assert second.text() == first.text()
        assert (tmp_path / 'labels.csv').read_bytes() == labels
        assert {**record(tmp_path), 'date': ''} == {**noted, 'date': ''}

    @sets
    def test_the_summary_names_the_config_and_the_options(self, key: str, tmp_path: Path) -> None:
        MAKERS[key](tmp_path)
        last = prepare(key, tmp_path)[0].text().splitlines()[-1]
        assert last.startswith(f'train: python tools/train.py configs/{GUIDES[key].config} --cfg-options ')
        assert f'table.root={tmp_path}' in last and all(option in last for option in CFG.get(key, []))

    def test_warnings_of_the_reader_are_said_plainly(self, tmp_path: Path) -> None:
        vaps(tmp_path)
        assert any(line.startswith('warning: ') and '40 works' in line for line in prepare('vaps', tmp_path)[1])

    def test_pictures_in_one_folder_do_too(self, tmp_path: Path) -> None:
        vaps(tmp_path, folders=False)
        assert prepare('vaps', tmp_path)[0].outcome.present == 40
        assert record(tmp_path)['table']['image_dir'] == 'images'


class TestWhatToGet:
    @sets
    def test_an_empty_place_gets_the_guide_and_nothing_else(self, key: str, tmp_path: Path) -> None:
        message = refusal(key, tmp_path / 'new')
        guide = GUIDES[key]
        assert guide.homepage in message and guide.licence in message
        assert str(tmp_path / 'new' / guide.need[0][0]) in message and '{' not in message
        assert not (tmp_path / 'new').exists()

    @sets
    def test_each_label_file_is_asked_for(self, key: str, tmp_path: Path) -> None:
        MAKERS[key](tmp_path)
        for names in GUIDES[key].need:
            there = next(tmp_path / name for name in names if (tmp_path / name).is_file())
            moved = there.rename(tmp_path / 'hidden')
            assert f'there is no {tmp_path / names[0]}' in refusal(key, tmp_path)
            moved.rename(there)
        prepare(key, tmp_path)

    @sets
    def test_labels_that_lie_elsewhere_are_pointed_at(self, key: str, tmp_path: Path) -> None:
        MAKERS[key](tmp_path)
        name = next(name for name in GUIDES[key].need[0] if (tmp_path / name).is_file())
        there = tmp_path / 'unpacked somewhere' / Path(name).name
        there.parent.mkdir()
        (tmp_path / name).rename(there)
        assert f'move {there} to {tmp_path / GUIDES[key].need[0][0]}' in refusal(key, tmp_path)

    @pytest.mark.parametrize('key', ['tad66k', 'ava', 'apdd', 'lapis'])
    def test_images_are_asked_for(self, key: str, tmp_path: Path) -> None:
        MAKERS[key](tmp_path)
        (tmp_path / 'images').rename(tmp_path / 'pictures')
        assert f'they seem to lie in {tmp_path / "pictures"}: move its files to {tmp_path / "images"}' in refusal(
            key, tmp_path
        )
        for path in (tmp_path / 'pictures').iterdir():
            path.unlink()
        message = refusal(key, tmp_path)
        assert 'none of its' in message and GUIDES[key].homepage in message
        assert not (tmp_path / 'prepared.json').exists()

    def test_another_test_list_of_ava_is_enough(self, tmp_path: Path) -> None:
        ava(tmp_path)
        (tmp_path / 'aesthetics_image_lists/generic_test.jpgl').rename(tmp_path / 'mine.txt')
        options = ['table.test_list=mine.txt', 'table.val_share=0.3']
        found = module.prepare('ava', tmp_path, Options(), options)
        assert 'mine.txt' in found.table.split_name and 'mine.txt' in record(tmp_path)['labels']
        without = module.prepare('ava', tmp_path, Options(), ['table.test_list=None', 'table.val_share=0.3'])
        assert without.table.splits.tolist()[1:] == [split_of(name) for name in without.table.ids[1:]]

    @pytest.mark.parametrize('option', ['table.root=x', 'table.type=BAID', 'model.x=1', 'table.colour=1', 'nonsense'])
    def test_options_that_make_no_sense(self, option: str, tmp_path: Path) -> None:
        with pytest.raises(ConfigError):
            module.prepare('ava', tmp_path, Options(), [option])

    def test_no_workers(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match='--workers is 0'):
            prepare('vaps', tmp_path, workers=0)


class TestIncomplete:
    def test_missing_and_broken_images_are_listed_with_reasons(self, tmp_path: Path) -> None:
        tad66k(tmp_path)
        (tmp_path / 'images/001.jpg').unlink()
        (tmp_path / 'images/002.jpg').write_bytes(b'')
        (tmp_path / 'images/003.jpg').write_text('<html>quota exceeded</html>')
        data = (tmp_path / 'images/004.jpg').read_bytes()
        (tmp_path / 'images/004.jpg').write_bytes(data[: len(data) // 2])
        found, _ = prepare('tad66k', tmp_path)
        assert found.missing_used == 4 and found.outcome.present == 66
        header, *rows = (tmp_path / 'missing.csv').read_text().splitlines()
        assert header == 'image,url,reason' and [row[:7] for row in rows] == [f'00{n}.jpg' for n in (1, 2, 3, 4)]
        for row, reason in zip(rows, ('is missing', 'is empty', 'not an image', 'is broken'), strict=True):
            assert reason in row
        assert record(tmp_path)['missing'] == 4 and '4 images' in found.text()

        paint(tmp_path, *(f'images/00{n}.jpg' for n in (1, 2, 3, 4)))
        assert prepare('tad66k', tmp_path)[0].missing_used == 0
        assert not (tmp_path / 'missing.csv').exists()

    def test_what_is_missing_everywhere_and_used_by_nobody_counts_as_complete(self, tmp_path: Path) -> None:
        ava(tmp_path)  # without 2113
        found, _ = prepare('ava', tmp_path)
        assert found.missing_used == 0 and [item.image for item in found.outcome.missing] == ['2113.jpg']
        assert 'known to be missing' in found.outcome.missing[0].reason and '1 of them of no split' in found.text()

    def test_files_that_no_label_names_are_counted(self, tmp_path: Path) -> None:
        vaps(tmp_path)
        paint(tmp_path, *(f'2 Portraits/new {n}.jpg' for n in range(7)), '2 Portraits/.hidden.jpg', 'cover.jpg')
        found, _ = prepare('vaps', tmp_path)
        assert found.leftover.count == 7 and found.leftover.first[0] == '2 Portraits/new 0.jpg'
        assert 'in no label: 7 files' in found.text()


class TestArchives:
    def test_what_lies_in_downloads_is_unpacked_first(self, tmp_path: Path) -> None:
        tad66k(tmp_path / 'source')
        root = tmp_path / 'root'
        (root / 'downloads').mkdir(parents=True)
        for name in ('labels', 'images'):
            with zipfile.ZipFile(root / 'downloads' / f'{name}.zip', 'w') as archive:
                for path in (tmp_path / 'source' / name).rglob('*.*'):
                    archive.write(path, path.relative_to(tmp_path / 'source'))
        found, said = prepare('tad66k', root)
        assert found.missing_used == 0 and sum('unpacked' in line for line in said) == 2
        assert sum('unpacked before' in line for line in prepare('tad66k', root)[1]) == 2

    def test_an_archive_is_given_by_hand(self, tmp_path: Path) -> None:
        apdd(tmp_path / 'root')
        (tmp_path / 'root/APDDv2-10023.csv').rename(tmp_path / 'APDDv2-10023.csv')
        with zipfile.ZipFile(tmp_path / 'a.zip', 'w') as archive:
            archive.write(tmp_path / 'APDDv2-10023.csv', 'APDDv2-10023.csv')
        assert prepare('apdd', tmp_path / 'root', archives=(tmp_path / 'a.zip',))[0].missing_used == 0


class TestLabelsCsv:
    def test_a_file_of_the_users_own_is_not_overwritten(self, tmp_path: Path) -> None:
        apdd(tmp_path)
        (tmp_path / 'labels.csv').write_text('mine')
        assert 'labels.csv is there already' in refusal('apdd', tmp_path)
        assert (tmp_path / 'labels.csv').read_text() == 'mine'

    def test_nor_is_one_that_was_changed(self, tmp_path: Path) -> None:
        apdd(tmp_path)
        prepare('apdd', tmp_path)
        with open(tmp_path / 'labels.csv', 'a') as file:
            file.write('mine.jpg,1,train,,\n')
        assert 'changed since' in refusal('apdd', tmp_path)

    def test_new_labels_replace_our_own(self, tmp_path: Path) -> None:
        apdd(tmp_path)
        prepare('apdd', tmp_path)
        before = (tmp_path / 'labels.csv').read_text()
        labels = (tmp_path / 'APDDv2-10023.csv').read_text('latin-1').replace(',20.5,', ',21.5,')
        (tmp_path / 'APDDv2-10023.csv').write_text(labels, 'latin-1')
        prepare('apdd', tmp_path)
        assert (tmp_path / 'labels.csv').read_text() == before.replace(',20.5,', ',21.5,') != before

    def test_a_run_that_was_killed_between_labels_and_record_is_finished(self, tmp_path: Path) -> None:
        apdd(tmp_path)
        prepare('apdd', tmp_path)
        (tmp_path / 'prepared.json').unlink()
        prepare('apdd', tmp_path)
        assert record(tmp_path)['works'] == 40

    NAMES = st.lists(st.text('abä,"é #\'1', min_size=1).map(lambda s: f'{s}.jpg'), min_size=3, max_size=12, unique=True)

    @settings(max_examples=60)
    @given(names=NAMES, data=st.data())
    def test_any_table_reads_back(
        self, names: list[str], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        n, bins = len(names), data.draw(st.sampled_from([0, 5, 10]))
        low, high = 1.0, 9.0
        votes = data.draw(st.lists(st.lists(st.integers(0, 500), min_size=bins, max_size=bins), min_size=n, max_size=n))
        shares = (np.array(votes) + (np.eye(bins)[0] if bins else 0)).astype(float).reshape(n, bins)
        shares = shares / shares.sum(1, keepdims=True) if bins else shares
        scores = (
            shares @ np.linspace(low, high, bins)
            if bins
            else np.array(data.draw(st.lists(st.floats(low, high), min_size=n, max_size=n)))
        )
        groups = data.draw(st.lists(st.integers(0, n), min_size=n, max_size=n))
        table = ImageTable(
            'T', tmp_path_factory.mktemp('table'), tuple(names), tuple(f'images/{name}' for name in names),
            scores.clip(low, high), np.array(['train', 'val', 'test', *['none'] * (n - 3)], dtype='U5'),
            np.array([sorted(set(groups), key=groups.index).index(g) for g in groups]), (low, high), 5.0, 'drawn', '>=',
            {'note': np.array([name * 2 for name in names], dtype=object)}, shares if bins else None,
        )  # fmt: skip
        (table.root / 'labels.csv').write_text(labels_text(table), encoding='utf-8')
        again = DATASETS.build({**csv_table_keywords(table), 'root': str(table.root)})
        assert_same(again, table)
        assert again.extra['note'].tolist() == table.extra['note'].tolist()

    def test_works_without_a_score_stay_so(self, tmp_path: Path) -> None:
        table = ImageTable(
            'T', tmp_path, ('a', 'b', 'c', 'd'), ('a', 'b', 'c', 'd'), np.array([1, 2, 3, np.nan]),
            np.array(['train', 'val', 'test', 'none']), np.arange(4), (0.0, 5.0), 2.5, 'drawn',
        )  # fmt: skip
        (tmp_path / 'labels.csv').write_text(labels_text(table))
        assert_same(DATASETS.build({**csv_table_keywords(table), 'root': str(tmp_path)}), table)

    @pytest.mark.data
    def test_the_real_labels_of_vaps_read_back(self, shared_data: Path, tmp_path: Path) -> None:
        source = shared_data / 'labels' / 'vaps999_labels.csv'
        (tmp_path / source.name).write_bytes(source.read_bytes())
        table = DATASETS.build({'type': 'VAPS', 'root': str(tmp_path)})
        (tmp_path / 'labels.csv').write_text(labels_text(table), encoding='utf-8')
        assert_same(DATASETS.build({**csv_table_keywords(table), 'root': str(tmp_path)}), table)
        assert 'none of its 999 images' in refusal('vaps', tmp_path)


class TestBaid:
    @pytest.fixture
    def given_files(self, tmp_path: Path) -> Options:
        images = [f'{n}.jpg' for n in range(9)]
        for number, split in enumerate(('train', 'val', 'test')):
            rows = [f'{name},{n % 10}.5' for n, name in enumerate(images) if n % 3 == number]
            write(tmp_path / 'labels' / f'{split}_set.csv', 'image,score', *rows)
        listed = [f'http://127.0.0.1:9/{name},{name}' for name in images[:8]]
        write(tmp_path / 'list.csv', 'image_link,image_name', *listed)
        return Options(image_list=tmp_path / 'list.csv', labels=tmp_path / 'labels')

    def test_the_same_steps_follow_the_download(self, given_files: Options, tmp_path: Path) -> None:
        root = tmp_path / 'baid'
        paint(root, *(f'images/{n}.jpg' for n in range(9)), 'images/more.jpg')  # all there: nothing is fetched
        said: list[str] = []
        found = module.prepare('baid', root, given_files, (), said.append)
        assert (found.missing_used, found.leftover.count, found.outcome.present) == (0, 1, 9)
        assert_same(DATASETS.build({**record(root)['table'], 'root': str(root)}), found.table)
        assert len(record(root)['labels']) == 3 and any(line.startswith('warning: ') for line in said)

    def test_works_that_the_list_lacks_are_missing(self, given_files: Options, tmp_path: Path) -> None:
        root = tmp_path / 'baid'
        paint(root, *(f'images/{n}.jpg' for n in range(8)))
        found = module.prepare('baid', root, given_files, (), lambda _: None)
        assert found.missing_used == 1 and (root / 'missing.csv').read_text().endswith(
            '8.jpg,,not in the list of images\n'
        )
