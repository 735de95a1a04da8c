"""The whole flow on tiny works: what it leaves, what it reuses, and what it refuses."""

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
from ssmr.errors import ArtifactError, CheckpointError, ConfigError, DataError
from ssmr.stages import pipeline
from ssmr.stages.evaluate import evaluate
from ssmr.stages.project import Project


def project(config: Path, *options: str) -> Project:
    return Project(load_config(config, options))


def tool(repo: Path, name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(repo / 'tools' / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def files_below(folder: Path) -> dict[str, int]:
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in folder.rglob('*') if p.is_file()}


def test_tools_train_and_test_from_images_to_a_table(
    repo: Path, tiny_config: Path, works: Path, tmp_path: Path
) -> None:
    trained = tool(repo, 'train.py', tiny_config)
    assert trained.returncode == 0, trained.stderr
    tested = tool(repo, 'test.py', tiny_config, tmp_path / 'run' / 'best.pth')
    assert tested.returncode == 0, tested.stderr
    for row in ('ssmr', 'constant', 'majority', 'knn_4', 'knn_all', 'ridge'):
        assert f'| {row} ' in tested.stdout
    with open(works / 'labels.csv') as file:
        labels = {r['image']: r for r in csv.DictReader(file)}
    with open(tmp_path / 'run' / 'predictions_test.csv') as file:
        predictions = list(csv.DictReader(file))
    assert {p['image'] for p in predictions} == {i for i, r in labels.items() if r['split'] == 'test'}
    for p in predictions:
        references = p['reference_ids'].split()
        scores = [float(labels[r]['score']) for r in references]
        assert len(set(references)) == 6 and all(labels[r]['split'] == 'train' for r in references)
        assert float(p['reference_mean']) == pytest.approx(np.mean(scores))
        assert float(p['reference_sd']) == pytest.approx(np.std(scores))
        assert float(p['score']) == pytest.approx(float(labels[p['image']]['score']))
    report = json.loads((tmp_path / 'run' / 'metrics_test.json').read_text())
    from scipy.stats import spearmanr

    srcc = spearmanr([float(p['score']) for p in predictions], [float(p['prediction']) for p in predictions]).statistic
    assert report['metrics']['ssmr']['srcc'] == pytest.approx(srcc)
    assert list((tmp_path / 'run').rglob('events.out.tfevents*')), 'a TensorBoard log'

    before = files_below(tmp_path)
    again = tool(repo, 'train.py', tiny_config)
    assert again.returncode == 0 and again.stdout.count(' hit ') == 4
    assert files_below(tmp_path) == before, 'a second run with nothing changed writes nothing'


def test_the_plan_names_what_made_a_stage_stale_and_builds_nothing(tiny_config: Path, tmp_path: Path) -> None:
    pipeline.run(project(tiny_config))
    before = files_below(tmp_path)
    changed = project(tiny_config, 'encoders.style.dim=32', 'optim_wrapper.optimizer.lr=0.1')
    steps = {s.stage: s for s in pipeline.plan(changed)}
    assert steps['features of semantic'].hit
    assert steps['features of style'].stale == ('encoder.dim',)
    assert any(f.startswith('features.style') for f in steps['references'].stale)
    assert {'optim_wrapper.optimizer.lr', 'references'} <= set(steps['training'].stale)
    assert files_below(tmp_path) == before


def test_views_with_one_encoder_share_one_bank(tiny_config: Path) -> None:
    p = project(tiny_config)
    p.cfg.encoders.node = p.cfg.encoders.semantic
    p.cfg.graph.view = 'node'
    assert p.bank_key('node') == p.bank_key('semantic')


@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('batch', [3, 8])
def test_features_do_not_depend_on_workers_and_barely_on_batches(
    tiny_config: Path, tmp_path: Path, workers: int, batch: int
) -> None:
    from ssmr.backbones.encoder import build_encoder
    from ssmr.datasets.images import load_image
    from ssmr.stages.project import plain

    p = project(tiny_config, f'extraction.num_workers={workers}', f'extraction.batch_size={batch}')
    bank = pipeline.features(p)['style']
    encoder = build_encoder('style', plain(p.cfg.encoders.style))
    import torch

    for row in (0, 13, 23):
        image = torch.from_numpy(encoder.preprocess(load_image(p.table.root, p.table.files[row])))[None]
        np.testing.assert_allclose(bank.features[row], encoder(image)[0].numpy(), atol=1e-5)


def test_training_learns_what_the_features_show(tiny_config: Path, tmp_path: Path) -> None:
    """The score is the redness of the picture: after some epochs the model must rank unseen works by it."""
    root = paint_works(tmp_path / 'more', n=60)
    p = project(tiny_config, f'table.root={root}', 'train_cfg.max_epochs=12', 'optim_wrapper.optimizer.lr=0.01')
    pipeline.run(p)
    metrics = evaluate(p, *pipeline.references(p), checkpoint=tmp_path / 'run' / 'epoch_12.pth').metrics
    assert metrics['ssmr']['srcc'] > 0.8
    assert metrics['ssmr']['rmse'] < metrics['constant']['rmse']


def test_the_seed_decides_the_weights_whatever_ran_before(tiny_config: Path, tmp_path: Path) -> None:
    import torch

    from ssmr.safe_load import safe_torch_load

    def weights(seed: int, run: str) -> dict:
        torch.rand(seed + len(run))  # some other state of the global generator
        checkpoint = pipeline.run(project(tiny_config, f'randomness.seed={seed}', f'work_dir={tmp_path / run}'))
        return safe_torch_load(checkpoint)['state_dict']

    first, again, other = weights(0, 'a'), weights(0, 'bb'), weights(1, 'ccc')
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first['head.linear.weight'], other['head.linear.weight'])


