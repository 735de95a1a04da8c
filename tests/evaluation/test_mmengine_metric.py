"""The metric inside mmengine: the numbers of evaluate_scores, whatever the batches and ranks."""

import json
import logging
import os

import numpy as np
import pytest
import torch
import torch.multiprocessing
from mmengine.evaluator import Evaluator

from ssmr.errors import DataError
from ssmr.evaluation.metrics import evaluate_scores
from ssmr.evaluation.mmengine_metric import AestheticMetric
from ssmr.registry import METRICS

N = 11
SCORES = np.linspace(2, 8, N)
PREDICTIONS = SCORES + np.random.default_rng(0).normal(size=N)


def sample(row):
    return {'row': row, 'prediction': PREDICTIONS[row], 'score': SCORES[row]}


def test_it_is_found_by_name_and_gives_the_numbers_of_evaluate_scores():
    metric = METRICS.build({'type': 'AestheticMetric', 'threshold': 4.0, 'rule': '>='})
    for rows in ([0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]):
        metric.process(None, [sample(row) for row in rows])
    assert metric.evaluate(N) == evaluate_scores(SCORES, PREDICTIONS, threshold=4.0, rule='>=')
    assert metric.results == []


def test_tensors_and_the_evaluator_of_mmengine_are_served():
    evaluator = Evaluator([{'type': 'AestheticMetric', 'prefix': 'val', '_scope_': 'ssmr'}])
    tensors = [{name: torch.tensor(value) for name, value in sample(row).items()} for row in range(N)]
    evaluator.process(data_samples=tensors, data_batch=None)
    found = evaluator.evaluate(N)
    assert found['val/srcc'] == pytest.approx(evaluate_scores(SCORES, PREDICTIONS)['srcc'])


def test_padding_and_order_change_nothing():
    plain, padded = AestheticMetric(), AestheticMetric()
    plain.process(None, [sample(row) for row in range(N)])
    padded.process(None, [sample(row) for row in [*range(N - 1, -1, -1), 0, 1, 2]])
    padded.size = N
    assert padded.compute_metrics(padded.results) == plain.evaluate(N)


def worker(rank, folder):
    """One of two ranks with contiguous halves: cutting mmengine's interleaved list at N would lose an image."""
    os.chdir(folder)
    torch.distributed.init_process_group('gloo', f'file://{folder}/store', rank=rank, world_size=2)
    metric = AestheticMetric(collect_dir=f'{folder}/parts')
    metric.process(None, [sample(row) for row in ([0, 1, 2, 3, 4, 0], [5, 6, 7, 8, 9, 10])[rank]])
    with open(f'{folder}/rank{rank}.json', 'w') as file:
        json.dump(metric.evaluate(N), file)
    torch.distributed.destroy_process_group()


def test_two_ranks_find_what_one_finds(tmp_path):
    torch.multiprocessing.spawn(worker, (str(tmp_path),), nprocs=2)
    found = [json.loads((tmp_path / f'rank{rank}.json').read_text()) for rank in (0, 1)]
    assert found == [evaluate_scores(SCORES, PREDICTIONS)] * 2


def test_an_undefined_correlation_is_the_worst_one_with_a_warning(caplog):
    metric = AestheticMetric()
    metric.process(None, [sample(row) | {'prediction': 4.0} for row in range(N)])
    with caplog.at_level(logging.WARNING):
        found = metric.evaluate(N)
    assert (found['srcc'], found['plcc'], found['krcc']) == (-1, -1, -1)
    assert found['sd_ratio'] == 0
    assert all(isinstance(value, (int, float)) for value in found.values())


def test_other_undefined_metrics_are_left_out():
    metric = AestheticMetric(threshold=9)
    metric.process(None, [sample(row) for row in range(N)])
    assert 'balanced_acc' not in metric.evaluate(N)


def test_missing_images_are_an_error():
    metric = AestheticMetric()
    metric.process(None, [sample(row) for row in range(N - 1)])
    with pytest.raises(DataError, match='10 of 11 images'):
        metric.evaluate(N)


def test_a_prediction_that_is_not_finite_names_its_row():
    metric = AestheticMetric()
    metric.process(None, [sample(0), sample(1) | {'prediction': float('nan')}])
    with pytest.raises(DataError, match='row 1 of the table') as error:
        metric.evaluate(2)
    assert 'diverged' in error.value.fix
