"""Quantile bins against pandas, and the errors of each decile against a loop."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmr.errors import ConfigError, DataError
from ssmr.evaluation.bins import quantile_bins
from ssmr.evaluation.deciles import deciles_table, label_deciles


@pytest.mark.parametrize('n_bins', [1, 2, 3, 7, 10, 12])
def test_bins_of_distinct_values_are_those_of_pandas(n_bins):
    values = np.random.default_rng(n_bins).normal(size=102)
    codes = pd.qcut(values, n_bins, labels=False)
    found = [rows.tolist() for rows in quantile_bins(values, n_bins)]
    assert found == [np.flatnonzero(codes == code).tolist() for code in range(n_bins)]


@given(st.lists(st.integers(0, 6).map(float), min_size=1, max_size=40), st.integers(1, 12))
def test_equal_values_share_a_bin_and_bins_follow_each_other(values, n_bins):
    found = [np.array(values)[rows] for rows in quantile_bins(values, n_bins)]
    assert 1 <= len(found) <= n_bins
    assert sorted(np.concatenate(found)) == sorted(values)
    assert all(low.max() < high.min() for low, high in itertools.pairwise(found))


@pytest.mark.parametrize(('values', 'n', 'error'), [([1.0], 0, ConfigError), ([np.nan], 3, DataError)])
def test_unusable_values_are_refused(values, n, error):
    with pytest.raises(error):
        quantile_bins(values, n)


def test_each_decile_has_the_mean_errors_of_a_loop():
    rng = np.random.default_rng(0)
    scores, predictions = rng.normal(5, 1, 205), rng.normal(5, 1, 205)
    frame = pd.DataFrame({'y': scores, 'p': predictions, 'bin': pd.qcut(scores, 10, labels=False)})
    found = label_deciles(scores, predictions)
    assert len(found) == 10
    for b, (_, group) in zip(found, frame.groupby('bin'), strict=True):
        error = (group.p - group.y).tolist()
        expected = group.y.min(), group.y.max(), len(group), group.y.mean(), group.p.mean()
        assert tuple(b[:5]) == pytest.approx(expected)
        assert (b.bias, b.mae) == pytest.approx((sum(error) / len(error), sum(map(abs, error)) / len(error)))


def test_a_model_that_shrinks_towards_the_mean_shows_at_the_tails():
    scores = np.linspace(1, 9, 500)
    found = label_deciles(scores, 5 + 0.5 * (scores - 5))
    biases = [b.bias for b in found]
    assert biases == sorted(biases, reverse=True)
    assert biases[0] == pytest.approx(-biases[-1]) == pytest.approx(1.8, abs=0.01)
    assert found[0].mae > found[5].mae


def test_the_table_has_a_row_for_each_bin_and_says_what_bias_means():
    text = deciles_table(label_deciles([1.0, 2, 3, 4], [2.0, 2, 3, 3], 2))
    rows = [[cell.strip() for cell in line.split('|')[1:-1]] for line in text.splitlines() if line.startswith('|')]
    assert rows[2:] == [
        ['1 to 2', '2', '1.5000', '2.0000', '0.5000', '0.5000'],
        ['3 to 4', '2', '3.5000', '3.0000', '-0.5000', '0.5000'],
    ]
    assert 'the bias of any imperfect model falls' in text
