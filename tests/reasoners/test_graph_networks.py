"""GCN and GAT against torch-geometric with shared weights, and their sparse kernels against the dense ones."""

from __future__ import annotations

import pytest
import torch
from reasoner_cases import BACKENDS, DIM, draw, make, running_on
from torch import Tensor, nn
from torch_geometric.nn import DenseGCNConv, GATv2Conv, GCNConv

from ssmr.reasoners.adjacency import full, star, symmetric_normalised
from ssmr.reasoners.gat import GATLayer
from ssmr.reasoners.gcn import GCNLayer
from ssmr.reasoners.message_passing import edge_list

SIZES = [5, 3, 1, 4]


def hidden(edges: str) -> tuple[Tensor, Tensor, Tensor]:
    """Nodes [B, N, DIM], adjacency and mask."""
    nodes, similarities, mask = draw(SIZES)
    adjacency = star(similarities, mask) if edges == 'star' else full(nodes, similarities, mask)
    return torch.randn(len(SIZES), 5, DIM), adjacency, mask


def geometric_edges(adjacency: Tensor) -> tuple[Tensor, Tensor]:
    """Of one graph, as torch-geometric has them: (source, target) [2, E] and weights [E], self loops included."""
    pairs = [(j, i) for i in range(len(adjacency)) for j in range(len(adjacency)) if adjacency[i, j] > 0]
    return torch.tensor(pairs).T, torch.stack([adjacency[i, j] for j, i in pairs])


def geometric_gcn(layer: GCNLayer) -> GCNConv:
    """torch-geometric's layer with the same weights."""
    other = GCNConv(DIM, DIM)
    other.load_state_dict({'lin.weight': layer.linear.weight, 'bias': layer.bias})
    return other


