"""Losses: against SciPy and plain loops, where a batch says nothing, and how they are put together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmengine.model import BaseModel
from scipy import stats
from torch.nn import functional

from ssmr.errors import ConfigError
from ssmr.heads.losses import LOSSES, ScoreLoss, plcc_loss, rank_loss
from ssmr.heads.score import ScoreHead

BATCHES = st.integers(0, 2**32 - 1), st.integers(2, 40)


def batch(seed: int, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Outputs, and labels with ties."""
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.normal(size=n)).float(), torch.from_numpy(rng.integers(0, 6, n) / 4).float()


@given(*BATCHES, st.sampled_from([1e-12, 1.0, 1e12]), st.sampled_from([-3.0, 0.0, 100.0]))
def test_plcc_is_scipys(seed: int, n: int, scale: float, shift: float) -> None:
    output, target = batch(seed, n)
    if target.unique().numel() == 1:
        return
    expected = (1 - stats.pearsonr(output.double(), target.double()).statistic) / 2
    assert float(plcc_loss(output * scale, target)) == pytest.approx(expected, abs=1e-4)
    assert float(plcc_loss(output, target + shift)) == pytest.approx(expected, abs=1e-4)


def test_plcc_gradient_is_that_of_the_formula() -> None:
    output, target = (t.double().requires_grad_() for t in batch(0, 12))
    assert torch.autograd.gradcheck(lambda o: plcc_loss(o, target.detach()), output)


@pytest.mark.parametrize(
    ('output', 'target'),
    [
        ([0.3], [1.0]),
        ([0.1] * 5, [1.0, 2.0, 3.0, 4.0, 5.0]),
        ([1.0, 2.0, 3.0], [0.7] * 3),
        ([0.0] * 2, [1.0, 2.0]),
        ([1e-30] * 3, [0.0] * 3),
    ],
)
def test_plcc_of_a_batch_without_spread_is_nothing(output: list[float], target: list[float]) -> None:
    x = torch.tensor(output, requires_grad=True)
    loss = plcc_loss(x, torch.tensor(target))
    loss.backward()
    assert loss.item() == 0 and torch.equal(x.grad, torch.zeros(len(output)))


@given(*BATCHES, st.sampled_from([0.0, 0.05, 1.0]))
def test_rank_is_a_loop_over_pairs_whose_labels_differ(seed: int, n: int, margin: float) -> None:
    output, target = batch(seed, n)
    costs = [
        max(0.0, margin - (float(output[i]) - float(output[j])))
        for i in range(n)
        for j in range(n)
        if target[i] > target[j]
    ]
    expected = sum(costs) / len(costs) if costs else 0.0
    assert float(rank_loss(output, target, margin)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize('target', [[1.0], [2.0, 2.0, 2.0]])
def test_rank_of_a_batch_without_pairs_is_nothing(target: list[float]) -> None:
    x = torch.arange(float(len(target))).requires_grad_()
    loss = rank_loss(x, torch.tensor(target), 0.5)
    loss.backward()
    assert loss.item() == 0 and not x.grad.any()


@pytest.mark.parametrize('name', sorted(LOSSES))
def test_divergence_shows(name: str) -> None:
    loss = ScoreLoss(name)(torch.tensor([float('nan'), 1.0, 2.0]), torch.tensor([1.0, 2.0, 3.0]))
    assert loss['loss'].isnan()


@pytest.mark.parametrize(
    ('name', 'oracle'),
    [('smooth_l1', functional.smooth_l1_loss), ('mse', functional.mse_loss), ('mae', functional.l1_loss)],
)
def test_plain_losses_are_torchs(name: str, oracle: Any) -> None:
    output, target = batch(1, 16)
    torch.testing.assert_close(ScoreLoss(name)(output, target), {'loss': oracle(output, target)})


def test_several_losses_are_weighted_summed_and_logged_by_name() -> None:
    output, target = batch(2, 16)
    head = ScoreHead(4, loss={'smooth_l1': 1.0, 'plcc': 0.5, 'rank': 0.2}, rank_margin=0.1)
    head.fit_targets(torch.tensor([0.0, 1.0]))
    losses = head.loss(output, target)
    torch.testing.assert_close(losses, {
        'loss_smooth_l1': functional.smooth_l1_loss(output, target),
        'loss_plcc': 0.5 * plcc_loss(output, target),
        'loss_rank': 0.2 * rank_loss(output, target, 0.1),
    })  # fmt: skip
    total, logged = BaseModel.parse_losses(None, losses)
    torch.testing.assert_close(total, sum(losses.values()))
    assert set(logged) == {'loss', *losses}


def test_the_margin_is_in_units_of_the_targets() -> None:
    head = ScoreHead(4, loss='rank', rank_margin=0.5)
    head.fit_targets(torch.tensor([0.0, 10.0]))
    assert float(head.loss(torch.tensor([0.0, 0.5]), torch.tensor([2.0, 3.0]))['loss']) == 0
    assert float(head.loss(torch.tensor([0.0, 0.1]), torch.tensor([2.0, 3.0]))['loss']) == pytest.approx(0.4)


def test_losses_are_taken_in_float32() -> None:
    output, target = batch(3, 16)
    loss = {'smooth_l1': 1.0, 'plcc': 1.0, 'rank': 1.0}
    with torch.autocast('cpu', torch.bfloat16):
        found = ScoreLoss(loss)(output.bfloat16(), target.double())
    torch.testing.assert_close(found, ScoreLoss(loss)(output.bfloat16().float(), target))


@pytest.mark.parametrize(
    ('loss', 'message'),
    [
        ('l3', r"head\.loss is 'l3'"),
        ({'mse': 1.0, 'plc': 1.0}, r"head\.loss is 'plc'"),
        ({'mse': -0.1}, r'head\.loss\.mse is -0\.1'),
        ({'mse': float('nan')}, r'head\.loss\.mse is nan'),
        ({'mse': '1'}, r"head\.loss\.mse is '1'"),
        ({'mse': True}, r'head\.loss\.mse is True'),
        ({'mse': 0.0}, 'nothing to learn'),
        ({}, 'nothing to learn'),
        (['mse'], r"head\.loss is \['mse'\]"),
        (None, r'head\.loss is None'),
    ],
)
def test_bad_losses_are_refused(loss: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ScoreHead(2, loss=loss)


@pytest.mark.parametrize('margin', [-0.1, float('inf'), 'wide'])
def test_bad_margins_are_refused(margin: Any) -> None:
    with pytest.raises(ConfigError, match=r'head\.rank_margin'):
        ScoreHead(2, rank_margin=margin)
