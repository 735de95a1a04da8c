"""Registries: parts are found by name, also those of other packages and new files, and a miss helps."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ssmr import registry
from ssmr.errors import ConfigError
from ssmr.registry import BACKBONES, DATASETS, HEADS, HOOKS, MODELS, OPTIMIZERS, REASONERS, RETRIEVERS, PartRegistry


@pytest.fixture
def clean() -> Iterator[None]:
    kept = dict(RETRIEVERS.module_dict)
    yield
    RETRIEVERS.module_dict.clear()
    RETRIEVERS.module_dict.update(kept)


@pytest.mark.parametrize(
    ('kind', 'name'),
    [
        (BACKBONES, 'EfficientNetLite'), (BACKBONES, 'EfficientNetLite0'), (BACKBONES, 'GlobalFeature'),
        (BACKBONES, 'GramStyle'), (BACKBONES, 'ChannelStatistics'), (BACKBONES, 'PrincipalGram'), (DATASETS, 'Gallery'),
        (RETRIEVERS, 'CosineRetriever'), (RETRIEVERS, 'GramRetriever'), (RETRIEVERS, 'FusionRetriever'),
        (RETRIEVERS, 'RandomRetriever'), (REASONERS, 'RelationGCN'), (REASONERS, 'NoReference'), (HEADS, 'ScoreHead'),
        (MODELS, 'MultiReferenceAssessor'), (DATASETS, 'CsvTable'), (DATASETS, 'BAID'), (OPTIMIZERS, 'AdamW'),
        (HOOKS, 'CheckpointHook'), (HOOKS, 'ssmr.PredictionCollector'), (RETRIEVERS, 'ssmr.CosineRetriever'),
    ],
)  # fmt: skip
def test_the_canonical_parts_are_found(kind: PartRegistry, name: str) -> None:
    assert kind.get(name).__module__.split('.')[0] in ('ssmr', 'mmengine', 'torch')


@pytest.mark.parametrize('name', ['SwinTransformer', 'SwinTransformerV2', 'ConvNeXt', 'VGG', 'ResNet'])
def test_backbones_of_mmpretrain_are_found_by_scope(name: str) -> None:
    assert BACKBONES.get(f'mmpretrain.{name}').__module__.startswith('mmpretrain.')


def test_a_new_part_is_one_decorated_class(clean: None) -> None:
    from ssmr.retrievers.cosine import CosineRetriever

    @RETRIEVERS.register_module()
    class MyRetriever(CosineRetriever):
        pass

    built = RETRIEVERS.build({'type': 'MyRetriever', 'num_references': 3})
    assert type(built) is MyRetriever and built.num_references == 3


def test_a_name_that_is_taken_is_an_error_with_both_sides(clean: None) -> None:
    from ssmr.retrievers.cosine import CosineRetriever

    with pytest.raises(ConfigError) as caught:

        @RETRIEVERS.register_module(name='GramRetriever')
        class Mine(CosineRetriever):
            pass

    assert 'ssmr.retrievers.cosine.GramRetriever' in caught.value.message and 'Mine' in caught.value.message
    assert RETRIEVERS.get('GramRetriever').__name__ == 'GramRetriever'
    RETRIEVERS.register_module(name='GramRetriever', module=CosineRetriever, force=True)
    assert RETRIEVERS.get('GramRetriever') is CosineRetriever


def test_a_reloaded_class_replaces_itself(clean: None) -> None:
    from ssmr.retrievers.cosine import CosineRetriever

    def load() -> type:
        @RETRIEVERS.register_module()
        class Reloaded(CosineRetriever):
            pass

        return Reloaded

    first, second = load(), load()
    assert first is not second and RETRIEVERS.get('Reloaded') is second


@pytest.mark.parametrize(
    ('kind', 'name', 'meant'),
    [
        (RETRIEVERS, 'CosinRetriever', 'CosineRetriever'),
        (REASONERS, 'RelationGNC', 'RelationGCN'),
        (BACKBONES, 'mmpretrain.ResNett', 'mmpretrain.ResNet'),
        (BACKBONES, 'ConvNeXt', 'mmpretrain.ConvNeXt'),
        (OPTIMIZERS, 'adamw', 'AdamW'),
    ],
)
def test_a_miss_names_the_close_one_and_where_to_add_ones_own(kind: PartRegistry, name: str, meant: str) -> None:
    with pytest.raises(ConfigError) as caught:
        kind.get(name)
    assert repr(name) in caught.value.message and meant in caught.value.message.split('did you mean')[1]
    assert 'custom_imports' in caught.value.fix


def test_a_miss_without_close_names_lists_all() -> None:
    with pytest.raises(ConfigError, match=r'it has .*NoReference, RelationGCN'):
        REASONERS.get('zzzzzz')


@pytest.mark.parametrize('name', ['no_such_package.ResNet', '.ResNet', 'a b.ResNet', 'os.path', '', '.'])
def test_a_scope_that_is_no_package_is_a_miss(name: str) -> None:
    with pytest.raises(ConfigError, match='is not in the backbone registry'):
        BACKBONES.get(name)


def test_importing_the_registries_imports_no_part() -> None:
    code = "import sys, ssmr.registry; print(*sorted(m for m in sys.modules if m.startswith('ssmr.')))"
    found = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout.split()
    assert found == ['ssmr.errors', 'ssmr.registry', 'ssmr.torchvision_shim']


def test_every_kind_has_its_place(repo: Path) -> None:
    kinds = [v for v in vars(registry).values() if isinstance(v, PartRegistry)]
    assert len({k.name for k in kinds}) == len(kinds) >= 12
    for kind in kinds:
        for location in kind._locations:
            if location.startswith('ssmr.'):
                path = repo / location.replace('.', '/')
                assert path.is_dir() or path.with_suffix('.py').is_file(), location
