"""Kernels for ragged graphs on both backends against NumPy, and an extra that is only half there."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reasoner_cases import BACKENDS, array, make, require_extra, running_on

from ssmr.errors import ConfigError
from ssmr.reasoners import message_passing
from ssmr.reasoners.message_passing import EXTRA, edge_list, edge_softmax, pack, unpack, weighted_sum

on_both = pytest.mark.parametrize('name', BACKENDS)
#: Seed, nodes, targets, edges, width.
RAGGED = {
    'seed': st.integers(0, 999),
    'm': st.integers(1, 9),
    'size': st.integers(1, 9),
    'e': st.integers(0, 30),
    'd': st.integers(1, 5),
}


@on_both
@given(**RAGGED)
def test_weighted_sum_and_its_gradients_equal_numpy(name: str, seed: int, m: int, size: int, e: int, d: int) -> None:
    """Edges in any order, some of them twice; targets without edges."""
    rng = np.random.default_rng(seed)
    nodes, weight, upstream = rng.normal(size=(m, d)), rng.normal(size=e), rng.normal(size=(size, d))
    source, target = rng.integers(0, m, e), rng.integers(0, size, e)
    x, w = (torch.tensor(a, dtype=torch.float32, requires_grad=True) for a in (nodes, weight))
    with running_on(name):
        out = weighted_sum(x, w, torch.from_numpy(source), torch.from_numpy(target), size)
        out.backward(torch.from_numpy(upstream).float())
    expected, to_nodes, to_weight = np.zeros((size, d)), np.zeros((m, d)), np.zeros(e)
    for i, (s, t) in enumerate(zip(source, target, strict=True)):
        expected[t] += weight[i] * nodes[s]
        to_nodes[s] += weight[i] * upstream[t]
        to_weight[i] = nodes[s] @ upstream[t]
    np.testing.assert_allclose(array(out), expected, atol=1e-5)
    np.testing.assert_allclose(array(x.grad), to_nodes, atol=1e-5)
    np.testing.assert_allclose(array(w.grad), to_weight, atol=1e-5)


@on_both
@given(**RAGGED)
def test_edge_softmax_and_its_gradient_equal_numpy(name: str, seed: int, m: int, size: int, e: int, d: int) -> None:
    rng = np.random.default_rng(seed)
    logits, upstream, target = rng.normal(scale=9, size=(e, d)), rng.normal(size=(e, d)), rng.integers(0, size, e)
    x = torch.tensor(logits, dtype=torch.float32, requires_grad=True)
    with running_on(name):
        out = edge_softmax(x, torch.from_numpy(target), size)
        out.backward(torch.from_numpy(upstream).float())
    expected, gradient = np.zeros((e, d)), np.zeros((e, d))
    for t in set(target.tolist()):
        at = target == t
        powers = np.exp(logits[at] - logits[at].max(axis=0))
        p = expected[at] = powers / powers.sum(axis=0)
        gradient[at] = p * (upstream[at] - (p * upstream[at]).sum(axis=0))
    np.testing.assert_allclose(array(out), expected, atol=1e-5)
    np.testing.assert_allclose(array(x.grad), gradient, atol=1e-5)


@on_both
@pytest.mark.parametrize(
    ('m', 'size', 'e', 'd'), [(0, 0, 0, 4), (3, 0, 0, 4), (0, 3, 0, 4), (3, 3, 0, 4), (3, 3, 2, 0)]
)
def test_empty_graphs_give_zeros(name: str, m: int, size: int, e: int, d: int) -> None:
    nodes, weight = torch.randn(m, d, requires_grad=True), torch.randn(e, requires_grad=True)
    ends = torch.zeros(e, dtype=torch.long)
    with running_on(name):
        out = weighted_sum(nodes, weight, ends, ends, size)
        shares = edge_softmax(torch.randn(0, 2), torch.zeros(0, dtype=torch.long), size)
    out.sum().backward()
    assert out.shape == (size, d) and not out.any() and nodes.grad.shape == (m, d)
    assert shares.shape == (0, 2)


@on_both
def test_gradients_are_exact_in_double_precision(name: str) -> None:
    torch.manual_seed(0)
    source, target = torch.tensor([0, 2, 1, 1, 3]), torch.tensor([1, 0, 1, 3, 3])
    nodes, weight, logits = (torch.randn(*s, dtype=torch.float64, requires_grad=True) for s in ((4, 3), (5,), (5, 2)))
    with running_on(name):
        assert torch.autograd.gradcheck(lambda n, w: weighted_sum(n, w, source, target, 4), (nodes, weight))
        assert torch.autograd.gradcheck(lambda x: edge_softmax(x, target, 4), (logits,))


@on_both
def test_huge_logits_and_short_floats(name: str) -> None:
    target = torch.tensor([0, 0, 1])
    with running_on(name):
        assert edge_softmax(torch.tensor([[1e4], [-1e4], [-3e38]]), target, 2).squeeze(1).tolist() == [1, 0, 1]
        assert edge_softmax(torch.ones(3, 1, dtype=torch.bfloat16), target, 2).dtype == torch.float32
        nodes = torch.eye(2, dtype=torch.bfloat16)
        out = weighted_sum(nodes, torch.tensor([0.5, 0.25, 2.0]), torch.tensor([0, 1, 1]), target, 2)
    assert out.dtype == torch.bfloat16 and out.tolist() == [[0.5, 0.25], [0, 2]]


@given(seed=st.integers(0, 999), b=st.integers(0, 4), n=st.integers(1, 5), masked=st.booleans())
def test_edge_lists_hold_exactly_the_edges_between_existing_nodes(seed: int, b: int, n: int, masked: bool) -> None:
    rng = np.random.default_rng(seed)
    adjacency = rng.uniform(-1, 1, (b, n, n)) * (rng.random((b, n, n)) < 0.7)
    mask = rng.random((b, n)) < 0.6 if masked else np.ones((b, n), dtype=bool)
    edges = edge_list(torch.from_numpy(adjacency), torch.from_numpy(mask) if masked else None)
    number, expected = {}, {}
    for g, i in zip(*np.nonzero(mask), strict=True):
        number[g, i] = len(number)
    for g, i, j in zip(*np.nonzero(adjacency > 0), strict=True):
        if mask[g, i] and mask[g, j]:
            expected[number[g, j], number[g, i]] = adjacency[g, i, j]
    listed = zip(edges.source.tolist(), edges.target.tolist(), strict=True)
    assert dict(zip(listed, edges.weight.tolist(), strict=True)) == expected
    assert len(edges.source) == len(expected) and edges.size == len(number)
    assert (edges.target.diff() >= 0).all()


@pytest.mark.parametrize('masked', [False, True])
def test_packed_nodes_come_back_where_they_were(masked: bool) -> None:
    nodes = torch.randn(3, 4, 5)
    mask = torch.rand(3, 4) < 0.5 if masked else None
    back = unpack(pack(nodes, mask), nodes, mask)
    assert torch.equal(back, nodes if mask is None else nodes * mask[..., None])


@pytest.mark.parametrize('name', BACKENDS)
def test_a_matrix_product_over_packed_graphs(name: str) -> None:
    """What the layers do: the dense product, from the edge list."""
    torch.manual_seed(1)
    mask = torch.tensor([[True, True, False], [True, False, False], [True, True, True]])
    adjacency = torch.rand(3, 3, 3) * mask[:, :, None] * mask[:, None, :]
    adjacency.requires_grad_()
    nodes = torch.randn(3, 3, 4)
    edges = edge_list(adjacency, mask)
    with running_on(name):
        out = weighted_sum(pack(nodes, mask), edges.weight, edges.source, edges.target, edges.size)
    torch.testing.assert_close(unpack(out, nodes, mask), torch.bmm(adjacency, nodes))
    sparse = torch.autograd.grad(out.pow(2).sum(), adjacency)[0]
    dense = torch.autograd.grad(torch.bmm(adjacency, nodes).pow(2).sum(), adjacency)[0]
    torch.testing.assert_close(sparse, dense * (adjacency > 0), atol=1e-5, rtol=1e-5)


WHOLE = 'scatter_softmax = SparseTensor = matmul = print'


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Pretend that exactly the given packages are there, each with the given code."""

    def pretend(**packages: str) -> None:
        for name in EXTRA:
            for module in [m for m in sys.modules if m.split('.')[0] == name]:
                monkeypatch.delitem(sys.modules, module)
            if name in packages:
                (tmp_path / name).mkdir()
                (tmp_path / name / '__init__.py').write_text(packages[name])
            else:
                monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.syspath_prepend(str(tmp_path))
        importlib.invalidate_caches()
        message_passing.backend.cache_clear()

    yield pretend
    message_passing.backend.cache_clear()


