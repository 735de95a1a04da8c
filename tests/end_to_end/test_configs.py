"""The configs that come with ssmr: each is valid, says how it is used, and the quickstart's runs on fewer works."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from ssmr.artifacts.feature_bank import FeatureBankWriter
from ssmr.backbones.encoder import build_encoder
from ssmr.config.load import load_config
from ssmr.datasets.procedural.generate import generate
from ssmr.registry import MODELS
from ssmr.stages import extract, pipeline
from ssmr.stages.evaluate import evaluate
from ssmr.stages.project import Project, plain

FOLDER = Path(__file__).resolve().parents[2] / 'configs'
CONFIGS = sorted([*FOLDER.glob('*.py'), *FOLDER.glob('ablations/*.py'), *FOLDER.glob('studies/*.py')])
BAID = [p for p in CONFIGS if p.stem.endswith('_baid') or p.parent.name == 'ablations']


def name_of(path: Path) -> str:
    return str(path.relative_to(FOLDER).with_suffix(''))


def quick(path: Path) -> list[str]:
    """Options with which a config for BAID runs in a second: narrow networks, random weights, one epoch."""
    cfg = load_config(path)
    options = [f'encoders.{view}.weights=None' for view in cfg.encoders]
    options += ['train_cfg.max_epochs=1', 'train_dataloader.batch_size=16', 'evaluation.bootstrap=20']
    if cfg.model.type == 'SingleImageAssessor':
        return [*options, 'model.weights=None', 'model.backbone.arch=tiny', 'train_dataloader.num_workers=0']
    inner = '.reasoner' if cfg.model.reasoner.type == 'NoReference' else ''
    return [*options, f'model.reasoner{inner}.dim=32']


@pytest.mark.parametrize('path', CONFIGS, ids=name_of)
def test_every_config_is_valid_builds_its_model_and_says_how_it_is_used(path: Path) -> None:
    cfg = load_config(path)
    model = plain(cfg.model)
    if model['type'] == 'MultiReferenceAssessor':
        model |= {'num_references': cfg.graph.num_references, 'in_dim': model.get('in_dim', 1280)}
    MODELS.build({**model, 'weights': None} if 'weights' in model else model)
    header = re.match(r'(#.*\n)+', path.read_text())
    assert header is not None
    tool = 'tools/cross_validate.py' if path.parent.name == 'studies' else 'tools/train.py'
    for word in (f'python {tool}', f'configs/{name_of(path)}.py', 'Needs:', 'Expect:'):
        assert word in header[0], word


@pytest.mark.parametrize('path', CONFIGS, ids=name_of)
def test_bases_are_at_most_two_levels_deep(path: Path) -> None:
    def depth(file: Path) -> int:
        bases = re.search(r'_base_ = (\[[^]]*\])', file.read_text())
        names = re.findall(r"'([^']+)'", bases[1]) if bases else []
        return max((1 + depth(file.parent / name) for name in names), default=0)

    assert depth(path) <= 2


@pytest.fixture(scope='module')
def baid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """70 noisy pictures in BAID's layout."""
    root = tmp_path_factory.mktemp('baid')
    rng = np.random.default_rng(0)
    (root / 'images').mkdir()
    (root / 'dataset').mkdir()
    lines: dict[str, list[str]] = {'train': [], 'val': [], 'test': []}
    for i in range(70):
        Image.fromarray(rng.integers(0, 255, (40, 48, 3), dtype=np.uint8)).save(root / f'images/{100 * i + 1}.jpg')
        split = 'train' if i < 58 else 'val' if i < 64 else 'test'
        lines[split].append(f'{100 * i + 1}.jpg,{rng.uniform(3, 8):.3f}')
    for split, rows in lines.items():
        (root / f'dataset/{split}_set.csv').write_text('\n'.join(['image,score', *rows]) + '\n')
    return root


@functools.cache
def dimension(encoder: str) -> int:
    """What an encoder, as JSON, gives for a blank picture."""
    return build_encoder('view', json.loads(encoder)).dim


def drawn_features(project: Project, view: str, folder: Path) -> dict[str, Any]:
    """In the place of an encoder's forward passes over 70 pictures: random vectors of its own dimension."""
    dim = dimension(json.dumps(plain(project.cfg.encoders[view]), sort_keys=True))
    writer = FeatureBankWriter(folder, project.table.ids, dim, 1024)
    writer.write(0, np.random.default_rng(dim).normal(size=(len(project.table), dim)).astype(np.float32), {})
    writer.finish()
    return {'dim': dim}


@pytest.mark.slow
@pytest.mark.parametrize('path', BAID, ids=name_of)
def test_every_config_for_baid_runs_a_short_epoch(
    path: Path, baid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extract, '_extract', drawn_features)
    options = [f'table.root={baid}', f'artifact_dir={tmp_path / "artifacts"}', *quick(path)]
    project = Project(load_config(path, options, str(tmp_path / 'run')))
    checkpoint = pipeline.run(project)
    result = evaluate(project, *pipeline.references(project), checkpoint=checkpoint)
    assert len(pd.read_csv(result.predictions)) == 6
    assert np.isfinite(pd.read_csv(result.predictions).prediction).all()


def test_the_legacy_config_is_the_released_network_with_its_constants() -> None:
    cfg = load_config(FOLDER / 'ssmr_legacy_baid.py')
    model = MODELS.build({**plain(cfg.model), 'num_references': cfg.graph.num_references})
    assert sum(p.numel() for p in model.parameters()) == 26_296_321
    model.head.fit_targets(torch.tensor([2.700217, 9.9]))  # today's minimum does not move the released constants
    torch.testing.assert_close(model.head.targets.encode(torch.tensor([2.75695, 10.0])), torch.tensor([0.0, 1.0]))
    nodes = torch.randn(2, 5, 1024)
    reasoner = model.reasoner.eval()
    projected = torch.relu(reasoner.project_norm(reasoner.project(nodes)))
    torch.testing.assert_close(reasoner(nodes, torch.rand(2, 4)), projected.flatten(1), msg='six layers: the identity')
    hooks = {hook['type']: hook for hook in cfg.custom_hooks}
    assert hooks['FreshOptimizerHook']['interval'] == cfg.param_scheduler[0].step_size == 3
    assert (cfg.optim_wrapper.optimizer.lr, cfg.train_dataloader.batch_size, cfg.train_cfg.max_epochs) == (
        3e-5,
        128,
        20,
    )
    assert cfg.retriever.type == 'EuclideanRetriever' and cfg.graph.num_references == 4


@pytest.mark.slow
def test_the_quickstart_config_runs_on_fewer_and_smaller_works(repo: Path, tmp_path: Path) -> None:
    data = generate(tmp_path / 'quickstart', images=120, size=64)
    options = [f'table.root={data}', f'artifact_dir={tmp_path / "artifacts"}', 'train_cfg.max_epochs=2']
    project = Project(load_config(repo / 'configs/ssmr_efficientnet_quickstart.py', options, str(tmp_path / 'run')))
    checkpoint = pipeline.run(project)
    result = evaluate(project, *pipeline.references(project), checkpoint=checkpoint)
    assert result.metrics['ssmr']['n'] == len(project.table.rows('test')) == 48
