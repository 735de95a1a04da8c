"""The benchmark of training: a tiny case runs, and equal networks are told from others."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import torch

TOOLS = Path(__file__).resolve().parents[2] / 'tools/benchmark'


def test_the_released_network_is_the_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer against the formula written for one graph and one node at a time."""
    monkeypatch.syspath_prepend(str(TOOLS))
    torch.manual_seed(0)
    layer = importlib.import_module('peers.released_model').ReleasedLayer(6).double().eval()
    torch.nn.init.normal_(layer.w_norm.weight)
    v = torch.randn(3, 6, 4, dtype=torch.float64)
    scale = 1 / (1 + layer.w_norm.eps) ** 0.5  # of a batch normalisation that has seen nothing

    def projected(block: torch.nn.Sequential, node: torch.Tensor) -> torch.Tensor:
        return torch.relu((block[0].weight[..., 0] @ node + block[0].bias) * scale)

    for graph, found in zip(v, layer(v), strict=True):
        nodes = graph.T
        for i, node in enumerate(nodes):
            theta = projected(layer.theta, node)
            message = sum((theta @ projected(layer.phi, n)) / 4 * projected(layer.g, n) for n in nodes)
            out = (layer.w.weight[..., 0] @ message + layer.w.bias) * scale * layer.w_norm.weight
            torch.testing.assert_close(found[:, i], out + node)


def test_an_unequal_network_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    from ssmr.datasets.reference_graph import ReferenceGraph
    from ssmr.registry import MODELS

    monkeypatch.syspath_prepend(str(TOOLS))
    training, network = importlib.import_module('training'), importlib.import_module('peers.released_model')
    torch.manual_seed(0)
    ours = MODELS.build({
        'type': 'MultiReferenceAssessor', 'in_dim': 8, 'num_references': 4,
        'reasoner': {'type': 'RelationGCN', 'dim': 8, 'depth': 2},
        'head': {'type': 'ScoreHead', 'target_range': (network.LOWEST, network.HIGHEST)},
    })  # fmt: skip
    ours.fit_targets(torch.tensor([network.LOWEST, network.HIGHEST]))
    scores = torch.rand(6) * 10
    graph = ReferenceGraph(torch.randn(6, 5, 8), torch.rand(6, 4), torch.rand(6, 4), scores, torch.arange(6))
    training.make_equal(network.ReleasedModel(8, 2, 5), ours, graph)
    ours.reasoner.layers[1].norm.eps = 0.5
    with pytest.raises(AssertionError):
        training.make_equal(network.ReleasedModel(8, 2, 5), ours, graph)