def test_without_the_extra_the_kernels_are_native(installed) -> None:
    installed()
    assert message_passing.backend() == 'native'
    assert make('GCN', kernel='sparse').kernel == 'sparse'


def test_the_whole_extra_is_found_and_used(installed) -> None:
    installed(torch_scatter=WHOLE, torch_sparse=WHOLE)
    assert message_passing.backend() == 'torch-sparse'


def test_the_real_extra_is_used() -> None:
    require_extra()
    assert message_passing.backend() == 'torch-sparse'


@pytest.mark.parametrize(('there', 'missing'), [tuple(EXTRA), tuple(EXTRA)[::-1]])
def test_half_an_extra_is_an_error_that_names_the_other_half(installed, there: str, missing: str) -> None:
    installed(**{there: WHOLE})
    with pytest.raises(ConfigError, match=f'{missing} is not installed, but {there} is') as error:
        message_passing.backend()
    assert error.value.fix == "reinstall with pip install --no-build-isolation 'ssmr[sparse]' or remove both"


@pytest.mark.parametrize('broken', list(EXTRA))
@pytest.mark.parametrize(
    ('code', 'cause'),
    [
        ("raise OSError('undefined symbol: _ZN5torch3jit')", 'undefined symbol'),
        ("raise ImportError('Could not find module _version_cpu')", 'Could not find module _version_cpu'),
        ("raise RuntimeError('compiled with different CUDA versions')", 'different CUDA versions'),
        ('import a_package_that_nobody_has', 'a_package_that_nobody_has'),
        ('', 'has no attribute'),
    ],
)
def test_an_extra_that_cannot_be_imported_is_an_error_with_its_cause(installed, broken: str, code: str, cause: str):
    installed(**{name: code if name == broken else WHOLE for name in EXTRA})
    with pytest.raises(ConfigError, match=f'{broken} is installed, but cannot be imported.*{cause}') as error:
        message_passing.backend()
    assert 'ssmr[sparse]' in error.value.fix and error.value.__cause__ is not None


@pytest.mark.parametrize('name', ['GCN', 'GAT'])
def test_a_broken_extra_is_met_when_the_network_is_built_and_only_where_it_is_wanted(installed, name: str) -> None:
    installed(torch_scatter=WHOLE)
    with pytest.raises(ConfigError, match='torch_sparse is not installed'):
        make(name, kernel='sparse')
    assert make(name, kernel='dense').kernel == 'dense'
