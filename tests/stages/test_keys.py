"""Keys: every declared field makes exactly the right stages anew, and nothing else does."""

from __future__ import annotations

import copy
import importlib
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ssmr.artifacts.files import sha256_file
from ssmr.backbones.weights import resolve_weights
from ssmr.config.fingerprint import fingerprint
from ssmr.config.load import load_config
from ssmr.registry import RETRIEVERS
from ssmr.stages.project import Project

SEMANTIC, STYLE, INDEX, TRAIN = 'semantic', 'style', 'index', 'train'
ALL = {SEMANTIC, STYLE, INDEX, TRAIN}


def keys(config: Path, options: tuple[str, ...] = (), edit: Callable[[Any], object] | None = None) -> dict[str, str]:
    """The fingerprint of every stage."""
    cfg = load_config(config, options)
    if edit is not None:
        edit(cfg)
    project = Project(cfg)
    banks = {view: project.bank_key(view).fingerprint for view in (SEMANTIC, STYLE)}
    return {**banks, INDEX: project.index_key().fingerprint, TRAIN: fingerprint(project.train_inputs())}


def changed(one: dict[str, str], other: dict[str, str]) -> set[str]:
    return {stage for stage in ALL if one[stage] != other[stage]}


def test_the_same_config_has_the_same_keys(tiny_config: Path) -> None:
    assert changed(keys(tiny_config), keys(tiny_config)) == set()


DECLARED: list[tuple[str, set[str]]] = [
    ('encoders.semantic.backbone.out_indices=[3]', {SEMANTIC, INDEX, TRAIN}),
    ('encoders.semantic.preprocess.size=64', {SEMANTIC, INDEX, TRAIN}),
    ('encoders.semantic.preprocess.policy=squash', {SEMANTIC, INDEX, TRAIN}),
    ('encoders.semantic.preprocess.mean=[1.0,2.0,3.0]', {SEMANTIC, INDEX, TRAIN}),
    ('encoders.semantic.seed=1', {SEMANTIC, INDEX, TRAIN}),
    ('encoders.style.dim=32', {STYLE, INDEX, TRAIN}),
    ('encoders.style.preprocess.interpolation=bilinear', {STYLE, INDEX, TRAIN}),
    ('retriever.weights=[0.6,0.4]', {INDEX, TRAIN}),
    ('retriever.num_references=7', {INDEX, TRAIN}),
    ('table.group_column=group', {INDEX, TRAIN}),
    ('table.scale=(0,11)', {TRAIN}),
    ('graph.num_references=2', {TRAIN}),
    ('model.reasoner.depth=2', {TRAIN}),
    ('model.reasoner.readout=mean', {TRAIN}),
    ('model.head.loss=mse', {TRAIN}),
    ('optim_wrapper.optimizer.lr=0.01', {TRAIN}),
    ('optim_wrapper.optimizer.type=Adam', {TRAIN}),
    ('train_cfg.max_epochs=3', {TRAIN}),
    ('train_dataloader.batch_size=4', {TRAIN}),
    ('randomness.seed=1', {TRAIN}),
    ('default_hooks.checkpoint.save_best=plcc', {TRAIN}),
]
UNDECLARED = [
    'extraction.batch_size=1',
    'extraction.num_workers=1',
    'extraction.shard_size=5',
    'extraction.device=cpu',
    'extraction.max_bad_fraction=0.5',
    'evaluation.bootstrap=10',
    'evaluation.seed=3',
    'train_dataloader.num_workers=1',
    'val_dataloader.batch_size=1',
    'work_dir=elsewhere',
    'artifact_dir=elsewhere',
    'log_level=WARNING',
    'default_hooks.checkpoint.interval=1',
]


@pytest.fixture
def config(tiny_config: Path, works: Path) -> Path:
    """The tiny config over works with a group column that joins the first two."""
    header, *rows = (works / 'labels.csv').read_text().splitlines()
    rows = [f'{row},{"g" if i < 2 else ""}' for i, row in enumerate(rows)]
    (works / 'labels.csv').write_text('\n'.join([f'{header},group', *rows]) + '\n')
    return tiny_config


@pytest.mark.parametrize(('option', 'stages'), DECLARED, ids=[o for o, _ in DECLARED])
def test_a_declared_field_changes_exactly_its_stages(config: Path, option: str, stages: set[str]) -> None:
    assert changed(keys(config), keys(config, (option,))) == stages


@pytest.mark.parametrize('option', UNDECLARED)
def test_an_undeclared_field_changes_nothing(config: Path, option: str) -> None:
    assert changed(keys(config), keys(config, (option,))) == set()


@pytest.mark.parametrize(
    ('field', 'value'),
    [
        ('param_scheduler', [{'type': 'StepLR', 'by_epoch': True, 'step_size': 3}]),
        ('custom_hooks', [{'type': 'EMAHook'}]),
    ],
)
def test_schedulers_and_hooks_belong_to_training(config: Path, field: str, value: Any) -> None:
    def edit(cfg: Any) -> None:
        cfg[field] = copy.deepcopy(value)

    assert changed(keys(config), keys(config, edit=edit)) == {TRAIN}


