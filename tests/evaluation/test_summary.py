"""The report on one file: which columns are read, how tables are joined, and which sections there are."""

import json

import numpy as np
import pandas as pd
import pytest

from ssmr.errors import DataError
from ssmr.evaluation.breakdown import breakdown
from ssmr.evaluation.calibration import assess_uncertainty, fit_scale
from ssmr.evaluation.metrics import evaluate_scores
from ssmr.evaluation.protocol import Protocol
from ssmr.evaluation.summary import SummaryOptions, summarize

FAST = Protocol(n_resamples=20)


@pytest.fixture
def frames(tmp_path):
    """test.csv (60 works), val.csv (40 others) and labels.csv, which has all of them in another order."""
    rng = np.random.default_rng(0)
    score = rng.normal(5, 1, 100)
    frame = pd.DataFrame(
        {
            'image': [f'{i}.jpg' for i in range(100)],
            'score': score,
            'prediction': score + rng.normal(0, 0.8, 100),
            'reference_sd': rng.uniform(0.5, 1, 100),
            'theme': rng.choice(['Portrait', 'Scene'], 100),
        }
    )
    labels = frame[['image']].assign(liking=rng.normal(4, 1, 100), style=rng.choice(['Cubism', 'Pop, Op'], 100))
    frame[:60].to_csv(tmp_path / 'test.csv', index=False)
    frame[60:].to_csv(tmp_path / 'val.csv', index=False)
    labels[::-1].to_csv(tmp_path / 'labels.csv', index=False)
    return tmp_path, frame, labels


def summary(root, **options):
    return summarize(root / 'test.csv', SummaryOptions(**options), FAST)


def test_without_options_it_is_the_metrics(frames):
    root, frame, _ = frames
    found = summary(root)
    expected = evaluate_scores(frame.score[:60], frame.prediction[:60])
    assert {name: found.record[name] for name in expected} == expected
    assert set(found.record) - set(expected) == {'threshold', 'rule', 'ci'}
    assert found.calibration is None
    assert '| test ' in found.text


def test_groups_may_stand_in_the_file_or_in_a_table_of_labels(frames):
    root, frame, labels = frames
    test = frame[:60]
    for column, values, source in (('theme', test.theme, None), ('style', labels['style'][:60], root / 'labels.csv')):
        expected = breakdown(values.tolist(), test.score, test.prediction, 10, FAST)
        found = summary(root, by=column, labels=source)
        assert found.record['groups'] == {name: group._asdict() for name, group in expected.items()}
        assert f'| {column} ' in found.text


def test_another_truth_replaces_the_score(frames):
    root, frame, labels = frames
    found = summary(root, truth='liking', labels=root / 'labels.csv').record
    expected = evaluate_scores(labels.liking[:60], frame.prediction[:60])
    assert {name: found[name] for name in expected} == expected
    own = summary(root, truth='reference_sd').record
    assert own['srcc'] == evaluate_scores(frame.reference_sd[:60], frame.prediction[:60])['srcc']


def test_the_scale_is_fitted_on_the_other_file_against_the_same_truth(frames):
    root, frame, labels = frames
    for truth, column in ((None, frame.score), ('liking', labels.liking)):
        options = {'truth': truth, 'labels': root / 'labels.csv', 'calibration': 'reference_sd'}
        error = (frame.prediction - column).to_numpy()
        scale = fit_scale(error[60:], frame.reference_sd[60:])
        found = summary(root, **options, calibrate_on=root / 'val.csv')
        assert found.record['calibration']['scale'] == pytest.approx(scale)
        expected = assess_uncertainty(error[:60], frame.reference_sd[:60], scale, protocol=FAST)
        assert found.calibration == expected
        assert f'fitted on {root / "val.csv"}' in found.text
        assert summary(root, **options).calibration.scale == 1
    assert 'not fitted' in summary(root, calibration='reference_sd').text


def test_all_sections_together_are_json(frames):
    root, _, _ = frames
    options = {'by': 'theme', 'deciles': True, 'calibration': 'reference_sd', 'calibrate_on': root / 'val.csv'}
    found = json.loads(json.dumps(summary(root, **options).record))
    assert [b['n'] for b in found['deciles']] == [6] * 10
    assert {c['level'] for c in found['calibration']['coverage']} == {0.5, 0.8, 0.95}
    assert found['calibration']['column'] == 'reference_sd'
    assert sum(group['n'] for group in found['groups'].values()) == 60


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'by': 'styles'}, r'test\.csv, line 1: no column styles'),
        ({'by': 'style', 'labels': 'half.csv'}, r'half\.csv: 10 of 60 images are missing, first 50.jpg, 51.jpg'),
        ({'truth': 'liking', 'labels': 'half.csv'}, r'half\.csv: 10 of 60 images are missing'),
        ({'truth': 'style', 'labels': 'labels.csv'}, "column style: '.*' is not a number"),
        ({'truth': 'liking'}, r'test\.csv, line 1: no column liking'),
        ({'calibration': 'sd'}, r'test\.csv, line 1: no column sd'),
        ({'calibration': 'reference_sd', 'calibrate_on': 'test.csv'}, 'share 60 images, first 0.jpg'),
        ({'calibration': 'reference_sd', 'calibrate_on': 'labels.csv'}, r'labels\.csv, line 1: no column score'),
    ],
)
def test_columns_and_images_that_are_not_there_are_named(frames, options, message):
    root, _, labels = frames
    labels[:50].to_csv(root / 'half.csv', index=False)
    paths = {name: root / value for name, value in options.items() if name in ('labels', 'calibrate_on')}
    with pytest.raises(DataError, match=message):
        summary(root, **(options | paths))
