"""The score head: targets fitted on train, losses, and the way back to the data set's scale."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from ssmr.errors import ConfigError
from ssmr.heads.score import ScoreHead


@given(st.lists(st.floats(-50, 50, width=32), min_size=2, max_size=30).filter(lambda s: max(s) - min(s) > 1e-2))
def test_predict_inverts_the_targets(scores: list[float]) -> None:
    head = ScoreHead(4)
    labels = torch.tensor(scores)
    head.fit_targets(labels)
    targets = head.targets.encode(labels)
    assert targets.min() == 0 and targets.max() == 1
    torch.testing.assert_close(head.predict(targets), labels, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(head.targets.mean, targets.mean())


@pytest.mark.parametrize(
    ('loss', 'reference'), [('smooth_l1', functional.smooth_l1_loss), ('mse', functional.mse_loss)]
)
def test_loss_is_taken_on_the_released_targets(loss: str, reference: object) -> None:
    head = ScoreHead(4, loss, target_range=(2.75695, 10))
    head.fit_targets(torch.tensor([0.0, 1.0]))  # a fixed range stays
    output, scores = torch.randn(8), torch.rand(8) * 7 + 2.8
    expected = reference(output, (scores - 2.75695) / (10 - 2.75695))
    torch.testing.assert_close(head.loss(output, scores)['loss'], expected)


def test_the_range_travels_with_the_weights() -> None:
    head, other = ScoreHead(4), ScoreHead(4)
    head.fit_targets(torch.tensor([1.5, 9.0]))
    other.load_state_dict(head.state_dict())
    assert other.predict(torch.tensor([0.0, 1.0])).tolist() == [1.5, 9.0]


def test_output_is_a_linear_map_of_the_rectified_readout() -> None:
    head = ScoreHead(3)
    x = torch.randn(5, 3)
    torch.testing.assert_close(head(x, torch.zeros(5, 2)), x.clamp(min=0) @ head.linear.weight[0] + head.linear.bias)


def test_the_legacy_sigmoid_changes_scores_but_neither_ranks_nor_the_loss() -> None:
    plain, legacy = ScoreHead(2), ScoreHead(2, sigmoid=True)
    for head in (plain, legacy):
        head.fit_targets(torch.tensor([2.0, 10.0]))
    output, scores = torch.tensor([-1.0, 0.0, 0.4, 3.0]), torch.tensor([2.0, 3.0, 5.0, 8.0])
    torch.testing.assert_close(legacy.predict(output), 2 + 8 / (1 + torch.exp(-output)))
    assert torch.equal(legacy.predict(output).argsort(), plain.predict(output).argsort())
    assert torch.equal(legacy.loss(output, scores)['loss'], plain.loss(output, scores)['loss'])


def test_a_sigmoid_of_unbounded_targets_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"head\.sigmoid=True with targets='boxcox'"):
        ScoreHead(2, targets='boxcox', sigmoid=True)


def test_equal_training_scores_are_refused() -> None:
    with pytest.raises(ConfigError, match='scores must differ'):
        ScoreHead(2).fit_targets(torch.tensor([3.0, 3.0]))
