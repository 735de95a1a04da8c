"""Published models: they predict what their checkpoint predicts, say where they come from, and cannot be mistaken."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TINY_CONFIG, paint_works
from safetensors.torch import load_file

from ssmr.config.load import load_config
from ssmr.errors import CheckpointError
from ssmr.safe_load import safe_torch_load
from ssmr.stages import pipeline
from ssmr.stages.evaluate import evaluate, predict
from ssmr.stages.project import Project
from ssmr.stages.publish import publish
from ssmr.stages.train import split_rows

EMA = "custom_hooks = [dict(type='EMAHook', momentum=0.3)]\n"


@pytest.fixture(scope='module')
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config with averaged weights, trained and evaluated."""
    root = tmp_path_factory.mktemp('publish')
    works = paint_works(root / 'works')
    text = TINY_CONFIG.format(root=str(works), artifacts=str(root / 'artifacts'), work_dir=str(root / 'run'))
    path = root / 'tiny.py'
    path.write_text(text + EMA)
    best = pipeline.run(project(path))
    evaluate(project(path), *pipeline.references(project(path)), checkpoint=best)
    return path


@pytest.fixture(scope='module')
def best(config: Path) -> Path:
    return config.parent / 'run' / 'best.pth'


@pytest.fixture(scope='module')
def model(config: Path, best: Path) -> Path:
    return publish(project(config), 'tiny', best, config.parent / 'models')


def project(config: Path, *options: str) -> Project:
    return Project(load_config(config, list(options)))


def test_the_name_has_the_hash_and_the_json_lies_beside(model: Path) -> None:
    assert model.name == f'tiny-{hashlib.sha256(model.read_bytes()).hexdigest()[:8]}.safetensors'
    assert sorted(p.name for p in model.parent.iterdir()) == [f'{model.stem}.json', model.name]


def test_it_holds_the_averaged_weights_and_nothing_else(model: Path, best: Path) -> None:
    found, content = load_file(model), safe_torch_load(best)
    assert found.keys() == content['state_dict'].keys()
    assert all(torch.equal(found[name], content['state_dict'][name]) for name in found)
    averaged, last = content['state_dict'], content['ema_state_dict']  # EMAHook writes them in each other's place
    assert any(not torch.equal(found[name], last[f'module.{name}']) for name in averaged)


def test_the_json_says_where_it_comes_from(config: Path, model: Path, best: Path) -> None:
    said = json.loads(model.with_suffix('.json').read_text())
    trained = json.loads((best.parent / 'trained.json').read_text())
    assert said['inputs'] == json.loads(json.dumps(trained['inputs']))
    assert said['checkpoint_sha256'] == trained['sha256']
    assert said['sha256'] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert said['config']['model']['type'] == 'MultiReferenceAssessor' and said['config']['custom_hooks']
    assert not {'work_dir', 'artifact_dir', 'load_from', 'resume'} & said['config'].keys()
    assert said['metrics']['test'] == json.loads((best.parent / 'metrics_test.json').read_text())
    assert said['split'] == project(config).table.split_name
    assert said['training']['versions']['torch'] and said['training']['epoch'] >= 1
    assert said['git'] == json.loads((best.parent / 'environment.json').read_text())['git']


def test_metrics_of_another_checkpoint_are_left_out(config: Path, best: Path, tmp_path: Path) -> None:
    other = publish(project(config), 'other', best.with_name('epoch_1.pth'), tmp_path)
    assert json.loads(other.with_suffix('.json').read_text())['metrics'] == {}


def test_to_publish_again_gives_the_same_files(config: Path, best: Path, model: Path, tmp_path: Path) -> None:
    again = publish(project(config), 'tiny', best, tmp_path)
    for path in (again, again.with_suffix('.json')):
        assert path.read_bytes() == (model.parent / path.name).read_bytes()


def test_it_predicts_what_its_checkpoint_predicts(config: Path, model: Path, best: Path) -> None:
    p = project(config)
    banks, index = pipeline.references(p)
    rows = split_rows(p, index, 'test')
    found = [predict(p, banks, index, checkpoint, rows) for checkpoint in (best, model)]
    assert np.ptp(found[0]) > 0
    np.testing.assert_array_equal(*found)


def test_a_new_run_can_begin_with_it(config: Path, model: Path, best: Path, tmp_path: Path) -> None:
    runs = []
    for start in (best, model):
        folder = tmp_path / start.suffix[1:]
        pipeline.run(project(config, f'work_dir={folder}', f'load_from={start}', 'train_cfg.max_epochs=1'))
        runs.append(safe_torch_load(folder / 'best.pth')['state_dict'])
    assert all(torch.equal(runs[0][name], runs[1][name]) for name in runs[0])


def test_a_run_cannot_go_on_from_it(config: Path, model: Path, tmp_path: Path) -> None:
    p = project(config, f'work_dir={tmp_path}', 'resume=True', f'load_from={model}')
    with pytest.raises(CheckpointError, match='no training state') as caught:
        pipeline.run(p, retrain=True)
    assert 'load_from' in caught.value.fix


def test_another_config_is_refused_with_the_fields(config: Path, model: Path, best: Path, tmp_path: Path) -> None:
    other = project(config, 'graph.num_references=2')
    with pytest.raises(CheckpointError, match=r'graph\.num_references'):
        evaluate(other, *pipeline.references(other), checkpoint=model)
    with pytest.raises(CheckpointError, match=r'graph\.num_references'):
        publish(other, 'tiny', best, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_no_numbers_are_not_published(config: Path, best: Path, tmp_path: Path) -> None:
    content = safe_torch_load(best)
    content['state_dict']['head.linear.bias'].fill_(float('nan'))
    torch.save(content, tmp_path / 'broken.pth')
    with pytest.raises(CheckpointError, match=r'head\.linear\.bias holds NaN'):
        publish(project(config), 'tiny', tmp_path / 'broken.pth', tmp_path / 'models')
    assert not (tmp_path / 'models').exists()


@pytest.mark.slow
def test_the_tools_publish_and_test_it(repo: Path, config: Path, best: Path, tmp_path: Path) -> None:
    def tool(name: str, *arguments: str) -> str:
        command = [sys.executable, str(repo / 'tools' / name), str(config), *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return '\n'.join(line for line in done.stdout.splitlines() if 'mmengine' not in line)

    path = tool('publish_model.py', str(best), '--out', str(tmp_path / 'models'), '--name', 'mine')
    assert Path(path).name.startswith('mine-') and Path(path).is_file()
    results = [tool('test.py', str(checkpoint), '--work-dir', str(tmp_path / 'w')) for checkpoint in (best, path)]
    assert results[0] == results[1] and '| ssmr ' in results[0]
