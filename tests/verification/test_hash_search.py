"""The search by blocks finds exactly the pairs that a comparison of all with all finds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmr.verification.hash_search import near_pairs


def brute_force(hashes: np.ndarray, threshold: int) -> list[tuple[int, int, int]]:
    numbers = [int.from_bytes(row.tobytes(), 'big') for row in hashes]
    distances = [
        (i, j, (numbers[i] ^ numbers[j]).bit_count()) for i, j in itertools.combinations(range(len(hashes)), 2)
    ]
    return [found for found in distances if found[2] <= threshold]


@given(
    n=st.integers(0, 30), size=st.sampled_from([1, 2, 8, 32]), threshold=st.integers(0, 100), block=st.integers(1, 40),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_all_pairs_equal_brute_force(n: int, size: int, threshold: int, block: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 256, (n, size), dtype=np.uint8)
    hashes[n // 2 :] = hashes[: n - n // 2] ^ rng.choice([0, 1, 128], (n - n // 2, size)).astype(np.uint8)
    pairs, distances = near_pairs(hashes, threshold, block)
    found = [(int(i), int(j), int(d)) for (i, j), d in zip(pairs, distances, strict=True)]
    assert found == brute_force(hashes, threshold)


@pytest.mark.parametrize('threshold', [0, 64])
def test_a_planted_pair_is_found_among_many_at_its_exact_distance(threshold: int) -> None:
    hashes = np.random.default_rng(0).integers(0, 256, (3000, 32), dtype=np.uint8)
    hashes[2999] = hashes[17]
    hashes[2999, :8] ^= 255 if threshold else 0
    pairs, distances = near_pairs(hashes, threshold)
    assert pairs.tolist() == [[17, 2999]]
    assert distances.tolist() == [threshold]
    if threshold:
        assert len(near_pairs(hashes, threshold - 1)[0]) == 0
