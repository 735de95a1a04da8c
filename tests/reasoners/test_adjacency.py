"""Edge weights of reference graphs against loops over their nodes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reasoner_cases import draw

from ssmr.reasoners.adjacency import full, star, symmetric_normalised


def slow_graph(nodes: np.ndarray, similarities: np.ndarray, mask: np.ndarray, threshold: float, all_pairs: bool):
    """One graph, edge by edge."""
    n = len(mask)
    weights = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            if not mask[i] or not mask[j]:
                continue
            if i == j:
                weights[i, j] = 1
                continue
            if 0 in (i, j):
                weight = similarities[max(i, j) - 1]
            elif all_pairs:
                weight = nodes[i] @ nodes[j] / np.linalg.norm(nodes[i]) / np.linalg.norm(nodes[j])
            else:
                continue
            weights[i, j] = weight if weight > 0 and weight >= threshold else 0
    return weights


@given(seed=st.integers(0, 999), k=st.integers(0, 5), threshold=st.sampled_from([0.0, 0.2, 0.9]), masked=st.booleans())
def test_star_and_full_equal_a_loop_over_the_edges(seed: int, k: int, threshold: float, masked: bool) -> None:
    rng = np.random.default_rng(seed)
    nodes, similarities = rng.normal(size=(3, 1 + k, 4)), rng.uniform(-0.5, 1, size=(3, k))
    mask = rng.random((3, 1 + k)) < 0.7 if masked else np.ones((3, 1 + k), dtype=bool)
    given_mask = torch.from_numpy(mask) if masked else None
    graph = torch.from_numpy(nodes), torch.from_numpy(similarities)
    for all_pairs, made in (
        (False, star(graph[1], given_mask, threshold)),
        (True, full(*graph, given_mask, threshold)),
    ):
        expected = [
            slow_graph(n, s, m, threshold, all_pairs) for n, s, m in zip(nodes, similarities, mask, strict=True)
        ]
        np.testing.assert_allclose(made.numpy(), expected, atol=1e-12)


def test_the_threshold_keeps_what_equals_it_and_drops_what_is_zero() -> None:
    weights = star(torch.tensor([[0.5, 0.25, 0.0, -1.0]]), threshold=0.5)
    assert weights[0, 0].tolist() == [1, 0.5, 0, 0, 0]
    assert star(torch.tensor([[0.5, 0.25, 0.0, -1.0]]))[0, 0].tolist() == [1, 0.5, 0.25, 0, 0]


def test_gradients_reach_the_features_behind_the_edges_and_only_existing_ones() -> None:
    nodes, similarities, mask = draw([5, 3, 1])
    nodes.requires_grad_()
    full(nodes, similarities, mask).pow(2).sum().backward()
    assert nodes.grad[0, 1:].abs().sum() > 0 and (nodes.grad[~mask] == 0).all()
    assert torch.isfinite(nodes.grad).all()


def test_features_of_zeros_have_no_edge_and_no_nan() -> None:
    nodes = torch.zeros(1, 3, 4, requires_grad=True)
    weights = full(nodes, torch.ones(1, 2))
    weights.sum().backward()
    assert weights[0, 1].tolist() == [1, 1, 0] and torch.isfinite(nodes.grad).all()


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_normalisation_equals_numpy(dtype: torch.dtype) -> None:
    nodes, similarities, mask = draw([5, 3, 1])
    adjacency = full(nodes.to(dtype), similarities.to(dtype), mask)
    expected = []
    for a in adjacency.double().numpy():
        degree = a.sum(axis=1)
        scale = np.diag([d**-0.5 if d else 0 for d in degree])
        expected.append(scale @ a @ scale)
    np.testing.assert_allclose(symmetric_normalised(adjacency).numpy(), expected, atol=1e-6)
