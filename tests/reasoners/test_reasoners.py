"""Every registered reasoner for shapes, gradients and masking; the relation layer against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ssmr.errors import ConfigError
from ssmr.reasoners.relation_gcn import RelationLayer
from ssmr.registry import MODELS, REASONERS

REASONERS.import_from_location()
NEEDED = {'NoReference': {'reasoner': {'type': 'RelationGCN', 'dim': 8, 'depth': 2}}}
REGISTERED = sorted(REASONERS.module_dict)


def make(name: str, readout: str = 'flatten', k: int = 4, **options: object) -> torch.nn.Module:
    if name == 'NoReference':
        options = {'reasoner': {'type': 'RelationGCN', 'dim': 8, 'depth': 2, 'readout': readout}}
    elif name == 'RelationGCN':
        options = {'dim': 8, 'depth': 2, 'readout': readout, **options}
    else:
        options = {'readout': readout, **options}
    return REASONERS.build({'type': name, 'in_dim': 6, 'num_references': k, **options})


def wake(module: torch.nn.Module) -> None:
    """Relation layers start as the identity; give them something to say."""
    torch.manual_seed(7)
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm1d):
            torch.nn.init.normal_(layer.weight, 1.0, 0.2)
            torch.nn.init.normal_(layer.bias, 0.0, 0.2)
            layer.running_mean.normal_(0, 0.2)
            layer.running_var.uniform_(0.5, 1.5)


@pytest.fixture
def graph() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(3, 5, 6), torch.rand(3, 4)


@pytest.mark.parametrize('name', REGISTERED)
@pytest.mark.parametrize('readout', ['flatten', 'query', 'mean'])
def test_shapes_and_gradients(name: str, readout: str, graph: tuple) -> None:
    reasoner = make(name, readout)
    wake(reasoner)
    nodes = graph[0].clone().requires_grad_()
    out = reasoner(nodes, graph[1])
    assert out.shape == (3, reasoner.out_dim)
    out.pow(2).sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in reasoner.parameters())
    reaches_references = bool(nodes.grad[:, 1:].abs().sum() > 0)
    assert reaches_references == (name != 'NoReference')


@pytest.mark.parametrize('name', REGISTERED)
@pytest.mark.parametrize('readout', ['flatten', 'query', 'mean'])
def test_masked_nodes_change_nothing(name: str, readout: str, graph: tuple) -> None:
    reasoner = make(name, readout).eval()
    wake(reasoner)
    mask = torch.tensor([[True] * 5, [True, True, True, False, False], [True, False, False, False, False]])
    nodes, similarities = graph
    out = reasoner(nodes, similarities, mask)
    noise = torch.where(mask[..., None], nodes, 1e3 * torch.randn_like(nodes))
    torch.testing.assert_close(reasoner(noise, similarities, mask), out)
    torch.testing.assert_close(reasoner(nodes, similarities, torch.ones_like(mask)), reasoner(nodes, similarities))


def test_a_graph_with_masked_nodes_equals_the_smaller_graph() -> None:
    torch.manual_seed(1)
    small, large = make('RelationGCN', 'query', k=2).eval(), make('RelationGCN', 'query', k=4).eval()
    wake(small)
    large.load_state_dict(small.state_dict())
    nodes = torch.randn(2, 5, 6)
    mask = torch.tensor([[True, True, True, False, False]] * 2)
    torch.testing.assert_close(large(nodes, torch.rand(2, 4), mask), small(nodes[:, :3], torch.rand(2, 2)))


@pytest.mark.parametrize('name', REGISTERED)
@pytest.mark.parametrize('readout', ['query', 'mean'])
def test_the_order_of_the_references_does_not_matter_to_invariant_readouts(
    name: str, readout: str, graph: tuple
) -> None:
    reasoner = make(name, readout).eval()
    wake(reasoner)
    nodes, similarities = graph
    order = torch.tensor([2, 0, 3, 1])
    shuffled = torch.cat([nodes[:, :1], nodes[:, 1:][:, order]], dim=1)
    torch.testing.assert_close(reasoner(shuffled, similarities[:, order]), reasoner(nodes, similarities))


def test_flatten_does_depend_on_the_order(graph: tuple) -> None:
    reasoner = make('RelationGCN', 'flatten').eval()
    wake(reasoner)
    assert not torch.allclose(reasoner(graph[0].flip(1), graph[1]), reasoner(*graph), atol=1e-3)


def batch_norm(x: np.ndarray, norm: torch.nn.BatchNorm1d) -> np.ndarray:
    mean, var, w, b = (
        p.detach().double().numpy() for p in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    return (x - mean) / np.sqrt(var + norm.eps) * w + b


@pytest.mark.parametrize('variant', ['ssmr', 'vsrn'])
def test_relation_layer_equals_an_independent_numpy_computation(variant: str) -> None:
    """Written from the formula, node by node, with theta, phi and g apart."""
    torch.manual_seed(2)
    layer = RelationLayer(5, variant).eval()
    wake(layer)
    v = torch.randn(2, 4, 5)
    weights, biases = (
        layer.theta_phi_g.weight.detach().double().numpy(),
        layer.theta_phi_g.bias.detach().double().numpy(),
    )
    expected = np.empty((2, 4, 5))
    for b, graph in enumerate(v.double().numpy()):
        projected = graph @ weights.T + biases
        if variant == 'ssmr':
            projected = np.maximum(batch_norm(projected, layer.norm), 0)
        theta, phi, g = projected[:, :5], projected[:, 5:10], projected[:, 10:]
        relation = np.array([[theta[i] @ phi[j] / 4 for j in range(4)] for i in range(4)])
        message = np.array([sum(relation[i, j] * g[j] for j in range(4)) for i in range(4)])
        out = message @ layer.out.weight.detach().double().numpy().T + layer.out.bias.detach().double().numpy()
        expected[b] = batch_norm(out, layer.out_norm) + graph
    np.testing.assert_allclose(layer(v).detach().numpy(), expected, atol=2e-5)
    assert variant == 'vsrn' or (layer.relation(v)[0] >= 0).all()


@pytest.mark.parametrize('variant', ['ssmr', 'vsrn'])
def test_a_fresh_layer_is_the_identity_and_can_leave_it(variant: str) -> None:
    layer = RelationLayer(6, variant)
    v = torch.randn(3, 5, 6)
    torch.testing.assert_close(layer(v), v)
    layer(v).pow(2).sum().backward()
    assert layer.out_norm.weight.grad.abs().sum() > 0


def released(**reasoner: object) -> torch.nn.Module:
    return MODELS.build({
        'type': 'MultiReferenceAssessor', 'in_dim': 1024, 'num_references': 4,
        'reasoner': {'type': 'RelationGCN', **reasoner}, 'head': {'type': 'ScoreHead'},
    })  # fmt: skip


def test_the_canonical_network_has_the_size_of_the_released_one() -> None:
    def parts(d: int, k: int, layers: int) -> int:  # counted by hand from the description of the network
        linear, norm = d * d + d, 2 * d
        return (linear + norm) + layers * (4 * linear + 4 * norm) + (1 + k) * d + 1

    assert sum(p.numel() for p in released().parameters()) == parts(1024, 4, 6) == 26_296_321


def test_no_reference_has_exactly_the_parameters_of_what_it_controls() -> None:
    inner = {'type': 'RelationGCN', 'dim': 32, 'depth': 3}
    model = MODELS.build({
        'type': 'MultiReferenceAssessor', 'in_dim': 12, 'num_references': 4, 'reasoner': inner,
        'head': {'type': 'ScoreHead'},
    })  # fmt: skip
    control = MODELS.build({
        'type': 'MultiReferenceAssessor', 'in_dim': 12, 'num_references': 4,
        'reasoner': {'type': 'NoReference', 'reasoner': inner}, 'head': {'type': 'ScoreHead'},
    })  # fmt: skip
    shapes = [sorted(tuple(p.shape) for p in m.parameters()) for m in (model, control)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize('options', [{'readout': 'max'}, {'variant': 'gcn'}])
def test_unknown_options_are_refused(options: dict) -> None:
    with pytest.raises(ConfigError, match='use one of'):
        make('RelationGCN', **options)
