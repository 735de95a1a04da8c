"""AVA: votes against NumPy, test lists by name, and every malformed line."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssmr.datasets.ava import BROKEN, read_ava
from ssmr.datasets.image_table import UNUSED, ImageTable
from ssmr.datasets.splits import held_out, split_of
from ssmr.errors import DataError

IDS = [str(953000 + i) for i in range(120)]
VOTES = np.random.default_rng(0).integers(0, 60, (len(IDS), 10))
TESTS = IDS[::4]


def ava(root: Path, votes: np.ndarray = VOTES, ids: list[str] = IDS) -> Path:
    lines = [f'{n} {i} {" ".join(map(str, v))} 1 22 1396' for n, (i, v) in enumerate(zip(ids, votes, strict=False), 1)]
    (root / 'AVA.txt').write_text('\n'.join(lines) + '\n')
    (root / 'lists').mkdir(exist_ok=True)
    (root / 'lists' / 'generic_test.jpgl').write_text('\n'.join(TESTS) + '\n')
    return root


def read(root: Path, **options: Any) -> ImageTable:
    return read_ava(str(root), **{'test_list': 'lists/generic_test.jpgl', **options})


def refusal(root: Path, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        read(root, **options)
    return str(caught.value)


def test_what_is_read(tmp_path: Path) -> None:
    table = read(ava(tmp_path))
    assert table.ids == tuple(f'{i}.jpg' for i in IDS) and table.files[0] == f'images/{IDS[0]}.jpg'
    assert (table.scale, table.threshold, table.rule) == ((1, 10), 5, '>')
    assert {k: v[0] for k, v in table.extra.items()} == {
        'votes': VOTES[0].sum(), 'tag_1': 1, 'tag_2': 22, 'challenge': 1396,
    }  # fmt: skip
    assert [table.ids[r] for r in table.rows('test')] == [f'{i}.jpg' for i in TESTS]


@settings(max_examples=30)
@given(st.lists(st.lists(st.integers(0, 10**5), min_size=10, max_size=10).filter(any), min_size=60, max_size=80))
def test_scores_and_shares_are_those_of_the_votes(
    tmp_path_factory: pytest.TempPathFactory, votes: list[list[int]]
) -> None:
    ids = [str(i) for i in range(5000, 5000 + len(votes))]
    table = read_ava(str(ava(tmp_path_factory.mktemp('ava'), np.array(votes), ids)), val_share=0.3)
    np.testing.assert_allclose(table.scores, [np.average(np.arange(1, 11), weights=row) for row in votes])
    np.testing.assert_allclose(table.distributions, np.array(votes) / np.sum(votes, axis=1, keepdims=True))


class TestLists:
    def test_the_list_is_named_with_its_size_and_checksum(self, tmp_path: Path) -> None:
        table = read(ava(tmp_path))
        digest = sha256((tmp_path / 'lists/generic_test.jpgl').read_bytes()).hexdigest()[:8]
        assert table.split_name == f'AVA, test list generic_test.jpgl (30 works, unknown list, sha256 {digest})'

    def test_a_known_size_is_said(self, tmp_path: Path) -> None:
        ids = [str(10_000 + i) for i in range(13_000)]
        ava(tmp_path, np.ones((len(ids), 10), dtype=int), ids)
        (tmp_path / 'tests.csv').write_text('image_id,score\n' + ''.join(f'{i},5\n' for i in ids[:12_776]))
        assert '(12,776 works, a known size, sha256' in read(tmp_path, test_list='tests.csv').split_name

    def test_validation_works_are_held_out_from_training_works(self, tmp_path: Path) -> None:
        table = read(ava(tmp_path), val_share=0.2)
        expected = [f'{i}.jpg' for i in IDS if i not in TESTS and held_out(f'{i}.jpg', 0.2)]
        assert [table.ids[r] for r in table.rows('val')] == expected != []
        assert len(table.rows(UNUSED)) == 0

    def test_works_of_neither_list_are_unused(self, tmp_path: Path) -> None:
        train = tmp_path / 'train.txt'
        train.write_text(''.join(f'{i}.jpg\r\n' for i in IDS[1::4]))
        table = read(ava(tmp_path), train_list=str(train), val_share=0.2)
        used = {table.ids[r].removesuffix('.jpg') for s in ('train', 'val') for r in table.rows(s)}
        assert used == set(IDS[1::4]) and len(table.rows(UNUSED)) == 60
        assert 'train list train.txt (30 works, sha256' in table.split_name

    def test_without_a_list_the_splits_say_so(self, tmp_path: Path) -> None:
        table = read(ava(tmp_path), test_list=None)
        assert table.splits.tolist() == [split_of(i) for i in table.ids]
        assert table.split_name == 'AVA: 80/10/10 by checksum of the name; not a published test list'

    def test_ids_without_votes_are_named_or_counted(self, tmp_path: Path) -> None:
        path = ava(tmp_path) / 'lists' / 'generic_test.jpgl'
        path.write_text(f'{IDS[0]}\n77\n{IDS[1]}\n78\n')
        message = refusal(tmp_path)
        assert f"{path} line 2: '77' is not in {tmp_path / 'AVA.txt'} (2 such lines)" in message
        table = read(tmp_path, unknown='skip')
        assert len(table.rows('test')) == 2 and table.split_name.endswith('; 2 listed works without votes skipped')

    def test_a_work_in_both_lists_is_named(self, tmp_path: Path) -> None:
        (tmp_path / 'train.txt').write_text('\n'.join(IDS))
        assert "train.txt line 1: '953000' is in" in refusal(ava(tmp_path), train_list='train.txt')

    @pytest.mark.parametrize(
        ('options', 'what'),
        [
            ({'test_list': 'gone.txt'}, 'gone.txt'),
            ({'test_list': None, 'train_list': 'a.txt'}, 'without table.test_list'),
            ({'unknown': 'ignore'}, "table.unknown is 'ignore'"),
            ({'val_share': 1.5}, 'table.val_share is 1.5'),
        ],
    )
    def test_options_that_cannot_be_meant_are_refused(self, tmp_path: Path, options: dict[str, Any], what: str) -> None:
        assert what in refusal(ava(tmp_path), **options)


@pytest.mark.parametrize('skip', [True, False])
def test_pictures_known_to_be_broken_are_unused(tmp_path: Path, skip: bool) -> None:
    ids = [*sorted(BROKEN), *IDS[len(BROKEN) :]]
    (ava(tmp_path, VOTES, ids) / 'tests.txt').write_text('\n'.join([*sorted(BROKEN)[:3], *IDS[20:30]]))
    table = read(tmp_path, test_list='tests.txt', skip_broken=skip)
    assert len(table.rows(UNUSED)) == (7 if skip else 0)
    assert table.split_name.endswith('; 7 broken pictures unused') == skip


@pytest.mark.parametrize(
    'line',
    [
        '7 12 1 2 3 4 5 6 7 8 9 10 1 22',
        '7 12 1 2 3 4 5 6 7 8 9 10 1 22 1396 5',
        '7 12 1 2 3 4 5.5 6 7 8 9 10 1 22 1396',
        '7 12 1 2 3 -4 5 6 7 8 9 10 1 22 1396',
        '7,12,1,2,3,4,5,6,7,8,9,10,1,22,1396',
        'index id 1 2 3 4 5 6 7 8 9 10 tag tag challenge',
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: str) -> None:
    path = ava(tmp_path) / 'AVA.txt'
    path.write_text(f'{path.read_text()}\n{line}\n')
    assert f'{path} line {len(IDS) + 2} is {line[:80]!r}' in refusal(tmp_path)


def test_a_work_without_votes_is_named(tmp_path: Path) -> None:
    votes = VOTES.copy()
    votes[4] = 0
    assert "AVA.txt line 5: votes is '0 in every column'" in refusal(ava(tmp_path, votes))


def test_a_work_listed_twice_is_named_with_both_scores(tmp_path: Path) -> None:
    message = refusal(ava(tmp_path, VOTES, [*IDS[:50], IDS[3]]), test_list=None)
    assert f"AVA.txt line 51: image is '{IDS[3]}.jpg' (1 such rows), as in {tmp_path}/AVA.txt line 4" in message


@pytest.mark.parametrize('text', ['', '\n\n'])
def test_an_empty_file_is_named(tmp_path: Path, text: str) -> None:
    (ava(tmp_path) / 'AVA.txt').write_text(text)
    assert 'AVA.txt is empty' in refusal(tmp_path)


def test_without_it_the_error_says_what_to_get(tmp_path: Path) -> None:
    (tmp_path / 'images').mkdir()
    for root in (tmp_path, tmp_path / 'gone'):
        assert 'tools/prepare_data.py ava --root' in refusal(root)