class TestWeights:
    @pytest.fixture
    def files(self, config: Path, tmp_path: Path) -> tuple[str, str, str]:
        """The packaged weights, a copy elsewhere and a copy with other contents."""
        spec = load_config(config).encoders.semantic.weights
        copied, other = tmp_path / 'copy.pth', tmp_path / 'other.pth'
        shutil.copyfile(resolve_weights(spec, 'weights'), copied)
        other.write_bytes(copied.read_bytes() + b'\0')
        return spec, str(copied), str(other)

    def test_their_contents_count_and_not_their_path(self, config: Path, files: tuple[str, str, str]) -> None:
        _, copied, other = files
        assert sha256_file(Path(copied)) != sha256_file(Path(other))
        plain = keys(config)
        assert changed(plain, keys(config, (f'encoders.semantic.weights={copied}',))) == set()
        assert changed(plain, keys(config, (f'encoders.semantic.weights={other}',))) == {SEMANTIC, INDEX, TRAIN}
        assert changed(plain, keys(config, (f'encoders.style.weights={other}',))) == {STYLE, INDEX, TRAIN}
        assert changed(plain, keys(config, ('encoders.style.weights=None',))) == {STYLE, INDEX, TRAIN}

    def test_what_training_starts_from_counts_likewise(self, config: Path, files: tuple[str, str, str]) -> None:
        _, copied, other = files
        start = [keys(config, (f'load_from={path}',)) for path in (copied, other)]
        assert changed(keys(config), start[0]) == changed(*start) == {TRAIN}


class TestTable:
    def relabel(self, works: Path, old: str, new: str) -> None:
        text = (works / 'labels.csv').read_text()
        assert text.count(old) == 1
        (works / 'labels.csv').write_text(text.replace(old, new))

    def row(self, works: Path, number: int) -> list[str]:
        return (works / 'labels.csv').read_text().splitlines()[1 + number].split(',')

    def test_a_score_belongs_to_training(self, config: Path, works: Path) -> None:
        before = keys(config)
        name, score, *_ = self.row(works, 4)
        self.relabel(works, f'{name},{score},', f'{name},5.125,')
        assert changed(before, keys(config)) == {TRAIN}

    def test_a_split_belongs_to_the_references(self, config: Path, works: Path) -> None:
        before = keys(config)
        name, score, split, _ = self.row(works, 4)
        self.relabel(works, f'{name},{score},{split}', f'{name},{score},train')
        assert changed(before, keys(config)) == {INDEX, TRAIN}

    def test_a_group_belongs_to_the_references(self, config: Path, works: Path) -> None:
        option = ('table.group_column=group',)
        before = keys(config, option)
        name, score, split, _ = self.row(works, 4)
        self.relabel(works, f'{name},{score},{split},', f'{name},{score},{split},g')
        assert changed(before, keys(config, option)) == {INDEX, TRAIN}

    def test_other_columns_belong_to_nobody(self, config: Path, works: Path) -> None:
        before = keys(config)
        lines = (works / 'labels.csv').read_text().splitlines()
        (works / 'labels.csv').write_text('\n'.join([f'{lines[0]},style', *(f'{line},cubism' for line in lines[1:])]))
        assert changed(before, keys(config)) == set()

    @pytest.mark.parametrize('change', ['contents', 'time', 'removal', 'addition'])
    def test_an_image_belongs_to_the_features_and_all_that_follows(
        self, config: Path, works: Path, change: str
    ) -> None:
        path = works / 'images' / '003.png'
        if change == 'addition':
            path.unlink()
        before = keys(config)
        if change == 'removal':
            path.unlink()
        elif change == 'time':
            os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
        else:
            Image.new('RGB', (9, 9)).save(path)
        assert changed(before, keys(config)) == ALL

    def test_the_place_of_the_data_belongs_to_nobody(self, config: Path, works: Path) -> None:
        before = keys(config)
        works.rename(works.with_name('moved'))
        option = f'table.root={works.with_name("moved")}'
        assert changed(before, keys(config, (option,))) == set()


class TestCode:
    TEXT = (
        'from ssmr.registry import RETRIEVERS\n'
        'from ssmr.retrievers.cosine import CosineRetriever\n'
        '@RETRIEVERS.register_module(force=True)\n'
        'class EditedRetriever(CosineRetriever):\n'
        '    def embed(self, vectors):\n'
        '        return super().embed(vectors ** 1)\n'
    )

    def test_editing_a_part_of_ones_own_makes_its_stage_anew(
        self, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.syspath_prepend(tmp_path)

        def with_source(text: str) -> dict[str, str]:
            (tmp_path / 'edited_parts.py').write_text(text)
            sys.modules.pop('edited_parts', None)
            importlib.invalidate_caches()
            return keys(config, ('custom_imports.imports=edited_parts',))

        config.write_text(
            config.read_text()
            + "\nretriever = dict(type='FusionRetriever', num_references=6, weights=[0.7, 0.3],\n"
            + "    parts=[dict(type='EditedRetriever'), dict(type='GramRetriever')])\n"
        )
        try:
            before = with_source(self.TEXT)
            assert changed(before, with_source(self.TEXT)) == set()
            assert changed(before, with_source(self.TEXT.replace('** 1', '** 3'))) == {INDEX, TRAIN}
        finally:
            RETRIEVERS.module_dict.pop('EditedRetriever', None)


def test_views_with_the_same_encoder_share_one_bank(config: Path) -> None:
    cfg = load_config(config)
    cfg.encoders.style = copy.deepcopy(cfg.encoders.semantic)
    project = Project(cfg)
    assert project.bank_key(SEMANTIC) == project.bank_key(STYLE)


def test_an_encoder_that_nobody_reads_is_not_extracted(config: Path) -> None:
    cfg = load_config(config)
    cfg.encoders.spare = copy.deepcopy(cfg.encoders.semantic)
    assert Project(cfg).views == (SEMANTIC, STYLE)
