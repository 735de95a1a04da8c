"""Two files of predictions: which images are compared, and that the numbers are those of the paired bootstrap."""

import numpy as np
import pytest

from ssmr.errors import ConfigError, DataError
from ssmr.evaluation.bootstrap import bootstrap_intervals, paired_bootstrap
from ssmr.evaluation.comparison import compare_files
from ssmr.evaluation.metrics import evaluate_scores
from ssmr.evaluation.predictions import Predictions, write_predictions
from ssmr.evaluation.protocol import Protocol

FAST = Protocol(n_resamples=30, seed=1)


@pytest.fixture
def world(tmp_path):
    rng = np.random.default_rng(0)
    scores = rng.normal(5, 1, 40)
    a, b = scores + rng.normal(0, 0.5, 40), scores + rng.normal(0, 2, 40)

    def write(name, rows, predictions, labels=scores):
        path = tmp_path / name
        write_predictions(path, Predictions([f'{i}.jpg' for i in rows], labels[list(rows)], predictions[list(rows)]))
        return path

    return scores, a, b, write


def test_the_numbers_are_those_of_the_paired_bootstrap_whatever_the_order_of_the_rows(world):
    scores, a, b, write = world
    found = compare_files(
        write('a.csv', range(40), a), write('b.csv', range(39, -1, -1), b), ['srcc', 'plcc', 'mae'], FAST
    )
    assert found.metrics == {'a': evaluate_scores(scores, a), 'b': evaluate_scores(scores, b)}
    assert found.intervals['b'] == bootstrap_intervals(scores, b, n_resamples=30, seed=1)
    for metric in ('srcc', 'plcc', 'mae'):
        assert found.differences[metric] == paired_bootstrap(scores, a, b, metric, 30, seed=1)
    assert found.differences['srcc'].low > 0
    assert found.differences['mae'].high < 0
    text = found.text()
    assert '| a ' in text and '| b ' in text and 'a less b, paired:' in text and 'Left out' not in text
    record = found.record()
    assert record['models']['a']['srcc'] == found.metrics['a']['srcc']
    assert record['differences']['plcc']['p_value'] == found.differences['plcc'].p_value


def test_missing_images_are_named(world):
    _, a, b, write = world
    one, two = write('a.csv', range(40), a), write('b.csv', range(7, 40), b)
    for pair in ((one, two), (two, one)):
        with pytest.raises(DataError, match=r'b\.csv lacks 7 of 40 images, first 0.jpg, 1.jpg, 2.jpg') as error:
            compare_files(*pair, ['srcc'], FAST)
        assert '--common' in error.value.fix


def test_the_images_of_both_can_be_compared_and_the_others_are_counted(world):
    scores, a, b, write = world
    one, two = write('a.csv', range(30), a), write('b.csv', range(5, 40), b)
    found = compare_files(one, two, ['srcc'], FAST, common=True)
    assert found.left_out == {'a': 5, 'b': 10}
    assert found.metrics['a'] == evaluate_scores(scores[5:30], a[5:30])
    assert 'Left out: 5 images of a are not in the other file and 10 images of b are not' in found.text()
    with pytest.raises(DataError, match='no image in common'):
        compare_files(one, write('c.csv', range(30, 40), b), ['srcc'], FAST, common=True)


def test_other_labels_are_refused_with_the_first_image_that_differs(world):
    scores, a, b, write = world
    other = scores.copy()
    other[[3, 9]] += 0.25
    message = rf'3\.jpg has the score {scores[3]:g} in .*a\.csv but {other[3]:g} in .*b\.csv \(2 of 40'
    with pytest.raises(DataError, match=message):
        compare_files(write('a.csv', range(40), a), write('b.csv', range(40), b, other), ['srcc'], FAST)


def test_labels_kept_in_single_precision_are_the_same_labels(world):
    scores, a, b, write = world
    single = scores.astype(np.float32).astype(float)
    found = compare_files(write('a.csv', range(40), a), write('b.csv', range(40), b, single), ['mae'], FAST)
    assert found.metrics['b'] == evaluate_scores(scores, b)  # those of the first file


def test_files_of_one_name_are_told_apart_by_their_folders(world):
    _, a, b, write = world
    one, two = write('x/predictions.csv', range(40), a), write('y/predictions.csv', range(40), b)
    assert list(compare_files(one, two, ['srcc'], FAST).metrics) == [str(one), str(two)]


def test_what_makes_no_sense_is_refused(world):
    _, a, _, write = world
    one, two = write('a.csv', range(40), a), write('b.csv', range(40), a)
    with pytest.raises(ConfigError, match='given twice'):
        compare_files(one, one.parent / '.' / 'a.csv', ['srcc'], FAST)
    with pytest.raises(ConfigError, match='did you mean srcc'):
        compare_files(one, two, ['srrc'], FAST)
    with pytest.raises(ConfigError, match='n_resamples is 0'):
        compare_files(one, two, ['srcc'], Protocol(n_resamples=0))


def test_an_undefined_difference_is_said_so(world):
    _, a, _, write = world
    flat = np.full(40, 5.0)
    found = compare_files(write('a.csv', range(40), a), write('b.csv', range(40), flat), ['srcc'], FAST)
    assert found.differences['srcc'].difference is None
    assert 'undefined: a correlation needs' in found.text()
