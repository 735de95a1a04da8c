"""Every registered retriever against a plain NumPy oracle, and the promises of the index it makes."""

from __future__ import annotations

import numpy as np
import pytest
from retriever_oracles import (
    COSINE,
    GRAM,
    NEEDED,
    ORACLES,
    all_readable,
    best,
    index_of,
    make,
    make_works,
    search_of,
    unit,
)

from ssmr.errors import ConfigError, DataError
from ssmr.registry import RETRIEVERS
from ssmr.retrievers.base import EmbeddingRetriever, build_index

RETRIEVERS.import_from_location()
REGISTERED = sorted(RETRIEVERS.module_dict)
#: Settings for the smallest pools and the largest K.
EASIER = {'depth': 100, 'candidates': 100, 'gap': 0, 'index': 'Flat'}


def easier(name: str) -> dict:
    needed = NEEDED.get(name, {})
    return needed | {key: value for key, value in EASIER.items() if key in needed}


@pytest.mark.parametrize('name', REGISTERED)
@pytest.mark.parametrize('seed', [0, 1])
def test_every_retriever_agrees_with_the_oracle(name: str, seed: int) -> None:
    works = make_works(90, seed)
    retriever = make(name, 7, **NEEDED.get(name, {}))
    index = build_index(retriever, **works)
    assert (index.queries == np.flatnonzero(works['readable'])).all()
    if name in ORACLES:
        references, values = ORACLES[name](works, 7)
    elif isinstance(retriever, EmbeddingRetriever):  # a new one: its own embedding is the truth
        embedded = retriever.embed_views(works['features']).astype(np.float64)
        references, values = best(embedded @ embedded.T, works, 7)
    else:  # no inner product (random): build_index has validated the promises
        assert index.references.shape == (len(index.queries), 7)
        return
    np.testing.assert_array_equal(index.references, references)
    np.testing.assert_allclose(index.similarities, values, atol=2e-6)


def test_every_retriever_but_the_random_one_has_an_oracle_of_its_own() -> None:
    assert set(REGISTERED) - set(ORACLES) == {'RandomRetriever'}


@pytest.mark.parametrize('name', REGISTERED)
def test_unreadable_works_and_works_of_the_group_are_left_out_and_the_last_possible_reference_is_found(
    name: str,
) -> None:
    works = make_works(60, 2, duplicates=4)
    works['groups'][56:] = works['groups'][0]
    works['groups'][10:20] = works['groups'][10]
    pool = works['readable'] & works['training']
    possible = pool.sum() - np.array([(pool & (works['groups'] == g)).sum() for g in works['groups']])
    k = int(possible[works['readable']].min())
    settings = easier(name)
    index = index_of(works, name, k, **settings)  # validates: pool, groups, order, no repetition
    assert index.references.shape == (works['readable'].sum(), k)
    with pytest.raises(DataError, match=f'num_references={k + 1}.*only {k} possible'):
        index_of(works, name, k + 1, **settings)


@pytest.mark.parametrize('name', REGISTERED)
def test_a_pool_of_one_work_is_a_reference_for_all_but_itself(name: str) -> None:
    works = all_readable(make_works(12, 5), np.arange(12) == 4)
    settings = easier(name)
    with pytest.raises(DataError, match=f'{works["ids"][4]} has only 0 possible'):
        index_of(works, name, 1, **settings)
    others = np.flatnonzero(np.arange(12) != 4)
    positions, similarities = make(name, 1, **settings).find(search_of(works, others, 1))
    assert positions.tolist() == [[0]] * 11
    assert np.isfinite(similarities).all()


@pytest.mark.parametrize('name', REGISTERED)
def test_what_a_query_finds_does_not_depend_on_which_others_there_are(name: str) -> None:
    works = all_readable(make_works(80, 7), np.arange(80) < 50)
    retriever = make(name, 6, **NEEDED.get(name, {}))
    everybody, some = np.arange(80), np.array([3, 17, 60, 79])
    positions, similarities = retriever.find(search_of(works, everybody, 6))
    alone, values = retriever.find(search_of(works, some, 6))
    np.testing.assert_array_equal(alone, positions[some])
    np.testing.assert_allclose(values, similarities[some], atol=1e-6)