def geometric_gat(layer: GATLayer) -> GATv2Conv:
    """torch-geometric's layer with the same weights."""
    edge = {} if layer.edge is None else {'lin_edge.weight': layer.edge.weight}
    other = GATv2Conv(DIM, DIM // layer.heads, layer.heads, add_self_loops=False, edge_dim=1 if edge else None)
    other.load_state_dict({
        'att': layer.attention[None], 'bias': layer.bias, **edge,
        'lin_l.weight': layer.source.weight, 'lin_l.bias': layer.source.bias,
        'lin_r.weight': layer.target.weight, 'lin_r.bias': layer.target.bias,
    })  # fmt: skip
    return other


@pytest.mark.parametrize('edges', ['star', 'full'])
def test_a_gcn_layer_equals_torch_geometrics(edges: str) -> None:
    torch.manual_seed(0)
    layer = GCNLayer(DIM)
    nn.init.normal_(layer.bias)
    other = geometric_gcn(layer)
    nodes, adjacency, _ = hidden(edges)
    out = layer(nodes, symmetric_normalised(adjacency))
    for b, n in enumerate(SIZES):
        expected = torch.relu(other(nodes[b, :n], *geometric_edges(adjacency[b, :n, :n])))
        torch.testing.assert_close(out[b, :n], expected, atol=1e-5, rtol=1e-5)


def test_a_gcn_layer_equals_torch_geometrics_dense_one() -> None:
    torch.manual_seed(0)
    layer, other = GCNLayer(DIM), DenseGCNConv(DIM, DIM)
    nn.init.normal_(layer.bias)
    other.load_state_dict({'lin.weight': layer.linear.weight, 'bias': layer.bias})
    nodes, adjacency, mask = hidden('full')
    expected = torch.relu(other(nodes, adjacency, add_loop=False))
    out = layer(nodes, symmetric_normalised(adjacency))
    torch.testing.assert_close(out[mask], expected[mask], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('edges', ['star', 'full'])
@pytest.mark.parametrize('name', ['GCN', 'GAT'])
def test_a_whole_network_is_torch_geometrics_layers_on_the_projected_nodes(name: str, edges: str) -> None:
    """The graph of the untouched inputs, normalised where it must be, at every layer; residuals around each."""
    reasoner = make(name, 'query', edges=edges, residual=True).eval()
    nodes, similarities, mask = draw(SIZES)
    adjacency = star(similarities, mask) if edges == 'star' else full(nodes, similarities, mask)
    out = reasoner(nodes, similarities, mask)
    for b, n in enumerate(SIZES):
        index, weights = geometric_edges(adjacency[b, :n, :n])
        h = torch.relu(reasoner.project_norm(reasoner.project(nodes[b : b + 1, :n])))[0]
        for layer in reasoner.layers:
            if name == 'GCN':
                h = h + torch.relu(geometric_gcn(layer)(h, index, weights))
            else:
                h = h + nn.functional.elu(geometric_gat(layer)(h, index, weights[:, None]))
        torch.testing.assert_close(out[b], h[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('edges', ['star', 'full'])
@pytest.mark.parametrize('similarity', [True, False])
@pytest.mark.parametrize('heads', [1, 4])
def test_a_gat_layer_equals_torch_geometrics(edges: str, similarity: bool, heads: int) -> None:
    torch.manual_seed(0)
    layer = GATLayer(DIM, heads, similarity)
    nn.init.normal_(layer.bias)
    other = geometric_gat(layer)
    nodes, adjacency, _ = hidden(edges)
    out = layer(nodes, adjacency)
    for b, n in enumerate(SIZES):
        index, weights = geometric_edges(adjacency[b, :n, :n])
        expected = other(nodes[b, :n], index, weights[:, None] if similarity else None)
        torch.testing.assert_close(out[b, :n], nn.functional.elu(expected), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('masked', [True, False])
@pytest.mark.parametrize('options', [{}, {'residual': True, 'threshold': 0.3}])
@pytest.mark.parametrize('edges', ['star', 'full'])
@pytest.mark.parametrize('name', ['GCN', 'GAT'])
def test_sparse_results_and_gradients_equal_the_dense_ones(
    name: str, edges: str, options: dict, masked: bool, backend: str
) -> None:
    results = []
    for kernel in ('dense', 'sparse'):
        reasoner = make(name, edges=edges, kernel=kernel, **options)
        nodes, similarities, mask = draw(SIZES)
        nodes.requires_grad_(), similarities.requires_grad_()
        with running_on(backend):
            out = reasoner(nodes, similarities, mask if masked else None)
            out.pow(2).mean().backward()
        gradients = {n: p.grad for n, p in reasoner.named_parameters()}
        results.append({'out': out, 'nodes': nodes.grad, 'similarities': similarities.grad, **gradients})
    dense, sparse = results
    assert dense['similarities'].abs().sum() > 0
    for key, value in dense.items():
        torch.testing.assert_close(sparse[key], value, atol=1e-5, rtol=1e-5, msg=lambda text, key=key: f'{key}: {text}')


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('layer', [GCNLayer(4), GATLayer(4, 2)], ids=['GCN', 'GAT'])
def test_layers_have_exact_gradients_in_double_precision(layer: nn.Module, backend: str) -> None:
    torch.manual_seed(4)
    mask = torch.tensor([[True, True, True], [True, True, False]])
    adjacency = (torch.rand(2, 3, 3, dtype=torch.float64) + 0.1) * mask[:, :, None] * mask[:, None, :]
    nodes = torch.randn(2, 3, 4, dtype=torch.float64)
    layer = layer.double()
    edges = edge_list(adjacency, mask)
    weight, packed = edges.weight.clone().requires_grad_(), nodes[mask].clone().requires_grad_()
    with running_on(backend):
        assert torch.autograd.gradcheck(lambda n, w: layer(n, edges._replace(weight=w)), (packed, weight))
    assert torch.autograd.gradcheck(lambda n: layer(n, adjacency)[mask], (nodes.requires_grad_(),))


@pytest.mark.parametrize('name', ['GCN', 'GAT'])
@pytest.mark.parametrize('kernel', ['dense', 'sparse'])
def test_a_reference_below_the_threshold_is_not_heard(name: str, kernel: str) -> None:
    reasoner = make(name, 'query', threshold=0.5, kernel=kernel).eval()
    nodes = torch.randn(1, 5, 6)
    similarities = torch.tensor([[0.9, 0.6, 0.4, 0.1]])
    changed = [nodes.clone() for _ in range(2)]
    changed[0][:, 3:] += 1  # below
    changed[1][:, 2] += 1  # above
    out = reasoner(nodes, similarities)
    assert torch.equal(reasoner(changed[0], similarities), out)
    assert not torch.allclose(reasoner(changed[1], similarities), out)


@pytest.mark.parametrize('name', ['GCN', 'GAT'])
def test_in_a_star_references_hear_each_other_through_the_query_alone(name: str) -> None:
    """One layer: a reference's node follows another reference in a full graph only."""
    similarities = torch.full((1, 2), 0.5)
    nodes = torch.tensor([[[1.0, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0], [1, 2, 0, 0, 0, 0]]])
    other = nodes.clone()
    other[0, 2, 2] = 1
    for edges, hears in (('star', False), ('full', True)):
        reasoner = make(name, 'pairs', k=2, depth=1, edges=edges).eval()
        first, second = (reasoner.reason(n, similarities, None)[0, 1] for n in (nodes, other))
        assert torch.allclose(first, second, atol=1e-6) != hears


def test_attention_sees_the_similarity_and_can_be_told_not_to() -> None:
    nodes = draw([5])[0]
    low, high = torch.full((1, 4), 0.2), torch.tensor([[0.9, 0.2, 0.2, 0.2]])
    for sees in (True, False):
        reasoner = make('GAT', 'query', edge_similarity=sees).eval()
        assert torch.allclose(reasoner(nodes, low), reasoner(nodes, high), atol=1e-6) != sees


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('name', ['GCN', 'GAT'])
@pytest.mark.parametrize('kernel', ['dense', 'sparse'])
def test_mixed_precision_runs_and_stays_close(name: str, kernel: str, backend: str) -> None:
    reasoner = make(name, edges='full', kernel=kernel)
    graph = draw(SIZES)
    with running_on(backend):
        exact = reasoner(*graph)
        with torch.autocast('cpu', dtype=torch.bfloat16):
            out = reasoner(*graph)
        out.float().sum().backward()
    torch.testing.assert_close(out.float(), exact, atol=0.15, rtol=0.1)
    assert all(torch.isfinite(p.grad).all() for p in reasoner.parameters())