def test_resume_goes_on_where_the_run_stopped(tiny_config: Path, tmp_path: Path) -> None:
    pipeline.run(project(tiny_config))
    resumed = project(tiny_config, 'train_cfg.max_epochs=4', 'resume=True')
    pipeline.run(resumed, retrain=True)
    text = ''.join(log.read_text() for log in (tmp_path / 'run').glob('*/*.log'))  # one log if both began in one second
    assert [text.count(f'Epoch(val) [{epoch}]') for epoch in (1, 2, 3, 4)] == [1, 1, 1, 1]


def test_amp_ema_and_early_stopping_are_options_of_the_config(tiny_config: Path, tmp_path: Path) -> None:
    text = tiny_config.read_text() + (
        "optim_wrapper['type'] = 'Bf16OptimWrapper'\n"
        "custom_hooks = [dict(type='EMAHook', momentum=0.1),"
        " dict(type='EarlyStoppingHook', monitor='srcc', rule='greater', patience=1, min_delta=3.0)]\n"
    )
    tiny_config.write_text(text.replace('max_epochs=2', 'max_epochs=50'))
    checkpoint = pipeline.run(project(tiny_config))
    from ssmr.safe_load import safe_torch_load

    content = safe_torch_load(checkpoint)
    assert content['meta']['epoch'] < 10, 'stopped early'
    assert 'ema_state_dict' in content
    evaluate(project(tiny_config), *pipeline.references(project(tiny_config)), checkpoint=checkpoint)


def test_config_text_in_a_checkpoint_is_not_executed(tiny_config: Path, tmp_path: Path) -> None:
    import torch

    from ssmr.safe_load import safe_torch_load

    checkpoint = pipeline.run(project(tiny_config))
    content = safe_torch_load(checkpoint.with_name('epoch_2.pth'))
    canary = tmp_path / 'canary'
    for field in ('cfg', 'config'):
        content['meta'][field] = f'import pathlib\npathlib.Path({str(canary)!r}).touch()\n'
    torch.save(content, tmp_path / 'evil.pth')
    p = project(tiny_config, 'train_cfg.max_epochs=3', 'resume=True', f'load_from={tmp_path / "evil.pth"}')
    pipeline.run(p, retrain=True)
    assert not canary.exists()


def test_a_checkpoint_of_another_config_is_refused_with_the_fields(tiny_config: Path) -> None:
    checkpoint = pipeline.run(project(tiny_config))
    other = project(tiny_config, 'model.reasoner.readout=mean', 'graph.num_references=2')
    with pytest.raises(CheckpointError, match=r'graph\.num_references, model\.reasoner\.readout'):
        evaluate(other, *pipeline.references(other), checkpoint=checkpoint)


def break_images(works: Path, names: list[str]) -> None:
    (works / 'images' / names[0]).unlink()
    for name in names[1:]:
        (works / 'images' / name).write_bytes(b'no image')


