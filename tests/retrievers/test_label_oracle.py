"""The upper bound by the labels themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from retriever_oracles import all_readable, best, index_of, make, make_works

from ssmr.errors import ConfigError, DataError

GIVEN = {'diagnostic': True}


@pytest.mark.parametrize('diagnostic', [False, None, 'yes', 1])
def test_it_must_be_asked_for_by_its_purpose(diagnostic: object) -> None:
    with pytest.raises(ConfigError, match='reads the labels that are to be predicted'):
        make('LabelOracleRetriever', diagnostic=diagnostic)
    with pytest.raises(ConfigError, match='diagnostic=True'):
        make('LabelOracleRetriever')


@given(st.integers(0, 1000), st.sampled_from([2, 21, 10**6]))
def test_the_nearest_labels_are_found_and_ties_are_ordered_by_id(seed: int, levels: int) -> None:
    works = make_works(60, seed)
    works['scores'] = np.random.default_rng(seed).integers(0, levels, 60) / levels * 10
    works['groups'][30:40] = 30
    index = index_of(works, 'LabelOracleRetriever', **GIVEN)
    references, values = best(-np.abs(works['scores'][:, None] - works['scores'][None]), works, 5)
    np.testing.assert_array_equal(index.references, references)
    np.testing.assert_array_equal(index.similarities, values)
    assert not np.signbit(index.similarities[index.similarities == 0]).any()


def test_more_queries_than_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    works = make_works(60, 3)
    whole = index_of(works, 'LabelOracleRetriever', **GIVEN)
    monkeypatch.setattr('ssmr.retrievers.label_oracle.BLOCK', 7)
    blocked = index_of(works, 'LabelOracleRetriever', **GIVEN)
    assert (whole.references == blocked.references).all()
    assert (whole.similarities == blocked.similarities).all()


def test_missing_labels_are_refused() -> None:
    works = all_readable(make_works(30, 0))
    works['scores'][7] = np.nan
    with pytest.raises(DataError, match=f'{works["ids"][7]} has the label nan'):
        index_of(works, 'LabelOracleRetriever', **GIVEN)
    works['readable'][7] = False
    index_of(works, 'LabelOracleRetriever', **GIVEN)
    works['scores'] = None
    with pytest.raises(DataError, match='needs labels'):
        index_of(works, 'LabelOracleRetriever', **GIVEN)
