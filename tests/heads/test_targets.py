"""Target scales: what the labels become, against scikit-learn and SciPy, and the way back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.preprocessing import PowerTransformer, StandardScaler

from ssmr.errors import ConfigError
from ssmr.heads.score import ScoreHead
from ssmr.heads.targets import TARGETS, Targets, build_targets

NAMES = sorted(TARGETS)
LABELS = st.lists(st.floats(0.5, 10), min_size=2, max_size=30).filter(lambda s: max(s) - min(s) > 1e-2)


def fitted(name: str, labels: np.ndarray | list[float]) -> Targets:
    targets = build_targets(name)
    targets.fit(torch.tensor(np.asarray(labels)))
    return targets


def skewed(seed: int = 0, n: int = 500) -> np.ndarray:
    return np.exp(np.random.default_rng(seed).normal(1.4, 0.3, n))


@pytest.mark.parametrize('name', NAMES)
@given(labels=LABELS)
def test_decode_inverts_encode(name: str, labels: list[float]) -> None:
    targets, scores = fitted(name, labels), torch.tensor(labels, dtype=torch.float64)
    torch.testing.assert_close(targets.decode(targets.encode(scores)), scores, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize('name', NAMES)
@given(labels=LABELS)
def test_both_ways_are_increasing(name: str, labels: list[float]) -> None:
    targets = fitted(name, labels)
    scores = torch.linspace(min(labels), max(labels), 50, dtype=torch.float64)
    encoded = targets.encode(scores)
    assert (encoded.diff() > 0).all()
    outputs = torch.linspace(float(encoded[0]) - 3, float(encoded[-1]) + 3, 200)
    assert (targets.decode(outputs).diff() >= 0).all()


@pytest.mark.parametrize('name', ['standardise', 'boxcox'])
@pytest.mark.parametrize('labels', [skewed(), 11 - skewed().clip(max=10), np.random.default_rng(1).uniform(1, 7, 200)])
def test_scale_is_scikit_learns(name: str, labels: np.ndarray) -> None:
    oracle = StandardScaler() if name == 'standardise' else PowerTransformer(method='box-cox')
    expected = oracle.fit_transform(labels[:, None])[:, 0]
    targets = fitted(name, labels)
    np.testing.assert_allclose(targets.encode(torch.from_numpy(labels)).numpy(), expected, atol=2e-4)
    assert abs(float(targets.mean)) < 1e-4
    inside = np.linspace(expected.min(), expected.max(), 20)
    back = oracle.inverse_transform(inside[:, None])[:, 0]
    np.testing.assert_allclose(targets.decode(torch.from_numpy(inside)).numpy(), back, rtol=1e-3)


def test_power_is_the_most_likely_one() -> None:
    labels = skewed()
    assert float(fitted('boxcox', labels).power) == pytest.approx(stats.boxcox(labels)[1], abs=1e-3)


@pytest.mark.parametrize(
    ('labels', 'power'), [([1.0] * 300 + [50.0], -5), ([50.0] * 300 + [1.0], 5), ([8.0, 7.28125], 0)]
)
def test_power_stays_between_minus_five_and_five(labels: list[float], power: float) -> None:
    assert float(fitted('boxcox', labels).power) == pytest.approx(power, abs=1e-3)


@pytest.mark.data
def test_boxcox_takes_the_skew_out_of_baids_labels(shared_data: Path) -> None:
    labels = pd.read_csv(shared_data / 'labels' / 'baid_train.csv')['score'].to_numpy()
    targets = fitted('boxcox', labels)
    assert float(targets.power) == pytest.approx(stats.boxcox_normmax(labels, method='mle'), abs=1e-3)
    encoded = targets.encode(torch.tensor(labels).float())
    assert stats.skew(labels) > 2 and abs(stats.skew(encoded.numpy())) < 0.5
    np.testing.assert_allclose(targets.decode(encoded).numpy(), labels, atol=1e-3)


def test_a_logarithm_is_met_where_the_power_is_zero() -> None:
    targets, labels = build_targets('boxcox'), torch.from_numpy(skewed())
    targets.fit(labels)
    targets.power = torch.tensor(1e-6)
    targets.shift, targets.scale, targets.unit = torch.tensor(0.0), torch.tensor(1.0), torch.tensor(1.0)
    torch.testing.assert_close(targets.encode(labels), labels.log(), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(targets.decode(labels.log()), labels, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    'labels', [skewed(), [1.0, 2.0, 3.0], [0.01, 1e4, 20.0], [1.0] * 300 + [50.0], [50.0] * 300 + [1.0]], ids=len
)
def test_boxcox_decodes_every_output_to_a_score_near_the_training_labels(labels: list[float]) -> None:
    targets = fitted('boxcox', labels)

    @given(st.floats(width=32, allow_nan=False))
    def check(output: float) -> None:
        score = float(targets.decode(torch.tensor(output)))
        assert min(labels) / 2 * 0.999 <= score <= max(labels) * 2 * 1.001  # NaN is not in between either

    check()


def test_boxcox_hides_no_divergence() -> None:
    assert fitted('boxcox', skewed()).decode(torch.tensor([float('nan')])).isnan().all()


def test_boxcox_keeps_labels_it_has_not_seen_and_bounds_those_it_cannot_take() -> None:
    targets = fitted('boxcox', [2.0, 3.0, 3.5, 8.0])
    torch.testing.assert_close(targets.decode(targets.encode(torch.tensor([1.2, 15.0]))), torch.tensor([1.2, 15.0]))
    assert targets.encode(torch.tensor([-1.0, 0.0, 100.0])).isfinite().all()


@pytest.mark.parametrize('lowest', [0.0, -1.0])
def test_boxcox_refuses_labels_that_have_no_logarithm(lowest: float) -> None:
    with pytest.raises(ConfigError, match=f'smallest training score is {lowest:g}'):
        fitted('boxcox', [lowest, 1.0, 2.0])


@pytest.mark.parametrize('name', NAMES)
def test_numbers_travel_with_the_weights(name: str) -> None:
    head, fresh = ScoreHead(4, targets=name), ScoreHead(4, targets=name)
    head.fit_targets(torch.from_numpy(skewed()))
    fresh.load_state_dict(head.state_dict())
    outputs = torch.linspace(-2, 2, 30)
    assert torch.equal(fresh.predict(outputs), head.predict(outputs))
    assert torch.equal(fresh.targets.mean, head.targets.mean)


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('labels', [[3.0, 3.0], [5.0, 5.0 + 1e-9], [1.0, float('nan')]])
def test_labels_that_do_not_differ_are_refused(name: str, labels: list[float]) -> None:
    with pytest.raises(ConfigError, match='scores must differ'):
        fitted(name, labels)


@pytest.mark.parametrize('name', NAMES)
def test_encoding_is_differentiable(name: str) -> None:
    labels = torch.from_numpy(skewed(n=20)).requires_grad_()
    targets = fitted(name, labels.detach().numpy())
    assert torch.autograd.gradcheck(targets.encode, labels)
    assert torch.autograd.gradcheck(targets.decode, targets.encode(labels).detach().requires_grad_())


@pytest.mark.parametrize('name', NAMES)
def test_half_precision_decodes_to_float32(name: str) -> None:
    targets = fitted(name, skewed())
    outputs = torch.linspace(-0.5, 0.5, 9).bfloat16()
    torch.testing.assert_close(targets.decode(outputs), targets.decode(outputs.float()))


def test_unknown_names_and_ranges_of_other_scales_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"head\.targets is 'rank'"):
        build_targets('rank')
    with pytest.raises(ConfigError, match='target_range'):
        build_targets('boxcox', (1, 10))
