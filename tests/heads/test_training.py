"""Every head with every loss learns a toy problem inside a real model."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from ssmr.datasets.reference_graph import ReferenceGraph
from ssmr.errors import ConfigError
from ssmr.heads.losses import LOSSES
from ssmr.heads.targets import TARGETS
from ssmr.registry import HEADS, MODELS

HEADS.import_from_location()
SEVERAL = {'smooth_l1': 1.0, 'plcc': 0.5, 'rank': 0.2}
REGRESSION = [{'loss': loss} for loss in [*LOSSES, SEVERAL]] + [{'targets': name} for name in TARGETS]
BINS = {'bins': list(range(11))}
OPTIONS = {
    'ScoreHead': REGRESSION,
    'PairwiseHead': REGRESSION,
    'DistributionHead': [BINS | {'sigma': 1.0}, BINS | {'sigma': 1.0, 'emd_norm': 1}, BINS],
}


def build(head: dict[str, Any], **options: Any) -> torch.nn.Module:
    torch.manual_seed(0)
    readout = 'pairs' if head['type'] == 'PairwiseHead' else 'query'
    return MODELS.build({
        'type': 'MultiReferenceAssessor', 'in_dim': 6, 'num_references': 4, 'head': head,
        'reasoner': {'type': 'RelationGCN', 'dim': 8, 'depth': 1, 'readout': readout}, **options,
    })  # fmt: skip


def toy_graph(votes: bool) -> ReferenceGraph:
    """32 queries whose score is a sum of two features; so are their references' scores."""
    torch.manual_seed(1)
    nodes = torch.randn(32, 5, 6)
    scores = (5 + nodes[..., 0] + nodes[..., 1]).clamp(0.5, 10)
    mask = torch.rand(32, 5) < 0.8
    mask[:, 0] = True
    shares = torch.softmax(-((torch.arange(11.0) - scores[:, :1]) ** 2), dim=1) if votes else None
    return ReferenceGraph(nodes, torch.ones(32, 4), scores[:, 1:], scores[:, 0], torch.arange(32), mask, shares)


def train(model: torch.nn.Module, graph: ReferenceGraph, steps: int = 40) -> list[float]:
    model.head.fit_targets(graph.scores)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    found = []
    for _ in range(steps):
        loss, _ = model.parse_losses(model(graph, mode='loss'))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found


@pytest.mark.parametrize(('name', 'options'), [(n, o) for n, choices in OPTIONS.items() for o in choices])
def test_the_loss_falls_and_predictions_follow_the_scores(name: str, options: dict[str, Any]) -> None:
    model, graph = build({'type': name, **options}), toy_graph(votes=options is BINS)
    losses = train(model, graph)
    assert np.isfinite(losses).all() and losses[-1] < 0.7 * losses[0]
    with torch.no_grad():
        predictions = [p['prediction'] for p in model.eval()(graph, mode='predict')]
    assert np.corrcoef(predictions, graph.scores)[0, 1] > 0.7


def test_every_head_is_tried_here() -> None:
    assert sorted(OPTIONS) == sorted(n for n, c in HEADS.module_dict.items() if c.__module__.startswith('ssmr.'))


@pytest.mark.parametrize('name', sorted(OPTIONS))
def test_a_trained_model_predicts_the_same_from_its_weights(name: str) -> None:
    head = {'type': name, **OPTIONS[name][-1]}
    model, graph = build(head), toy_graph(votes=True)
    train(model, graph, steps=3)
    fresh = build(head)
    fresh.load_state_dict(model.state_dict())
    assert model.eval()(graph, mode='predict') == fresh.eval()(graph, mode='predict')


@pytest.mark.parametrize('name', ['PairwiseHead', 'DistributionHead'])
def test_heads_that_predict_no_offset_refuse_a_residual(name: str) -> None:
    with pytest.raises(ConfigError, match='residual'):
        build({'type': name, **OPTIONS[name][-1]}, reference_scores='residual')


def test_the_query_alone_is_judged_finitely() -> None:
    model, graph = build({'type': 'PairwiseHead'}), toy_graph(votes=False)
    alone = torch.zeros(32, 5, dtype=torch.bool)
    alone[:, 0] = True
    train(model, graph, steps=2)
    predictions = [p['prediction'] for p in model.eval()(replace(graph, mask=alone), mode='predict')]
    assert predictions == pytest.approx([float(graph.scores.mean())] * 32, rel=1e-5)


def test_heads_train_in_mixed_precision() -> None:
    for name, choices in OPTIONS.items():
        model, graph = build({'type': name, **choices[0]}), toy_graph(votes=False)
        with torch.autocast('cpu', torch.bfloat16), warnings.catch_warnings():
            warnings.simplefilter('error')
            losses = train(model, graph)
        assert losses[-1] < losses[0]
