"""Predictions from reference labels: the weights, the percentile scale, and that only the lists to fit on decide."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from ssmr.errors import ConfigError, DataError
from ssmr.evaluation.metrics import evaluate_scores
from ssmr.evaluation.protocol import Protocol
from ssmr.evaluation.reference_report import evaluate_references
from ssmr.evaluation.reference_weighting import OFFSETS, LabelScale, fit_predictor
from ssmr.evaluation.references import ReferenceLabels, load_labels

AS_THEY_ARE = LabelScale('score', [0.0, 10.0])
LABELS = st.lists(st.integers(0, 8).map(float), min_size=1, max_size=30)


def lists_where(signal, n=300, k=12, seed=0, prefix='q'):
    """n queries whose score follows ``signal`` of their reference labels [n, k]; references are drawn from 200."""
    rng = np.random.default_rng(seed)
    pool = np.exp(rng.normal(1.2, 0.5, 200))
    ids = np.stack([rng.choice(200, k, replace=False) for _ in range(n)])
    labels = pool[ids]
    found = ReferenceLabels([f'{prefix}{i}' for i in range(n)], np.zeros(n), ids.astype(str), labels)
    scores = signal(found) + 0.1 * rng.normal(size=n)
    return ReferenceLabels(found.queries, scores, found.references, labels), dict(enumerate(pool))


def rank_mean(found, c):
    return np.array([sum(x / (r + c) for r, x in enumerate(row, 1)) for row in found.labels]) / sum(
        1 / (r + c) for r in range(1, found.labels.shape[1] + 1)
    )


def hub_mean(found, b):
    flat = found.references.ravel().tolist()
    weights = np.array([[flat.count(name) ** -b for name in row] for row in found.references.tolist()])
    return (found.labels * weights).sum(axis=1) / weights.sum(axis=1)


@given(LABELS, LABELS)
def test_a_percentile_is_that_of_scipy_and_ties_are_halved(pool, labels):
    expected = [scipy.stats.percentileofscore(pool, x, kind='mean') / 100 for x in labels]
    assert LabelScale('percentile', pool).to(np.array(labels)) == pytest.approx(expected)


def test_percentiles_are_mapped_back_to_scores():
    pool = np.linspace(2, 9, 1001)
    scale = LabelScale('percentile', pool)
    assert scale.back(scale.to(pool[1:-1])) == pytest.approx(pool[1:-1], abs=0.01)
    assert AS_THEY_ARE.back(AS_THEY_ARE.to(pool)) is pool


def test_the_plain_mean_needs_no_lists_to_fit_on():
    found, _ = lists_where(lambda f: f.labels[:, 0])
    predictor = fit_predictor('mean', AS_THEY_ARE)
    assert predictor(found) == pytest.approx(found.labels.mean(axis=1))
    assert (predictor.parameters, predictor.fit_srcc) == ({}, None)


def test_percentiles_bear_an_outlier():
    pool = np.arange(1.0, 12)
    found = ReferenceLabels(['q'], np.zeros(1), np.array([['a', 'b', 'c']]), np.array([[2.0, 3, 11]]))
    scale = LabelScale('percentile', pool)
    [value] = fit_predictor('mean', scale)(found)
    assert value == pytest.approx(np.quantile(pool, np.mean([1.5, 2.5, 10.5]) / 11))
    wild = ReferenceLabels(['q'], np.zeros(1), found.references, np.array([[2.0, 3, 1e6]]))
    assert fit_predictor('mean', LabelScale('percentile', [*pool[:-1], 1e6]))(wild) == pytest.approx(value)


@pytest.mark.parametrize(
    ('method', 'name', 'true', 'mean'), [('rank', 'c', 2.0, rank_mean), ('hub', 'b', 1.0, hub_mean)]
)
def test_the_parameter_is_the_one_of_the_highest_srcc_where_it_is_fitted(method, name, true, mean):
    fit, _ = lists_where(lambda f: 20 * mean(f, true))
    predictor = fit_predictor(method, AS_THEY_ARE, fit)
    assert predictor.parameters == {name: true}
    assert predictor(fit) == pytest.approx(mean(fit, true))
    assert predictor.fit_srcc == pytest.approx(scipy.stats.spearmanr(fit.scores, mean(fit, true)).statistic)
    other, _ = lists_where(lambda f: f.labels[:, -1], seed=1)
    assert predictor(other) == pytest.approx(mean(other, true))  # applied as fitted, whatever these scores say


def test_weights_come_from_a_grid_that_holds_the_plain_mean_but_for_a_hair():
    found, _ = lists_where(lambda f: f.labels[:, 0])
    assert rank_mean(found, max(OFFSETS)) == pytest.approx(found.labels.mean(axis=1), rel=0.01)


def test_learned_is_ridge_on_the_labels_in_their_order_and_sorted():
    fit, _ = lists_where(lambda f: np.median(f.labels, axis=1) + f.labels[:, 0])
    other, _ = lists_where(lambda f: np.median(f.labels, axis=1) + f.labels[:, 0], seed=1)
    predictor = fit_predictor('learned', AS_THEY_ARE, fit)

    def features(found):
        return np.concatenate([found.labels, np.sort(found.labels)], axis=1)

    scaler = StandardScaler().fit(features(fit))
    ridge = Ridge(predictor.parameters['penalty']).fit(scaler.transform(features(fit)), fit.scores)
    assert predictor(other) == pytest.approx(ridge.predict(scaler.transform(features(other))))
    found = evaluate_scores(other.scores, predictor(other))['srcc']
    assert found > evaluate_scores(other.scores, other.labels.mean(axis=1))['srcc'] + 0.1


@pytest.mark.parametrize('method', ['rank', 'hub', 'learned'])
@pytest.mark.parametrize('average', ['score', 'percentile'])
def test_the_scores_of_the_evaluated_queries_change_no_prediction(method, average):
    fit, pool = lists_where(lambda f: f.labels[:, 0])
    found, _ = lists_where(lambda f: f.labels[:, 1], seed=1)
    predictor = fit_predictor(method, LabelScale(average, list(pool.values())), fit)
    blind = ReferenceLabels(found.queries, found.scores[::-1], found.references, found.labels)
    assert predictor(found).tolist() == predictor(blind).tolist()


@pytest.mark.parametrize(
    ('call', 'error', 'message'),
    [
        (lambda: fit_predictor('rank', AS_THEY_ARE), ConfigError, 'the method rank has nothing to be fitted on'),
        (lambda: fit_predictor('best', AS_THEY_ARE), ConfigError, "method is 'best'"),
        (lambda: LabelScale('median', [1.0]), ConfigError, "average is 'median'"),
        (lambda: LabelScale('score', [np.nan]), DataError, r'pool_scores\[0\] is nan'),
        (
            lambda: fit_predictor('learned', AS_THEY_ARE, lists_where(lambda f: f.labels[:, 0], 9)[0]),
            DataError,
            '9 lists to fit weights on',
        ),
    ],
)
def test_unusable_input_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_queries_that_were_fitted_on_are_not_evaluated():
    fit, pool = lists_where(lambda f: f.labels[:, 0])
    found, _ = lists_where(lambda f: f.labels[:, 0], n=20, seed=1)  # q0 to q19 again
    with pytest.raises(DataError, match='20 queries to evaluate are among those to fit on, first q0, q1, q10'):
        evaluate_references(found, [3], pool, 'rank', fit=fit)


def test_the_report_names_the_parameters_and_compares_with_the_plain_mean():
    fit, pool = lists_where(lambda f: 20 * rank_mean(f, 2.0))
    found, _ = lists_where(lambda f: 20 * rank_mean(f, 2.0), seed=1, prefix='t')
    report = evaluate_references(found, [4, 12], pool, 'rank', 'score', fit, Protocol(n_resamples=40))
    record = report.record()
    assert record['parameters'][12] == {'c': 2.0}
    assert record['k'][12] == pytest.approx(evaluate_scores(found.scores, rank_mean(found, 2.0)))
    plain = evaluate_scores(found.scores, found.labels.mean(axis=1))
    difference = record['differences'][12]['srcc']
    assert difference['difference'] == pytest.approx(record['k'][12]['srcc'] - plain['srcc'])
    assert difference['low'] > 0
    text = report.text()
    assert '| rank, scores, c = 2, k = 12 ' in text and '| k = 12 ' in text and '| k = 4 ' in text
    assert 'rank, scores, c = 2, k = 12: SRCC 0.9' in text.splitlines()[-1]
    assert 'Less the plain mean' not in evaluate_references(found, [4], pool).text()


@pytest.mark.data
def test_baid_by_rank_and_percentile_fitted_on_validation(shared_data):
    """The one choice made on validation before the test lists were weighted: rank weights of percentiles."""
    from ssmr.evaluation.csv_columns import read_scores

    labels = shared_data / 'labels'
    pool = read_scores(labels / 'baid_train.csv')
    fit, found = (
        load_labels(labels / f'ssmr_{split}_refer_50.txt', pool, labels / f'baid_{split}.csv', 50)
        for split in ('val', 'test')
    )
    outcome = evaluate_references(found, [50], pool, 'rank', 'percentile', fit).outcomes[50]
    assert outcome.parameters == {'c': 2.0}
    assert round(outcome.fit_srcc, 4) == 0.1663
    assert (round(outcome.metrics['srcc'], 4), round(outcome.metrics['plcc'], 4)) == (0.3215, 0.4061)
