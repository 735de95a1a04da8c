"""Gathering: a batch of row numbers becomes the graphs that the index and the bank describe."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ssmr.artifacts.reference_index import ReferenceIndex
from ssmr.datasets.reference_graph import GraphGather, RowDataset
from ssmr.errors import DataError, ImageError

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


OTHER = RNG.normal(size=(N, 3)).astype(np.float32)
ROWS = torch.tensor([7, 0, 11])


def test_several_views_lie_side_by_side() -> None:
    one, two, both = (
        GraphGather(views, INDEX, SCORES, K)(ROWS)['graph'].nodes for views in ([FEATURES], [OTHER], [FEATURES, OTHER])
    )
    assert both.shape == (3, 1 + K, D + 3)
    torch.testing.assert_close(both, torch.cat([one, two], dim=-1), rtol=0, atol=0)


@pytest.mark.parametrize('k', [1, K])
@pytest.mark.parametrize('threshold', [-2.0, 0.5, 2.0])
def test_references_below_the_threshold_are_masked(k: int, threshold: float) -> None:
    graph = GraphGather([FEATURES], INDEX, SCORES, k, min_similarity=threshold)(ROWS)['graph']
    assert graph.mask.dtype == torch.bool and graph.mask.shape == (3, 1 + k)
    for b, row in enumerate(ROWS.tolist()):
        similarities = INDEX.similarities[QUERIES.tolist().index(row)][:k]
        assert graph.mask[b].tolist() == [True, *(s >= threshold for s in similarities.tolist())]
    assert graph.nodes.shape == (3, 1 + k, D), 'masked nodes keep their place'


def test_a_reference_at_the_threshold_stays() -> None:
    threshold = float(INDEX.similarities[0, 1])
    graph = GraphGather([FEATURES], INDEX, SCORES, 3, min_similarity=threshold)(torch.tensor([0]))['graph']
    assert graph.mask.tolist() == [[True, True, True, False]]


@pytest.mark.parametrize('views', [[FEATURES], [FEATURES, OTHER]])
def test_standardised_nodes_have_mean_0_and_deviation_1_over_the_training_rows(views: list[np.ndarray]) -> None:
    from sklearn.preprocessing import StandardScaler

    training = np.array([0, 2, 3, 5, 8])
    bank = np.concatenate(views, axis=1)
    gather = GraphGather(views, INDEX, SCORES, K, training=training)
    nodes = gather.nodes(torch.from_numpy(training)).numpy()
    np.testing.assert_allclose(nodes.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(nodes.std(axis=0), 1, rtol=1e-5)
    scaler = StandardScaler().fit(bank[training].astype(np.float64))
    found = gather(ROWS)['graph'].nodes
    for b, row in enumerate(ROWS.tolist()):
        members = [row, *INDEX.references[QUERIES.tolist().index(row)]]
        np.testing.assert_allclose(found[b], scaler.transform(bank[members].astype(np.float64)), atol=1e-5)
    assert gather.state_dict() == {}, 'fitted anew from the bank, never from a checkpoint'


def test_a_constant_feature_does_not_become_infinite() -> None:
    bank = FEATURES.copy()
    bank[:, 1] = 7.0
    nodes = GraphGather([bank], INDEX, SCORES, K, training=np.arange(N))(ROWS)['graph'].nodes
    assert torch.isfinite(nodes).all() and (nodes[..., 1] == 0).all()


def test_distributions_of_the_queries_come_along_where_there_are_any() -> None:
    votes = RNG.dirichlet(np.ones(10), N)
    graph = GraphGather([FEATURES], INDEX, SCORES, K, distributions=votes)(ROWS)['graph']
    np.testing.assert_array_equal(graph.distributions, votes[ROWS].astype(np.float32))
    assert GraphGather([FEATURES], INDEX, SCORES, K)(ROWS)['graph'].distributions is None


def test_pictures_of_a_batch_are_attached() -> None:
    images = torch.randn(3, 2, 3, 4, 4)
    gather = GraphGather([FEATURES], INDEX, SCORES, K)
    graph = gather([ROWS, images])['graph']
    assert torch.equal(graph.images, images) and torch.equal(graph.require_images(), images)
    assert torch.equal(graph.nodes, gather(ROWS)['graph'].nodes)
    with pytest.raises(DataError, match='its batch holds none'):
        gather(ROWS)['graph'].require_images()


def test_an_error_of_a_worker_is_raised_where_it_can_be_seen() -> None:
    error = ImageError('a.png is empty', 'download it again')
    with pytest.raises(ImageError) as caught:
        GraphGather([FEATURES], INDEX, SCORES, K)(error)
    assert caught.value is error
