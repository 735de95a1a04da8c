"""The table of results: what it states, how it is laid out, and what it refuses."""

import re

import pytest

from ssmr.errors import DataError
from ssmr.evaluation.metrics import evaluate_scores
from ssmr.evaluation.report import metrics_table

DASH = '\N{EN DASH}'
SCORES = [3.0, 4, 5, 6, 7]
MODEL = evaluate_scores(SCORES, [3.0, 5, 4, 6, 8])
CONSTANT = evaluate_scores(SCORES, [5.0] * 5)


def cells(text):
    """The table's lines as lists of cells; a pipe in a name is escaped."""
    lines = [line for line in text.splitlines() if line.startswith('|')]
    return [[cell.strip() for cell in re.split(r'(?<!\\)\|', line)[1:-1]] for line in lines]


def test_the_protocol_stands_above_the_table():
    text = metrics_table({'a': evaluate_scores(SCORES, SCORES, threshold=4.5, rule='>=')}, threshold=4.5, rule='>=')
    assert text.splitlines()[0] == 'n = 5; acc: score >= 4.5; majority_acc 0.6000'


def test_each_row_has_its_metrics_in_the_columns_of_the_header():
    header, _, model, constant = cells(metrics_table({'ours': MODEL, 'constant': CONSTANT}))
    assert header == ['', 'srcc', 'plcc', 'krcc', 'rmse', 'mae', 'r2', 'acc', 'balanced_acc', 'sd_ratio']
    assert model == ['ours', *(f'{MODEL[name]:.4f}' for name in header[1:])]
    assert dict(zip(header, constant, strict=True)) == {
        '': 'constant', 'srcc': DASH, 'plcc': DASH, 'krcc': DASH, 'rmse': '1.4142', 'mae': '1.2000', 'r2': '0.0000',
        'acc': '0.6000', 'balanced_acc': '0.5000', 'sd_ratio': '0.0000',
    }  # fmt: skip


def test_undefined_values_are_explained_only_where_there_are_any():
    assert 'undefined: a correlation needs' in metrics_table({'constant': CONSTANT})
    assert 'undefined' not in metrics_table({f'a {DASH} b': MODEL})


def test_intervals_stand_beside_the_values_they_belong_to():
    intervals = {'ours': {'srcc': (0.5, 0.95), 'plcc': None}}
    header, _, model, constant = cells(metrics_table({'ours': MODEL, 'constant': CONSTANT}, intervals))
    assert header[1:4] == ['srcc [low, high]', 'plcc [low, high]', 'krcc']
    assert model[1:3] == [f'{MODEL["srcc"]:.4f} [0.5000, 0.9500]', f'{MODEL["plcc"]:.4f} [{DASH}]']
    assert constant[1:3] == [DASH, DASH]


def test_the_table_is_aligned_and_is_markdown():
    text = metrics_table({'a rather long name | with a pipe\n': MODEL, 'b': CONSTANT}, {'b': {'srcc': (-1, 1)}})
    lines = [line for line in text.splitlines() if line.startswith('|')]
    assert len({len(line) for line in lines}) == 1
    assert re.fullmatch(r'\| :-+ (\| -+: )+\|', lines[1])
    assert {len(row) for row in cells(text)} == {10}
    assert cells(text)[2][0] == r'a rather long name \| with a pipe'


def test_results_on_different_images_are_not_put_into_one_table():
    with pytest.raises(DataError, match=r'2 rows measured on 2 sets of labels.*\(4, 0.75\), \(5, 0.6\)'):
        metrics_table({'a': MODEL, 'b': evaluate_scores(SCORES[:4], SCORES[:4])})
    with pytest.raises(DataError, match='0 rows'):
        metrics_table({})
