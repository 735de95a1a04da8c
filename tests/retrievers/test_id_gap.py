"""References at least some uploads away."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from retriever_oracles import COSINE, GRAM, all_readable, best, cosines, far_in_number, index_of, make, make_works

from ssmr.errors import ConfigError, DataError
from ssmr.retrievers.id_gap import id_number


@given(st.integers(0, 30), st.integers(0, 12))
def test_no_reference_is_within_the_gap_and_all_others_are_possible(seed: int, gap: int) -> None:
    works = all_readable(make_works(60, seed))
    works['groups'][40:50] = 40
    index = index_of(works, 'MinIdGap', retriever=COSINE, gap=gap)
    references, values = best(cosines(works), works, 5, far_in_number(works, gap))
    np.testing.assert_array_equal(index.references, references)
    np.testing.assert_allclose(index.similarities, values, atol=2e-6)


@pytest.mark.parametrize('inner', [
    {'type': 'RandomRetriever'},
    {'type': 'LabelOracleRetriever', 'diagnostic': True},
    {'type': 'ReciprocalRankFusion', 'parts': [COSINE, GRAM]},
    {'type': 'TwoStageRetriever', 'parts': [COSINE, GRAM]},
    {'type': 'CSLSRetriever', 'retriever': COSINE},
    {'type': 'MutualNeighbours', 'retriever': COSINE},
    {'type': 'DiverseRetriever', 'retriever': COSINE},
    {'type': 'FaissRetriever', 'retriever': COSINE, 'index': 'HNSW8'},
])  # fmt: skip
def test_it_narrows_every_retriever(inner: dict) -> None:
    if inner['type'] == 'FaissRetriever':
        pytest.importorskip('faiss')
    works = make_works(70, 3)
    index = index_of(works, 'MinIdGap', retriever=inner, gap=6)
    far = far_in_number(works, 6)
    assert far[index.queries[:, None], index.references].all()


def test_a_gap_that_leaves_too_few_is_refused_with_the_gap() -> None:
    works = all_readable(make_works(40, 0))
    with pytest.raises(DataError, match=r'only 0 possible references: retriever\.gap=1000000000000'):
        index_of(works, 'MinIdGap', retriever=COSINE, gap=10**12)
    # 19 of 40 in the middle are forbidden by a gap of 9, and itself
    assert index_of(works, 'MinIdGap', 21, retriever=COSINE, gap=9).num_references == 21
    with pytest.raises(DataError, match='only 21 possible'):
        index_of(works, 'MinIdGap', 22, retriever=COSINE, gap=9)


def test_an_id_without_a_number_is_named_if_it_is_used() -> None:
    works = all_readable(make_works(30, 0))
    ids = list(works['ids'])
    ids[11], ids[20] = 'portrait.jpg', 'b.jpg'
    works['ids'] = tuple(ids)
    with pytest.raises(DataError, match=r"'portrait\.jpg' has no number"):
        index_of(works, 'MinIdGap', retriever=COSINE, gap=1)
    works['readable'][[11, 20]] = False
    index_of(works, 'MinIdGap', retriever=COSINE, gap=1)


@pytest.mark.parametrize(('name', 'number'), [
    ('12345.jpg', 12345), ('2019/series-2/painting-07.png', 7), ('a12_b0034.jpeg', 34), ('000.png', 0),
    ('0000000000000000000042.jpg', 42), ('123456789012345.jpg', 123456789012345), ('17', 17),
])  # fmt: skip
def test_a_number_is_the_last_of_the_stem(name: str, number: int) -> None:
    assert id_number(name) == number


@pytest.mark.parametrize('name', ['portrait.mp4', '12/portrait.jpg', '', '1234567890123456.jpg', '٣.jpg'])
def test_names_without_a_number_of_a_sane_length_are_refused(name: str) -> None:
    with pytest.raises(DataError, match='has no number') as caught:
        id_number(name)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize('gap', [-1, 1.5, '3', None, True])
def test_a_gap_that_is_none_is_refused(gap: object) -> None:
    with pytest.raises(ConfigError, match=r'retriever\.gap'):
        make('MinIdGap', retriever=COSINE, gap=gap)