def test_bad_images_within_the_limit_are_listed_and_left_out_of_everything(
    tiny_config: Path, works: Path, tmp_path: Path
) -> None:
    bad = ['001.png', '004.png', '023.png']  # a training, a test and a validation work
    break_images(works, bad)
    p = project(tiny_config)
    checkpoint = pipeline.run(p)
    with open(tmp_path / 'run' / 'quarantine.csv') as file:
        listed = {r['image']: r['reason'] for r in csv.DictReader(file)}
    assert sorted(listed) == bad and 'missing' in listed['001.png'] and 'not an image' in listed['004.png']
    banks, index = pipeline.references(p)
    rows = [int(b[:3]) for b in bad]
    assert not set(rows) & (set(index.queries.tolist()) | set(index.references.ravel().tolist()))
    result = evaluate(p, banks, index, checkpoint)
    assert result.left_out == 1 and result.metrics['ssmr']['n'] == 3


def test_more_bad_images_than_the_limit_stop_the_run_and_leave_no_bank(
    tiny_config: Path, works: Path, tmp_path: Path
) -> None:
    break_images(works, [f'{i:03d}.png' for i in range(8)])
    with pytest.raises(DataError, match=r'images of works cannot be read, more than the 4\.8'):
        pipeline.run(project(tiny_config))
    assert (tmp_path / 'run' / 'quarantine.csv').is_file()
    assert not [p for p in (tmp_path / 'artifacts').rglob('*') if p.is_dir() and p.parent.name == 'features']


def test_no_image_at_all_is_an_error_before_any_work(tiny_config: Path, works: Path) -> None:
    for path in (works / 'images').iterdir():
        path.unlink()
    with pytest.raises(DataError, match='none of the 24 images of works is there'):
        pipeline.plan(project(tiny_config))


def test_k_larger_than_the_pool_and_than_what_is_stored(tiny_config: Path) -> None:
    with pytest.raises(DataError, match=r'num_references=15.*only 14 possible references.*pool has 15'):
        pipeline.run(project(tiny_config, 'retriever.num_references=15'))
    with pytest.raises(ConfigError, match=r'graph\.num_references is 7, but retriever\.num_references.* is 6'):
        pipeline.run(project(tiny_config, 'graph.num_references=7'))


def test_an_encoder_of_another_dimension_than_the_models(tiny_config: Path) -> None:
    with pytest.raises(ConfigError, match=r"model\.in_dim is 99, but the encoder of graph\.view 'semantic' gives 24"):
        pipeline.run(project(tiny_config, 'model.in_dim=99'))


def test_an_index_made_for_another_table_is_refused(tiny_config: Path, works: Path) -> None:
    p = project(tiny_config)
    _, index = pipeline.references(p)
    with pytest.raises(ArtifactError, match='made for another table'):
        index.require_table((*p.table.ids[1:], 'new.png'))


def test_a_corrupt_bank_stops_the_run_and_names_the_folder(tiny_config: Path) -> None:
    p = project(tiny_config)
    pipeline.references(p)
    features = p.store.path(p.bank_key('style')) / 'features.npy'
    content = bytearray(features.read_bytes())
    content[-5] ^= 1
    features.write_bytes(content)
    with pytest.raises(ArtifactError, match=r'checksum of features\.npy differs'):
        pipeline.run(project(tiny_config))


def test_changed_labels_train_again_but_extract_nothing(tiny_config: Path, works: Path) -> None:
    pipeline.run(project(tiny_config))
    labels = works / 'labels.csv'
    labels.write_text(labels.read_text().replace('\n000.png,', '\n000.png,0'))  # 3.1 -> 03.1: the same number
    assert all(s.hit for s in pipeline.plan(project(tiny_config)))
    lines = labels.read_text().splitlines()
    lines[1] = '000.png,9.99,train'
    labels.write_text('\n'.join(lines) + '\n')
    assert [s.hit for s in pipeline.plan(project(tiny_config))] == [True, True, True, False]


