"""Hub control: CSLS and mutual neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from retriever_oracles import (
    COSINE,
    GRAM,
    all_readable,
    best,
    cosines,
    csls,
    index_of,
    make,
    make_works,
    mutual_first,
    search_of,
)

from ssmr.artifacts.reference_index import ReferenceIndex
from ssmr.errors import ConfigError


def with_a_hub(n: int = 200, dim: int = 20) -> dict:
    """Works all about, and one in the middle of them that is near to everybody."""
    works = all_readable(make_works(n, 0))
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(n, dim)) + 1.5
    vectors[0] = 1.5
    works['features']['semantic'] = vectors.astype(np.float32)
    return works


def share_of_the_hub(index: ReferenceIndex) -> float:
    return float((index.references[1:] == 0).any(axis=1).mean())


def test_hub_control_takes_the_hub_out_of_the_lists() -> None:
    works = with_a_hub()
    plain = index_of(works, 'CosineRetriever', 10)
    assert share_of_the_hub(plain) > 0.6
    assert share_of_the_hub(index_of(works, 'CSLSRetriever', 10, retriever=COSINE)) < 0.3
    mutual = index_of(works, 'MutualNeighbours', 10, retriever=COSINE, candidates=199)
    kept = (mutual.references[1:] == 0) & (mutual.similarities[1:] >= -1)
    assert kept.any(axis=1).mean() < 0.1, 'the hub holds about ten works and is mutual for no others'


@pytest.mark.parametrize('neighbours', [1, 7, 500])
def test_csls_over_a_fusion_with_duplicates_and_groups(neighbours: int) -> None:
    works = make_works(70, 4, duplicates=6)
    works['groups'][64:67] = works['groups'][0]  # three of the six copies are known as such
    fusion = {'type': 'FusionRetriever', 'parts': [COSINE, GRAM], 'weights': [1, 3]}
    similarity = 0.25 * cosines(works) + 0.75 * cosines(works, 'style')
    index = index_of(works, 'CSLSRetriever', 8, retriever=fusion, neighbours=neighbours)
    references, values = best(csls(works, similarity, neighbours), works, 8)
    np.testing.assert_allclose(index.similarities, values, atol=3e-6)
    np.testing.assert_array_equal(index.references, references)


def test_csls_of_a_pool_of_one_has_no_density_of_that_one() -> None:
    works = all_readable(make_works(10, 0), np.arange(10) == 3)
    queries = np.array([0, 1, 5])
    _, values = make('CSLSRetriever', 1, retriever=COSINE).find(search_of(works, queries, 1))
    np.testing.assert_allclose(values[:, 0], cosines(works)[queries, 3], atol=1e-6)  # 2 s - 0 - s


@pytest.mark.parametrize(('neighbours', 'candidates', 'k'), [(1, 10, 10), (5, 40, 12), (500, 30, 6), (3, 9999, 8)])
def test_mutual_works_come_first(neighbours: int, candidates: int, k: int) -> None:
    works = make_works(80, 5)
    index = index_of(works, 'MutualNeighbours', k, retriever=COSINE, neighbours=neighbours, candidates=candidates)
    references, values = mutual_first(works, k, cosines(works), neighbours, candidates)
    np.testing.assert_array_equal(index.references, references)
    np.testing.assert_allclose(index.similarities, values, atol=2e-6)


def test_minus_one_tells_mutual_works_from_others() -> None:
    works = all_readable(make_works(60, 6))
    index = index_of(works, 'MutualNeighbours', 59, retriever=COSINE, neighbours=5)
    nearest = index_of(works, 'CosineRetriever', 5).references
    mutual = index.similarities >= -1
    for row, (references, held) in enumerate(zip(index.references, mutual, strict=True)):
        assert set(references[held].tolist()) == {p for p in range(60) if row in nearest[p]}
    assert 0.02 < mutual.mean() < 0.5


def test_a_copy_that_is_not_in_the_group_is_mutual() -> None:
    works = all_readable(make_works(40, 7, duplicates=9))
    index = index_of(works, 'MutualNeighbours', 12, retriever=COSINE, neighbours=3)
    copies = [0, *range(31, 40)]
    for row in copies:
        assert set(index.references[row, :9].tolist()) == set(copies) - {row}
        assert (index.similarities[row, :9] > 0.999).all()


def test_mutual_neighbours_need_cosines() -> None:
    with pytest.raises(ConfigError, match=r'retriever\.retriever: EuclideanRetriever has similarities outside'):
        index_of(make_works(40, 0), 'MutualNeighbours', retriever={'type': 'EuclideanRetriever'})
