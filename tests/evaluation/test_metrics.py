"""The metrics against definitions written out by hand, scikit-learn, and the properties they must have."""

import itertools
import math

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import assume, given
from hypothesis import strategies as st

from ssmr.errors import ConfigError, DataError
from ssmr.evaluation.csv_columns import read_columns
from ssmr.evaluation.metrics import METRICS, evaluate_scores

# A few distinct values, so that ties are common; 5 is the threshold.
POINTS = st.integers(0, 10)
PAIRS = st.lists(st.tuples(POINTS, POINTS), min_size=2, max_size=25).map(lambda rows: np.array(rows, float).T)
CORRELATIONS = ('srcc', 'plcc', 'krcc')


def average_ranks(values):
    return np.array([np.sum(values < v) + (np.sum(values == v) + 1) / 2 for v in values])


def pearson(a, b):
    a, b = a - a.mean(), b - b.mean()
    return (a @ b) / math.sqrt((a @ a) * (b @ b))


def tau_b(a, b):
    signs = [(np.sign(a[i] - a[j]), np.sign(b[i] - b[j])) for i, j in itertools.combinations(range(len(a)), 2)]
    untied = [sum(sign[side] != 0 for sign in signs) for side in (0, 1)]
    return sum(x * y for x, y in signs) / math.sqrt(untied[0] * untied[1])


def not_constant(scores, predictions):
    assume(len(set(scores)) > 1 and len(set(predictions)) > 1)


@given(PAIRS)
def test_correlations_are_those_of_their_definitions(pair):
    scores, predictions = pair
    not_constant(scores, predictions)
    found = evaluate_scores(scores, predictions)
    assert found['srcc'] == pytest.approx(pearson(average_ranks(scores), average_ranks(predictions)), abs=1e-12)
    assert found['plcc'] == pytest.approx(pearson(scores, predictions), abs=1e-12)
    assert found['krcc'] == pytest.approx(tau_b(scores, predictions), abs=1e-12)


@given(PAIRS, st.sampled_from(['>', '>=']))
def test_errors_and_accuracies_are_those_of_scikit_learn(pair, rule):
    scores, predictions = pair
    assume(len(set(scores)) > 1)
    found = evaluate_scores(scores, predictions, rule=rule)
    assert found['mse'] == pytest.approx(sklearn.metrics.mean_squared_error(scores, predictions))
    assert found['rmse'] == pytest.approx(math.sqrt(sklearn.metrics.mean_squared_error(scores, predictions)))
    assert found['mae'] == pytest.approx(sklearn.metrics.mean_absolute_error(scores, predictions))
    assert found['bias'] == pytest.approx(np.mean(predictions) - np.mean(scores))
    assert found['r2'] == pytest.approx(sklearn.metrics.r2_score(scores, predictions))
    assert found['sd_ratio'] == pytest.approx(np.std(predictions, ddof=1) / np.std(scores, ddof=1))
    actual, predicted = ([x > 5 or (rule == '>=' and x == 5) for x in side] for side in pair)
    assert found['acc'] == pytest.approx(sklearn.metrics.accuracy_score(actual, predicted))
    assert found['majority_acc'] == pytest.approx(max(actual.count(True), actual.count(False)) / len(actual))
    if len(set(actual)) == 2:
        assert found['balanced_acc'] == pytest.approx(sklearn.metrics.balanced_accuracy_score(actual, predicted))
    else:
        assert found['balanced_acc'] is None


@given(PAIRS)
def test_rank_correlations_ignore_a_monotone_transform(pair):
    scores, predictions = pair
    before, after = evaluate_scores(scores, predictions), evaluate_scores(scores, np.exp(predictions) + predictions)
    assert after['srcc'] == pytest.approx(before['srcc'])
    assert after['krcc'] == pytest.approx(before['krcc'])


@given(PAIRS)
def test_the_sign_of_a_correlation_is_kept(pair):
    scores, predictions = pair
    not_constant(scores, predictions)
    before, after = evaluate_scores(scores, predictions), evaluate_scores(scores, -predictions)
    for name in CORRELATIONS:
        assert after[name] == pytest.approx(-before[name], abs=1e-12)


