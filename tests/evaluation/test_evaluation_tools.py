"""The two evaluation tools as a user runs them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ssmr.artifacts.reference_index import ReferenceIndex
from ssmr.artifacts.store import ArtifactKey, ArtifactStore
from ssmr.evaluation.bootstrap import bootstrap_intervals
from ssmr.evaluation.metrics import METRICS, evaluate_scores

TOOLS = Path(__file__).parents[2] / 'tools'
HEAVY = ('torch', 'pandas', 'scipy', 'sklearn', 'mmengine', 'mmpretrain', 'rich', 'matplotlib')


def tool(name, *arguments):
    command = [sys.executable, TOOLS / f'{name}.py', *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, encoding='utf-8', timeout=120)


@pytest.fixture
def tables(tmp_path):
    (tmp_path / 'predictions.csv').write_text('image,score,prediction\na,1,2\nb,6,4\nc,7,8\nd,4,3\n')
    (tmp_path / 'flat.csv').write_text('image,score,prediction\na,1,4\nb,6,4\nc,7,4\n')
    (tmp_path / 'pool.csv').write_text('image,score\nr1,1\nr2,2\nr3,6\n')
    (tmp_path / 'queries.csv').write_text('image,score\nq1,3\nq2,6\nq3,4\n')
    (tmp_path / 'lists.txt').write_text('q2 r3 r2 \nq1 r1 r2 \nq3 r2 r3 \n')
    return tmp_path


def references(tables, *arguments, lists='lists.txt'):
    files = ('--references', tables / lists, '--pool', tables / 'pool.csv', '--queries', tables / 'queries.csv')
    return tool('evaluate_references', *files, *arguments)


@pytest.mark.parametrize('name', ['compare_predictions', 'evaluate_predictions', 'evaluate_references'])
def test_help_loads_nothing_heavy(name):
    code = (
        'import json, runpy, sys\n'
        f'sys.argv = [{name!r}, "--help"]\n'
        f'try: runpy.run_path({str(TOOLS / name)!r} + ".py", run_name="__main__")\n'
        'except SystemExit as left: print(json.dumps([left.code, sorted(sys.modules)]))'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    status, modules = json.loads(done.stdout.splitlines()[-1])
    assert status == 0
    assert '--threshold' in done.stdout
    assert [module for module in HEAVY if module in modules] == []


def test_predictions_as_json(tables):
    done = tool('evaluate_predictions', tables / 'predictions.csv', '--json', '--rule', '>=', '--threshold', '4')
    found = json.loads(done.stdout)
    assert {name: found[name] for name in METRICS} == evaluate_scores(
        [1, 6, 7, 4], [2, 4, 8, 3], threshold=4, rule='>='
    )
    assert (found['threshold'], found['rule']) == (4, '>=')
    for name in ('srcc', 'plcc', 'acc'):
        low, high = found['ci'][name]
        assert low <= found[name] <= high
    assert done.stdout.count('\n') == 1


def test_the_seed_and_the_number_of_resamples_are_options(tables):
    def ci(*options):
        return json.loads(tool('evaluate_predictions', tables / 'predictions.csv', '--json', *options).stdout)['ci']

    expected = bootstrap_intervals([1, 6, 7, 4], [2, 4, 8, 3], n_resamples=20, seed=3)
    assert ci('--bootstrap', 20, '--seed', 3) == {name: list(ends) for name, ends in expected.items()}
    assert ci('--bootstrap', 0) == {}


def test_undefined_correlations_are_null_in_json_and_explained_in_the_table(tables):
    found = json.loads(tool('evaluate_predictions', tables / 'flat.csv', '--json').stdout)
    assert (found['srcc'], found['ci']['srcc'], found['sd_ratio']) == (None, None, 0)
    text = tool('evaluate_predictions', tables / 'flat.csv').stdout
    assert '| flat |' in text
    assert 'undefined: a correlation needs' in text


def test_references_as_json(tables):
    found = json.loads(references(tables, '--k', 1, 2, '--json').stdout)
    assert (found['n'], found['left_out'], list(found['k'])) == (3, 0, ['1', '2'])
    assert found['k']['2'] == evaluate_scores([6, 3, 4], [4, 1.5, 4])


def test_references_as_a_table(tables):
    done = references(tables, '--k', 1, 2)
    assert '| k = 1 ' in done.stdout and '| k = 2 ' in done.stdout
    assert 'left out' not in done.stdout


def test_queries_without_a_list_are_refused_unless_allowed(tables):
    (tables / 'lists.txt').write_text('q2 r3 r2 \nq1 r1 r2 \n')
    refused = references(tables, '--k', 1)
    assert (refused.returncode, refused.stdout) == (1, '')
    assert '1 of 3 queries have no list, first q3' in refused.stderr and '--allow-missing' in refused.stderr
    found = json.loads(references(tables, '--k', 1, '--allow-missing', '--json').stdout)
    assert (found['n'], found['left_out'], found['k']['1']['n']) == (2, 1, 2)
    assert '1 of 3 queries have no list and were left out' in references(tables, '--k', 1, '--allow-missing').stdout


def test_the_folder_of_a_reference_index_is_read_as_its_lists(tables):
    index = ReferenceIndex(
        ids=('r1', 'r2', 'r3', 'q1', 'q2', 'q3'),
        queries=np.array([0, 3, 4, 5]),  # r1 is of the training split: not asked for
        references=np.array([[1, 2], [0, 1], [2, 1], [1, 2]]),
        similarities=np.tile(np.array([0.9, 0.8], np.float32), (4, 1)),
    )

    def build(folder):
        index.save(folder)
        return {}

    folder = ArtifactStore(tables).get_or_build(ArtifactKey('references', 'tiny', {}), build)
    found = json.loads(references(tables, '--k', 2, '--json', lists=folder).stdout)
    assert (found['n'], found['left_out']) == (3, 0)
    assert found['k']['2'] == pytest.approx(evaluate_scores([3, 6, 4], [1.5, 4, 4]))


def test_a_folder_that_is_no_index_is_an_error(tables):
    done = references(tables, '--k', 1, lists='.')
    assert done.returncode == 1
    assert done.stderr.startswith('error: ') and 'manifest.json' in done.stderr


def test_an_error_is_one_message_and_status_1(tables):
    done = tool('evaluate_predictions', tables / 'none.csv', '--json')
    assert (done.returncode, done.stdout) == (1, '')
    assert done.stderr.startswith(f'error: cannot read {tables / "none.csv"}')
    assert 'Traceback' not in done.stderr


def test_an_unknown_option_is_status_2(tables):
    assert tool('evaluate_predictions', tables / 'predictions.csv', '--rule', '<').returncode == 2


@pytest.mark.data
def test_the_published_files(shared_data):
    labels = shared_data / 'labels'
    found = json.loads(tool('evaluate_predictions', labels / 'baid_test_SAAN_repro_pred.csv', '--json').stdout)
    expected = {'srcc': 0.472, 'plcc': 0.467, 'acc': 0.767, 'majority_acc': 0.762}
    assert {name: round(found[name], 3) for name in expected} == expected
    low, high = found['ci']['srcc']
    assert high - low == pytest.approx(0.04, abs=0.01)  # theory: about 1.96 * (1 - .472^2) / sqrt(6399) each side
    files = ('--pool', labels / 'baid_train.csv', '--queries', labels / 'baid_test.csv')
    lists = ('--references', labels / 'ssmr_test_refer_50.txt')
    done = tool('evaluate_references', *lists, *files, '--k', 50, '--json')
    assert round(json.loads(done.stdout)['k']['50']['srcc'], 4) == 0.2564
