"""What every registered reasoner must do: shapes, gradients, masks, order, and refusing what it cannot use."""

from __future__ import annotations

import inspect

import pytest
import torch
from reasoner_cases import CASES, REGISTERED, case_name, draw, make

from ssmr.errors import ConfigError
from ssmr.reasoners.base import READOUTS
from ssmr.registry import MODELS, REASONERS

INVARIANT = ['query', 'mean', 'attention']
each_case = pytest.mark.parametrize('case', CASES, ids=case_name)


def expected_shape(readout: str, out_dim: int) -> tuple[int, ...]:
    return (3, 4, out_dim) if readout == 'pairs' else (3, out_dim)


@each_case
@pytest.mark.parametrize('readout', READOUTS)
def test_shapes_and_gradients(case: tuple, readout: str) -> None:
    reasoner = make(case[0], readout, **case[1])
    nodes, similarities, _ = draw([5, 5, 5])
    nodes.requires_grad_()
    out = reasoner(nodes, similarities)
    assert out.shape == expected_shape(readout, reasoner.out_dim)
    out.pow(2).sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in reasoner.parameters())
    reaches_references = bool(nodes.grad[:, 1:].abs().sum() > 0)
    assert reaches_references == reasoner.sees_references == (case[0] != 'NoReference')


@each_case
@pytest.mark.parametrize('readout', READOUTS)
@pytest.mark.parametrize('training', [True, False])
def test_masked_nodes_change_nothing(case: tuple, readout: str, training: bool) -> None:
    """Neither in use nor while training, where batch statistics could carry them."""
    reasoner = make(case[0], readout, **case[1]).train(training)
    nodes, similarities, mask = draw([5, 3, 1])
    out = reasoner(nodes, similarities, mask)
    noise = torch.where(mask[..., None], nodes, 1e3 * torch.randn_like(nodes))
    noisy = torch.where(mask[:, 1:], similarities, 1e3 * torch.randn_like(similarities))
    torch.testing.assert_close(reasoner(noise, noisy, mask), out)
    everything = torch.ones_like(mask)
    torch.testing.assert_close(reasoner(nodes, similarities, everything), reasoner(nodes, similarities))


@each_case
@pytest.mark.parametrize('readout', READOUTS)
@pytest.mark.parametrize('sizes', [[5, 1, 3], [1, 1, 1]])
def test_a_query_without_references_is_fine(case: tuple, readout: str, sizes: list[int]) -> None:
    reasoner = make(case[0], readout, **case[1])
    nodes, similarities, mask = draw(sizes)
    nodes.requires_grad_()
    out = reasoner(nodes, similarities, mask)
    assert out.shape == expected_shape(readout, reasoner.out_dim) and torch.isfinite(out).all()
    out.pow(2).sum().backward()
    assert torch.isfinite(nodes.grad).all() and (nodes.grad[~mask] == 0).all()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in reasoner.parameters())


@each_case
@pytest.mark.parametrize('readout', INVARIANT)
def test_a_graph_with_masked_nodes_equals_the_smaller_graph(case: tuple, readout: str) -> None:
    small, large = (make(case[0], readout, k, **case[1]).eval() for k in (2, 4))
    large.load_state_dict(small.state_dict())
    nodes, similarities, mask = draw([3, 3])
    torch.testing.assert_close(large(nodes, similarities, mask), small(nodes[:, :3], similarities[:, :2]))


@each_case
@pytest.mark.parametrize('readout', [*INVARIANT, 'pairs'])
def test_the_order_of_the_references_does_not_matter(case: tuple, readout: str) -> None:
    """Read-outs are the same in any order, those in pairs come in the new one; 'flatten' promises nothing."""
    reasoner = make(case[0], readout, **case[1]).eval()
    nodes, similarities, mask = draw([5, 4, 2])
    order = torch.tensor([2, 0, 3, 1])
    everywhere = torch.tensor([0, 3, 1, 4, 2])
    out = reasoner(nodes, similarities, mask)
    shuffled = reasoner(nodes[:, everywhere], similarities[:, order], mask[:, everywhere])
    torch.testing.assert_close(shuffled, out[:, order] if readout == 'pairs' else out)


def test_flatten_does_depend_on_the_order() -> None:
    reasoner = make('RelationGCN', 'flatten').eval()
    nodes, similarities, _ = draw([5, 5, 5])
    assert not torch.allclose(reasoner(nodes.flip(1), similarities), reasoner(nodes, similarities), atol=1e-3)


@pytest.mark.parametrize('name', [n for n in REGISTERED if n != 'NoReference'])
def test_dropout_is_on_while_training_alone(name: str) -> None:
    """On the reasoned nodes and nowhere before: what is kept is what there was, twice."""
    dropping, plain = make(name, dropout=0.5), make(name)
    graph = draw([5, 5, 5])[:2]
    out = plain(*graph)
    dropped = dropping(*graph)
    kept = dropped != 0
    assert 0 < kept.sum() < (out != 0).sum()
    torch.testing.assert_close(dropped[kept], 2 * out[kept])
    torch.testing.assert_close(dropping.eval()(*graph), plain.eval()(*graph))


@pytest.mark.parametrize('name', [n for n in REGISTERED if n != 'NoReference'])
@pytest.mark.parametrize('readout', ['flatten', 'attention'])
def test_no_reference_has_exactly_the_parameters_of_what_it_controls(name: str, readout: str) -> None:
    inner = {'type': name, 'dim': 32, 'depth': 3, 'readout': readout}
    models = [
        MODELS.build({
            'type': 'MultiReferenceAssessor', 'in_dim': 12, 'num_references': 4, 'reasoner': reasoner,
            'head': {'type': 'ScoreHead'},
        })
        for reasoner in (inner, {'type': 'NoReference', 'reasoner': inner})
    ]  # fmt: skip
    shapes = [sorted(tuple(p.shape) for p in m.parameters()) for m in models]
    assert shapes[0] == shapes[1]


#: Values that no reasoner takes, by keyword; in_dim, dim and so on mean the same to all.
BAD: dict[str, list[object]] = {
    'in_dim': [0, -1, 2.5, '8', True],
    'num_references': [-1, 1.5],
    'dim': [0, -8, 8.0, '8'],
    'depth': [0, -1, 1.5, True],
    'readout': ['max', '', None],
    'dropout': [-0.1, 1.0, float('nan'), '0.5', True],
    'variant': ['gcn', None],
    'edge_init': ['cosine', True],
    'edges': ['knn', None],
    'threshold': [-0.1, float('nan'), float('inf'), '0.5', None],
    'kernel': ['native', None],
    'residual': [1, 'yes'],
    'heads': [0, 3, -4, 2.0],
    'edge_similarity': [0, 'similarity'],
    'reasoner': [None, 'GCN', {'dim': 8}, {'type': 'GNN'}],
}
KEYWORDS = [(name, key) for name in REGISTERED for key in inspect.signature(REASONERS.get(name)).parameters]


@pytest.mark.parametrize(('name', 'keyword'), KEYWORDS)
def test_a_bad_value_of_any_keyword_is_refused_by_name(name: str, keyword: str) -> None:
    assert keyword in BAD, 'a new keyword: say here which values it must refuse'
    good = {'reasoner': {'type': 'MeanPool', 'dim': 8}} if name == 'NoReference' else {'dim': 8}
    for value in BAD[keyword]:
        with pytest.raises(ConfigError, match=r'not in the reasoner registry|reasoner\.' + keyword) as error:
            REASONERS.build({'type': name, 'in_dim': 6, 'num_references': 4, **good, keyword: value})
        assert error.value.fix
