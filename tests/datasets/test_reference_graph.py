"""Gathering: a batch of row numbers becomes the graphs that the index and the bank describe."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ssmr.artifacts.reference_index import ReferenceIndex
from ssmr.datasets.reference_graph import GraphGather, RowDataset

N, D, K = 12, 4, 5
RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(N, D)).astype(np.float32)
SCORES = RNG.uniform(0, 10, N)
QUERIES = np.array([0, 2, 3, 7, 11])
INDEX = ReferenceIndex(
    tuple(map(str, range(N))),
    QUERIES,
    np.stack([RNG.permutation([i for i in range(N) if i != q])[:K] for q in QUERIES]),
    -np.sort(RNG.random((len(QUERIES), K)).astype(np.float32), axis=1),
)


@pytest.mark.parametrize('k', [1, 3, K])
def test_a_batch_is_what_a_loop_over_its_rows_gives(k: int) -> None:
    rows = [7, 0, 11, 7]
    graph = GraphGather([FEATURES], INDEX, SCORES, k)(torch.tensor(rows))['graph']
    assert graph.nodes.shape == (4, 1 + k, D) and graph.mask is None
    for b, row in enumerate(rows):
        references = INDEX.references[QUERIES.tolist().index(row)][:k]
        np.testing.assert_array_equal(graph.nodes[b, 0], FEATURES[row])
        np.testing.assert_array_equal(graph.nodes[b, 1:], FEATURES[references])
        np.testing.assert_array_equal(graph.similarities[b], INDEX.similarities[QUERIES.tolist().index(row)][:k])
        np.testing.assert_array_equal(graph.reference_scores[b], SCORES[references].astype(np.float32))
    np.testing.assert_array_equal(graph.scores, SCORES[rows].astype(np.float32))
    assert graph.rows.tolist() == rows


@pytest.mark.parametrize('row', [1, 10])
def test_a_work_without_references_cannot_be_gathered(row: int) -> None:
    with pytest.raises(IndexError):
        GraphGather([FEATURES], INDEX, SCORES, K)(torch.tensor([0, row]))


def test_nothing_of_it_enters_a_checkpoint() -> None:
    assert GraphGather([FEATURES], INDEX, SCORES, K).state_dict() == {}


def test_it_shares_the_memory_of_the_bank() -> None:
    read_only = FEATURES.copy()
    read_only.flags.writeable = False
    gather = GraphGather([read_only], INDEX, SCORES, K)
    assert gather.features_0.data_ptr() == read_only.ctypes.data


def test_it_moves_with_the_model() -> None:
    gather = GraphGather([FEATURES], INDEX, SCORES, K).to('meta')
    assert {b.device.type for b in gather.buffers()} == {'meta'}


def test_the_dataset_is_its_rows() -> None:
    dataset = RowDataset(QUERIES)
    assert [dataset[i] for i in range(len(dataset))] == QUERIES.tolist()
    assert type(dataset[0]) is int
