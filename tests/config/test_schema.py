"""Strictness: whatever is wrong in a config is refused before any work, with its dotted name and what was meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from ssmr.config.load import load_config
from ssmr.config.schema import validate
from ssmr.errors import ConfigError


@pytest.fixture
def cfg(tiny_config: Path) -> Config:
    return load_config(tiny_config)


def change(cfg: Config, dotted: str, value: Any) -> None:
    """Set a field; numbers in the path are positions in lists."""
    *path, last = dotted.split('.')
    node: Any = cfg
    for name in path:
        node = node[int(name)] if name.isdigit() else node[name]
    node[last] = value


def refusal(cfg: Config) -> str:
    with pytest.raises(ConfigError) as caught:
        validate(cfg)
    return str(caught.value)


def test_the_tiny_config_is_valid(cfg: Config) -> None:
    validate(cfg)


def test_names_with_an_underscore_are_the_authors_own(cfg: Config) -> None:
    change(cfg, '_my_variable', 5)
    validate(cfg)


MISSPELT = {
    'tabel': 'table',
    'evaluation.boostrap': 'bootstrap',
    'extraction.batchsize': 'batch_size',
    'train_dataloader.batchsize': 'batch_size',
    'randomness.seeed': 'seed',
    'graph.num_reference': 'num_references',
    'table.lables': 'labels',
    'encoders.semantic.preproces': 'preprocess',
    'encoders.semantic.preprocess.sise': 'size',
    'encoders.semantic.backbone.out_indexes': 'out_indices',
    'encoders.style.dims': 'dim',
    'retriever.wieghts': 'weights',
    'retriever.parts.1.veiw': 'view',
    'model.in_dims': 'in_dim',
    'model.reasoner.depht': 'depth',
    'model.head.los': 'loss',
    'train_cfg.max_epoch': 'max_epochs',
    'optim_wrapper.optimiser': 'optimizer',
    'optim_wrapper.optimizer.weight_decai': 'weight_decay',
    'default_hooks.chekpoint': 'checkpoint',
    'default_hooks.checkpoint.save_bst': 'save_best',
}


@pytest.mark.parametrize(('field', 'meant'), MISSPELT.items())
def test_an_unknown_field_is_refused_with_the_close_one(cfg: Config, field: str, meant: str) -> None:
    change(cfg, field, 1)
    message = refusal(cfg)
    *parents, key = field.split('.')
    assert repr(key) in message
    assert meant in message.split('did you mean', 1)[1]
    assert '.'.join(parents).replace('.0', '[0]').replace('.1', '[1]') in message


def test_the_keywords_of_another_packages_backbone_are_checked_too(cfg: Config) -> None:
    cfg.encoders.semantic.backbone = {'type': 'mmpretrain.SwinTransformer', 'arch': 'tiny', 'window_sizes': 7}
    message = refusal(cfg)
    assert 'encoders.semantic.backbone (mmpretrain.SwinTransformer)' in message and 'window_size' in message


@pytest.mark.parametrize(
    ('field', 'value', 'meant'),
    [
        ('custom_hooks', [{'type': 'EarlyStoppingHook', 'monitor': 'srcc', 'patiense': 3}], 'patience'),
        ('param_scheduler', [{'type': 'CosineAnnealingLR', 'by_epoch': True, 'T_mox': 4}], 'T_max'),
        ('param_scheduler', [{'type': 'LinearLR', 'start_facter': 0.1}], 'start_factor'),
        (
            'optim_wrapper',
            {'type': 'AmpOptimWrapper', 'optimizer': {'type': 'SGD', 'lr': 1}, 'loss_scales': 1},
            'loss_scale',
        ),
    ],
)
def test_keywords_that_mmengine_would_hand_on_are_checked_too(cfg: Config, field: str, value: Any, meant: str) -> None:
    cfg[field] = value
    message = refusal(cfg)
    assert field in message and meant in message


def test_hooks_may_hand_on_what_only_others_know(cfg: Config) -> None:
    cfg.custom_hooks = [{'type': 'EMAHook', 'momentum': 0.01, 'priority': 'NORMAL'}]
    validate(cfg)


UNKNOWN_PARTS = {
    'table.type': ('CsvTabel', 'CsvTable'),
    'encoders.style.type': ('GramStile', 'GramStyle'),
    'encoders.style.backbone.type': ('EfficentNetLite', 'EfficientNetLite'),
    'encoders.semantic.backbone.type': ('mmpretrain.SwinTransformr', 'mmpretrain.SwinTransformer'),
    'retriever.type': ('FusionRetreiver', 'FusionRetriever'),
    'retriever.parts.0.type': ('CosinRetriever', 'CosineRetriever'),
    'model.type': ('MultiReferenceAsessor', 'MultiReferenceAssessor'),
    'model.reasoner.type': ('RelationGNC', 'RelationGCN'),
    'model.head.type': ('ScoreHaed', 'ScoreHead'),
    'optim_wrapper.optimizer.type': ('AdmaW', 'AdamW'),
    'default_hooks.checkpoint.type': ('CheckpointHok', 'CheckpointHook'),
}


@pytest.mark.parametrize(('field', 'wrong', 'meant'), [(f, *w) for f, w in UNKNOWN_PARTS.items()])
def test_an_unknown_part_is_refused_with_the_close_one(cfg: Config, field: str, wrong: str, meant: str) -> None:
    change(cfg, field, wrong)
    message = refusal(cfg)
    assert f'{field.replace(".0.", "[0].")}: {wrong!r} is not in' in message
    assert meant in message.split('did you mean', 1)[1]
    assert 'custom_imports' in message


def test_a_part_of_another_package_is_hinted_by_scope(cfg: Config) -> None:
    change(cfg, 'encoders.semantic.backbone.type', 'SwinTransformer')
    assert 'did you mean mmpretrain.SwinTransformer?' in refusal(cfg)


@pytest.mark.parametrize('field', ['table', 'encoders', 'retriever', 'graph', 'model', 'optim_wrapper', 'train_cfg'])
def test_a_missing_section_is_named(cfg: Config, field: str) -> None:
    cfg.pop(field)
    assert f'the config lacks {field} (' in refusal(cfg)


@pytest.mark.parametrize(
    'field',
    [
        'table.root', 'encoders.semantic.backbone', 'encoders.semantic.type', 'retriever.parts', 'retriever.type',
        'graph.view', 'graph.num_references', 'model.reasoner', 'model.head', 'train_cfg.by_epoch',
        'train_cfg.max_epochs', 'optim_wrapper.optimizer', 'optim_wrapper.optimizer.type', 'model.reasoner.type',
    ],
)  # fmt: skip
def test_a_missing_keyword_is_named(cfg: Config, field: str) -> None:
    *path, last = field.split('.')
    node: Any = cfg
    for name in path:
        node = node[name]
    del node[last]
    message = refusal(cfg)
    assert last in message and path[-1] in message


WRONG_VALUES: list[tuple[str, Any]] = [
    ('table', 'x'),
    ('table', None),
    ('table', 5),
    ('table', []),
    ('table.type', 5),
    ('table.type', dict),
    ('table.root', 5),
    ('table.threshold', 'five'),
    ('encoders', []),
    ('encoders', {}),
    ('encoders', 'semantic'),
    ('encoders.semantic', None),
    ('encoders.semantic.backbone', 'EfficientNetLite0'),
    ('encoders.semantic.backbone', []),
    ('encoders.semantic.preprocess', 224),
    ('encoders.semantic.preprocess.size', '224'),
    ('encoders.semantic.preprocess.size', 0),
    ('encoders.semantic.preprocess.mean', [127.0]),
    ('encoders.semantic.preprocess.mean', 'grey'),
    ('encoders.semantic.preprocess.std', [1, 0, 1]),
    ('encoders.semantic.preprocess.policy', 'cut'),
    ('encoders.semantic.preprocess.interpolation', 'linear'),
    ('encoders.style.dim', '64'),
    ('retriever', 'CosineRetriever'),
    ('retriever.parts', {'type': 'CosineRetriever'}),
    ('retriever.parts', 'CosineRetriever'),
    ('retriever.parts.0.view', 'stile'),
    ('graph', None),
    ('graph', 'semantic'),
    ('graph.view', 'stile'),
    ('graph.view', 5),
    ('graph.num_references', 0),
    ('graph.num_references', True),
    ('graph.num_references', 2.5),
    ('graph.num_references', '3'),
    ('graph.num_references', 7),
    ('model', []),
    ('model.in_dim', 'a'),
    ('model.reasoner.depth', 'six'),
    ('model.reasoner.dropout', '0.5'),
    ('extraction', 5),
    ('extraction.batch_size', 0),
    ('extraction.num_workers', -1),
    ('extraction.shard_size', 'all'),
    ('extraction.max_bad_fraction', -0.1),
    ('evaluation.bootstrap', -1),
    ('train_dataloader.batch_size', 'big'),
    ('train_cfg', None),
    ('train_cfg', 20),
    ('train_cfg.max_epochs', 'a'),
    ('train_cfg.max_epochs', 0),
    ('train_cfg.max_epochs', True),
    ('train_cfg.by_epoch', 'yes'),
    ('optim_wrapper', 'AdamW'),
    ('optim_wrapper.optimizer', 'AdamW'),
    ('optim_wrapper.optimizer.lr', 'high'),
    ('param_scheduler', {'type': 'StepLR'}),
    ('param_scheduler', 'StepLR'),
    ('default_hooks', []),
    ('default_hooks.checkpoint', 'CheckpointHook'),
    ('default_hooks.checkpoint.interval', 'often'),
    ('custom_hooks', 'EMAHook'),
    ('randomness', 0),
    ('randomness.seed', 'zero'),
    ('work_dir', 5),
    ('work_dir', None),
    ('artifact_dir', []),
    ('log_level', 'LOUD'),
    ('resume', 'auto'),
    ('custom_imports', 'my_parts'),
]


@pytest.mark.parametrize(('field', 'value'), WRONG_VALUES, ids=lambda v: repr(v).replace('/', ''))
def test_a_wrong_value_is_refused_with_its_field(cfg: Config, field: str, value: Any) -> None:
    change(cfg, field, value)
    expected = 'graph.view' if (field, value) == ('encoders', {}) else field.replace('.0.', '[0].')
    assert expected in refusal(cfg)


RIGHT_VALUES: list[tuple[str, Any]] = [
    ('optim_wrapper.optimizer.lr', 1),
    ('train_cfg', {'by_epoch': False, 'max_iters': 1e3, 'val_interval': 10}),
    ('train_cfg', {'type': 'EpochBasedTrainLoop', 'max_epochs': 3}),
    ('encoders.semantic.weights', None),
    ('table.split_column', 'fold'),
    ('table.scale', (1, 9)),
    ('table.threshold', 5),
    ('param_scheduler', None),
    ('param_scheduler', [{'type': 'StepLR', 'step_size': 3, 'gamma': 0.1, 'by_epoch': True}]),
    ('default_hooks.checkpoint', None),
    ('custom_hooks', None),
    ('randomness.seed', None),
    ('load_from', None),
    ('optim_wrapper', {'optimizer': {'type': 'SGD', 'lr': 0.1}, 'clip_grad': {'max_norm': 1}, 'paramwise_cfg': {}}),
]


@pytest.mark.parametrize(('field', 'value'), RIGHT_VALUES, ids=lambda v: repr(v))
def test_what_is_right_is_not_refused(cfg: Config, field: str, value: Any) -> None:
    change(cfg, field, value)
    validate(cfg)
