"""Maximal marginal relevance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from retriever_oracles import (
    COSINE,
    GRAM,
    all_readable,
    cosines,
    csls,
    index_of,
    make,
    make_works,
    marginal_relevance,
)  # fmt: skip

from ssmr.errors import ConfigError
from ssmr.retrievers.ranking import GATHERED


@pytest.mark.parametrize('trade_off', [0.05, 0.5, 0.9])
@pytest.mark.parametrize('candidates', [10, 35, 9999])
def test_it_chooses_what_a_loop_chooses(trade_off: float, candidates: int) -> None:
    works = make_works(60, 1)
    settings = {'retriever': COSINE, 'trade_off': trade_off, 'candidates': candidates}
    index = index_of(works, 'DiverseRetriever', 10, **settings)
    references, values = marginal_relevance(works, 10, cosines(works), trade_off, candidates)
    np.testing.assert_array_equal(index.references, references)
    np.testing.assert_allclose(index.similarities, values, atol=2e-6)


@given(st.integers(0, 10_000), st.floats(0.01, 1), st.sampled_from(['normal', 'positive', 'few', 'copies']))
def test_the_value_never_increases_and_equal_ones_are_ordered_by_id(seed: int, trade_off: float, kind: str) -> None:
    works = all_readable(make_works(30, seed, duplicates=12 if kind == 'copies' else 0))
    if kind == 'positive':
        works['features']['semantic'] = np.abs(works['features']['semantic'])
    if kind == 'few':  # many exact ties, and works that are opposite to each other
        works['features']['semantic'] = np.sign(works['features']['semantic'])[:, :3].copy()
    index = index_of(works, 'DiverseRetriever', 12, retriever=COSINE, trade_off=trade_off)  # validates the order
    assert (np.diff(index.similarities, axis=1) <= 0).all()
    assert index.similarities.max() <= trade_off + 1e-6
    assert index.similarities.min() >= -1 - 1e-6


def test_a_trade_off_of_one_is_the_retriever_alone() -> None:
    works = make_works(50, 2, duplicates=4)
    plain, diverse = (
        index_of(works, 'GramRetriever', 8),
        index_of(works, 'DiverseRetriever', 8, retriever=GRAM, trade_off=1),
    )
    assert (plain.references == diverse.references).all()
    np.testing.assert_allclose(plain.similarities, diverse.similarities, atol=1e-6)


def test_copies_of_a_reference_make_room_for_others() -> None:
    works = all_readable(make_works(50, 3, duplicates=10))
    plain = index_of(works, 'CosineRetriever', 6)
    diverse = index_of(works, 'DiverseRetriever', 6, retriever=COSINE, trade_off=0.3)
    copies = {0, *range(40, 50)}
    assert len(copies & set(plain.references[0].tolist())) == 6
    assert len(copies & set(diverse.references[0].tolist())) == 1


def test_the_block_of_queries_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    works = make_works(60, 4)
    whole = index_of(works, 'DiverseRetriever', 5, retriever=COSINE)
    monkeypatch.setattr('ssmr.retrievers.diverse.BLOCK', 7)
    monkeypatch.setitem(GATHERED, 'cpu', 1000)
    assert (whole.references == index_of(works, 'DiverseRetriever', 5, retriever=COSINE).references).all()


def test_an_asymmetric_embedding_compares_candidates_by_its_own_similarity() -> None:
    works = make_works(50, 5)
    inner = {'type': 'CSLSRetriever', 'retriever': COSINE, 'neighbours': 4}
    index = index_of(works, 'DiverseRetriever', 6, retriever=inner, candidates=20)
    references, values = marginal_relevance(works, 6, csls(works, cosines(works), 4), 0.7, 20)
    np.testing.assert_array_equal(index.references, references)
    np.testing.assert_allclose(index.similarities, values, atol=5e-6)


@pytest.mark.parametrize('trade_off', [0, -0.1, 1.01, float('nan'), 'half', True])
def test_a_trade_off_out_of_range_is_refused(trade_off: object) -> None:
    with pytest.raises(ConfigError, match=r'retriever\.trade_off'):
        make('DiverseRetriever', retriever=COSINE, trade_off=trade_off)
