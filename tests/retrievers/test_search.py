"""The search value, and the exact search against float64."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from retriever_oracles import all_readable, make_works, search_of

from ssmr.retrievers.exact_search import exact_search
from ssmr.retrievers.ranking import GATHERED, inner_products, nearest_similarities, ranked
from ssmr.retrievers.search import pairs_within, same_group_pairs

numbers = st.lists(st.integers(0, 6), min_size=1, max_size=12)
NONE = (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))


@given(numbers, numbers)
def test_same_group_pairs_are_all_pairs_of_equal_groups(queries: list[int], pool: list[int]) -> None:
    rows, columns = same_group_pairs(np.array(queries), np.array(pool))
    expected = {(i, j) for i, q in enumerate(queries) for j, p in enumerate(pool) if p == q}
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == expected
    assert (np.diff(rows) >= 0).all()


@given(numbers, numbers, st.integers(0, 3))
def test_pairs_within_are_all_pairs_at_most_that_far_apart(queries: list[int], pool: list[int], gap: int) -> None:
    low, high = np.array(queries) - gap, np.array(queries) + gap
    rows, columns = pairs_within(np.array(pool), low, high)
    expected = {(i, j) for i, q in enumerate(queries) for j, p in enumerate(pool) if abs(p - q) <= gap}
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == expected
    assert len(rows) == len(expected)
    assert (np.diff(rows) >= 0).all()


def test_a_subset_keeps_the_exclusions_of_its_queries() -> None:
    works = all_readable(make_works(30, 0, duplicates=3))
    works['groups'][20:] = 5
    search, some = search_of(works, np.arange(30), 3), np.array([0, 5, 21, 29])
    part = search.subset(some)
    for i, query in enumerate(some):
        expected = set(search.excluded[1][search.excluded[0] == query].tolist())
        assert set(part.excluded[1][part.excluded[0] == i].tolist()) == expected
    assert part.eligible.tolist() == search.eligible[some].tolist()
    assert len(search.subset(np.empty(0, dtype=np.int64)).excluded[0]) == 0


def test_within_the_pool_a_work_finds_neither_itself_nor_its_group_whatever_the_queries_are() -> None:
    works = make_works(40, 1)
    works['groups'][30:] = 30
    search = search_of(works, np.array([2, 3]), 3)
    within = search.within_pool()
    pairs = set(zip(*(e.tolist() for e in within.excluded), strict=True))
    groups = works['groups'][search.pool]
    assert pairs == {(i, j) for i in range(len(groups)) for j in range(len(groups)) if groups[i] == groups[j]}
    alone = replace(search, groups=None).within_pool()
    assert set(zip(*(e.tolist() for e in alone.excluded), strict=True)) == {(i, i) for i in range(len(groups))}


def test_candidates_are_at_least_k_and_no_more_than_any_query_can_have() -> None:
    works = all_readable(make_works(30, 0))
    works['groups'][:4] = 0
    search = search_of(works, np.arange(30), 10)
    assert [search.candidates(n) for n in (3, 12, 400)] == [10, 12, 26]
    assert search.subset(np.empty(0, dtype=np.int64)).candidates(400) == 30


@pytest.mark.parametrize('length', [1.0, 1e3, 1e-3])
def test_near_ties_of_vectors_of_any_length_are_in_the_order_of_float64(length: float) -> None:
    rng = np.random.default_rng(0)
    centre = rng.normal(size=256)
    pool = (length * (centre + 1e-6 * rng.normal(size=(400, 256)))).astype(np.float32)
    pool[100:120] = pool[7]
    queries = (rng.normal(size=(30, 256)) * np.geomspace(1e-3, 1e3, 30)[:, None]).astype(np.float32)
    truth = (queries.astype(np.float64) @ pool.T.astype(np.float64)).astype(np.float32)
    expected = np.lexsort((np.broadcast_to(np.arange(400), truth.shape), -truth))[:, :40]
    positions, similarities = exact_search(queries, pool, NONE, 40)
    np.testing.assert_array_equal(positions, expected)
    np.testing.assert_allclose(similarities, np.take_along_axis(truth, expected, axis=1), rtol=1e-6)


def test_a_query_that_may_find_fewer_than_k_ends_at_minus_infinity() -> None:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(12, 5)).astype(np.float32)
    excluded = (np.array([0, 0, 0, 1]), np.array([3, 4, 5, 0]))
    positions, similarities = exact_search(vectors[:2], vectors, excluded, 12)
    assert np.isinf(similarities).sum(axis=1).tolist() == [3, 1]
    assert set(positions[0, 9:].tolist()) == {3, 4, 5}
    nearest = nearest_similarities(vectors[:2], vectors, excluded, 14)
    assert nearest.shape == (2, 14)
    truth = np.sort(np.delete(vectors[0].astype(np.float64) @ vectors.T, [3, 4, 5]))[::-1]
    np.testing.assert_allclose(nearest[0], [*truth, *[-np.inf] * 5], atol=1e-6)


def test_inner_products_are_those_of_float64_whatever_the_block() -> None:
    rng = np.random.default_rng(2)
    queries, pool = rng.normal(size=(9, 33)).astype(np.float32), rng.normal(size=(20, 33)).astype(np.float32)
    positions = rng.integers(0, 20, (9, 4))
    expected = [[float(np.dot(q.astype(float), pool[j].astype(float))) for j in row]
                for q, row in zip(queries, positions, strict=True)]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for gathered in (1, 300, 10**6):
            patch.setitem(GATHERED, 'cpu', gathered)
            np.testing.assert_allclose(inner_products(queries, pool, positions), expected, rtol=1e-12)


def test_ranked_compares_as_float32_and_breaks_ties_by_position() -> None:
    positions, similarities = ranked(np.array([[9, 2, 5, 7]]), np.array([[0.5, 0.5 + 1e-12, 0.1, 0.9]]), 3)
    assert positions.tolist() == [[7, 2, 9]]
    assert similarities.dtype == np.float32
