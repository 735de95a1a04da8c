"""The ensemble: members that learn as if alone, and their mean."""

from __future__ import annotations

import pytest
import torch

from ssmr.datasets.reference_graph import ReferenceGraph
from ssmr.errors import ConfigError
from ssmr.registry import MODELS

MEMBER = {
    'type': 'MultiReferenceAssessor',
    'reasoner': {'type': 'RelationGCN', 'dim': 8, 'depth': 1, 'readout': 'query'},
    'head': {'type': 'ScoreHead', 'loss': {'smooth_l1': 1.0, 'plcc': 0.5}},
    'reference_scores': 'residual',
}


def build(members: int) -> torch.nn.Module:
    torch.manual_seed(0)
    part = {'type': 'EnsembleAssessor', 'assessor': MEMBER, 'members': members, 'in_dim': 6, 'num_references': 4}
    model = MODELS.build(part)
    model.fit_targets(torch.tensor([1.0, 4.0, 9.0]))
    return model


@pytest.fixture
def graph() -> ReferenceGraph:
    torch.manual_seed(1)
    labels = 1 + 8 * torch.rand(5, 4)
    return ReferenceGraph(torch.randn(5, 5, 6), torch.rand(5, 4), labels, 1 + 8 * torch.rand(5), torch.arange(5))


def test_the_prediction_is_the_mean_of_members_that_differ(graph: ReferenceGraph) -> None:
    model = build(3).eval()
    alone = torch.tensor([[s['prediction'] for s in member(graph, mode='predict')] for member in model.members])
    assert alone.std(dim=0).min() > 0
    found = torch.tensor([s['prediction'] for s in model(graph, mode='predict')])
    torch.testing.assert_close(found, alone.mean(dim=0))


def test_every_member_learns_as_if_it_were_alone(graph: ReferenceGraph) -> None:
    together, apart = build(3), build(3)
    sum(together(graph, mode='loss').values()).backward()
    for member in apart.members:
        sum(member(graph, mode='loss').values()).backward()
    for (name, p), q in zip(together.named_parameters(), apart.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, msg=name)


def test_an_ensemble_without_members_is_refused() -> None:
    with pytest.raises(ConfigError, match=r'model\.members is 0'):
        build(0)