def test_text_lists_of_our_index_can_be_evaluated_by_the_tool(
    repo: Path, tiny_config: Path, works: Path, tmp_path: Path
) -> None:
    built = tool(repo, 'build_references.py', tiny_config, '--lists', tmp_path / 'lists')
    assert built.returncode == 0, built.stderr
    labels = (works / 'labels.csv').read_text().splitlines()
    for split in ('train', 'test'):
        chosen = [labels[0], *(line for line in labels if line.endswith(split))]
        (tmp_path / f'{split}.csv').write_text('\n'.join(chosen) + '\n')
    common = ('--pool', tmp_path / 'train.csv', '--queries', tmp_path / 'test.csv', '--k', 1, 6, '--json')
    text = tool(repo, 'evaluate_references.py', '--references', tmp_path / 'lists' / 'test_refer_6.txt', *common)
    assert text.returncode == 0, text.stderr
    p = project(tiny_config)
    folder = tool(repo, 'evaluate_references.py', '--references', p.store.path(p.index_key()), *common)
    assert folder.returncode == 0, folder.stderr
    assert json.loads(text.stdout)['k'] == json.loads(folder.stdout)['k']


def test_swin_baid_without_baid_says_what_to_get_and_what_runs_without(repo: Path, tmp_path: Path) -> None:
    result = tool(
        repo, 'train.py', repo / 'configs/ssmr_swin_baid.py', '--cfg-options', f'table.root={tmp_path / "baid"}'
    )
    assert result.returncode == 1
    assert 'missing' in result.stderr and 'tools/prepare_data.py baid --root' in result.stderr
    assert 'configs/ssmr_efficientnet_quickstart.py' in result.stderr and 'Traceback' not in result.stderr
    assert not (tmp_path / 'baid').exists()


def test_weights_option_reaches_the_named_encoder(repo: Path, tiny_config: Path, tmp_path: Path) -> None:
    result = tool(repo, 'train.py', tiny_config, '--plan', '--weights', f'style={tmp_path / "absent.pth"}')
    assert result.returncode == 1 and 'encoders.style.weights' in result.stderr and 'absent.pth' in result.stderr
    result = tool(repo, 'train.py', tiny_config, '--plan', '--weights', 'sytle=x.pth')
    assert result.returncode == 1 and 'the encoders are semantic, style' in result.stderr


@pytest.mark.slow
def test_controls_are_trained_and_compared_on_the_same_images(tiny_config: Path, tmp_path: Path) -> None:
    from ssmr.stages.controls import arm_config, compare

    cfg = load_config(tiny_config)
    result = compare(cfg, seeds=2)
    trained = {'ssmr', 'no_reference', 'random_references'}
    assert {name for name, runs in result.srcc_by_run.items() if len(runs) == 2} == trained
    assert set(result.differences) == {('ssmr', 'no_reference'), ('ssmr', 'random_references')}
    control: Config = arm_config(cfg, 'no_reference', 1)
    assert control.model.reasoner.reasoner == cfg.model.reasoner and cfg.model.reasoner.type == 'RelationGCN'


@pytest.mark.parametrize('threshold', [0.9999, 2.0])
def test_several_node_views_an_ensemble_and_works_left_without_references(
    tiny_config: Path, capfd: pytest.CaptureFixture[str], threshold: float
) -> None:
    text = tiny_config.read_text() + (
        "graph.update(view=['semantic', 'style'], standardise=True)\n"
        "model.pop('in_dim')\n"
        "model = dict(type='EnsembleAssessor', members=2, assessor=dict(reference_scores='residual', **model))\n"
    )
    tiny_config.write_text(text)
    p = project(tiny_config, f'graph.min_similarity={threshold}')
    checkpoint = pipeline.run(p)
    banks, index = pipeline.references(p)
    alone = int((index.similarities[:, :3] < threshold).all(axis=1).sum())
    assert f'leaves {alone} of 24 works without references' in capfd.readouterr().err
    assert alone == 24 or threshold < 2
    result = evaluate(p, banks, index, checkpoint)
    with open(result.predictions) as file:
        assert all(np.isfinite(float(row['prediction'])) for row in csv.DictReader(file))


def test_a_model_without_references_has_no_controls(tiny_config: Path) -> None:
    from ssmr.stages.controls import compare

    text = tiny_config.read_text() + (
        "model = dict(type='SingleImageAssessor', backbone=dict(type='EfficientNetLite0', out_indices=[2]),\n"
        "             preprocess=dict(size=32), head=dict(type='ScoreHead'))\n"
    )
    tiny_config.write_text(text)
    with pytest.raises(ConfigError, match='SingleImageAssessor does not use references'):
        compare(load_config(tiny_config), seeds=1)
