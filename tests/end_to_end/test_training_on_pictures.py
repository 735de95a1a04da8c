"""Training through the backbone on tiny works: what it learns, what it leaves alone, and what it depends on."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import paint_works

from ssmr.backbones.encoder import build_encoder
from ssmr.backbones.weights import resolve_weights
from ssmr.config.fingerprint import fingerprint
from ssmr.config.load import load_config, set_weights
from ssmr.datasets.images import load_image
from ssmr.errors import CheckpointError, ConfigError, ImageError, WeightsError
from ssmr.safe_load import safe_torch_load
from ssmr.stages import pipeline
from ssmr.stages.evaluate import evaluate, predict
from ssmr.stages.project import Project, plain
from ssmr.stages.train import build_assessor, dataset_of, split_rows

LOADERS = 'train_dataloader = dict(batch_size=8, num_workers=0)\nval_dataloader = dict(num_workers=0)\n'
SINGLE = """
model = dict(type='SingleImageAssessor', backbone=dict(type='EfficientNetLite0', out_indices=[2]), weights=_weights,
             preprocess=dict(size=32, **_norm), augmentation=dict(), head=dict(type='ScoreHead'))
"""
END_TO_END = """
model['encoder'] = dict(type='GlobalFeature', backbone=dict(type='EfficientNetLite0', out_indices=[2]),
                        weights=_weights, preprocess=dict(size=32, **_norm))
