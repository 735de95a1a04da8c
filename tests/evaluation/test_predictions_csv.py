"""Predictions survive the way through their file; a file that cannot be whole is not written."""

import csv
import errno
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssmr.errors import ArtifactError, DataError
from ssmr.evaluation.predictions import Predictions, read_predictions, write_predictions

FINITE = st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.text(st.characters(exclude_categories=['Cs'], exclude_characters='\0\r\n'), min_size=1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(NAMES, st.tuples(FINITE, FINITE), min_size=1))
def test_what_is_written_is_read_back_exactly(tmp_path, table):
    scores, predictions = np.array(list(table.values())).T
    path = tmp_path / 'predictions.csv'
    write_predictions(path, Predictions(list(table), scores, predictions))
    found = read_predictions(path)
    assert found.ids == list(table)
    assert found.scores.tolist() == scores.tolist()
    assert found.predictions.tolist() == predictions.tolist()


def full(**changes):
    values = {
        'ids': ['a.jpg', 'b.jpg'],
        'scores': np.array([1, 2.5]),
        'predictions': np.array([1.5, 2], np.float32),
        'reference_mean': np.array([3, 4.0]),
        'reference_sd': np.array([0, 0.5]),
        'reference_ids': [['r1', 'r2'], ['r3']],
        'extra': {'true_score': np.array([7, 8])},
    }
    return Predictions(**(values | changes))


def test_the_columns_of_the_file(tmp_path):
    path = tmp_path / 'new' / 'predictions.csv'
    write_predictions(path, full())
    with open(path, newline='') as file:
        assert list(csv.reader(file)) == [
            ['image', 'score', 'prediction', 'reference_mean', 'reference_sd', 'true_score', 'reference_ids'],
            ['a.jpg', '1.0', '1.5', '3.0', '0.0', '7.0', 'r1 r2'],
            ['b.jpg', '2.5', '2.0', '4.0', '0.5', '8.0', 'r3'],
        ]
    assert read_predictions(path).predictions.tolist() == [1.5, 2]  # the other columns are no hindrance


def test_references_whose_names_have_spaces_stay_apart(tmp_path):
    references = [['a b.jpg', 'c.jpg'], ['"d".jpg', 'e, f.jpg']]
    write_predictions(tmp_path / 'predictions.csv', full(reference_ids=references))
    with open(tmp_path / 'predictions.csv', newline='') as file:
        fields = [row['reference_ids'] for row in csv.DictReader(file)]
    assert fields[0] == '"a b.jpg" c.jpg'
    assert list(csv.reader(fields, delimiter=' ')) == references


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'ids': ['a.jpg', 'a.jpg']}, 'listed twice'),
        ({'ids': ['a.jpg', '']}, 'no name'),
        ({'ids': ['a.jpg', 'b\r.jpg']}, 'line break'),
        ({'ids': ['a.jpg']}, 'column score has 2 values for 1 images'),
        ({'predictions': np.array([1, np.nan])}, r'column prediction\[1\] is nan'),
        ({'reference_sd': np.array([1.0])}, 'column reference_sd has 1 values'),
        ({'reference_ids': [['r1']]}, '1 lists of references for 2 images'),
        ({'extra': {'score': np.array([1, 2])}}, 'extra column score'),
    ],
)
def test_unusable_predictions_leave_the_old_file_as_it_was(tmp_path, changes, message):
    path = tmp_path / 'predictions.csv'
    path.write_text('old')
    with pytest.raises(DataError, match=message):
        write_predictions(path, full(**changes))
    assert path.read_text() == 'old'
    assert os.listdir(tmp_path) == ['predictions.csv']


def test_a_full_disk_leaves_the_old_file_as_it_was(tmp_path, monkeypatch):
    def no_space(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / 'predictions.csv'
    path.write_text('old')
    monkeypatch.setattr(os, 'fsync', no_space)
    with pytest.raises(ArtifactError, match='no space left'):
        write_predictions(path, full())
    assert path.read_text() == 'old'
    assert os.listdir(tmp_path) == ['predictions.csv']


def test_a_column_that_is_missing_is_named_with_its_look_alike(tmp_path):
    path = tmp_path / 'predictions.csv'
    path.write_text('image,score,predictions\na,1,2\n')
    with pytest.raises(DataError, match=r"no column prediction; .* did you mean 'predictions'\?"):
        read_predictions(path)
