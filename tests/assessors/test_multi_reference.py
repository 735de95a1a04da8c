"""The assessor: who may see which label."""

from __future__ import annotations

import pytest
import torch

from ssmr.datasets.reference_graph import ReferenceGraph
from ssmr.errors import ConfigError
from ssmr.registry import MODELS

REASONER = {'type': 'RelationGCN', 'dim': 8, 'depth': 2, 'readout': 'query'}


def build(reference_scores: str, reasoner: dict = REASONER) -> torch.nn.Module:
    torch.manual_seed(0)
    model = MODELS.build({
        'type': 'MultiReferenceAssessor', 'in_dim': 6, 'num_references': 4, 'reasoner': reasoner,
        'head': {'type': 'ScoreHead'}, 'reference_scores': reference_scores,
    })  # fmt: skip
    model.head.fit_targets(torch.tensor([1.0, 9.0]))
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm1d):
            torch.nn.init.normal_(layer.weight, 1.0, 0.2)
    return model.eval()


def graph(reference_scores: torch.Tensor, scores: torch.Tensor) -> ReferenceGraph:
    nodes = torch.randn(3, 5, 6, generator=torch.Generator().manual_seed(1))
    return ReferenceGraph(nodes, torch.ones(3, 4), reference_scores, scores, torch.arange(3))


LOW, HIGH = torch.full((3, 4), 2.0), torch.full((3, 4), 8.0)


@pytest.mark.parametrize('reference_scores', ['none', 'embed'])
def test_a_querys_own_label_never_reaches_its_prediction(reference_scores: str) -> None:
    model = build(reference_scores)
    torch.testing.assert_close(model(graph(LOW, torch.full((3,), 1.0))), model(graph(LOW, torch.full((3,), 9.0))))


@pytest.mark.parametrize(('reference_scores', 'seen'), [('none', False), ('embed', True)])
def test_labels_of_references_are_seen_only_where_the_config_says_so(reference_scores: str, seen: bool) -> None:
    model, scores = build(reference_scores), torch.full((3,), 5.0)
    assert torch.equal(model(graph(LOW, scores)), model(graph(HIGH, scores))) is not seen


def test_the_control_without_references_sees_no_label_either() -> None:
    model, scores = build('embed', {'type': 'NoReference', 'reasoner': REASONER}), torch.full((3,), 5.0)
    assert torch.equal(model(graph(LOW, scores)), model(graph(HIGH, scores)))


def test_modes_give_outputs_losses_and_samples_on_the_scale_of_the_scores() -> None:
    model, scores = build('none'), torch.tensor([2.0, 5.0, 8.0])
    batch = graph(LOW, scores)
    output = model(batch)
    assert output.shape == (3,)
    expected = torch.nn.functional.smooth_l1_loss(output, (scores - 1) / 8)
    torch.testing.assert_close(model(batch, mode='loss')['loss'], expected)
    samples = model(batch, mode='predict')
    assert [s['row'] for s in samples] == [0, 1, 2] and [s['score'] for s in samples] == [2.0, 5.0, 8.0]
    torch.testing.assert_close(torch.tensor([s['prediction'] for s in samples]), output * 8 + 1)


def test_an_unknown_use_of_labels_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.reference_scores is 'all'"):
        build('all')
