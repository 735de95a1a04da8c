"""Every registered retriever against a plain NumPy oracle, and the promises of the index it makes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssmr.artifacts.reference_index import ReferenceIndex
from ssmr.errors import ConfigError, DataError
from ssmr.registry import RETRIEVERS
from ssmr.retrievers.base import EmbeddingRetriever, build_index, same_group_pairs

RETRIEVERS.import_from_location()
NEEDED = {
    'FusionRetriever': {'parts': [{'type': 'CosineRetriever'}, {'type': 'GramRetriever'}], 'weights': [0.7, 0.3]},
}
REGISTERED = sorted(RETRIEVERS.module_dict)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.sqrt((vectors.astype(np.float64) ** 2).sum(axis=1, keepdims=True))


def make_works(n: int, seed: int, duplicates: int = 0) -> dict:
    rng = np.random.default_rng(seed)
    features = {'semantic': rng.normal(size=(n, 16)), 'style': np.abs(rng.normal(size=(n, 12)))}
    for view in features.values():
        view[n - duplicates :] = view[0]
    groups = np.arange(n)
    return {
        'features': {k: v.astype(np.float32) for k, v in features.items()},
        'ids': tuple(f'{i:04d}.jpg' for i in rng.permutation(n)),
        'readable': rng.random(n) > 0.1,
        'training': rng.random(n) > 0.3,
        'groups': groups,
    }


def oracle(similarities: np.ndarray, works: dict, k: int) -> tuple[np.ndarray, np.ndarray]:
    """All pairs in float64, masked, sorted by (similarity as float32, id)."""
    allowed = (works['readable'] & works['training'])[None] & (works['groups'][:, None] != works['groups'][None])
    masked = np.where(allowed, similarities, -np.inf).astype(np.float32)
    ranks = np.argsort(np.argsort(np.array(works['ids'])))
    order = np.lexsort((np.broadcast_to(ranks, masked.shape), -masked))[:, :k]
    queries = np.flatnonzero(works['readable'])
    return order[queries], np.take_along_axis(masked, order, axis=1)[queries]


def expected_similarities(name: str, features: dict) -> np.ndarray | None:
    semantic, style = (unit(features[v]) @ unit(features[v]).T for v in ('semantic', 'style'))
    return {
        'CosineRetriever': semantic,
        'GramRetriever': style,
        'FusionRetriever': 0.7 * semantic + 0.3 * style,
    }.get(name)


@pytest.mark.parametrize('name', REGISTERED)
@pytest.mark.parametrize('seed', [0, 1])
def test_every_retriever_agrees_with_the_oracle(name: str, seed: int) -> None:
    works = make_works(90, seed)
    retriever = RETRIEVERS.build({'type': name, 'num_references': 7, **NEEDED.get(name, {})})
    index = build_index(retriever, **works)
    similarities = expected_similarities(name, works['features'])
    if similarities is None and isinstance(retriever, EmbeddingRetriever):  # a new one: its own embedding is the truth
        embedded = retriever.embed_views(works['features']).astype(np.float64)
        similarities = embedded @ embedded.T
    assert (index.queries == np.flatnonzero(works['readable'])).all()
    if similarities is None:  # no inner product (random): build_index has validated the promises
        assert index.references.shape == (len(index.queries), 7)
        return
    references, values = oracle(similarities, works, 7)
    np.testing.assert_array_equal(index.references, references)
    np.testing.assert_allclose(index.similarities, values, atol=2e-6)


def test_equal_similarities_are_ordered_by_id_whatever_the_order_of_the_table() -> None:
    works = make_works(300, 3, duplicates=60)  # 61 works with one vector: far more ties than the search looks at first
    works['training'][:] = works['readable'][:] = True
    index = build_index(RETRIEVERS.build({'type': 'CosineRetriever', 'num_references': 5}), **works)
    row = int(np.flatnonzero(index.queries == 0)[0])
    tied = sorted((works['ids'][i], i) for i in range(240, 300))
    assert index.references[row].tolist() == [i for _, i in tied[:5]]


def test_a_planted_duplicate_cannot_be_a_reference_when_it_shares_the_group() -> None:
    works = make_works(60, 4, duplicates=3)
    works['training'][:] = works['readable'][:] = True
    retriever = RETRIEVERS.build({'type': 'CosineRetriever', 'num_references': 4})
    assert 57 in build_index(retriever, **works).references[0]
    works['groups'][57:] = works['groups'][0]
    assert not {57, 58, 59} & set(build_index(retriever, **works).references[0].tolist())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_same_group_pairs_are_all_pairs_of_equal_groups(queries: list[int], pool: list[int]) -> None:
    rows, columns = same_group_pairs(np.array(queries), np.array(pool))
    expected = {(i, j) for i, q in enumerate(queries) for j, p in enumerate(pool) if p == q}
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == expected
    assert (np.diff(rows) >= 0).all()


def test_a_pool_smaller_than_k_is_refused_with_the_numbers() -> None:
    works = make_works(20, 0)
    works['readable'][:] = True
    works['training'][:] = np.arange(20) < 5
    with pytest.raises(DataError, match=r'num_references=5.*only 4 possible'):
        build_index(RETRIEVERS.build({'type': 'RandomRetriever', 'num_references': 5}), **works)
    assert build_index(RETRIEVERS.build({'type': 'RandomRetriever', 'num_references': 4}), **works).num_references == 4


def test_random_references_depend_on_seed_and_query_alone() -> None:
    works = make_works(50, 1)
    works['readable'][:] = True

    def build(seed: int) -> ReferenceIndex:
        return build_index(RETRIEVERS.build({'type': 'RandomRetriever', 'seed': seed, 'num_references': 6}), **works)

    first, again, other = build(0), build(0), build(1)
    assert (first.references == again.references).all()
    assert (first.references != other.references).mean() > 0.5
    counts = np.bincount(first.references.ravel(), minlength=50)[works['training']]
    assert counts.min() >= 1, 'every training work is drawn by somebody'


def test_fusion_with_one_weight_is_that_view_alone() -> None:
    works = make_works(40, 2)
    fused = RETRIEVERS.build({'type': 'FusionRetriever', **NEEDED['FusionRetriever'], 'num_references': 5})
    fused.weights = [0.0, 1.0]
    style = RETRIEVERS.build({'type': 'GramRetriever', 'num_references': 5})
    assert (build_index(fused, **works).references == build_index(style, **works).references).all()


@pytest.mark.parametrize('weights', [[1.0], [-1.0, 2.0], [0.0, 0.0], ['a', 'b']])
def test_fusion_refuses_weights_that_make_no_mean(weights: list) -> None:
    with pytest.raises(ConfigError, match=r'retriever\.weights'):
        RETRIEVERS.build({'type': 'FusionRetriever', **NEEDED['FusionRetriever'], 'weights': weights})


def test_fusion_refuses_a_part_without_an_embedding() -> None:
    with pytest.raises(ConfigError, match='RandomRetriever has no embedding'):
        RETRIEVERS.build({'type': 'FusionRetriever', 'parts': [{'type': 'RandomRetriever'}]})


def test_a_retriever_of_a_users_own_needs_one_class_and_one_method() -> None:
    from sklearn.preprocessing import normalize

    from ssmr.retrievers.cosine import CosineRetriever

    class PowerCosineRetriever(CosineRetriever):
        def __init__(self, power: float = 0.5) -> None:
            self.power = power

        def embed(self, vectors: np.ndarray) -> np.ndarray:
            return normalize(np.sign(vectors) * np.abs(vectors) ** self.power)

    works = make_works(120, 5)
    retriever = PowerCosineRetriever()
    index = build_index(retriever, **works)
    raw = works['features']['semantic'].astype(np.float64)
    powered = unit(np.sign(raw) * np.sqrt(np.abs(raw)))
    assert (index.references == oracle(powered @ powered.T, works, 50)[0]).all()
