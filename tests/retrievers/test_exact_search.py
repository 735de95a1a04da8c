"""The fast paths of the exact search against the plain ones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_info

from ssmr.retrievers import exact_search
from ssmr.retrievers.exact_search import TILE


def works(n: int, dim: int, seed: int, copies: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)
    vectors[:copies] = vectors[n - copies :]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize('pool_block', [1, 7, 64, 299, 300])
@pytest.mark.parametrize('copies', [0, 40])
def test_blocks_of_the_pool_change_nothing(pool_block: int, copies: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = works(300, 16, 0, copies)
    excluded = (np.repeat(np.arange(50), 3), np.tile([0, 149, 299], 50))
    whole = exact_search.exact_search(pool[:50], pool, excluded, 20)
    monkeypatch.setattr(exact_search, 'POOL_BLOCK', pool_block)
    monkeypatch.setattr(exact_search, 'BLOCK', 16)
    parts = exact_search.exact_search(pool[:50], pool, excluded, 20)
    np.testing.assert_array_equal(parts[0], whole[0])
    np.testing.assert_allclose(parts[1], whole[1], atol=1e-6)


@pytest.fixture
def three_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(exact_search, 'ENOUGH', 4)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize('block', [1, 7, 1024])
@pytest.mark.parametrize('copies', [0, 40])
def test_threads_with_queries_of_their_own_find_the_same(
    block: int, copies: int, three_threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exact_search, 'BLOCK', block)
    monkeypatch.setattr(exact_search, 'SMALLEST', 64)
    monkeypatch.setattr(exact_search, 'POOL_BLOCK', 200)
    pool = works(300, 16, 0, copies)
    excluded = (np.repeat(np.arange(50), 3), np.tile([0, 149, 299], 50))
    assert exact_search._workers(50, 'cpu') == 3
    several = exact_search.exact_search(pool[:50], pool, excluded, 20)
    monkeypatch.setattr(exact_search, '_workers', lambda queries, device: 1)
    alone = exact_search.exact_search(pool[:50], pool, excluded, 20)
    np.testing.assert_array_equal(several[0], alone[0])
    np.testing.assert_allclose(several[1], alone[1], atol=1e-6)


def test_threads_are_given_back_even_after_an_error(three_threads: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_search, 'BLOCK', 5)
    blas = [library['num_threads'] for library in threadpool_info() if library['user_api'] == 'blas']
    nothing = (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    with pytest.raises(ValueError):  # every block fails, and there are more of them than threads
        exact_search.exact_search(works(50, 4, 0), works(9, 4, 1), nothing, 10)
    assert torch.get_num_threads() == 3
    assert [library['num_threads'] for library in threadpool_info() if library['user_api'] == 'blas'] == blas


def test_few_queries_are_searched_by_all_threads_together(three_threads: None) -> None:
    assert exact_search._workers(11, 'cpu') == exact_search._workers(50, 'cuda') == 1


@pytest.mark.parametrize('pool_block', [4, 300])
def test_many_equal_works_come_by_position(pool_block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_search, 'POOL_BLOCK', pool_block)
    pool = np.repeat(works(2, 8, 1), 150, axis=0)
    positions, _ = exact_search.exact_search(pool[:1], pool, (np.array([0]), np.array([0])), 9)
    assert positions.tolist() == [list(range(1, 10))]


def test_what_is_excluded_comes_last_in_blocks_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_search, 'POOL_BLOCK', 3)
    pool = works(10, 4, 2)
    positions, similarities = exact_search.exact_search(pool[:1], pool, (np.zeros(4, int), np.array([0, 3, 4, 9])), 10)
    assert set(positions[0, -4:].tolist()) == {0, 3, 4, 9}
    assert np.isneginf(similarities[0, -4:]).all() and np.isfinite(similarities[0, :-4]).all()


@given(st.integers(1, 12), st.integers(0, 40 * TILE), st.integers(0, 9), st.booleans())
def test_the_largest_by_tiles_are_the_largest(width: int, more: int, seed: int, coarse: bool) -> None:
    scores = torch.randn(3, width + more, generator=torch.Generator().manual_seed(seed))
    scores = scores.round() if coarse else scores
    values, found = exact_search._largest(scores, width)
    assert torch.equal(values, torch.topk(scores, width).values)
    assert torch.equal(scores.gather(1, found), values)
    assert all(len(set(row)) == width for row in found.tolist())
