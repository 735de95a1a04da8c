"""Lists of duplicates: what they join, what they refuse, and which training works give test scores away."""

from __future__ import annotations

import warnings
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmr.datasets.delimited_text import LabelWarning
from ssmr.datasets.duplicates import leaks, with_duplicates, with_identical_files, without_leaks
from ssmr.datasets.image_table import ImageTable
from ssmr.errors import DataError

SPLITS = ('train', 'val', 'test')


def table(groups: list[int], splits: list[str] | None = None) -> ImageTable:
    n = len(groups)
    ids = tuple(f'{i:03d}.jpg' for i in range(n))
    return ImageTable(
        name='works', root=Path(), ids=ids, files=ids, scores=np.linspace(1, 9, n),
        splits=np.array(splits or ['train'] * n, dtype='U5'), groups=np.array(groups, dtype=np.int64), scale=(0, 10),
        threshold=5, split_name='made up',
    )  # fmt: skip


def write(path: Path, rows: list[tuple[str, str]], header: str = 'image,group') -> Path:
    path.write_text('\n'.join([header, *(','.join(row) for row in rows)]) + '\n')
    return path


def partition(groups: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(groups == g).tolist()) for g in np.unique(groups)}


def test_groups_of_both_are_joined(tmp_path: Path) -> None:
    listed = write(tmp_path / 'd.csv', [('001.jpg', 'x'), ('002.jpg', 'x'), ('004.jpg', 'y'), ('005.jpg', 'y')])
    found = with_duplicates(table([0, 0, 1, 2, 3, 4]), listed)
    assert found.groups.tolist() == [0, 0, 0, 1, 2, 2]  # 0 and 1 by the table, 1 and 2 by the list


def test_a_work_in_two_groups_joins_them(tmp_path: Path) -> None:
    listed = write(tmp_path / 'd.csv', [('000.jpg', 'a'), ('001.jpg', 'a'), ('001.jpg', 'b'), ('002.jpg', 'b')])
    assert with_duplicates(table([0, 1, 2, 3]), listed).groups.tolist() == [0, 0, 0, 1]


@given(
    groups=st.lists(st.integers(0, 9), min_size=1, max_size=12),
    rows=st.lists(st.tuples(st.integers(0, 14), st.sampled_from('abcd')), max_size=12),
)
def test_joining_equals_networkx(tmp_path_factory: pytest.TempPathFactory, groups: list[int], rows: list) -> None:
    n = len(groups)
    rows = [(0, 'a'), *rows]  # at least one work is known
    listed = write(tmp_path_factory.mktemp('d') / 'd.csv', [(f'{i:03d}.jpg', g) for i, g in rows])
    graph = nx.Graph()
    graph.add_nodes_from(range(n))
    graph.add_edges_from((i, ('table', g)) for i, g in enumerate(groups))
    graph.add_edges_from((i, ('list', g)) for i, g in rows)
    expected = {frozenset(i for i in part if i in range(n)) for part in nx.connected_components(graph)} - {frozenset()}
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', LabelWarning)
        assert partition(with_duplicates(table(groups), listed).groups) == expected


def test_a_list_that_joins_nothing_new_changes_no_fingerprint(tmp_path: Path) -> None:
    works = table([0, 1, 1, 2])
    same = with_duplicates(works, write(tmp_path / 'd.csv', [('001.jpg', '7'), ('002.jpg', '7')]))
    assert same.pool_identity() == works.pool_identity()
    assert with_duplicates(works, write(tmp_path / 'e.csv', [])).pool_identity() == works.pool_identity()


def test_other_columns_and_their_order_do_not_matter(tmp_path: Path) -> None:
    path = write(tmp_path / 'd.csv', [('a', 'train', '000.jpg'), ('a', 'test', '002.jpg')], 'group,split,image')
    assert with_duplicates(table([0, 1, 2]), path).groups.tolist() == [0, 1, 0]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12))
def test_identical_files_join_their_groups_and_unknown_ones_do_not(works: list[tuple[int, int]]) -> None:
    groups, contents = np.array([g for g, _ in works], np.int64), np.zeros((len(works), 32), np.uint8)
    contents[:, 7] = [c for _, c in works]
    graph = nx.Graph()
    graph.add_nodes_from(range(len(works)))
    for i, (group, content) in enumerate(works):
        graph.add_edge(i, ('group', group))
        if content:  # zeros stand for files that could not be read
            graph.add_edge(i, ('content', content))
    expected = {frozenset(i for i in part if i in range(len(works))) for part in nx.connected_components(graph)}
    assert partition(with_identical_files(groups, contents)) == expected


def test_unknown_works_are_counted_and_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / 'd.csv', [('000.jpg', 'a'), ('elsewhere.jpg', 'a'), ('001.jpg', 'a')])
    with pytest.warns(LabelWarning, match=r"line 3: 'elsewhere.jpg' is no work of works \(1 of 3 lines"):
        assert with_duplicates(table([0, 1, 2]), path).groups.tolist() == [0, 0, 1]


def test_a_list_of_another_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"names no work of works \(first: .*line 2: 'x.jpg'"):
        with_duplicates(table([0, 1]), write(tmp_path / 'd.csv', [('x.jpg', 'a'), ('y.jpg', 'a')]))


@pytest.mark.parametrize(
    ('header', 'row', 'message'),
    [
        ('image,cluster', ('000.jpg', '1'), "no column 'group'"),
        ('image,group', ('000.jpg', ''), 'line 2: group is empty'),
        ('image,group', ('', '1'), 'line 2: image is empty'),
    ],
)
def test_a_malformed_list_is_refused(tmp_path: Path, header: str, row: tuple[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        with_duplicates(table([0, 1]), write(tmp_path / 'd.csv', [row], header))


def test_a_missing_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='cannot read'):
        with_duplicates(table([0, 1]), tmp_path / 'nothing.csv')


def test_leaks_are_training_works_with_a_duplicate_held_out() -> None:
    works = table([0, 0, 1, 1, 2, 2, 3], ['train', 'test', 'train', 'train', 'val', 'train', 'test'])
    assert leaks(works).tolist() == [0, 5]


def test_a_duplicate_between_val_and_test_is_no_leak() -> None:
    assert leaks(table([0, 0, 1], ['val', 'test', 'train'])).tolist() == []


def test_dropping_leaks_changes_their_split_alone() -> None:
    works = table([0, 0, 1, 1, 2], ['train', 'test', 'train', 'train', 'val'])
    clean = without_leaks(works)
    assert clean.splits.tolist() == ['none', 'test', 'train', 'train', 'val']
    assert leaks(clean).tolist() == []
    assert works.splits[0] == 'train'  # the original stays
    assert clean.groups is works.groups


def test_a_table_that_is_all_leaks_is_refused() -> None:
    with pytest.raises(DataError, match='every training work'):
        without_leaks(table([0, 0], ['train', 'test']))


@given(data=st.data(), n=st.integers(1, 15))
def test_leaks_equal_a_search_by_hand(data: st.DataObject, n: int) -> None:
    groups = data.draw(st.lists(st.integers(0, 5), min_size=n, max_size=n))
    splits = data.draw(st.lists(st.sampled_from([*SPLITS, 'none']), min_size=n, max_size=n))
    expected = [
        i for i in range(n)
        if splits[i] == 'train' and any(groups[i] == groups[j] and splits[j] in ('val', 'test') for j in range(n))
    ]  # fmt: skip
    assert leaks(table(groups, splits)).tolist() == expected
