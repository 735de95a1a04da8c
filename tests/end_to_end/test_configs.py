"""The configs that come with ssmr: each is valid, says how it is used, and the quickstart's runs on fewer works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ssmr.config.load import load_config
from ssmr.datasets.procedural.generate import generate
from ssmr.registry import MODELS
from ssmr.stages import pipeline
from ssmr.stages.evaluate import evaluate
from ssmr.stages.project import Project, plain

CONFIGS = sorted((Path(__file__).resolve().parents[2] / 'configs').glob('*.py'))


@pytest.mark.parametrize('path', CONFIGS, ids=lambda p: p.stem)
def test_every_config_is_valid_builds_its_model_and_says_how_it_is_used(path: Path) -> None:
    cfg = load_config(path)
    MODELS.build({**plain(cfg.model), 'num_references': cfg.graph.num_references})
    header = re.match(r'(#.*\n)+', path.read_text())
    assert header is not None
    for word in ('python tools/train.py', f'configs/{path.name}', 'Needs:', 'Expect:'):
        assert word in header[0], word


@pytest.mark.parametrize('path', CONFIGS, ids=lambda p: p.stem)
def test_bases_are_at_most_two_levels_deep(path: Path) -> None:
    def depth(file: Path) -> int:
        bases = re.search(r'_base_ = (\[[^]]*\])', file.read_text())
        names = re.findall(r"'([^']+)'", bases[1]) if bases else []
        return max((1 + depth(file.parent / name) for name in names), default=0)

    assert depth(path) <= 2


@pytest.mark.slow
def test_the_quickstart_config_runs_on_fewer_and_smaller_works(repo: Path, tmp_path: Path) -> None:
    data = generate(tmp_path / 'quickstart', images=120, size=64)
    options = [f'table.root={data}', f'artifact_dir={tmp_path / "artifacts"}', 'train_cfg.max_epochs=2']
    project = Project(load_config(repo / 'configs/ssmr_efficientnet_quickstart.py', options, str(tmp_path / 'run')))
    checkpoint = pipeline.run(project)
    result = evaluate(project, *pipeline.references(project), checkpoint=checkpoint)
    assert result.metrics['ssmr']['n'] == len(project.table.rows('test')) == 48
