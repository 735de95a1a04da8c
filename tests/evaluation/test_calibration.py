"""Predicted spreads against errors: bins, rank correlation, coverage and the scale, where the truth is known."""

import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from ssmr.errors import ConfigError, DataError
from ssmr.evaluation.calibration import assess_uncertainty, fit_scale
from ssmr.evaluation.calibration_report import calibration_text
from ssmr.evaluation.protocol import Protocol

FAST = Protocol(n_resamples=40)


def world(n=4000, factor=1.0, seed=0):
    """Errors that are normal with ``factor`` times the predicted sd."""
    rng = np.random.default_rng(seed)
    sd = rng.uniform(0.2, 2, n)
    return factor * sd * rng.normal(size=n), sd


def test_the_bins_are_those_of_a_table():
    errors, sd = world(300)
    frame = pd.DataFrame({'e': errors, 'sd': sd, 'bin': pd.qcut(sd, 5, labels=False)})
    found = assess_uncertainty(errors, sd, n_bins=5, protocol=FAST).bins
    for b, (_, rows) in zip(found, frame.groupby('bin'), strict=True):
        expected = len(rows), rows.sd.mean(), math.sqrt((rows.e**2).mean()), rows.e.abs().mean()
        assert tuple(b) == pytest.approx(expected)


def test_the_rank_correlation_is_that_of_sd_and_absolute_error():
    errors, sd = world(300)
    found = assess_uncertainty(errors, sd, protocol=FAST)
    assert found.srcc == pytest.approx(scipy.stats.spearmanr(sd, abs(errors)).statistic)
    low, high = found.srcc_interval
    assert 0 < low < found.srcc < high
    assert assess_uncertainty(errors, sd, protocol=Protocol(n_resamples=0)).srcc_interval is None


def test_a_calibrated_sd_covers_what_it_promises():
    for level in assess_uncertainty(*world(), protocol=FAST).coverage:
        assert level.low <= level.level <= level.high
        assert level.share == pytest.approx(level.level, abs=0.02)


def test_coverage_is_the_share_a_loop_counts():
    errors, sd = world(100)
    z = {0.5: 0.6744897501960817, 0.8: 1.2815515655446004, 0.95: 1.959963984540054}
    for c in assess_uncertainty(errors, sd, 0.7, protocol=FAST).coverage:
        assert c.share == np.mean([abs(e) <= z[c.level] * 0.7 * s for e, s in zip(errors, sd, strict=True)])


def test_the_scale_makes_up_for_an_sd_of_another_unit():
    errors, sd = world(factor=2.5)
    assert fit_scale(errors, sd) == pytest.approx(2.5, rel=0.03)
    before = assess_uncertainty(errors, sd, protocol=FAST)
    after = assess_uncertainty(*world(factor=2.5, seed=1), scale=fit_scale(errors, sd), protocol=FAST)
    assert before.coverage[2].share < 0.7
    assert after.coverage[2].share == pytest.approx(0.95, abs=0.02)
    assert [b.mean_sd for b in after.bins] == pytest.approx([b.rmse for b in after.bins], rel=0.15)


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(0.01, 9)), min_size=2, max_size=20), st.floats(0.1, 10))
def test_at_the_fitted_scale_the_mean_variance_is_the_mean_squared_error(pairs, unit):
    errors, sd = np.array(pairs).T
    scale = fit_scale(errors, sd)
    assert np.mean((scale * sd) ** 2) == pytest.approx(np.mean(errors**2), abs=1e-12)
    assert fit_scale(errors, unit * sd) == pytest.approx(scale / unit)


def test_an_sd_of_zero_is_borne_but_not_zeros_alone():
    assert fit_scale([3.0, 4], [0.0, 5]) == pytest.approx(1)
    with pytest.raises(DataError, match='every predicted sd is 0'):
        fit_scale([1.0, 2], [0.0, 0])


def test_a_constant_sd_has_no_rank_correlation_and_one_bin():
    found = assess_uncertainty([1.0, -2, 3], [1.0, 1, 1], protocol=FAST)
    assert (found.srcc, found.srcc_interval, len(found.bins)) == (None, None, 1)
    assert 'SRCC of sd and absolute error: \N{EN DASH}' in calibration_text(found, 'reference_sd', None)


@pytest.mark.parametrize(
    ('errors', 'sd', 'options', 'error', 'message'),
    [
        ([1.0, 2], [1.0], {}, DataError, '2 errors but 1 sds'),
        ([1.0, 2], [1.0, -0.5], {}, DataError, r'sd\[1\] is -0.5'),
        ([1.0, np.nan], [1.0, 1], {}, DataError, r'errors\[1\] is nan'),
        ([1.0], [1.0], {}, DataError, '1 images'),
        ([1.0, 2], [1.0, 2], {'n_bins': 0}, ConfigError, 'number of bins is 0'),
    ],
)
def test_unusable_input_is_refused(errors, sd, options, error, message):
    with pytest.raises(error, match=message):
        assess_uncertainty(errors, sd, **options)


def test_the_text_says_where_the_scale_is_from():
    found = assess_uncertainty(*world(50), 1.5, n_bins=2, protocol=FAST)
    assert 'Predicted sd: reference_sd; scale c = 1.5000, fitted on val.csv' in calibration_text(
        found, 'reference_sd', 'val.csv'
    )
    assert 'scale c = 1, not fitted' in calibration_text(found, 'reference_sd', None)
    assert '| 95% ' in calibration_text(found, 'reference_sd', None)
