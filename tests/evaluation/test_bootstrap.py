"""Bootstrap intervals and comparisons against scipy, against theory and on degenerate inputs."""

import logging

import numpy as np
import pytest
import scipy.stats

from ssmr.errors import ConfigError, DataError
from ssmr.evaluation.bootstrap import bootstrap_intervals, paired_bootstrap
from ssmr.evaluation.metrics import METRICS, evaluate_scores


@pytest.fixture(scope='module')
def works():
    rng = np.random.default_rng(7)
    scores = rng.normal(5, 1, 200)
    return scores, scores + rng.normal(0, 1, 200)


def test_intervals_agree_with_scipy(works):
    found = bootstrap_intervals(*works, ('srcc', 'plcc'), n_resamples=2000)
    oracles = {'srcc': scipy.stats.spearmanr, 'plcc': scipy.stats.pearsonr}
    for name, correlation in oracles.items():
        options = {'paired': True, 'vectorized': False, 'n_resamples': 1000, 'method': 'percentile'}
        expected = scipy.stats.bootstrap(works, lambda a, b, f=correlation: f(a, b)[0], **options).confidence_interval
        assert found[name] == pytest.approx(tuple(expected), abs=0.02)


def test_the_interval_of_a_mean_is_that_of_the_central_limit_theorem(works):
    scores, predictions = works
    errors = np.abs(scores - predictions)
    half = errors.std() / np.sqrt(len(errors))
    for confidence in (0.5, 0.95):
        [(low, high)] = bootstrap_intervals(*works, ['mae'], 4000, confidence).values()
        z = scipy.stats.norm.ppf((1 + confidence) / 2)
        assert (low, high) == pytest.approx((errors.mean() - z * half, errors.mean() + z * half), abs=0.15 * half)


def test_all_metrics_come_from_the_same_draws(works):
    found = bootstrap_intervals(*works, tuple(METRICS), n_resamples=101)
    for name in ('srcc', 'acc', 'sd_ratio'):
        assert bootstrap_intervals(*works, [name], n_resamples=101) == {name: found[name]}
    assert np.square(found['rmse']) == pytest.approx(np.array(found['mse']), rel=1e-3)
    assert found['n'] == (200, 200)
    perfect = works[0]  # its error is 0 on every draw, so the difference from it is the other's error
    assert paired_bootstrap(*works, perfect, 'mae', n_resamples=101)[1:3] == found['mae']


