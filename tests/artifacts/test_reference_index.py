"""The reference index: its promises, and that a broken one is refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssmr.artifacts.reference_index import ReferenceIndex, id_ranks
from ssmr.artifacts.reference_lists import read_reference_lists, write_reference_lists
from ssmr.artifacts.store import ArtifactKey, ArtifactStore
from ssmr.errors import ArtifactError


class Case(NamedTuple):
    index: ReferenceIndex
    pool: np.ndarray
    groups: np.ndarray


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A valid index made the slow way: sort everybody eligible by (-similarity, id), with many ties."""
    n = draw(st.integers(6, 25))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    ids = tuple(str(i) for i in rng.permutation(1000)[:n])
    groups = rng.integers(0, n if draw(st.booleans()) else n // 2, n)
    pool = rng.random(n) < 0.8
    queries = np.flatnonzero(rng.random(n) < 0.7)
    similarities = rng.integers(-2, 3, (n, n)).astype(np.float32) / 2
    ranked = [
        sorted((-similarities[q, r], ids[r], r) for r in range(n) if pool[r] and groups[r] != groups[q])
        for q in queries
    ]
    k = draw(st.integers(1, 5))
    queries = np.array([q for q, found in zip(queries, ranked, strict=True) if len(found) >= k], dtype=np.int64)
    ranked = [found[:k] for found in ranked if len(found) >= k]
    references = np.array([[r for _, _, r in found] for found in ranked], dtype=np.int64).reshape(-1, k)
    values = np.array([[-s for s, _, _ in found] for found in ranked], dtype=np.float32).reshape(-1, k)
    return Case(ReferenceIndex(ids, queries, references, values), pool, groups)


@given(cases())
def test_a_valid_index_passes(case: Case) -> None:
    assert case.index.validate(case.pool, case.groups) is case.index


@given(cases())
def test_the_lists_name_the_same_works(case: Case) -> None:
    lists = case.index.to_lists()
    assert [entry.query for entry in lists] == [case.index.ids[q] for q in case.index.queries]
    for entry, row in zip(lists, case.index.references, strict=True):
        assert entry.references == tuple(case.index.ids[r] for r in row)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(cases())
def test_lists_survive_the_text_format(tmp_path: Path, case: Case) -> None:
    if len(case.index.queries):
        write_reference_lists(tmp_path / 'a.txt', case.index.to_lists())
        assert read_reference_lists(tmp_path / 'a.txt') == case.index.to_lists()


IDS = ('e', 'd', 'c', 'b', 'a', 'f')  # descending, so that the order of ids and the order of rows differ
POOL = np.array([True, True, True, True, True, False])
GROUPS = np.array([0, 1, 2, 3, 3, 5])


def valid() -> ReferenceIndex:
    return ReferenceIndex(
        IDS,
        np.array([0, 3, 5]),
        np.array([[4, 3, 1], [2, 1, 0], [0, 1, 2]]),
        np.array([[0.5, 0.5, 0.2], [0.9, 0.9, 0.9], [0.3, 0.2, 0.1]], np.float32),
    )


def test_the_example_is_valid() -> None:
    valid().validate(POOL, GROUPS)


def _references(row: int, column: int, value: int) -> Callable[[ReferenceIndex], ReferenceIndex]:
    def change(index: ReferenceIndex) -> ReferenceIndex:
        references = index.references.copy()
        references[row, column] = value
        return replace(index, references=references)

    return change


def _similarities(row: int, column: int, value: float) -> Callable[[ReferenceIndex], ReferenceIndex]:
    def change(index: ReferenceIndex) -> ReferenceIndex:
        similarities = index.similarities.copy()
        similarities[row, column] = value
        return replace(index, similarities=similarities)

    return change


BROKEN: dict[str, tuple[Callable[[ReferenceIndex], ReferenceIndex], str, str]] = {
    'beyond the table': (_references(1, 0, 6), 'not in the table', 'b'),
    'negative': (_references(1, 0, -1), 'not in the table', 'b'),
    'outside the pool': (_references(0, 2, 5), 'outside the training pool', 'e'),
    'itself': (_references(0, 2, 0), 'itself', 'e'),
    'its duplicate': (_references(1, 0, 4), 'duplicate', 'b'),
    'twice': (_references(2, 2, 0), 'twice', 'f'),
    'increasing': (_similarities(2, 1, 0.4), 'increase', 'f'),
    'NaN': (_similarities(2, 1, np.nan), 'not a number', 'f'),
    'infinite': (_similarities(2, 0, np.inf), 'not a number', 'f'),
    'ties by row': (lambda i: replace(i, references=i.references[:, [1, 0, 2]]), 'order of the ids', 'e'),
    'unsorted queries': (lambda i: replace(i, queries=np.array([3, 0, 5])), 'out of order', 'e'),
    'a query twice': (lambda i: replace(i, queries=np.array([0, 0, 5])), 'listed twice', 'e'),
    'a query beyond the table': (lambda i: replace(i, queries=np.array([0, 3, 6])), 'not in the table', 'row 6'),
    'a negative query': (lambda i: replace(i, queries=np.array([-1, 3, 5])), 'out of order', 'row -1'),
}


@pytest.mark.parametrize(('change', 'what', 'who'), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_promise_is_refused_with_the_query(
    change: Callable[[ReferenceIndex], ReferenceIndex], what: str, who: str
) -> None:
    with pytest.raises(ArtifactError) as caught:
        change(valid()).validate(POOL, GROUPS)
    assert what in caught.value.message
    assert f'first {who}:' in caught.value.message


@pytest.mark.parametrize(
    'change',
    [
        lambda i: replace(i, queries=i.queries[:2]),
        lambda i: replace(i, similarities=i.similarities[:, :2]),
        lambda i: replace(i, references=i.references[0]),
    ],
)
def test_different_lengths_are_refused(change: Callable[[ReferenceIndex], ReferenceIndex]) -> None:
    with pytest.raises(ArtifactError, match='different lengths'):
        change(valid()).validate(POOL, GROUPS)


def test_a_table_of_another_length_is_refused() -> None:
    with pytest.raises(ArtifactError, match='different lengths'):
        valid().validate(np.append(POOL, True), np.append(GROUPS, 6))


@given(st.lists(st.text(), unique=True))
def test_ranks_are_the_positions_in_sorted_order(ids: list[str]) -> None:
    ranks = id_ranks(ids)
    assert [ids[i] for i in np.argsort(ranks)] == sorted(ids)


class TestStored:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        def build(folder: Path) -> dict[str, int]:
            valid().save(folder)
            return {}

        return ArtifactStore(tmp_path).get_or_build(ArtifactKey('references', 'works', {}), build)

    def test_it_comes_back_as_it_was(self, folder: Path) -> None:
        index = ReferenceIndex.open(folder)
        assert index.ids == IDS
        assert index.num_references == 3
        for name in ('queries', 'references', 'similarities'):
            np.testing.assert_array_equal(getattr(index, name), getattr(valid(), name))

    @pytest.mark.parametrize('name', ['queries.npy', 'references.npy', 'similarities.npy', 'ids.json', 'manifest.json'])
    def test_a_damaged_file_is_refused(self, folder: Path, name: str) -> None:
        os.truncate(folder / name, (folder / name).stat().st_size - 1 if name != 'manifest.json' else 10)
        with pytest.raises(ArtifactError, match=str(folder)):
            ReferenceIndex.open(folder)

    def test_another_artifact_is_refused(self, tmp_path: Path) -> None:
        def build(folder: Path) -> dict[str, int]:
            return {'n': (folder / 'features.npy').write_bytes(b'')}

        folder = ArtifactStore(tmp_path).get_or_build(ArtifactKey('features', 'works', {}), build)
        with pytest.raises(ArtifactError, match='another kind'):
            ReferenceIndex.open(folder)

    @pytest.mark.parametrize(
        'index',
        [
            _references(0, 0, 99)(valid()),
            _similarities(0, 2, 9.0)(valid()),
            replace(valid(), similarities=np.zeros((3, 2), np.float32)),
        ],
        ids=['beyond the table', 'unsorted', 'shorter'],
    )
    def test_a_stored_index_that_breaks_a_promise_is_refused(self, tmp_path: Path, index: ReferenceIndex) -> None:
        def build(folder: Path) -> dict[str, int]:
            index.save(folder)
            return {}

        folder = ArtifactStore(tmp_path).get_or_build(ArtifactKey('references', 'works', {}), build)
        with pytest.raises(ArtifactError):
            ReferenceIndex.open(folder)

    def test_arrays_of_another_type_are_refused(self, tmp_path: Path) -> None:
        def build(folder: Path) -> dict[str, int]:
            valid().save(folder)
            np.save(folder / 'references.npy', valid().references.astype(np.float64))
            return {}

        folder = ArtifactStore(tmp_path).get_or_build(ArtifactKey('references', 'works', {}), build)
        with pytest.raises(ArtifactError, match='other types'):
            ReferenceIndex.open(folder)

    def test_its_own_table_is_accepted(self, folder: Path) -> None:
        ReferenceIndex.open(folder).require_table(list(IDS))

    @pytest.mark.parametrize(
        ('ids', 'difference'),
        [
            (('e', 'd', 'b', 'c', 'a', 'f'), 'row 2 is c in the index and b in the table'),
            (IDS[:5], 'one is longer'),
            ((*IDS, 'g'), 'the table has 7'),
        ],
    )
    def test_another_table_is_refused(self, folder: Path, ids: tuple[str, ...], difference: str) -> None:
        with pytest.raises(ArtifactError, match='another table') as caught:
            ReferenceIndex.open(folder).require_table(ids)
        assert difference in caught.value.message
