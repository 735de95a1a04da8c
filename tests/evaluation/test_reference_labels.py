"""The labels of the references as predictions: arithmetic, refusals, and the published lists of BAID."""

import numpy as np
import pytest

from ssmr.artifacts.reference_lists import ReferenceList
from ssmr.errors import ConfigError, DataError
from ssmr.evaluation.csv_columns import read_scores
from ssmr.evaluation.metrics import evaluate_scores
from ssmr.evaluation.protocol import Protocol
from ssmr.evaluation.reference_report import evaluate_references
from ssmr.evaluation.references import load_labels, look_up

POOL = {'r1': 1.0, 'r2': 2.0, 'r3': 6.0}
QUERIES = {'q1': 3.0, 'q2': 6.0, 'q3': 4.0}
LISTS = [
    ReferenceList('q2', ('r3', 'r2', 'r1')),
    ReferenceList('q1', ('r1', 'r2', 'r3')),
    ReferenceList('q3', ('r2', 'r3', 'r1')),
]


def metrics(found, ks, **options):
    return {k: outcome.metrics for k, outcome in evaluate_references(found, ks, POOL, **options).outcomes.items()}


def test_the_mean_label_of_the_first_k_references_is_the_prediction():
    protocol = Protocol(threshold=3, rule='>=', n_resamples=0)
    found = metrics(look_up(LISTS, POOL, QUERIES, 2), [1, 2], protocol=protocol)
    scores = [6.0, 3, 4]  # in the order of the lists
    assert found == {
        1: evaluate_scores(scores, [6.0, 1, 2], threshold=3, rule='>='),
        2: evaluate_scores(scores, [4.0, 1.5, 4], threshold=3, rule='>='),
    }


def test_with_all_references_the_same_the_correlation_is_undefined():
    assert metrics(look_up(LISTS, POOL, QUERIES, 3), [3])[3]['srcc'] is None


def test_the_order_of_the_lists_does_not_matter():
    forward, backward = (metrics(look_up(lists, POOL, QUERIES, 2), [2])[2] for lists in (LISTS, LISTS[::-1]))
    assert forward == pytest.approx(backward)


def test_references_are_counted_over_the_lists_at_hand():
    found = look_up(LISTS, POOL, QUERIES, 2)
    assert found.references.tolist() == [['r3', 'r2'], ['r1', 'r2'], ['r2', 'r3']]
    assert found.counts().tolist() == [[2, 3], [1, 3], [3, 2]]
    assert found.first(1).counts().tolist() == [[1], [1], [1]]


def altered(*references, query='q1'):
    return [LISTS[0], ReferenceList(query, references), LISTS[2]]


@pytest.mark.parametrize(
    ('lists', 'message'),
    [
        (altered('r1', 'r9'), 'lists.txt, line 2: reference r9 is not in the pool'),
        (altered('r1'), 'line 2: query q1 has 1 references, k is 2'),
        (altered('r1', 'q1'), 'line 2: query q1 refers to itself'),
        (altered('r1', 'r1', 'r2'), 'line 2: query q1 has a reference twice'),
        (altered('r1', 'r2', query='q9'), 'line 2: query q9 is not in the queries table'),
        (altered('r1', 'r2', query='q2'), 'line 2: query q2 is listed twice'),
        (LISTS[:1], '2 of 3 queries have no list, first q1, q3'),
        ([], '3 of 3 queries have no list'),
    ],
)
def test_unusable_lists_are_refused(lists, message):
    with pytest.raises(DataError, match=message):
        look_up(lists, POOL, QUERIES, 2, source='lists.txt')


def test_a_leak_beyond_k_is_refused_too():
    with pytest.raises(DataError, match='refers to itself'):
        look_up(altered('r1', 'r2', 'q1'), POOL, QUERIES, 1)


@pytest.mark.parametrize('ks', [[], [0], [1, -2], [1, 3]])
def test_unusable_ks_are_refused(ks):
    with pytest.raises(ConfigError, match='k is'):
        evaluate_references(look_up(LISTS, POOL, QUERIES, 2), ks, POOL)
    with pytest.raises(ConfigError, match='k is 0'):
        look_up(LISTS, POOL, QUERIES, 0)


def test_queries_without_a_list_can_be_left_out_and_are_counted():
    found = look_up(LISTS[:2], POOL, QUERIES, 1, allow_missing=True)
    assert (metrics(found, [1])[1], found.left_out) == (evaluate_scores([6.0, 3], [6.0, 1]), 1)
    with pytest.raises(DataError, match='3 of 3'):
        look_up([], POOL, QUERIES, 1, allow_missing=True)


def test_lists_of_other_splits_can_be_passed_over():
    others = [ReferenceList('r1', ('r2', 'r3')), *LISTS]
    found, alone = look_up(others, POOL, QUERIES, 1, skip_unknown=True), look_up(LISTS, POOL, QUERIES, 1)
    assert found.queries == alone.queries
    assert found.labels.tolist() == alone.labels.tolist()


@pytest.mark.data
def test_the_published_references_of_baid(shared_data):
    labels = shared_data / 'labels'
    pool = read_scores(labels / 'baid_train.csv')

    def evaluate(split, ks):
        files = labels / f'ssmr_{split}_refer_50.txt', pool, labels / f'baid_{split}.csv'
        report = evaluate_references(load_labels(*files, max(ks)), ks, pool)
        return {k: outcome.metrics for k, outcome in report.outcomes.items()}

    ks = [1, 2, 4, 8, 16, 32, 50]
    found = evaluate('test', ks)
    assert [round(found[k]['srcc'], 4) for k in ks] == [0.2057, 0.2158, 0.2021, 0.1981, 0.2199, 0.2332, 0.2564]
    assert [round(found[k]['plcc'], 4) for k in ks] == [0.2437, 0.2629, 0.2726, 0.2744, 0.2820, 0.2925, 0.3154]
    assert {found[k]['n'] for k in ks} == {6400}
    val = evaluate('val', [50])[50]
    assert np.round([val['srcc'], val['plcc'], val['n']], 4).tolist() == [0.1208, 0.1210, 3200]
