"""The options of the evaluation tools and the tool that compares, as a user types them."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ssmr.evaluation.metrics import evaluate_scores

TOOLS = Path(__file__).parents[2] / 'tools'
FAST = ('--bootstrap', 20)


@pytest.fixture
def tool(monkeypatch, capsys):
    """Run a tool in this process; returns its status and what it printed."""

    def run(name, *arguments):
        monkeypatch.setattr(sys, 'argv', [name, *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            runpy.run_path(str(TOOLS / f'{name}.py'), run_name='__main__')
        return left.value.code or 0, *capsys.readouterr()

    return run


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    score = rng.normal(5, 1, 80)
    frame = pd.DataFrame({'image': [f'{i}.jpg' for i in range(80)], 'score': score})
    frame['prediction'] = score + rng.normal(0, 0.5, 80)
    frame['reference_sd'] = rng.uniform(0.3, 0.9, 80)
    worse = frame.assign(prediction=score + rng.normal(0, 2, 80))
    labels = frame[['image']].assign(style=['Cubism', 'Naive'] * 40, liking=rng.normal(4, 1, 80))
    tables = {'ours': frame[:50], 'val': frame[50:], 'theirs': worse[:50], 'fewer': worse[:40], 'labels': labels}
    for name, table in tables.items():
        table.to_csv(tmp_path / f'{name}.csv', index=False)
    return tmp_path


def test_groups_deciles_calibration_and_a_plot_in_one_call(tool, files):
    plot = files / 'plots' / 'sd.png'
    options = ('--by', 'style', '--labels', files / 'labels.csv', '--min-size', 26, '--deciles', '--plot', plot)
    calibration = ('--calibration', '--calibrate-on', files / 'val.csv')
    status, text, stderr = tool('evaluate_predictions', files / 'ours.csv', *options, *calibration, *FAST)
    assert (status, stderr) == (0, '')
    assert '| Cubism | 25 (too small) |' in text
    assert 'bias: mean prediction less mean label' in text
    assert f'fitted on {files / "val.csv"}' in text
    with Image.open(plot) as image:
        assert image.format == 'PNG'


def test_the_sections_are_keys_of_the_json(tool, files):
    arguments = (files / 'ours.csv', '--by', 'reference_sd', '--deciles', '--calibration', 'prediction', '--json')
    status, text, _ = tool('evaluate_predictions', *arguments, *FAST)
    found = json.loads(text)
    assert status == 0
    assert (len(found['groups']), len(found['deciles']), found['calibration']['column']) == (50, 10, 'prediction')
    assert found['calibration']['scale'] == 1


def test_another_truth(tool, files):
    arguments = (files / 'ours.csv', '--truth', 'liking', '--labels', files / 'labels.csv', '--json', *FAST)
    found = json.loads(tool('evaluate_predictions', *arguments)[1])
    truth, predictions = pd.read_csv(files / 'labels.csv').liking[:50], pd.read_csv(files / 'ours.csv').prediction
    assert found['plcc'] == evaluate_scores(truth, predictions)['plcc']


@pytest.mark.parametrize('option', [('--plot', 'x.png'), ('--calibrate-on', 'val.csv')])
def test_options_of_the_calibration_need_it(tool, files, option):
    status, _, stderr = tool('evaluate_predictions', files / 'ours.csv', *option)
    assert status == 2
    assert '--plot and --calibrate-on need --calibration' in stderr


def test_a_missing_column_is_one_message_and_status_1(tool, files):
    status, text, stderr = tool('evaluate_predictions', files / 'ours.csv', '--by', 'style')
    assert (status, text) == (1, '')
    assert stderr.startswith(f'error: {files / "ours.csv"}, line 1: no column style')


def test_two_models_are_compared(tool, files):
    status, text, _ = tool('compare_predictions', files / 'ours.csv', files / 'theirs.csv', *FAST)
    assert status == 0
    for part in ('| ours ', '| theirs ', 'ours less theirs, paired:', '| srcc ', '| plcc ', '| mae '):
        assert part in text
    arguments = (files / 'theirs.csv', files / 'ours.csv', '--metric', 'rmse', 'krcc', '--json', *FAST)
    found = json.loads(tool('compare_predictions', *arguments)[1])
    assert list(found['differences']) == ['rmse', 'krcc']
    assert found['differences']['rmse']['low'] > 0 > found['differences']['krcc']['high']


def test_files_of_other_images_need_an_option(files):
    command = [sys.executable, TOOLS / 'compare_predictions.py', files / 'ours.csv', files / 'fewer.csv', '--bootstrap']
    refused = subprocess.run([*command, '20'], capture_output=True, text=True)
    assert (refused.returncode, refused.stdout) == (1, '')
    assert 'fewer.csv lacks 10 of 50 images, first 40.jpg, 41.jpg' in refused.stderr
    allowed = subprocess.run([*command, '20', '--common', '--json'], capture_output=True, text=True, check=True)
    assert json.loads(allowed.stdout)['left_out'] == {'ours': 10, 'fewer': 0}


def test_an_unknown_metric_gets_a_suggestion(tool, files):
    status, _, stderr = tool('compare_predictions', files / 'ours.csv', files / 'theirs.csv', '--metric', 'srrc')
    assert status == 1
    assert "'srrc' is not a metric" in stderr and 'did you mean srcc' in stderr


@pytest.fixture
def lists(tmp_path):
    """Reference lists of two splits whose queries have the label of their first reference."""
    rng = np.random.default_rng(0)
    pool = pd.DataFrame({'image': [f'r{i}' for i in range(40)], 'score': rng.uniform(1, 9, 40)})
    pool.to_csv(tmp_path / 'pool.csv', index=False)
    for split in ('val', 'test'):
        picks = [rng.choice(40, 5, replace=False) for _ in range(60)]
        lines = [f'{split}{i} ' + ' '.join(f'r{r}' for r in row) for i, row in enumerate(picks)]
        (tmp_path / f'{split}.txt').write_text(' \n'.join(lines) + ' \n')
        scores = [pool.score[row[0]] for row in picks]
        table = pd.DataFrame({'image': [f'{split}{i}' for i in range(60)], 'score': scores})
        table.to_csv(tmp_path / f'{split}.csv', index=False)
    return tmp_path


def references(root, *arguments):
    files = ('--references', root / 'test.txt', '--pool', root / 'pool.csv', '--queries', root / 'test.csv', '--k', 5)
    return ('evaluate_references', *files, *arguments)


@pytest.mark.parametrize('method', ['rank', 'learned'])
def test_a_method_is_fitted_on_other_lists(tool, lists, method):
    fit = ('--fit-lists', lists / 'val.txt', '--fit-queries', lists / 'val.csv')
    weighted = ('--method', method, '--average', 'percentile', *fit, *FAST)
    status, text, _ = tool(*references(lists, *weighted))
    assert status == 0
    assert f'| {method}, percentiles, ' in text and '| k = 5 ' in text
    found = json.loads(tool(*references(lists, *weighted, '--json'))[1])
    assert found['differences']['5']['srcc']['low'] > 0
    assert found['k']['5']['srcc'] > 0.6
    if method == 'rank':
        assert found['parameters']['5'] == {'c': 0.0}


def test_a_method_without_lists_to_fit_on_is_refused(tool, lists):
    status, _, stderr = tool(*references(lists, '--method', 'hub'))
    assert status == 1
    assert 'the method hub has nothing to be fitted on' in stderr and '--fit-lists' in stderr
    status, _, stderr = tool(*references(lists, '--method', 'hub', '--fit-lists', lists / 'val.txt'))
    assert status == 2
    assert 'need each other' in stderr


def test_the_test_lists_are_not_fitted_on(tool, lists):
    fit = ('--fit-lists', lists / 'test.txt', '--fit-queries', lists / 'test.csv')
    status, _, stderr = tool(*references(lists, '--method', 'rank', *fit))
    assert status == 1
    assert '60 queries to evaluate are among those to fit on' in stderr