model['augmentation'] = dict(flip=0.5, min_area=0.8)
train_cfg['max_epochs'] = 1
"""


@pytest.fixture
def single(tiny_config: Path) -> Path:
    path = tiny_config.with_name('single.py')
    path.write_text(tiny_config.read_text() + SINGLE + LOADERS)
    return path


@pytest.fixture
def end_to_end(tiny_config: Path) -> Path:
    path = tiny_config.with_name('end_to_end.py')
    path.write_text(tiny_config.read_text() + END_TO_END + LOADERS)
    return path


def project(config: Path, *options: str) -> Project:
    return Project(load_config(config, options))


def state(checkpoint: Path) -> dict[str, torch.Tensor]:
    return safe_torch_load(checkpoint)['state_dict']


def losses(folder: Path) -> list[float]:
    """The loss of every training step, from the last checkpoint."""
    last = Path((folder / 'last_checkpoint').read_text())
    return safe_torch_load(last)['message_hub']['log_scalars']['train/loss'].data[0].tolist()


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor], part: str) -> list[str]:
    return [name for name in before if name.startswith(part) and not torch.equal(before[name], after[name])]


def at_start(config: Path, *options: str) -> dict[str, torch.Tensor]:
    p = project(config, *options)
    return {k: v.clone() for k, v in build_assessor(p, *pipeline.references(p)).state_dict().items()}


def test_the_single_image_model_learns_what_the_pictures_show(single: Path, tmp_path: Path) -> None:
    with single.open('a') as file:
        file.write("param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=True, T_max=10)]\n")
    root = paint_works(tmp_path / 'more', n=60)
    p = project(single, f'table.root={root}', 'train_cfg.max_epochs=10', 'optim_wrapper.optimizer.lr=0.002')
    pipeline.run(p)
    result = evaluate(p, *pipeline.references(p), checkpoint=tmp_path / 'run' / 'epoch_10.pth', split='val')
    metrics = result.metrics['single_image']
    assert metrics['srcc'] > 0.85 and metrics['rmse'] < 0.7 * result.metrics['constant']['rmse']
    assert metrics['n'] == len(p.table.rows('val')) and '| single_image ' in result.table


def test_its_rows_are_those_of_the_model_with_references(single: Path, tiny_config: Path, works: Path) -> None:
    (works / 'images' / '004.png').write_bytes(b'no image')  # a test work
    ids = []
    for config in (single, tiny_config):
        p = project(config, 'train_cfg.max_epochs=1')
        result = evaluate(p, *pipeline.references(p), checkpoint=pipeline.run(p, retrain=True))
        assert result.left_out == 1
        with open(result.predictions) as file:
            ids.append([row['image'] for row in csv.DictReader(file)])
    assert ids[0] == ids[1] and '004.png' not in ids[0]


def test_its_checkpoint_serves_as_the_weights_of_an_encoder(single: Path, tiny_config: Path, tmp_path: Path) -> None:
    p = project(single, f'work_dir={tmp_path / "single"}')
    checkpoint = pipeline.run(p)
    model = build_assessor(p, *pipeline.references(p)).eval()
    start = model.embed(torch.ones(1, 3, 32, 32))
    model.load_state_dict(state(checkpoint))
    cfg = load_config(tiny_config)
    set_weights(cfg, f'semantic={checkpoint}')
    encoder = build_encoder('semantic', plain(cfg.encoders.semantic))
    image = torch.from_numpy(encoder.preprocess(load_image(p.table.root, p.table.files[3])))[None]
    torch.testing.assert_close(encoder(image), model.embed(image), rtol=0, atol=0)
    assert not torch.allclose(start, encoder(torch.ones(1, 3, 32, 32)), rtol=1e-3)
    tuned = Project(cfg)
    banks, index = pipeline.references(tuned)
    np.testing.assert_allclose(banks['semantic'].features[3], model.embed(image)[0].detach(), atol=1e-5)
    evaluate(tuned, banks, index, checkpoint=pipeline.run(tuned))


def test_at_the_start_it_predicts_what_the_model_over_the_bank_does(end_to_end: Path, tiny_config: Path) -> None:
    found = []
    for config in (end_to_end, tiny_config):
        p = project(config)
        banks, index = pipeline.references(p)
        model = build_assessor(p, banks, index)
        path = p.work_dir / 'start.pth'
        path.parent.mkdir(parents=True, exist_ok=True)
        save(p, model, path)
        found.append(predict(p, banks, index, path, split_rows(p, index, 'test')))
    assert np.ptp(found[1]) > 0
    np.testing.assert_allclose(*found, rtol=1e-5)


def test_the_length_of_a_node_may_be_left_to_the_bank(tiny_config: Path) -> None:
    p = project(tiny_config)
    given = {k: v.clone() for k, v in build_assessor(p, *pipeline.references(p)).state_dict().items()}
    del p.cfg.model['in_dim']
    filled = build_assessor(p, *pipeline.references(p)).state_dict()
    assert all(torch.equal(given[name], filled[name]) for name in given)


def save(p: Project, model: torch.nn.Module, path: Path) -> None:
    import json

    torch.save(
        {'state_dict': model.state_dict(), 'meta': {'ssmr_inputs': json.dumps(p.model_inputs())}, 'message_hub': {}},
        path,
    )


@pytest.mark.parametrize(('mult', 'learns'), [(0.1, True), (0.0, False)])
def test_gradients_reach_the_encoder_at_its_own_rate(end_to_end: Path, mult: float, learns: bool) -> None:
    with end_to_end.open('a') as file:
        file.write(f"optim_wrapper['paramwise_cfg'] = dict(custom_keys={{'encoder': dict(lr_mult={mult})}})\n")
    before, after = at_start(end_to_end), state(pipeline.run(project(end_to_end)))
    assert bool(changed(before, after, 'encoder.')) is learns
    assert changed(before, after, 'reasoner.') and changed(before, after, 'head.linear')


@pytest.mark.parametrize(('norm_eval', 'moves'), [(True, False), (False, True)])
def test_batch_norms_of_the_encoder_keep_their_statistics_unless_told(
    end_to_end: Path, norm_eval: bool, moves: bool
) -> None:
    option = f'model.norm_eval={norm_eval}'
    before, after = at_start(end_to_end, option), state(pipeline.run(project(end_to_end, option)))
    statistics = [n for n in changed(before, after, 'encoder.') if 'running' in n]
    assert bool(statistics) is moves
    assert [n for n in changed(before, after, 'encoder.') if n.endswith('bn.weight')], 'their scales learn either way'


@pytest.mark.parametrize('config', ['single', 'end_to_end'])
def test_results_do_not_depend_on_the_number_of_workers(
    config: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    path = request.getfixturevalue(config)
    runs = {}
    for workers in (0, 2):
        options = [f'{split}_dataloader.num_workers={workers}' for split in ('train', 'val')]
        checkpoint = pipeline.run(project(path, *options, f'work_dir={tmp_path / str(workers)}'))
        runs[workers] = losses(tmp_path / str(workers)), state(checkpoint)
    assert len(runs[0][0]) >= 2 and runs[0][0] == runs[2][0]
    assert changed(runs[0][1], runs[2][1], '') == []


def test_augmentation_changes_training_and_nothing_else(single: Path, tmp_path: Path) -> None:
    runs = []
    for i, augmentation in enumerate(('None', '{}')):
        options = ('train_cfg.max_epochs=1', f'work_dir={tmp_path / str(i)}')
        p = project(single, *options)
        p.cfg.model.augmentation = None if augmentation == 'None' else {}
        pipeline.run(p)
        runs.append(losses(tmp_path / str(i)))
    assert runs[0] != runs[1]
    p = project(single)
    banks, index = pipeline.references(p)
    model = build_assessor(p, banks, index)
    rows = split_rows(p, index, 'val')
    shown = dataset_of(p, index, model, rows)
    plain_picture = model.image_input.preprocess(load_image(p.table.root, p.table.files[rows[1]]))
    np.testing.assert_array_equal(shown[1][1][0], plain_picture)


def test_a_resumed_run_sees_the_pictures_of_a_straight_one(single: Path, tmp_path: Path) -> None:
    straight = pipeline.run(project(single, f'work_dir={tmp_path / "straight"}'))
    pipeline.run(project(single, f'work_dir={tmp_path / "resumed"}', 'train_cfg.max_epochs=1'))
    pipeline.run(project(single, f'work_dir={tmp_path / "resumed"}', 'resume=True'), retrain=True)
    one, other = (state(tmp_path / run / 'epoch_2.pth') for run in ('straight', 'resumed'))
    assert straight.is_file() and changed(one, other, '') == []


@pytest.mark.parametrize('workers', [0, 1])
def test_an_image_that_has_gone_is_named(end_to_end: Path, works: Path, workers: int) -> None:
    p = project(end_to_end, f'train_dataloader.num_workers={workers}')
    banks, index = pipeline.references(p)
    (works / 'images' / '005.png').unlink()  # a training work: query and reference
    from ssmr.stages.train import train

    with pytest.raises(ImageError, match=r'005\.png is missing') as caught:
        train(p, banks, index)
    assert caught.value.fix == 'download it'


def test_quarantined_works_never_come_up(end_to_end: Path, works: Path) -> None:
    for name in ('000.png', '003.png'):
        (works / 'images' / name).write_bytes(b'no image')
    p = project(end_to_end)
    pipeline.run(p)
    banks, index = pipeline.references(p)
    model = build_assessor(p, banks, index)
    for split in ('train', 'val', 'test'):
        dataset = dataset_of(p, index, model, split_rows(p, index, split))
        assert dataset.works.shape[1] == 4 and not {0, 3} & set(dataset.works.ravel().tolist())
        for row, *references in dataset.works.tolist():
            assert references == index.references[index.queries.tolist().index(row)][:3].tolist()


class TestWeightsOfTheModel:
    @pytest.fixture
    def files(self, single: Path, tmp_path: Path) -> tuple[Path, Path]:
        """A copy of the packaged weights, and one with other contents."""
        copied, other = tmp_path / 'copy.pth', tmp_path / 'other.pth'
        shutil.copyfile(resolve_weights(load_config(single).model.weights, 'weights'), copied)
        other.write_bytes(copied.read_bytes() + b'\0')
        return copied, other

    @pytest.mark.parametrize(('config', 'field'), [('single', 'weights'), ('end_to_end', 'encoder.weights')])
    def test_their_contents_count_and_not_their_path(
        self, config: str, field: str, files: tuple[Path, Path], request: pytest.FixtureRequest
    ) -> None:
        path = request.getfixturevalue(config)

        def key(*options: str) -> str:
            return fingerprint(project(path, *options).train_inputs())

        copied, other, none = (key(f'model.{field}={value}') for value in (*files, 'None'))
        assert key() == copied and len({copied, other, none}) == 3

    def test_a_missing_file_is_an_error_of_the_plan(self, single: Path) -> None:
        with pytest.raises(WeightsError, match=r'model\.weights: there is no weight file /absent'):
            pipeline.plan(project(single, 'model.weights=/absent.pth'))

    def test_a_checkpoint_that_started_elsewhere_is_refused(self, single: Path, files: tuple[Path, Path]) -> None:
        checkpoint = pipeline.run(project(single, 'train_cfg.max_epochs=1'))
        other = project(single, f'model.weights={files[1]}')
        with pytest.raises(CheckpointError, match=r'differs in model\.weights'):
            evaluate(other, *pipeline.references(other), checkpoint=checkpoint)


@pytest.mark.parametrize(
    ('config', 'option', 'message'),
    [
        ('single', 'model.augmentation.rotate=3', "no field 'rotate'"),
        ('single', 'model.augmentation.min_area=0', r'model\.augmentation\.min_area is 0'),
        ('single', 'model.augmentation=3', r'model\.augmentation must be a dict'),
        ('single', 'model.backbone.type=EfficientNetLit0', 'did you mean'),
        ('end_to_end', 'model.encoder.type=Nothing', r'model\.encoder\.type'),
        ('end_to_end', 'model.encoder.preprocess.size=0', r'model\.encoder\.preprocess\.size is 0'),
        ('end_to_end', 'graph.standardise=True', r'graph\.standardise is set, but model\.encoder'),
    ],
)
def test_mistakes_are_found_before_any_work(
    config: str, option: str, message: str, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(request.getfixturevalue(config), [option])


def tool(repo: Path, name: str, *arguments: object) -> Any:
    command = [sys.executable, str(repo / 'tools' / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_tools_resume_and_test_it(repo: Path, end_to_end: Path, tmp_path: Path) -> None:
    pipeline.run(project(end_to_end))
    longer = ('--cfg-options', 'train_cfg.max_epochs=2')
    resumed = tool(repo, 'train.py', end_to_end, '--resume', *longer)
    assert resumed.returncode == 0, resumed.stderr
    log = ''.join(path.read_text() for path in (tmp_path / 'run').glob('*/*.log'))
    assert [log.count(f'Epoch(val) [{epoch}]') for epoch in (1, 2)] == [1, 1]
    tested = tool(repo, 'test.py', end_to_end, tmp_path / 'run' / 'best.pth', *longer)
    assert tested.returncode == 0 and '| ssmr ' in tested.stdout, tested.stderr
