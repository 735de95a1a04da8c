"""Metrics by group against pandas, and what is said of groups that cannot be judged."""

import numpy as np
import pandas as pd
import pytest

from ssmr.errors import ConfigError, DataError
from ssmr.evaluation.bootstrap import bootstrap_intervals
from ssmr.evaluation.breakdown import breakdown, breakdown_table
from ssmr.evaluation.protocol import Protocol

FAST = Protocol(n_resamples=30, seed=2)


@pytest.fixture(scope='module')
def frame():
    rng = np.random.default_rng(3)
    group = rng.choice(['Abstract', 'Cubism', 'Naive'], 150, p=[0.6, 0.34, 0.06])
    score = rng.normal(5, 1, 150)
    return pd.DataFrame({'group': group, 'score': score, 'prediction': score + rng.normal(0, 1, 150)})


def measure(frame, **options):
    columns = frame.group.tolist(), frame.score.to_numpy(), frame.prediction.to_numpy()
    return breakdown(*columns, **({'protocol': FAST} | options))


def test_each_group_is_measured_by_itself(frame):
    found = measure(frame, min_size=2)
    assert list(found) == frame.group.value_counts().index.tolist()
    for name, rows in frame.groupby('group'):
        group, error = found[name], rows.prediction - rows.score
        assert group.n == len(rows)
        assert group.metrics['srcc'] == pytest.approx(rows.score.corr(rows.prediction, method='spearman'))
        assert group.metrics['plcc'] == pytest.approx(rows.score.corr(rows.prediction))
        assert group.metrics['mae'] == pytest.approx(error.abs().mean())
        assert group.metrics['bias'] == pytest.approx(error.mean())
        assert group.metrics['sd_ratio'] == pytest.approx(rows.prediction.std() / rows.score.std())
        expected = bootstrap_intervals(rows.score, rows.prediction, ['srcc', 'plcc', 'mae'], 30, seed=2)
        assert group.intervals == expected


def test_small_groups_are_listed_but_not_judged(frame):
    size = frame.group.value_counts()['Naive']
    assert measure(frame, min_size=size)['Naive'].metrics is not None
    found = measure(frame, min_size=size + 1)
    assert found['Naive'] == (size, None, {})
    text = breakdown_table(found, 'style', size + 1)
    assert f'| {size} (too small) |' in text
    assert f'Groups of fewer than {size + 1} images, too small to judge: 1.' in text
    assert 'undefined' not in text
    assert 'too small' not in breakdown_table(measure(frame, min_size=2), 'style', 2)


def test_an_undefined_correlation_is_said_so():
    found = breakdown(['a'] * 3 + ['b'] * 3, [1.0, 2, 3] * 2, [4.0, 4, 4, 1, 2, 3], 2, FAST)
    assert found['a'].metrics['srcc'] is None
    assert found['a'].intervals['srcc'] is None
    assert found['b'].metrics['srcc'] == pytest.approx(1)
    assert 'undefined: a correlation needs' in breakdown_table(found, 'style', 2)


def test_images_without_a_value_are_a_group_of_their_own():
    found = breakdown(['', 'x', '', 'x', 'x'], [1.0, 2, 3, 4, 5], [1.0, 2, 3, 4, 5], 2, Protocol(n_resamples=0))
    assert {name: group.n for name, group in found.items()} == {'x': 3, '(no value)': 2}
    assert found['x'].intervals == {}
    assert '[low, high]' not in breakdown_table(found, 'style', 2)


def test_groups_of_one_size_are_in_the_order_of_their_names():
    values = np.arange(6.0)
    assert list(breakdown(list('zazaqq'), values, values, protocol=Protocol(n_resamples=0))) == ['a', 'q', 'z']


@pytest.mark.parametrize(
    ('groups', 'scores', 'min_size', 'error', 'message'),
    [
        (['a', 'b'], [1.0, 2], 1, ConfigError, 'minimum size of a group is 1'),
        (['a'], [1.0, 2], 2, DataError, '1 groups, 2 scores and 2 predictions'),
        (['a', 'a'], [1.0, np.inf], 2, DataError, r'scores\[1\] is inf'),
    ],
)
def test_unusable_input_is_refused(groups, scores, min_size, error, message):
    with pytest.raises(error, match=message):
        breakdown(groups, scores, [1.0, 2], min_size)