@given(PAIRS, st.randoms(use_true_random=False))
def test_the_order_of_the_images_does_not_matter(pair, random):
    order = list(range(pair.shape[1]))
    random.shuffle(order)
    before, after = evaluate_scores(*pair), evaluate_scores(*pair[:, order])
    assert after == pytest.approx(before, abs=1e-12)


@given(PAIRS)
def test_undefined_is_none_and_everything_else_is_a_finite_number(pair):
    scores, predictions = pair
    found = evaluate_scores(scores, predictions)
    flat, same = len(set(scores)) == 1, len(set(predictions)) == 1
    undefined = {name for name, value in found.items() if value is None}
    expected = set(CORRELATIONS) if flat or same else set()
    expected |= {'r2', 'sd_ratio'} if flat else set()
    expected |= {'balanced_acc'} if len(set(scores > 5)) == 1 else set()
    assert undefined == expected
    assert all(math.isfinite(value) for value in found.values() if value is not None)


def test_every_metric_is_described():
    assert list(evaluate_scores([1, 2], [1, 3])) == list(METRICS)
    assert all(metric.meaning and metric.higher_is_better in (True, False, None) for metric in METRICS.values())
    assert METRICS['srcc'].higher_is_better is True
    assert METRICS['rmse'].higher_is_better is False


@pytest.mark.parametrize(('rule', 'acc', 'majority'), [('>', 0.75, 0.75), ('>=', 0.5, 0.5)])
def test_the_rule_decides_on_which_side_the_threshold_itself_is(rule, acc, majority):
    found = evaluate_scores([5, 6, 2, 3], [7, 6, 5, 5], rule=rule)
    assert (found['acc'], found['majority_acc']) == (acc, majority)


def test_the_threshold_moves_the_accuracies_alone():
    scores, predictions = [1.0, 2, 3, 4], [1.0, 3, 2, 4]
    at_five, at_two = evaluate_scores(scores, predictions), evaluate_scores(scores, predictions, threshold=2.5)
    assert (at_five['acc'], at_two['acc']) == (1, 0.5)
    assert {name for name in METRICS if at_five[name] != at_two[name]} == {'acc', 'balanced_acc', 'majority_acc'}


def test_a_collapsed_model_shows_in_sd_ratio_though_its_ranks_are_perfect():
    scores = np.linspace(1, 9, 50)
    found = evaluate_scores(scores, 5 + 0.01 * (scores - 5))
    assert found['srcc'] == pytest.approx(1)
    assert found['sd_ratio'] == pytest.approx(0.01)


@pytest.mark.parametrize(
    ('scores', 'predictions', 'message'),
    [
        ([1, 2, 3], [1, math.nan, math.nan], r'predictions\[1\] is nan \(2 of 3'),
        ([1, 2, -math.inf], [1, 2, 3], r'scores\[2\] is -inf'),
        ([1, 2, 3], [1, 2], '3 scores but 2 predictions'),
        ([1], [1], '1 images'),
        ([], [], '0 images'),
        (['a', 'b'], [1, 2], 'scores are not numbers'),
        ([[1, 2]], [1, 2], r'scores have the shape \(1, 2\)'),
    ],
)
def test_unusable_input_is_refused(scores, predictions, message):
    with pytest.raises(DataError, match=message):
        evaluate_scores(scores, predictions)


@pytest.mark.parametrize(('option', 'message'), [({'rule': '<'}, 'rule'), ({'threshold': math.nan}, 'threshold')])
def test_unusable_options_are_refused(option, message):
    with pytest.raises(ConfigError, match=message):
        evaluate_scores([1, 2], [1, 2], **option)


@pytest.mark.data
def test_saan_on_baid(shared_data):
    path = shared_data / 'labels' / 'baid_test_SAAN_repro_pred.csv'
    _, (scores, predictions) = read_columns(path, ['score', 'prediction'])
    found = evaluate_scores(scores, predictions)
    expected = {'srcc': 0.4722, 'plcc': 0.4670, 'acc': 0.7673, 'majority_acc': 0.7620, 'n': 6399}
    assert {name: round(found[name], 4) for name in expected} == expected
    ranks = [np.argsort(np.argsort(x, kind='stable'), kind='stable') for x in (scores, predictions)]
    assert found['srcc'] == pytest.approx(pearson(*map(np.float64, ranks)), abs=1e-4)  # ties are few
