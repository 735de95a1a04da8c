"""Fusion by similarity, by rank, and in two stages; and the retrievers that others hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from retriever_oracles import (
    COSINE,
    GRAM,
    all_readable,
    best,
    cosines,
    csls,
    fused_ranks,
    index_of,
    make,
    make_works,
    reranked,
)

from ssmr.config.parts import check_part
from ssmr.errors import ConfigError
from ssmr.registry import RETRIEVERS

PARTS = [COSINE, GRAM]
RANDOM, EUCLIDEAN = {'type': 'RandomRetriever'}, {'type': 'EuclideanRetriever'}
HOLDERS = {
    'FusionRetriever': {'parts': PARTS},
    'ReciprocalRankFusion': {'parts': PARTS},
    'TwoStageRetriever': {'parts': PARTS},
    'CSLSRetriever': {'retriever': COSINE},
    'MutualNeighbours': {'retriever': COSINE},
    'MinIdGap': {'retriever': COSINE, 'gap': 3},
    'DiverseRetriever': {'retriever': COSINE},
    'FaissRetriever': {'retriever': COSINE},
}


def test_fusion_with_one_weight_is_that_view_alone() -> None:
    works = make_works(40, 2)
    fused = index_of(works, 'FusionRetriever', parts=PARTS, weights=[0, 3])
    style = index_of(works, 'GramRetriever')
    assert (fused.references == style.references).all()
    np.testing.assert_allclose(fused.similarities, style.similarities, atol=1e-6)


def test_fusion_takes_parts_that_embed_queries_and_pool_differently() -> None:
    works = make_works(60, 3)
    parts = [GRAM, {'type': 'CSLSRetriever', 'retriever': COSINE, 'neighbours': 3}]
    expected = best(0.25 * cosines(works, 'style') + 0.75 * csls(works, cosines(works), 3), works, 5)
    index = index_of(works, 'FusionRetriever', parts=parts, weights=[1, 3])
    assert (index.references == expected[0]).all()
    np.testing.assert_allclose(index.similarities, expected[1], atol=2e-6)


@pytest.mark.parametrize('weights', [[1.0], [-1.0, 2.0], [0, 0], ['a', 'b'], [float('nan'), 1.0], 'ab', [True, 1.0]])
@pytest.mark.parametrize('name', ['FusionRetriever', 'ReciprocalRankFusion'])
def test_weights_that_make_no_mean_are_refused(name: str, weights: list) -> None:
    with pytest.raises(ConfigError, match=r'retriever\.weights'):
        make(name, parts=PARTS, weights=weights)


def test_rank_fusion_of_one_part_has_its_order_and_the_papers_scores() -> None:
    works = make_works(60, 4)
    index = index_of(works, 'ReciprocalRankFusion', parts=[COSINE], depth=30)
    assert (index.references == index_of(works, 'CosineRetriever').references).all()
    np.testing.assert_allclose(index.similarities, np.tile(1 / (60 + np.arange(1, 6)), (len(index.queries), 1)))


@given(st.integers(0, 50), st.integers(5, 40), st.sampled_from([0.0, 1.0, 60.0]), st.sampled_from([0.0, 0.5, 1.0]))
def test_rank_fusion_is_the_sum_over_three_parts(seed: int, depth: int, constant: float, weight: float) -> None:
    works = make_works(40, seed, duplicates=8)
    works['readable'][:] = works['training'][:] = True
    parts, weights = [COSINE, GRAM, {'type': 'CosineRetriever', 'view': 'style'}], [1.0, weight, 0.25]
    index = index_of(works, 'ReciprocalRankFusion', parts=parts, weights=weights, depth=depth, constant=constant)
    lists = [best(cosines(works, view), works, min(depth, 39))[0] for view in ('semantic', 'style', 'style')]
    kept = [i for i, w in enumerate(weights) if w]
    references, values = fused_ranks(works, 5, [lists[i] for i in kept], constant, [weights[i] for i in kept])
    np.testing.assert_allclose(index.similarities, values, rtol=1e-6)
    np.testing.assert_array_equal(index.references, references)


def test_rank_fusion_takes_parts_without_an_embedding() -> None:
    works, gap = make_works(60, 1), {'type': 'MinIdGap', 'retriever': GRAM, 'gap': 2}
    index = index_of(works, 'ReciprocalRankFusion', parts=[COSINE, RANDOM, gap], depth=20)
    assert 1 / 61 < index.similarities.max() <= 3 / 61


@pytest.mark.parametrize('constant', [-1, float('inf'), float('nan'), '60', True])
def test_a_constant_that_is_no_number_from_0_is_refused(constant: object) -> None:
    with pytest.raises(ConfigError, match=r'retriever\.constant'):
        make('ReciprocalRankFusion', parts=PARTS, constant=constant)


@pytest.mark.parametrize('first', [COSINE, RANDOM])
def test_two_stages_order_the_firsts_candidates_by_the_second(first: dict) -> None:
    works = make_works(70, 6)
    index = index_of(works, 'TwoStageRetriever', parts=[first, EUCLIDEAN], candidates=9)
    chosen = index_of(works, first['type'], 9).references
    distance = np.linalg.norm(
        works['features']['semantic'][index.queries, None] - works['features']['semantic'][chosen], axis=2
    )
    expected = np.take_along_axis(chosen, np.argsort(distance, axis=1)[:, :5], axis=1)
    if first is COSINE:
        assert (index.references == expected).all()
    else:  # the random draw of 9 is not the start of a longer one; every reference is still a legal one
        assert index.references.shape == expected.shape


def test_two_stages_with_all_candidates_are_the_second_alone() -> None:
    works = all_readable(make_works(50, 8, duplicates=5))
    index = index_of(works, 'TwoStageRetriever', parts=PARTS, candidates=10_000)
    assert (index.references == index_of(works, 'GramRetriever').references).all()
    few = index_of(works, 'TwoStageRetriever', parts=PARTS, candidates=8)
    assert (few.references == reranked(works, 5, cosines(works), cosines(works, 'style'), 8)[0]).all()


@pytest.mark.parametrize('parts', [[COSINE], [COSINE, GRAM, COSINE]])
def test_two_stages_are_two(parts: list) -> None:
    with pytest.raises(ConfigError, match=rf'retriever\.parts has {len(parts)}'):
        make('TwoStageRetriever', parts=parts)


@pytest.mark.parametrize(('name', 'field'), [
    ('FusionRetriever', 'parts[1]'), ('TwoStageRetriever', 'parts[1]'), ('CSLSRetriever', 'retriever'),
    ('MutualNeighbours', 'retriever'), ('DiverseRetriever', 'retriever'), ('FaissRetriever', 'retriever'),
])  # fmt: skip
def test_a_part_without_an_embedding_is_refused_where_one_is_needed(name: str, field: str) -> None:
    inner = {'parts': [COSINE, RANDOM]} if 'parts' in HOLDERS[name] else {'retriever': RANDOM}
    with pytest.raises(ConfigError, match='RandomRetriever has no embedding') as caught:
        make(name, **(HOLDERS[name] | inner))
    assert f'retriever.{field}:' in str(caught.value)


@pytest.mark.parametrize('name', HOLDERS)
@pytest.mark.parametrize('bad', [None, 'CosineRetriever', {'view': 'style'}, 3])
def test_a_held_retriever_that_is_none_is_refused(name: str, bad: object) -> None:
    for inner in ([bad, bad], bad, []) if 'parts' in HOLDERS[name] else (bad,):
        with pytest.raises(ConfigError, match=r'retriever\.(parts|retriever)'):
            make(name, **(HOLDERS[name] | {'parts' if 'parts' in HOLDERS[name] else 'retriever': inner}))


@pytest.mark.parametrize(('name', 'field'), [
    ('ReciprocalRankFusion', 'depth'), ('TwoStageRetriever', 'candidates'), ('MutualNeighbours', 'candidates'),
    ('MutualNeighbours', 'neighbours'), ('CSLSRetriever', 'neighbours'), ('DiverseRetriever', 'candidates'),
    ('FaissRetriever', 'nprobe'), ('FaissRetriever', 'ef_search'),
])  # fmt: skip
@pytest.mark.parametrize('value', [0, -3, 2.5, '7', True, float('nan'), float('inf')])
def test_a_count_that_is_none_is_refused(name: str, field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf'retriever\.{field} is'):
        make(name, **(HOLDERS[name] | {field: value}))


@pytest.mark.parametrize(('name', 'field'), [
    ('ReciprocalRankFusion', 'depth'), ('TwoStageRetriever', 'candidates'), ('MutualNeighbours', 'candidates'),
    ('DiverseRetriever', 'candidates'),
])  # fmt: skip
def test_fewer_candidates_than_references_are_refused(name: str, field: str) -> None:
    with pytest.raises(ConfigError, match=rf'retriever\.{field} is 8, fewer than retriever\.num_references, 9'):
        make(name, 9, **(HOLDERS[name] | {field: 8}))
    make(name, 8, **(HOLDERS[name] | {field: 8.0}))  # a float that is whole, as configs may have it


@pytest.mark.parametrize('name', HOLDERS)
def test_a_config_with_it_is_checked_whole(name: str) -> None:
    part = {'type': name, **HOLDERS[name]}
    check_part('retriever', part, RETRIEVERS)
    inner = {'type': 'CosineRetriever', 'veiw': 'style'}
    part |= {'parts': [COSINE, inner]} if 'parts' in part else {'retriever': inner}
    with pytest.raises(ConfigError, match='veiw'):
        check_part('retriever', part, RETRIEVERS)


def test_a_holder_reads_labels_where_a_part_does() -> None:
    oracle = {'type': 'LabelOracleRetriever', 'diagnostic': True}
    held = {'ReciprocalRankFusion': {'parts': [COSINE, oracle]}, 'MinIdGap': {'retriever': oracle, 'gap': 1}}
    for name, settings in held.items():
        assert make(name, **settings).reads_labels
        index_of(make_works(60, 2), name, **settings)  # and is given them
    assert not make('ReciprocalRankFusion', parts=PARTS).reads_labels
