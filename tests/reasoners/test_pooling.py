"""Attention over nodes and means of references against NumPy: the read-out, CrossAttention, MeanPool."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from reasoner_cases import DIM, array, draw, make, wake
from torch import nn

from ssmr.reasoners.attention_pool import AttentionPool
from ssmr.reasoners.base import ProjectedReasoner

SIZES = [5, 3, 1]


def linear(x: np.ndarray, layer: nn.Linear) -> np.ndarray:
    return x @ array(layer.weight).T + (0 if layer.bias is None else array(layer.bias))


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max())
    return powers / powers.sum()


def project(reasoner: ProjectedReasoner, nodes: np.ndarray) -> np.ndarray:
    norm = reasoner.project_norm
    mean, var, w, b = (array(p) for p in (norm.running_mean, norm.running_var, norm.weight, norm.bias))
    return np.maximum((linear(nodes, reasoner.project) - mean) / np.sqrt(var + norm.eps) * w + b, 0)


def layer_norm(x: np.ndarray, norm: nn.LayerNorm) -> np.ndarray:
    scaled = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + norm.eps)
    return scaled * array(norm.weight) + array(norm.bias)


def gelu(x: np.ndarray) -> np.ndarray:
    return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2


def test_attention_pooling_equals_numpy() -> None:
    torch.manual_seed(0)
    pool = AttentionPool(DIM)
    wake(pool)
    _, _, mask = draw(SIZES)
    nodes = torch.randn(3, 5, DIM)
    out, weights = pool(nodes, mask), pool.weights(nodes, mask)
    for b, n in enumerate(SIZES):
        h = array(nodes[b, :n])
        gated = np.tanh(linear(h, pool.value)) / (1 + np.exp(-linear(h, pool.gate)))
        expected = softmax(linear(gated, pool.score)[:, 0])
        np.testing.assert_allclose(array(weights[b, :n]), expected, atol=1e-6)
        np.testing.assert_allclose(array(out[b]), expected @ h, atol=1e-6)
        assert not weights[b, n:].any()


def test_only_the_attention_readout_has_parameters() -> None:
    names = {r: {n for n, _ in make('MeanPool', r).named_parameters()} for r in ('query', 'mean', 'pairs', 'attention')}
    assert names['query'] == names['mean'] == names['pairs']
    extra = names['attention'] - names['query']
    assert extra == {'pool.value.weight', 'pool.value.bias', 'pool.gate.weight', 'pool.gate.bias', 'pool.score.weight'}


def test_the_attention_readout_reads_out_reasoned_nodes() -> None:
    reasoner = make('GCN', 'attention').eval()
    nodes, similarities, mask = draw(SIZES)
    reasoned = reasoner.reason(nodes, similarities, mask)
    torch.testing.assert_close(reasoner(nodes, similarities, mask), reasoner.pool(reasoned, mask))


@pytest.mark.parametrize('heads', [1, 4])
def test_cross_attention_equals_numpy(heads: int) -> None:
    reasoner = make('CrossAttention', heads=heads).eval()
    nodes, similarities, mask = draw(SIZES)
    out = reasoner.reason(nodes, similarities, mask)
    c = DIM // heads
    for b, n in enumerate(SIZES):
        h = project(reasoner, array(nodes[b, :n]))
        query = h[:1]
        for layer in reasoner.layers:
            normed = layer_norm(np.concatenate([query, h[1:]]), layer.norm)
            w, bias = array(layer.attention.in_proj_weight), array(layer.attention.in_proj_bias)
            q = normed[:1] @ w[:DIM].T + bias[:DIM]
            k, v = (normed @ w[i : i + DIM].T + bias[i : i + DIM] for i in (DIM, 2 * DIM))
            heard = np.concatenate([
                softmax(q[0, s] @ k[:, s].T / math.sqrt(c)) @ v[:, s]
                for s in (slice(i * c, (i + 1) * c) for i in range(heads))
            ])  # fmt: skip
            query = query + linear(heard, layer.attention.out_proj)
            norm, up, _, down = layer.feed_forward
            query = query + linear(gelu(linear(layer_norm(query, norm), up)), down)
        np.testing.assert_allclose(array(out[b, 0]), query[0], atol=1e-5)
        np.testing.assert_allclose(array(out[b, 1:n]), h[1:], atol=1e-5)


def test_mean_pool_equals_numpy() -> None:
    reasoner = make('MeanPool').eval()
    nodes, similarities, mask = draw(SIZES)
    out = reasoner.reason(nodes, similarities, mask)
    for b, n in enumerate(SIZES):
        h = project(reasoner, array(nodes[b, :n]))
        for layer in reasoner.layers:
            h = np.maximum(linear(h, layer), 0)
        mean = h[1:].mean(axis=0) if n > 1 else np.zeros(DIM)
        np.testing.assert_allclose(array(out[b, 0]), linear(np.concatenate([h[0], mean]), reasoner.combine), atol=1e-5)
        np.testing.assert_allclose(array(out[b, 1:n]), h[1:], atol=1e-5)


@pytest.mark.parametrize('name', ['CrossAttention', 'MeanPool'])
def test_references_do_not_hear_the_query_or_each_other(name: str) -> None:
    reasoner = make(name).eval()
    nodes, similarities, _ = draw([5])
    changed = nodes.clone()
    changed[:, :2] += 1
    before, after = (reasoner.reason(n, similarities, None) for n in (nodes, changed))
    assert torch.equal(before[:, 2:], after[:, 2:]) and not torch.allclose(before[:, :2], after[:, :2])
