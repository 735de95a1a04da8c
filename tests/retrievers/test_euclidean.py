"""Euclidean retrieval against distances in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from retriever_oracles import all_readable, best, half_squared_distances, index_of, make_works
from sklearn.neighbors import NearestNeighbors


@given(st.integers(0, 1000), st.sampled_from([0.0, 100.0]), st.sampled_from([1e-3, 1.0, 1e4]))
def test_it_is_the_distance_wherever_the_vectors_lie_and_however_long_they_are(
    seed: int, offset: float, length: float
) -> None:
    works = make_works(60, seed, duplicates=7)
    vectors = works['features']['semantic']
    works['features']['semantic'] = (length * (vectors + offset)).astype(np.float32)
    index = index_of(works, 'EuclideanRetriever', 8)
    references, values = best(half_squared_distances(works), works, 8)
    np.testing.assert_array_equal(index.references, references)
    np.testing.assert_allclose(index.similarities, values, atol=2e-6)


def test_it_finds_what_scikit_learn_finds() -> None:
    works = all_readable(make_works(300, 1))
    vectors = np.maximum(np.random.default_rng(1).normal(size=(300, 512)), 0).astype(np.float32)  # as after a ReLU
    works['features']['style'] = vectors
    index = index_of(works, 'EuclideanRetriever', 10, view='style')
    distances, nearest = NearestNeighbors(n_neighbors=11).fit(vectors.astype(np.float64)).kneighbors()
    np.testing.assert_array_equal(index.references, nearest[:, :10])
    ratio = -2 * index.similarities / distances[:, :10] ** 2  # the squared scale, one for all
    np.testing.assert_allclose(ratio, ratio.mean(), rtol=1e-4)


def test_near_copies_are_told_apart_and_exact_ones_are_ordered_by_id() -> None:
    works = all_readable(make_works(200, 2, duplicates=40))
    vectors = works['features']['semantic']
    step = np.geomspace(1e-5, 1e-2, 30)[:, None]
    vectors[100:130] = vectors[99] + step * np.sign(np.random.default_rng(0).normal(size=(30, 16)))
    index = index_of(works, 'EuclideanRetriever', 30)
    assert index.references[99].tolist() == list(range(100, 130))
    assert index.similarities[99, 0] == pytest.approx(0, abs=1e-6)
    tied = sorted((works['ids'][i], i) for i in range(160, 200))
    assert index.references[0].tolist() == [i for _, i in tied[:30]]


def test_a_query_far_from_all_others_still_finds_its_nearest() -> None:
    works = all_readable(make_works(100, 3), np.arange(100) > 0)
    works['features']['semantic'][0] *= 50
    index = index_of(works, 'EuclideanRetriever', 9)
    vectors = works['features']['semantic'].astype(np.float64)
    truth = np.argsort(((vectors[0] - vectors[1:]) ** 2).sum(axis=1))[:9] + 1
    assert index.references[0].tolist() == truth.tolist()


def test_works_that_are_all_alike_are_ordered_by_id() -> None:
    works = all_readable(make_works(40, 4))
    works['features']['semantic'][:] = np.float32(0.1)
    works['features']['semantic'][5] += 1
    works['training'][5] = False
    index = index_of(works, 'EuclideanRetriever', 6)
    order = [i for _, i in sorted((works['ids'][i], i) for i in range(40) if i != 5)]
    assert index.references[5].tolist() == order[:6]
    assert index.references[7].tolist() == [i for i in order if i != 7][:6]
    np.testing.assert_allclose(index.similarities[7], 0, atol=1e-6)
