"""What a config may say: the fields, and which registry each part comes from.

A config is checked whole before any work starts: an unknown field, part name or keyword is an error with the close
matches. Names with a leading underscore are the config author's own variables and are left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config

from ssmr import registry as kinds
from ssmr.config.parts import check_keys, check_part, check_value, keywords
from ssmr.errors import ConfigError

#: Top-level fields and what they are.
FIELDS: dict[str, str] = {
    'table': 'the images and scores: a reader of DATASETS',
    'duplicates': 'file (of tools/verify_data.py: image, group) and leaks: keep or drop',
    'encoders': 'view name -> an encoder of BACKBONES',
    'retriever': 'how references are found: a part of RETRIEVERS',
    'graph': 'view (of the node features, or a list of views), num_references, min_similarity, standardise',
    'model': 'the assessor: a part of MODELS',
    'extraction': 'batch_size, num_workers, shard_size, max_bad_fraction, device',
    'evaluation': 'bootstrap, seed',
    'train_dataloader': 'batch_size, num_workers',
    'val_dataloader': 'batch_size, num_workers',
    'train_cfg': "mmengine's training loop: by_epoch, max_epochs, val_interval…",
    'optim_wrapper': "mmengine's optimizer wrapper",
    'param_scheduler': "mmengine's schedulers, a list",
    'default_hooks': "mmengine's default hooks",
    'custom_hooks': "mmengine's custom hooks, a list",
    'randomness': 'seed, deterministic',
    'artifact_dir': 'where banks and indexes are kept',
    'work_dir': 'where this run writes',
    'log_level': 'DEBUG, INFO, WARNING',
    'custom_imports': 'modules of your own to import',
    'load_from': 'weights to start from',
    'arms': 'variants for tools/cross_validate.py: name -> {dotted option: value}',
    'resume': 'true: go on from the last checkpoint in work_dir',
}
REQUIRED = ('table', 'encoders', 'retriever', 'graph', 'model', 'optim_wrapper', 'train_cfg', 'work_dir')

#: Keys of the plain sections (those that are not parts of a registry): type and smallest value.
SECTIONS: dict[str, dict[str, tuple[str, float | None]]] = {
    'duplicates': {'file': ('str | None', None), 'leaks': ('str', None)},
    'graph': {
        'view': ('str | list', None),
        'num_references': ('int', 1),
        'min_similarity': ('float | None', None),
        'standardise': ('bool', None),
    },
    'extraction': {
        'batch_size': ('int', 1),
        'num_workers': ('int', 0),
        'shard_size': ('int', 1),
        'max_bad_fraction': ('float', 0),
        'device': ('str | None', None),
    },
    'evaluation': {'bootstrap': ('int', 0), 'seed': ('int', 0)},
    'train_dataloader': {'batch_size': ('int', 1), 'num_workers': ('int', 0)},
    'val_dataloader': {'batch_size': ('int', 1), 'num_workers': ('int', 0)},
    'randomness': {'seed': ('int | None', 0), 'deterministic': ('bool', None)},
    'custom_imports': {'imports': ('list', None), 'allow_failed_imports': ('bool', None)},
}
#: Fields that hold one plain value.
VALUES = {'work_dir': 'str', 'artifact_dir': 'str', 'log_level': 'str', 'load_from': 'str | None', 'resume': 'bool'}
#: What to do with training works that are duplicates of works of val or test.
LEAKS = ('keep', 'drop')
LOG_LEVELS = ('DEBUG', 'INFO', 'WARNING', 'ERROR')
#: The hooks that mmengine installs unless told otherwise.
DEFAULT_HOOKS = ('runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler', 'checkpoint')


def validate(cfg: Config) -> None:
    """Check a whole config against the registries, before any work.

    Raises:
        ConfigError: Names the field and says what was probably meant.
    """
    check_keys('the config', [k for k in cfg if not k.startswith('_')], FIELDS)
    missing = [name for name in REQUIRED if name not in cfg]
    if missing:
        raise ConfigError(
            f'the config lacks {", ".join(f"{m} ({FIELDS[m]})" for m in missing)}',
            'start from a file in configs/ with _base_ = [...]',
        )
    for field, annotation in VALUES.items():
        if field in cfg:
            check_value(field, cfg[field], annotation, default='')
    if cfg.get('log_level', 'INFO') not in LOG_LEVELS:
        raise ConfigError(f'log_level is {cfg.log_level!r}', f'use one of {", ".join(LOG_LEVELS)}')
    for section, keys in SECTIONS.items():
        check_section(section, cfg.get(section, {}), keys)
    leaks = cfg.get('duplicates', {}).get('leaks', 'keep')
    if leaks not in LEAKS:
        raise ConfigError(f'duplicates.leaks is {leaks!r}', f'use one of {", ".join(LEAKS)}')
    check_part('table', cfg.table, kinds.DATASETS)
    for view, encoder in _mapping('encoders', cfg.encoders).items():
        check_part(f'encoders.{view}', encoder, kinds.BACKBONES)
    check_part('retriever', cfg.retriever, kinds.RETRIEVERS)
    _check_views(cfg)
    check_part('model', cfg.model, kinds.MODELS)
    _check_nodes(cfg)
    _check_training(cfg)
    for name, options in _mapping('arms', cfg.get('arms', {})).items():
        if not isinstance(options, Mapping):
            raise ConfigError(f'arms.{name} must be a dict, not {options!r}', FIELDS['arms'])


def check_section(section: str, given: Any, keys: Mapping[str, tuple[str, float | None]]) -> None:
    """Check a section of plain values.

    Raises:
        ConfigError: It is no dict, has an unknown key, or a value of the wrong type or below the smallest.
    """
    check_keys(section, _mapping(section, given), keys)
    for key, value in given.items():
        annotation, minimum = keys[key]
        check_value(f'{section}.{key}', value, annotation, default='', minimum=minimum)


def _check_training(cfg: Config) -> None:
    train_cfg = _mapping('train_cfg', cfg.train_cfg)
    if 'type' not in train_cfg and 'by_epoch' not in train_cfg:
        raise ConfigError('train_cfg lacks by_epoch', 'write dict(by_epoch=True, max_epochs=..., val_interval=1)')
    check_value('train_cfg.by_epoch', train_cfg.get('by_epoch'), 'bool')
    loop = 'EpochBasedTrainLoop' if train_cfg.get('by_epoch') else 'IterBasedTrainLoop'
    check_part('train_cfg', {'type': loop, **train_cfg}, kinds.LOOPS, extra=('by_epoch',))
    for key in ('max_epochs', 'max_iters', 'val_interval'):
        check_value(f'train_cfg.{key}', train_cfg.get(key), 'int | None', minimum=1)
    wrapper = {'type': 'OptimWrapper', **_mapping('optim_wrapper', cfg.optim_wrapper)}
    if 'optimizer' not in wrapper:
        raise ConfigError(
            'optim_wrapper lacks optimizer', "write optim_wrapper=dict(optimizer=dict(type='AdamW', lr=...))"
        )
    check_part('optim_wrapper', wrapper, kinds.OPTIM_WRAPPERS, extra=('constructor', 'paramwise_cfg'))
    for i, scheduler in enumerate(_list('param_scheduler', cfg.get('param_scheduler'))):
        check_part(f'param_scheduler[{i}]', scheduler, kinds.PARAM_SCHEDULERS, extra=('convert_to_iter_based',))
    hooks = _mapping('default_hooks', cfg.get('default_hooks', {}))
    check_keys('default_hooks', hooks, DEFAULT_HOOKS)
    for name, hook in hooks.items():
        if hook is not None:
            check_part(f'default_hooks.{name}', hook, kinds.HOOKS, extra=('priority',))
    for i, hook in enumerate(_list('custom_hooks', cfg.get('custom_hooks'))):
        check_part(f'custom_hooks[{i}]', hook, kinds.HOOKS, extra=('priority',))


def _mapping(field: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f'{field} must be a dict, not {value!r}', f'{field}: {FIELDS[field]}')
    return value


def _list(field: str, value: Any) -> list[Any]:
    if value is not None and not isinstance(value, (list, tuple)):
        raise ConfigError(f'{field} must be a list, not {value!r}', f'{field}: {FIELDS[field]}')
    return list(value or [])


def _check_views(cfg: Config) -> None:
    views = list(cfg.encoders)
    nodes = cfg.graph.get('view')
    nodes = nodes if isinstance(nodes, (list, tuple)) and nodes else [nodes]
    for field, view in [*(('graph.view', v) for v in nodes), *_retriever_views('retriever', cfg.retriever)]:
        if view not in views:
            raise ConfigError(
                f'{field} is {view!r} but the encoders are {", ".join(views) or "none"}',
                'set it to one of the encoders, or add an encoder of that name',
            )
    k = cfg.graph.get('num_references')
    if k is None:
        raise ConfigError('graph lacks num_references', 'give the number of references in the graph, 1 or more')
    stored = _value(cfg.retriever, 'num_references')
    if isinstance(stored, int) and k > stored:
        raise ConfigError(
            f'graph.num_references is {k}, but retriever.num_references, those that are stored, is {stored}',
            'raise retriever.num_references',
        )


def _check_nodes(cfg: Config) -> None:
    if cfg.model.get('encoder') is not None and cfg.graph.get('standardise'):
        raise ConfigError(
            'graph.standardise is set, but model.encoder makes the nodes, whose scale changes while it learns',
            'leave out one of them',
        )


def _retriever_views(field: str, part: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield every ``view`` that a retriever reads, with the field that names it."""
    view = _value(part, 'view')
    if view is not None:
        yield f'{field}.view', view
    for i, nested in enumerate(part.get('parts', [])):
        yield from _retriever_views(f'{field}.parts[{i}]', nested)
    if 'retriever' in part:
        yield from _retriever_views(f'{field}.retriever', part['retriever'])


def _value(part: Mapping[str, Any], name: str) -> Any:
    """A retriever's keyword as the config gives it or its class defaults it; None where it has no such keyword."""
    known, _ = keywords(kinds.RETRIEVERS.get(part['type']))
    return part.get(name, known[name].default if name in known else None)
