"""The trivial baselines do what their names say and see no test label."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmr.errors import ConfigError, DataError
from ssmr.evaluation.baselines import (
    FrozenFeatures,
    UploadNumbers,
    constant_baseline,
    id_baseline,
    knn_baselines,
    majority_baseline,
    ridge_baseline,
    trivial_baselines,
)
from ssmr.evaluation.metrics import evaluate_scores

TRAIN = [2.0, 3, 4, 8]


def linear_world(seed=0, noise=0.1):
    """Features of 300 / 100 / 80 works whose score is linear in 5 of 20 numbers of very different scales."""
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.integers(-3, 4, 20)
    features = rng.normal(size=(480, 20)) * scale + scale
    scores = 5 + (features / scale)[:, :5] @ [1, -1, 0.5, 0.5, 2] + rng.normal(0, noise, 480)
    train, val, test = (slice(0, 300), slice(300, 400), slice(400, 480))
    return scores[train], FrozenFeatures(features[train], features[val], scores[val], features[test]), scores[test]


def test_constant_is_the_training_mean_and_no_constant_has_a_smaller_error():
    predictions = constant_baseline(TRAIN, 3)
    assert predictions.tolist() == [4.25] * 3
    error = evaluate_scores(TRAIN, constant_baseline(TRAIN, 4))['mse']
    assert all(error <= evaluate_scores(TRAIN, np.full(4, c))['mse'] for c in np.linspace(0, 10, 101))


@pytest.mark.parametrize(
    ('threshold', 'rule', 'expected'),
    [(5, '>', 3.0), (2.5, '>', 4.0), (3, '>=', 4.0), (3, '>', 2.5), (8, '>=', 3.0)],
)
def test_majority_is_the_median_of_the_larger_side(threshold, rule, expected):
    assert majority_baseline(TRAIN, 2, threshold=threshold, rule=rule).tolist() == [expected] * 2


def test_the_accuracy_of_majority_is_the_majority_accuracy():
    rng = np.random.default_rng(0)
    train, test = rng.normal(4.5, 1, 500), rng.normal(4.5, 1, 300)
    for rule in ('>', '>='):
        found = evaluate_scores(test, majority_baseline(train, 300, rule=rule), rule=rule)
        assert found['acc'] == found['majority_acc']
        assert found['balanced_acc'] == 0.5


def test_knn_averages_the_first_references():
    labels = np.array([[1.0, 2, 6], [4, 4, 4]])
    found = knn_baselines(labels, (1, 2, None))
    assert {name: values.tolist() for name, values in found.items()} == {
        'knn_1': [1, 4],
        'knn_2': [1.5, 4],
        'knn_all': [3, 4],
    }


@pytest.mark.parametrize('k', [0, 4, -1])
def test_knn_refuses_a_k_without_references(k):
    with pytest.raises(ConfigError, match=f'k is {k} but there are 3'):
        knn_baselines(np.ones((2, 3)), [k])


@pytest.mark.parametrize(('labels', 'message'), [(np.ones(3), 'shape'), (np.array([[1, np.nan]]), r'\[1\] is nan')])
def test_knn_refuses_unusable_labels(labels, message):
    with pytest.raises(DataError, match=message):
        knn_baselines(labels, [1])


def test_ridge_finds_a_linear_relation_whatever_the_scales():
    train, features, test = linear_world()
    assert evaluate_scores(test, ridge_baseline(train, features))['srcc'] > 0.99


def test_ridge_with_one_penalty_is_the_closed_form():
    train, features, _ = linear_world()
    mean, sd = features.train.mean(axis=0), features.train.std(axis=0)
    x, y = (features.train - mean) / sd, train - train.mean()
    weights = np.linalg.solve(x.T @ x + 30 * np.eye(20), x.T @ y)
    expected = (features.test - mean) / sd @ weights + train.mean()
    assert ridge_baseline(train, features, [30.0]) == pytest.approx(expected)


def test_the_penalty_is_the_one_of_the_highest_srcc_on_validation():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(120, 60))  # few works, many features: the penalty matters
    scores = x[:, 0] + rng.normal(size=120)
    fit, val, test = slice(0, 70), slice(70, 100), slice(100, 120)
    features = FrozenFeatures(x[fit], x[val], scores[val], x[test])
    on_val = FrozenFeatures(x[fit], x[val], scores[val], x[val])
    alphas = [1e-2, 1.0, 1e2, 1e4]
    srcc = {a: evaluate_scores(scores[val], ridge_baseline(scores[fit], on_val, [a]))['srcc'] for a in alphas}
    best = max(srcc, key=srcc.get)
    assert len(set(srcc.values())) > 1
    assert ridge_baseline(scores[fit], features, alphas) == pytest.approx(ridge_baseline(scores[fit], features, [best]))


def test_all_baselines_together():
    train, features, _ = linear_world()
    found = trivial_baselines(train, 80, reference_scores=np.ones((80, 20)), features=features)
    assert list(found) == ['constant', 'majority', 'knn_4', 'knn_16', 'knn_all', 'ridge']
    assert all(values.shape == (80,) and values.dtype == np.float64 for values in found.values())
    assert list(trivial_baselines(train, 80)) == ['constant', 'majority']


def test_rows_that_do_not_fit_the_test_split_are_refused():
    with pytest.raises(DataError, match='baseline knn_1: 3 rows for 4 test images'):
        trivial_baselines(TRAIN, 4, reference_scores=np.ones((3, 2)), ks=[1])


@given(
    st.lists(st.tuples(st.integers(0, 300), st.floats(0, 10)), min_size=1, max_size=40, unique_by=lambda pair: pair[0]),
    st.lists(st.integers(-10, 310), min_size=1, max_size=20),
    st.data(),
)
def test_the_id_baseline_averages_the_labels_of_the_nearest_numbers(train, test, data):
    k = data.draw(st.integers(1, len(train)))
    numbers, labels = (np.array(column) for column in zip(*train, strict=True))
    found = id_baseline(labels, UploadNumbers(numbers, np.array(test)), k)
    for number, prediction in zip(test, found, strict=True):
        nearest = sorted(train, key=lambda pair: (abs(pair[0] - number), pair[0]))[:k]
        assert prediction == pytest.approx(np.mean([label for _, label in nearest]))


def test_the_id_baseline_is_in_the_table_where_works_are_numbered():
    numbers = UploadNumbers(np.arange(20), np.array([3, 30]))
    found = trivial_baselines(np.arange(20.0), 2, numbers=numbers)
    assert found['id_16'].tolist() == [np.arange(16).mean(), np.arange(4, 20).mean()]
    assert 'id_16' not in trivial_baselines(np.arange(20.0), 2)
    with pytest.raises(ConfigError, match='k is 21'):
        id_baseline(np.arange(20.0), numbers, 21)
