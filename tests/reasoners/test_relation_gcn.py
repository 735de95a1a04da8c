"""The relation GCN: the layer against NumPy, the size of the released network, and relations that start from edges."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from reasoner_cases import array, draw, make, wake
from torch import nn

from ssmr.reasoners.base import NodeLinear
from ssmr.reasoners.relation_gcn import RelationGCN, RelationLayer
from ssmr.registry import MODELS


def batch_norm(x: np.ndarray, norm: nn.BatchNorm1d) -> np.ndarray:
    mean, var, w, b = (array(p) for p in (norm.running_mean, norm.running_var, norm.weight, norm.bias))
    return (x - mean) / np.sqrt(var + norm.eps) * w + b


def relation_layer(layer: RelationLayer, graph: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Written from the formula for one graph [N, D], node by node, with theta, phi and g apart."""
    n, d = graph.shape
    projected = graph @ array(layer.theta_phi_g.weight).T + array(layer.theta_phi_g.bias)
    if layer.norm is not None:
        projected = np.maximum(batch_norm(projected, layer.norm), 0)
    theta, phi, g = projected[:, :d], projected[:, d : 2 * d], projected[:, 2 * d :]
    relation = np.array([[(theta[i] @ phi[j] + prior[i, j]) / n for j in range(n)] for i in range(n)])
    message = np.array([sum(relation[i, j] * g[j] for j in range(n)) for i in range(n)])
    out = message @ array(layer.out.weight).T + array(layer.out.bias)
    return batch_norm(out, layer.out_norm) + graph


@pytest.mark.parametrize('variant', ['ssmr', 'vsrn'])
def test_relation_layer_equals_an_independent_numpy_computation(variant: str) -> None:
    torch.manual_seed(2)
    layer = RelationLayer(5, variant).eval()
    wake(layer)
    v = torch.randn(2, 4, 5)
    expected = [relation_layer(layer, graph, np.zeros((4, 4))) for graph in array(v)]
    np.testing.assert_allclose(layer(v).detach().numpy(), expected, atol=2e-5)
    assert variant == 'vsrn' or (layer.relation(v)[0] >= 0).all()


def test_relations_start_from_the_similarities_of_each_reference() -> None:
    """alpha A / N is added, A a star of the clipped similarities with self loops, over the nodes that exist."""
    reasoner = make('RelationGCN', 'query', edge_init='similarity', depth=1).eval()
    layer: RelationLayer = reasoner.layers[0]
    nn.init.constant_(layer.alpha, -1.7)
    nodes, similarities, mask = draw([5, 3, 1])
    similarities[0, 1] = -0.4
    out = reasoner(nodes, similarities, mask)
    for b, n in enumerate([5, 3, 1]):
        star = np.eye(n)
        for j in range(1, n):
            star[0, j] = star[j, 0] = max(float(similarities[b, j - 1]), 0.0)
        projected = array(nodes[b, :n]) @ array(reasoner.project.weight).T + array(reasoner.project.bias)
        projected = np.maximum(batch_norm(projected, reasoner.project_norm), 0)
        expected = relation_layer(layer, projected, -1.7 * star)[0]
        np.testing.assert_allclose(out[b].detach().numpy(), expected, atol=2e-5)


@pytest.mark.parametrize('prior', [False, True])
@pytest.mark.parametrize('variant', ['ssmr', 'vsrn'])
def test_a_fresh_layer_is_the_identity_and_can_leave_it(variant: str, prior: bool) -> None:
    layer = RelationLayer(6, variant, prior)
    v, adjacency = torch.randn(3, 5, 6), torch.rand(3, 5, 5)
    torch.testing.assert_close(layer(v, None, adjacency), v)
    layer(v, None, adjacency).pow(2).sum().backward()
    assert layer.out_norm.weight.grad.abs().sum() > 0


def test_the_weight_of_the_similarities_starts_at_one_and_is_learned() -> None:
    alphas = {n: p for n, p in RelationGCN(6, 4, 8, 2, edge_init='similarity').named_parameters() if 'alpha' in n}
    assert {n: p.item() for n, p in alphas.items()} == {'layers.0.alpha': 1.0, 'layers.1.alpha': 1.0}
    reasoner = make('RelationGCN', edge_init='similarity')
    reasoner(*draw([5, 5, 5])[:2]).pow(2).sum().backward()
    assert all(layer.alpha.grad.abs() > 0 for layer in reasoner.layers)


def released(**reasoner: object) -> nn.Module:
    return MODELS.build({
        'type': 'MultiReferenceAssessor', 'in_dim': 1024, 'num_references': 4,
        'reasoner': {'type': 'RelationGCN', **reasoner}, 'head': {'type': 'ScoreHead'},
    })  # fmt: skip


def test_the_canonical_network_has_the_size_of_the_released_one() -> None:
    def parts(d: int, k: int, layers: int) -> int:  # counted by hand from the description of the network
        linear, norm = d * d + d, 2 * d
        return (linear + norm) + layers * (4 * linear + 4 * norm) + (1 + k) * d + 1

    assert sum(p.numel() for p in released().parameters()) == parts(1024, 4, 6) == 26_296_321
    assert sum(p.numel() for p in released(edge_init='similarity').parameters()) == 26_296_321 + 6


def test_weights_keep_their_names_and_a_seed_its_network() -> None:
    """Checkpoints and seeds outlive a rearrangement of the code."""
    norm = ['weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked']
    linear = ['weight', 'bias']
    layer = [
        *[f'theta_phi_g.{n}' for n in linear], *[f'norm.{n}' for n in norm], *[f'out.{n}' for n in linear],
        *[f'out_norm.{n}' for n in norm],
    ]  # fmt: skip
    torch.manual_seed(11)
    state = RelationGCN(6, 4, dim=8, depth=2).state_dict()
    assert list(state) == [
        *[f'project.{n}' for n in linear], *[f'project_norm.{n}' for n in norm],
        *[f'layers.{i}.{n}' for i in range(2) for n in layer],
    ]  # fmt: skip
    torch.manual_seed(11)
    for name, module in [('project', nn.Linear(6, 8))] + [
        (f'layers.{i}.{n}', nn.Linear(8, m)) for i in range(2) for n, m in (('theta_phi_g', 24), ('out', 8))
    ]:
        for key, value in module.state_dict().items():
            assert torch.equal(state[f'{name}.{key}'], value), name


@pytest.mark.parametrize('graphs', [1, 6, 7, 40])
def test_few_nodes_and_many_are_mapped_alike(graphs: int) -> None:
    torch.manual_seed(0)
    linear, nodes = NodeLinear(24, 9), torch.randn(graphs, 5, 24)
    with torch.inference_mode():
        mapped = linear(nodes)
    assert mapped.shape == (graphs, 5, 9)
    np.testing.assert_allclose(mapped, array(nodes) @ array(linear.weight).T + array(linear.bias), atol=1e-5)


def test_a_few_nodes_have_gradients() -> None:
    torch.manual_seed(0)
    linear, nodes = NodeLinear(24, 9), torch.randn(1, 5, 24, requires_grad=True)
    linear(nodes).sum().backward()
    np.testing.assert_allclose(array(linear.weight.grad), np.tile(array(nodes).sum(axis=(0, 1)), (9, 1)), rtol=1e-5)