def test_the_seed_decides_the_draws(works):
    first, again, other = (bootstrap_intervals(*works, n_resamples=50, seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert first['srcc'] != other['srcc']
    assert list(first) == ['srcc', 'plcc', 'acc']


def test_rule_and_threshold_reach_the_accuracies():
    scores, predictions = [5.0, 1] * 20, [9.0, 1] * 20
    assert bootstrap_intervals(scores, predictions, ['acc'], 50, rule='>=')['acc'] == (1, 1)
    assert bootstrap_intervals(scores, predictions, ['acc'], 50, rule='>')['acc'][1] < 1
    assert bootstrap_intervals(scores, predictions, ['acc'], 50, threshold=2)['acc'] == (1, 1)


def test_constant_predictions_have_no_interval_of_correlations():
    found = bootstrap_intervals([1.0, 5, 9], [4.0, 4, 4], ['srcc', 'plcc', 'mae'], 50)
    assert found['srcc'] is None
    assert found['plcc'] is None
    assert found['mae'] is not None


def test_a_few_undefined_resamples_are_counted_and_left_out(caplog):
    # Two distinct predictions among three images: (2/3)^3 + (1/3)^3, a third of the draws, see only one of them.
    with caplog.at_level(logging.WARNING):
        found = bootstrap_intervals([1.0, 2, 3], [0.0, 0, 1], ['plcc'], 1000)
    low, high = found['plcc']
    assert -1 <= low <= high <= 1 + 1e-12
    count = int(caplog.records[0].getMessage().split(' on ')[1].split(' of ')[0])
    assert count == pytest.approx(333, abs=60)


def test_undefined_on_more_than_half_of_the_resamples_means_no_interval():
    scores, predictions = np.zeros(50), np.zeros(50)
    scores[0] = predictions[1] = 1  # defined where both are drawn: about .64 ** 2 = .4 of the resamples
    assert evaluate_scores(scores, predictions)['plcc'] is not None
    assert bootstrap_intervals(scores, predictions, ['plcc'])['plcc'] is None
    assert paired_bootstrap(scores, predictions, scores, 'plcc')[1:] == (None, None, None)


def test_a_model_does_not_differ_from_itself(works):
    assert paired_bootstrap(*works, works[1], n_resamples=50) == (0, 0, 0, 1)


def test_a_clearly_better_model_reaches_the_floor_of_p(works):
    scores, predictions = works
    noise = np.random.default_rng(0).normal(size=len(scores))
    found = paired_bootstrap(scores, predictions, noise, n_resamples=200)
    expected = evaluate_scores(scores, predictions)['srcc'] - evaluate_scores(scores, noise)['srcc']
    assert found.difference == pytest.approx(expected)
    assert 0 < found.low < found.difference < found.high
    assert found.p_value == pytest.approx(2 / 201)
    swapped = paired_bootstrap(scores, noise, predictions, n_resamples=200)
    assert swapped == pytest.approx((-found.difference, -found.high, -found.low, found.p_value))


def test_the_comparison_is_paired(works):
    """Two models that err alike differ significantly though their own intervals overlap almost wholly."""
    scores, predictions = works
    worse = predictions + 0.2 * np.random.default_rng(1).normal(size=len(scores))
    a, b = (bootstrap_intervals(scores, p, ['mse'])['mse'] for p in (predictions, worse))
    found = paired_bootstrap(scores, predictions, worse, 'mse')
    assert found.high - found.low < 0.5 * (a[1] - a[0])
    assert a[0] < b[1] and b[0] < a[1]


def test_p_is_calibrated_when_the_models_are_equally_good():
    rng = np.random.default_rng(11)
    p_values = []
    for _ in range(300):
        scores = rng.normal(size=60)
        a, b = scores + rng.normal(size=60), scores + rng.normal(size=60)
        p_values.append(paired_bootstrap(scores, a, b, 'mae', n_resamples=100).p_value)
    assert np.mean(np.array(p_values) < 0.1) == pytest.approx(0.1, abs=0.06)
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ({'metrics': ['srrc']}, "'srrc' is not a metric"),
        ({'n_resamples': 0}, 'n_resamples is 0'),
        ({'confidence': 95}, 'confidence is 95'),
        ({'rule': '<'}, 'rule'),
    ],
)
def test_unusable_options_are_refused(works, option, message):
    with pytest.raises(ConfigError, match=message):
        bootstrap_intervals(*works, **({'n_resamples': 2} | option))


def test_a_misspelt_metric_gets_a_suggestion(works):
    with pytest.raises(ConfigError, match='did you mean srcc'):
        paired_bootstrap(*works, works[1], 'srrc')


def test_different_lengths_are_refused(works):
    with pytest.raises(DataError, match='200 scores but 1 predictions'):
        paired_bootstrap(*works, [1.0])


def test_runs_are_averaged_metric_by_metric_and_not_as_predictions() -> None:
    """Two opposite runs: the mean prediction is constant, but the mean correlation is zero."""
    labels = np.arange(30.0) / 3
    runs = np.stack([labels, labels[::-1]])
    interval = bootstrap_intervals(labels, runs, ('srcc',), n_resamples=50)['srcc']
    assert interval is not None and interval[0] <= 0 <= interval[1]
    single = paired_bootstrap(labels, labels, labels[::-1], n_resamples=50)
    both = paired_bootstrap(labels, labels, runs, n_resamples=50)
    assert single.difference == pytest.approx(2.0) and both.difference == pytest.approx(1.0)
