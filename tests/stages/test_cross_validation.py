"""Cross-validation: who may learn from whom, what is kept, and what a study reports."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import paint_works
from mmengine.config import Config

from ssmr.config.load import load_config
from ssmr.errors import ConfigError, DataError
from ssmr.evaluation.folds import make_folds
from ssmr.stages import cross_validation, pipeline
from ssmr.stages.cross_validation import arm_configs, cross_validate
from ssmr.stages.project import Project
from ssmr.stages.study import Study, report
from ssmr.stages.train import split_rows

ARMS = {
    'ssmr': {},
    'placebo': {'retriever': {'_delete_': True, 'type': 'RandomRetriever', 'num_references': 6}},
    'knn': {'baseline': 'knn'},
    'ridge': {'baseline': 'ridge'},
    'constant': {'baseline': 'constant'},
}
STUDY = Study(folds=3, repeats=2, strata=3, inner=3)


@pytest.fixture
def study(tiny_config: Path, tmp_path: Path) -> Config:
    root = paint_works(tmp_path / 'more', n=60)
    tiny_config.write_text(tiny_config.read_text() + f'arms = {ARMS!r}\n')
    return load_config(tiny_config, [f'table.root={root}', 'train_cfg.max_epochs=1'])


def test_references_and_training_rows_come_from_the_folds_own_training_part(
    study: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[np.ndarray] = []

    def watch(project: Project, banks: dict, index: object, rows: np.ndarray) -> np.ndarray:
        train, val, test = (split_rows(project, index, s) for s in ('train', 'val', 'test'))
        assert set(index.references.ravel()) <= set(train.tolist())
        assert not set(train) & set(test) and not set(val) & set(test) and (rows == test).all()
        seen.append(test)
        return project.table.scores[rows]

    monkeypatch.setattr(cross_validation, '_model', watch)
    folds = make_folds(np.arange(60.0), np.arange(60), 3, 2, strata=3, inner=3)
    found = cross_validate(study, folds)
    assert len(seen) == 12  # two arms are models
    np.testing.assert_allclose(found['ssmr'], np.tile(Project(study).table.scores, (2, 1)))


def test_a_second_run_reads_what_is_there_and_a_changed_arm_costs_only_itself(
    study: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    folds = make_folds(np.arange(60.0), np.arange(60), 3, 1, strata=3, inner=3)
    first = cross_validate(study, folds)
    assert list((Path(study.work_dir) / 'folds' / 'ssmr').iterdir()), 'records are kept'
    assert not list(Path(study.work_dir).rglob('*.pth')), 'checkpoints are not'
    trained: list[str] = []
    monkeypatch.setattr(
        cross_validation, 'train', lambda project, *_: trained.append(project.cfg.work_dir) or pytest.fail('trained')
    )
    again = cross_validate(study, folds)
    assert all((first[name] == again[name]).all() for name in first)
    study.arms['placebo']['graph.num_references'] = 2
    with pytest.raises(pytest.fail.Exception):
        cross_validate(study, folds)
    assert len(trained) == 1 and 'placebo' in trained[0]


def test_baselines_are_what_an_independent_loop_gives(study: Config) -> None:
    study.arms = {name: ARMS[name] for name in ('knn', 'constant')}
    folds = make_folds(np.arange(60.0), np.arange(60), 3, 1, strata=3, inner=3)
    found = cross_validate(study, folds)
    for fold in folds:
        project = Project(study).with_splits(fold.splits)
        _, index = pipeline.references(project)
        scores = project.table.scores
        known = scores[fold.splits != 'test'].mean()
        for row in np.flatnonzero(fold.splits == 'test'):
            references = index.references[index.queries.tolist().index(row)][:3]
            assert found['knn'][0, row] == pytest.approx(np.mean([scores[r] for r in references]))
            assert found['constant'][0, row] == pytest.approx(known)


@pytest.mark.slow
def test_processes_give_what_one_process_gives(study: Config, tmp_path: Path) -> None:
    study.arms = {name: ARMS[name] for name in ('ssmr', 'ridge')}
    folds = make_folds(np.arange(60.0), np.arange(60), 2, 1, strata=3, inner=3)
    alone = cross_validate(study, folds)
    study.work_dir = str(tmp_path / 'parallel')
    together = cross_validate(study, folds, jobs=2)
    for name in alone:
        np.testing.assert_allclose(together[name], alone[name], atol=1e-5)


def test_the_report_compares_arms_on_the_same_works(study: Config) -> None:
    result = report(study, STUDY, against=['ridge'])
    for name in ARMS:
        assert f'| {name} ' in result.text
    assert 'SRCC of ssmr less that of ridge' in result.text and 'mean and standard deviation' in result.text
    written = json.loads((Path(study.work_dir) / 'cross_validation.json').read_text())
    assert written['repeats'] == 2 and len(written['srcc_by_run']['ssmr']) == 2
    assert result.comparison.metrics['ridge']['srcc'] > 0.9, 'redness is linear in the features'
    assert set(result.srcc) == set(ARMS), 'a constant differs from fold to fold: its correlation is defined, if void'
    with open(Path(study.work_dir) / 'predictions_ridge.csv') as file:
        assert len(list(csv.DictReader(file))) == 60


def test_works_that_cannot_be_read_are_left_out_and_counted(study: Config) -> None:
    study.arms = {'knn': ARMS['knn'], 'ridge': ARMS['ridge']}
    (Path(study.table.root) / 'images' / '007.png').write_bytes(b'no image')
    assert '1 works could not be read' in report(study, STUDY).text


@pytest.mark.parametrize(
    ('arms', 'match'),
    [
        ({'a': {'model.reasoner.readuot': 'mean'}}, r'(?s)arms\.a: .*readout'),
        ({'a': {'baseline': 'forest'}}, r"arms\.a\.baseline is 'forest'"),
        ({'a': {'graph.num_references': 50}}, r'(?s)arms\.a: .*retriever\.num_references'),
    ],
)
def test_a_wrong_option_of_an_arm_names_the_arm(study: Config, arms: dict, match: str) -> None:
    study.arms = arms
    with pytest.raises(ConfigError, match=match):
        arm_configs(study)


def test_what_cannot_be_compared_is_refused(study: Config) -> None:
    with pytest.raises(ConfigError, match='--against ridgge'):
        report(study, STUDY, against=['ridgge'])
    with pytest.raises(DataError, match="no column 'truth'"):
        report(study, STUDY, truth='truth')


def test_the_tool_prints_the_report(repo: Path, tiny_config: Path, tmp_path: Path) -> None:
    root = paint_works(tmp_path / 'more', n=40)
    tiny_config.write_text(tiny_config.read_text() + "arms = dict(ridge=dict(baseline='ridge'))\n")
    options = ['--folds', '2', '--repeats', '1', '--strata', '2', '--inner', '2', '--cfg-options', f'table.root={root}']
    command = [sys.executable, str(repo / 'tools/cross_validate.py'), str(tiny_config), *options]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert '1 x 2-fold' in result.stdout and '| ridge |' in result.stdout