@pytest.mark.parametrize('name', sorted(set(REGISTERED) - {'LabelOracleRetriever'}))
def test_only_the_oracle_reads_labels(name: str) -> None:
    works = make_works(50, 3)
    settings = NEEDED.get(name, {})
    assert not make(name, **settings).reads_labels
    index = index_of(works, name, **settings)
    works['scores'] = works['scores'][::-1].copy()
    assert (index.references == index_of(works, name, **settings).references).all()


@pytest.mark.parametrize('name', ['CosineRetriever', 'EuclideanRetriever', 'CSLSRetriever', 'DiverseRetriever'])
def test_equal_similarities_are_ordered_by_id_whatever_the_order_of_the_table(name: str) -> None:
    works = all_readable(make_works(300, 3, duplicates=60))  # far more ties than the search looks at first
    settings = {**NEEDED.get(name, {}), **({'trade_off': 1.0} if name == 'DiverseRetriever' else {})}
    settings |= {'candidates': 299} if 'candidates' in settings else {}
    index = index_of(works, name, **settings)
    tied = sorted((works['ids'][i], i) for i in [0, *range(240, 300)])
    for row in (0, 250, 299):
        assert index.references[row].tolist() == [i for _, i in tied if i != row][:5]


def test_a_planted_duplicate_cannot_be_a_reference_when_it_shares_the_group() -> None:
    works = all_readable(make_works(60, 4, duplicates=3))
    assert 57 in index_of(works, 'CosineRetriever', 4).references[0]
    works['groups'][57:] = works['groups'][0]
    assert not {57, 58, 59} & set(index_of(works, 'CosineRetriever', 4).references[0].tolist())


def test_a_pool_smaller_than_k_is_refused_with_the_numbers() -> None:
    works = all_readable(make_works(20, 0), np.arange(20) < 5)
    with pytest.raises(DataError, match=r'num_references=5.*only 4 possible'):
        index_of(works, 'RandomRetriever', 5)
    assert index_of(works, 'RandomRetriever', 4).num_references == 4


@pytest.mark.parametrize('k', [0, -1, 2.5])
def test_a_number_of_references_that_is_none_is_refused(k: float) -> None:
    with pytest.raises(ConfigError, match=r'retriever\.num_references is'):
        index_of(make_works(20, 0), 'CosineRetriever', k)


def test_random_references_depend_on_seed_and_query_alone() -> None:
    works = make_works(50, 1)
    works['readable'][:] = True
    first, again, other = (index_of(works, 'RandomRetriever', 6, seed=seed) for seed in (0, 0, 1))
    assert (first.references == again.references).all()
    assert (first.references != other.references).mean() > 0.5
    counts = np.bincount(first.references.ravel(), minlength=50)[works['training']]
    assert counts.min() >= 1, 'every training work is drawn by somebody'


def test_views_are_those_of_all_parts_without_repetition() -> None:
    fused = make('FusionRetriever', parts=[GRAM, COSINE, {'type': 'CosineRetriever', 'view': 'other'}, GRAM])
    assert fused.views == ('style', 'semantic', 'other')
    nested = {'type': 'CSLSRetriever', 'retriever': {'type': 'FusionRetriever', 'parts': [GRAM, COSINE]}}
    assert make('TwoStageRetriever', parts=[{'type': 'RandomRetriever'}, nested]).views == ('style', 'semantic')


def test_a_retriever_of_a_users_own_needs_one_class_and_one_method() -> None:
    from sklearn.preprocessing import normalize

    from ssmr.retrievers.cosine import CosineRetriever

    class PowerCosineRetriever(CosineRetriever):
        def __init__(self, power: float = 0.5) -> None:
            self.power = power

        def embed(self, vectors: np.ndarray) -> np.ndarray:
            return normalize(np.sign(vectors) * np.abs(vectors) ** self.power)

    works = make_works(120, 5)
    index = build_index(PowerCosineRetriever(), **works)
    raw = works['features']['semantic'].astype(np.float64)
    powered = unit(np.sign(raw) * np.sqrt(np.abs(raw)))
    assert (index.references == best(powered @ powered.T, works, 50)[0]).all()
