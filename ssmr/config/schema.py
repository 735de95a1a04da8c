"""What a config may say: the fields, and which registry each part comes from.

A config is checked whole before any work starts: an unknown field, part name or keyword is an error with the close
matches. Names with a leading underscore are the config author's own variables and are left alone.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.registry import Registry

from ssmr import registry as kinds
from ssmr.errors import ConfigError

#: Top-level fields and what they are.
FIELDS: dict[str, str] = {
    'table': 'the images and scores: a reader of DATASETS',
    'encoders': 'view name -> an encoder of BACKBONES',
    'retriever': 'how references are found: a part of RETRIEVERS',
    'graph': 'view (of the node features) and num_references (in the graph)',
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
    'resume': 'true: go on from the last checkpoint in work_dir',
}
REQUIRED = ('table', 'encoders', 'retriever', 'graph', 'model', 'optim_wrapper', 'train_cfg', 'work_dir')

#: Keys allowed in the plain sections (those that are not parts of a registry).
SECTIONS: dict[str, tuple[str, ...]] = {
    'graph': ('view', 'num_references'),
    'extraction': ('batch_size', 'num_workers', 'shard_size', 'max_bad_fraction', 'device'),
    'evaluation': ('bootstrap', 'seed'),
    'train_dataloader': ('batch_size', 'num_workers'),
    'val_dataloader': ('batch_size', 'num_workers'),
    'randomness': ('seed', 'deterministic'),
    'custom_imports': ('imports', 'allow_failed_imports'),
}

#: Keyword of a part -> the registry of the part it holds.
NESTED: dict[str, Registry] = {
    'backbone': kinds.BACKBONES,
    'reasoner': kinds.REASONERS,
    'head': kinds.HEADS,
    'parts': kinds.RETRIEVERS,
    'optimizer': kinds.OPTIMIZERS,
}


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
    for section, keys in SECTIONS.items():
        check_keys(section, cfg.get(section, {}), keys)
    check_part('table', cfg.table, kinds.DATASETS)
    for view, encoder in cfg.encoders.items():
        check_part(f'encoders.{view}', encoder, kinds.BACKBONES)
    check_part('retriever', cfg.retriever, kinds.RETRIEVERS)
    check_part('model', cfg.model, kinds.MODELS)
    check_part('optim_wrapper', {'type': 'OptimWrapper', **cfg.optim_wrapper}, kinds.OPTIM_WRAPPERS)
    for i, scheduler in enumerate(cfg.get('param_scheduler') or []):
        check_part(f'param_scheduler[{i}]', scheduler, kinds.PARAM_SCHEDULERS, extra=('convert_to_iter_based',))
    for name, hook in cfg.get('default_hooks', {}).items():
        if hook is not None:
            check_part(f'default_hooks.{name}', hook, kinds.HOOKS, extra=('priority',))
    for i, hook in enumerate(cfg.get('custom_hooks', [])):
        check_part(f'custom_hooks[{i}]', hook, kinds.HOOKS, extra=('priority',))
    _check_views(cfg)


def _check_views(cfg: Config) -> None:
    views = list(cfg.encoders)
    if cfg.graph.get('view') not in views:
        raise ConfigError(
            f'graph.view is {cfg.graph.get("view")!r} but the encoders are {", ".join(views)}',
            'set graph.view to the encoder whose vectors are the nodes of the graph',
        )
    k = cfg.graph.get('num_references')
    if not isinstance(k, int) or k < 1:
        raise ConfigError(f'graph.num_references is {k!r}', 'give the number of references in the graph, 1 or more')


def check_part(field: str, part: Any, registry: Registry, extra: Iterable[str] = ()) -> None:
    """Check that a part exists, that its keywords are its own and that none is missing, and likewise the parts it holds.

    Args:
        field: Where in the config this is, for the error.
        part: The dict with ``type``.
        registry: Where ``type`` is looked up.
        extra: Keywords that the builder takes for itself.

    Raises:
        ConfigError: The name or a keyword is unknown, or a required one is missing.
    """
    if not isinstance(part, Mapping) or 'type' not in part:
        raise ConfigError(f'{field} must be dict(type=..., ...), not {part!r}', f'name a part: {registry.name} registry')
    try:
        cls = registry.get(part['type'])
    except ConfigError as error:
        raise ConfigError(f'{field}.type: {error.message}', error.fix) from None
    parameters = {n: p for n, p in inspect.signature(cls).parameters.items() if n not in ('self', 'cls')}
    given = [k for k in part if k != 'type' and k not in extra]
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        check_keys(f'{field} ({part["type"]})', given, parameters)
    for name in given:
        if name in NESTED:
            nested = part[name] if isinstance(part[name], (list, tuple)) else [part[name]]
            for item in nested:
                check_part(f'{field}.{name}', item, NESTED[name])
    needed = [n for n, p in parameters.items() if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    missing = [n for n in needed if n not in given and n not in FILLED_IN]
    if missing:
        raise ConfigError(f'{field} ({part["type"]}) lacks {", ".join(missing)}', f'see help of {cls.__module__}.{cls.__name__}')


#: Keywords that are filled in by whoever builds the part, from the parts around it.
FILLED_IN = ('in_dim', 'num_references', 'params', 'optimizer')


def check_keys(where: str, given: Iterable[str], allowed: Iterable[str]) -> None:
    """Refuse keys that nobody reads.

    Raises:
        ConfigError: Names the first unknown key and the close ones.
    """
    allowed = list(allowed)
    for key in given:
        if key not in allowed:
            close = difflib.get_close_matches(key, allowed, n=3, cutoff=0.5)
            meant = f'did you mean {" or ".join(close)}?' if close else f'it knows {", ".join(sorted(allowed))}'
            raise ConfigError(f'{where} has no field {key!r}', meant)
