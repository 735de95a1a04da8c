"""The fast paths of the exact search against the plain ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

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
