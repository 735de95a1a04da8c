"""References of works outside of the table: those that they would have in it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ssmr.errors import ConfigError, DataError
from ssmr.registry import RETRIEVERS
from ssmr.retrievers.base import build_index
from ssmr.retrievers.new_works import NewWorks

COSINE = {'type': 'CosineRetriever', 'view': 'semantic'}
GRAM = {'type': 'GramRetriever', 'view': 'style'}
RETRIEVER_CONFIGS: list[dict[str, Any]] = [
    COSINE,
    GRAM,
    {'type': 'EuclideanRetriever'},
    {'type': 'FusionRetriever', 'parts': [COSINE, GRAM], 'weights': [0.7, 0.3]},
    {'type': 'FusionRetriever', 'parts': [COSINE, {'type': 'EuclideanRetriever'}]},
    {'type': 'ReciprocalRankFusion', 'parts': [COSINE, GRAM]},
    {'type': 'CSLSRetriever', 'retriever': COSINE},
    {'type': 'MutualNeighbours', 'retriever': COSINE},
    {'type': 'DiverseRetriever', 'retriever': COSINE},
    {'type': 'FaissRetriever', 'retriever': COSINE, 'index': 'Flat'},
]
TRAINING, N = 60, 80


def table(seed: int = 0) -> tuple[dict[str, np.ndarray], tuple[str, ...], np.ndarray, np.ndarray]:
    """Views, ids in no order, who is in the training split, and groups with some duplicates across it."""
    rng = np.random.default_rng(seed)
    features = {v: rng.standard_normal((N, d)).astype(np.float32) for v, d in (('semantic', 12), ('style', 7))}
    ids = tuple(f'{i:03d}.png' for i in rng.permutation(N))
    training = np.arange(N) < TRAINING
    groups = np.arange(N)
    groups[[3, 61]], groups[[5, 6, 70]] = 3, 5
    return features, ids, training, groups


@pytest.mark.parametrize('config', RETRIEVER_CONFIGS, ids=lambda c: c['type'])
def test_they_are_those_of_the_table(config: dict[str, Any]) -> None:
    features, ids, training, groups = table()
    retriever = RETRIEVERS.build({**config, 'num_references': 9})
    index = build_index(retriever, features, ids, np.ones(N, dtype=bool), training, groups)
    works = NewWorks(retriever, features, ids, training, groups)
    for rows in (np.arange(TRAINING, N), np.array([61]), np.array([70, 75])):
        found, similarities = works.find({view: bank[rows] for view, bank in features.items()}, groups[rows])
        np.testing.assert_array_equal(found, index.of(rows))
        np.testing.assert_allclose(similarities, index.similarities[np.searchsorted(index.queries, rows)], atol=1e-5)


def test_an_unknown_copy_finds_its_original_and_a_known_one_does_not() -> None:
    features, ids, training, groups = table()
    works = NewWorks(RETRIEVERS.build(COSINE), features, ids, training, groups)
    copy = {view: bank[5:6] for view, bank in features.items()}
    assert works.find(copy, np.array([-1]))[0][0, 0] == 5
    assert not {5, 6} & set(works.find(copy, groups[5:6])[0][0].tolist())


def test_only_training_works_are_found() -> None:
    features, ids, training, groups = table()
    training[:10] = False
    works = NewWorks(RETRIEVERS.build({**COSINE, 'num_references': 50}), features, ids, training, groups)
    found, _ = works.find({view: bank[:10] for view, bank in features.items()}, np.full(10, -1))
    assert all(set(row) == set(range(10, 60)) for row in found.tolist())


def test_a_pool_too_small_for_a_known_work_is_an_error() -> None:
    features, ids, training, groups = table()
    works = NewWorks(RETRIEVERS.build({**COSINE, 'num_references': 59}), features, ids, training, groups)
    vectors = {view: bank[:1] for view, bank in features.items()}
    assert works.find(vectors, np.array([-1]))[0].shape == (1, 59)
    with pytest.raises(DataError, match='only 58 possible'):
        works.find(vectors, np.array([5]))


def test_vectors_of_another_encoder_are_refused() -> None:
    features, ids, training, groups = table()
    works = NewWorks(RETRIEVERS.build(COSINE), features, ids, training, groups)
    for wrong in ({}, {'semantic': np.zeros((1, 11), np.float32)}):
        with pytest.raises(DataError, match='semantic with 12 numbers'):
            works.find(wrong, np.array([-1]))


@pytest.mark.parametrize(
    'config',
    [
        {'type': 'RandomRetriever'},
        {'type': 'MinIdGap', 'retriever': COSINE, 'gap': 1},
        {'type': 'ReciprocalRankFusion', 'parts': [COSINE, {'type': 'RandomRetriever'}]},
    ],
    ids=lambda c: c['type'],
)
def test_a_retriever_that_goes_by_rows_or_ids_is_refused(config: dict[str, Any]) -> None:
    features, ids, training, groups = table()
    with pytest.raises(ConfigError, match='the row or the id'):
        NewWorks(RETRIEVERS.build(config), features, ids, training, groups)


def test_a_retriever_that_reads_labels_is_refused() -> None:
    features, ids, training, groups = table()
    with pytest.raises(ConfigError, match='a new one has none'):
        NewWorks(
            RETRIEVERS.build({'type': 'LabelOracleRetriever', 'diagnostic': True}), features, ids, training, groups
        )
