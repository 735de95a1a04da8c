"""The distribution head: earth mover's distance against SciPy, and votes made up from mean scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import norm, wasserstein_distance

from ssmr.errors import ConfigError
from ssmr.heads.distribution import DistributionHead, emd_loss
from ssmr.heads.label_shares import LabelShares

BINS = list(range(1, 11))


def votes(seed: int, n: int = 6, bins: int = 10) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).dirichlet(np.ones(bins), n)).float()


@given(st.integers(0, 2**32 - 1), st.integers(2, 12))
def test_emd_of_order_one_is_scipys_wasserstein_distance(seed: int, bins: int) -> None:
    p, q = votes(seed, 4, bins), votes(seed + 1, 4, bins)
    places = np.arange(bins)
    expected = [wasserstein_distance(places, places, a.double(), b.double()) / bins for a, b in zip(p, q, strict=True)]
    assert float(emd_loss(p, q, 1)) == pytest.approx(np.mean(expected), abs=1e-6)


@pytest.mark.parametrize('r', [1, 2])
def test_emd_is_the_mean_over_works_of_the_norm_of_the_gap_between_cdfs(r: int) -> None:
    p, q = votes(0), votes(1)
    gap = np.abs(np.cumsum(p.numpy(), 1) - np.cumsum(q.numpy(), 1))
    assert float(emd_loss(p, q, r)) == pytest.approx(((gap**r).mean(1) ** (1 / r)).mean(), rel=1e-5)


@pytest.mark.parametrize('r', [1, 2])
def test_a_perfect_prediction_costs_nothing_and_has_a_finite_gradient(r: int) -> None:
    head = DistributionHead(4, BINS, emd_norm=r)
    output = torch.zeros(3, 10, requires_grad=True)
    loss = head.loss(output, torch.full((3,), 5.5), torch.full((3, 10), 0.1))['loss']
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6) and output.grad.isfinite().all()


def test_votes_of_the_data_set_are_the_target_and_their_mean_is_predicted() -> None:
    head, target = DistributionHead(4, BINS, sigma=1.0), votes(2)
    output = target.log()
    mean = (target * torch.tensor(BINS)).sum(1)
    assert float(head.loss(output, torch.ones(6), target)['loss']) == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(head.predict(output), mean)


def test_without_votes_the_target_is_a_normal_around_the_score() -> None:
    head, scores = DistributionHead(4, BINS, sigma=1.4), torch.tensor([1.5, 5.0, 9.9])
    target = LabelShares(BINS, 1.4)(scores)
    output = torch.randn(3, 10)
    expected = emd_loss(output.softmax(1), target, 2)
    torch.testing.assert_close(head.loss(output, scores)['loss'], expected)


@given(
    st.floats(0, 1),
    st.floats(0.01, 20),
    st.lists(st.floats(0.1, 3), min_size=1, max_size=12).map(lambda steps: np.cumsum([1.0, *steps]).tolist()),
)
def test_made_up_votes_have_the_label_as_their_mean(place: float, sigma: float, bins: list[float]) -> None:
    label = torch.tensor([bins[0] + place * (bins[-1] - bins[0])])
    shares = LabelShares(bins, sigma)(label)
    assert (shares >= 0).all() and float(shares.sum()) == pytest.approx(1, abs=1e-5)
    assert float(shares @ torch.tensor(bins)) == pytest.approx(float(label), abs=1e-5 * bins[-1])


@pytest.mark.parametrize('label', [1.05, 1.5, 3.3, 5.5, 8.0, 9.8])
@pytest.mark.parametrize('sigma', [0.5, 1.4, 3.0])
def test_made_up_votes_are_a_normal_with_its_tails_in_the_outermost_bins(label: float, sigma: float) -> None:
    edges = np.array([-np.inf, *np.arange(1.5, 10), np.inf])

    def shares(centre: float) -> np.ndarray:
        return np.diff(norm.cdf(edges, centre, sigma))

    centre = brentq(lambda c: shares(c) @ BINS - label, -40, 50)
    found = LabelShares(BINS, sigma)(torch.tensor([label]))[0]
    np.testing.assert_allclose(found, shares(centre), atol=1e-4)


def test_labels_at_and_beyond_the_ends_are_the_outermost_bins() -> None:
    shares = LabelShares([0, 1, 2], 0.7)(torch.tensor([-1.0, 0.0, 2.0, 5.0]))
    torch.testing.assert_close(shares, torch.eye(3)[[0, 0, 2, 2]])


def test_a_sigma_far_below_the_distance_of_the_bins_leaves_the_two_neighbours() -> None:
    shares = LabelShares(BINS, 1e-3)(torch.tensor([4.25]))[0]
    torch.testing.assert_close(shares[3:5], torch.tensor([0.75, 0.25]), atol=1e-5, rtol=0)


def test_wrong_numbers_of_bins_are_named() -> None:
    head = DistributionHead(4, [1, 2, 3, 4, 5])
    with pytest.raises(ConfigError, match=r'has 5 scores.* have 10'):
        head.loss(torch.zeros(6, 5), torch.ones(6), votes(0))


def test_means_alone_need_a_sigma() -> None:
    with pytest.raises(ConfigError, match=r'head\.sigma is not given'):
        DistributionHead(4, BINS).loss(torch.zeros(6, 10), torch.ones(6))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'bins': [1]}, r'head\.bins'),
        ({'bins': [1, 3, 2]}, r'head\.bins'),
        ({'bins': [1, 1, 2]}, r'head\.bins'),
        ({'bins': [1, 2, float('inf')]}, r'head\.bins'),
        ({'bins': [float('nan'), 2, 3]}, r'head\.bins'),
        ({'bins': 10}, r'head\.bins is 10'),
        ({'bins': ['low', 'high']}, r'head\.bins'),
        ({'bins': BINS, 'emd_norm': 3}, r'head\.emd_norm is 3'),
        ({'bins': BINS, 'sigma': 0.0}, r'head\.sigma is 0'),
        ({'bins': BINS, 'sigma': float('nan')}, r'head\.sigma is nan'),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DistributionHead(4, **options)


def test_the_table_of_votes_stays_out_of_the_weights() -> None:
    assert not any('label_shares' in name for name in DistributionHead(4, BINS, sigma=1.0).state_dict())
