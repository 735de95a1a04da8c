"""Whether what a checkpoint holds has the form of what this run would write: a file may say anything."""

from __future__ import annotations

import copy
import json
import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from torch import Tensor

from ssmr.engine.random_state import random_state, require_random_state

#: What mmengine notes of the present run; that of a former one would only take its place.
OF_THE_RUN = (
    'cfg', 'seed', 'experiment_name', 'mmengine_version', 'loop_stage', 'epoch', 'iter', 'max_epochs', 'max_iters',
    'dataset_meta', 'eta',
)  # fmt: skip
#: What hooks keep in a checkpoint, by an example of its form.
KEPT = {
    'best_score': 0.0,
    'best_ckpt': '',
    'last_ckpt': '',
    'early_stopping': {'best_score': 0.0, 'wait_count': 0, 'stopped': False},
}
#: Numbers that say how far training is.
COUNTS = ('epoch', 'iter', 'position', 'world_size')
#: Optimizer state that has fewer numbers than its parameter (Adafactor).
FACTORED = ('row_var', 'col_var')


def require_form(found: Any, like: Any, where: str) -> None:
    """Refuse a value that has not the form of another: types, keys, lengths, shapes; no number may be NaN.

    Args:
        found: From a file.
        like: Of this run; None says nothing about the form.
        where: What it is called in the error.

    Raises:
        ValueError: Where they differ.
    """
    if isinstance(like, Tensor):
        require_tensor(found, where)
        if found.shape != like.shape or found.dtype != like.dtype:
            raise ValueError(f'{where} is {found.dtype} {tuple(found.shape)}, not {like.dtype} {tuple(like.shape)}')
    elif isinstance(like, Counter):  # milestones of a schedule
        if type(found) is not Counter or not all(type(n) is int for pair in found.items() for n in pair):
            raise ValueError(f'{where} does not count')
    elif isinstance(like, Mapping):
        if not isinstance(found, dict) or found.keys() != like.keys():
            raise ValueError(f'{where} has not the fields {", ".join(map(str, like))}')
        for name, item in like.items():
            require_form(found[name], item, f'{where}.{name}')
    elif isinstance(like, (list, tuple)):
        if not isinstance(found, (list, tuple)) or len(found) != len(like):
            raise ValueError(f'{where} is no list of {len(like)}')
        for i, item in enumerate(like):
            require_form(found[i], item, f'{where}[{i}]')
    elif like is not None:
        numbers = all(isinstance(value, (int, float)) and type(value) is not bool for value in (found, like))
        if (not numbers and type(found) is not type(like)) or (isinstance(found, float) and math.isnan(found)):
            raise ValueError(f'{where} is {str(found)[:40]}, which is no {type(like).__name__}')


def require_tensor(found: Any, where: str) -> None:
    """Refuse what is not a plain tensor in memory, or holds NaN.

    Raises:
        ValueError: It is something else.
    """
    plain = type(found) is Tensor and found.layout == torch.strided and not found.is_meta and not found.is_quantized
    if not plain:
        raise ValueError(f'{where} is no tensor')
    if (found.is_floating_point() or found.is_complex()) and torch.isnan(found).any():
        raise ValueError(f'{where} holds NaN')


def require_weights(found: Any, like: Mapping[str, Tensor], where: str, prefix: str = '') -> None:
    """Refuse what is not a state dict, lacks a tensor of the model's, or has one of another form; more may be there.

    Args:
        found: From a file.
        like: The model's own.
        where: What it is called in the error.
        prefix: Of the names in the file.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise ValueError(f'{where} is no state dict')
    if missing := [name for name in like if prefix + name not in found]:
        raise ValueError(f'{where} lacks {", ".join(missing[:3])}')
    for name, tensor in found.items():
        require_tensor(tensor, f'{where}.{name}')
        if name.removeprefix(prefix) in like:
            require_form(tensor, like[name.removeprefix(prefix)], f'{where}.{name}')
    versions = getattr(found, '_metadata', {})  # of modules, for those that read files of their former versions
    if not isinstance(versions, dict) or not all(isinstance(v, dict) for v in versions.values()):
        raise ValueError(f'{where} has no versions of modules')


def read_inputs(meta: Any) -> dict[str, Any]:
    """What a checkpoint belongs to.

    Raises:
        ValueError: It does not say.
    """
    text = meta.get('ssmr_inputs') if isinstance(meta, dict) else None
    if not isinstance(text, str):
        raise ValueError('it does not say what it belongs to')
    try:
        inputs = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f'meta.ssmr_inputs is no JSON: {error}') from error
    if not isinstance(inputs, dict):
        raise ValueError('meta.ssmr_inputs is no object')
    return inputs


def require_progress(content: Mapping[str, Any], batches: int | None) -> None:
    """Refuse what does not say from where training goes on.

    Args:
        content: Of a checkpoint.
        batches: Of one pass over the data, what a position must be below; None where it is not known.

    Raises:
        ValueError: It does not say so, or the place does not exist.
    """
    meta = content['meta']
    for name in COUNTS:
        if type(meta.get(name)) is not int or not 0 <= meta[name] < 1 << 60:
            raise ValueError(f'meta.{name} is {str(meta.get(name))[:40]}')
    if type(meta.get('seed')) is not int or not 0 <= meta['seed'] < 1 << 32:
        raise ValueError(f'meta.seed is {str(meta.get("seed"))[:40]}')
    if batches is not None and meta['position'] >= max(1, batches):
        raise ValueError(f'meta.position is {meta["position"]}, but a pass has {batches} batches')
    states = content['random_states']
    if not isinstance(states, list) or len(states) != meta['world_size']:
        raise ValueError(f'random_states are not those of {meta["world_size"]} processes')
    own = random_state()
    like = {**own, 'python': {**own['python'], 'gauss': None}, 'cuda': None}
    for i, state in enumerate(states):
        require_form(state, like, f'random_states[{i}]')
        require_random_state(state, f'random_states[{i}]')


def require_schedules(found: Any, own: list[dict[str, Any]]) -> None:
    """Refuse what is not the state of schedulers; of as many as both have, the form must agree.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(found, list):
        raise ValueError('param_schedulers is no list')
    for i, (theirs, like) in enumerate(zip(found, own, strict=False)):
        require_form(theirs, like, f'param_schedulers[{i}]')


def require_messages(hub: Any) -> None:
    """Refuse what is not the state of mmengine's message hub, and drop from it what only names the former run.

    Raises:
        ValueError: It is none.
    """
    require_form(hub, dict.fromkeys(('log_scalars', 'runtime_info', 'resumed_keys')), 'message_hub')
    if not all(isinstance(part, dict) and all(isinstance(name, str) for name in part) for part in hub.values()):
        raise ValueError('message_hub is not made of fields')
    for name, buffer in hub['log_scalars'].items():
        _require_history(buffer, f'message_hub.log_scalars.{name}')
    for name in OF_THE_RUN:
        hub['runtime_info'].pop(name, None)
        hub['resumed_keys'].pop(name, None)
    for name in hub['runtime_info'].keys() & KEPT.keys():
        require_form(hub['runtime_info'][name], KEPT[name], f'message_hub.runtime_info.{name}')
    held = hub['log_scalars'].keys() | hub['runtime_info'].keys()
    if not all(type(kept) is bool for kept in hub['resumed_keys'].values()) or not all(
        hub['resumed_keys'].get(name) for name in held
    ):
        raise ValueError('message_hub.resumed_keys does not name what is kept')


def _require_history(buffer: Any, where: str) -> None:
    fields = vars(buffer) if type(buffer) is HistoryBuffer else {}
    values, counts = fields.get('_log_history'), fields.get('_count_history')
    well = (
        fields.keys() == {'max_length', '_log_history', '_count_history'}
        and type(fields['max_length']) is int
        and all(type(a) is np.ndarray and a.ndim == 1 and a.dtype.kind in 'iuf' for a in (values, counts))
        and len(values) == len(counts) <= fields['max_length']  # type: ignore[arg-type]
    )
    if not well:
        raise ValueError(f'{where} is no history of numbers')


def require_optimizer_state(optimizer: torch.optim.Optimizer) -> None:
    """Refuse state that the optimizer could not have made itself; call it after the state is loaded.

    Raises:
        ValueError: A tensor has not its parameter's shape, something is missing or too much, or a number is NaN.
    """
    for number, group in enumerate(optimizer.param_groups):
        examples = {1: _example_state(optimizer, group, 1)}  # in any case: it fails where an option is amiss
        for parameter in group['params']:
            state = optimizer.state.get(parameter)
            if not state:
                continue
            if parameter.ndim not in examples:
                examples[parameter.ndim] = _example_state(optimizer, group, parameter.ndim)
            where = f'optimizer.state of a parameter {tuple(parameter.shape)} of group {number}'
            require_form(dict.fromkeys(state), dict.fromkeys(examples[parameter.ndim]), where)
            for name, like in examples[parameter.ndim].items():
                _require_moment(state[name], like, parameter, f'{where}, {name},')


def _example_state(optimizer: torch.optim.Optimizer, group: dict[str, Any], ndim: int) -> dict[str, Any]:
    """What the optimizer keeps of a parameter of one number after a step: names, and whether by element."""
    first = group['params'][0]
    tiny = torch.zeros((1,) * ndim, device=first.device, dtype=first.dtype, requires_grad=True)
    tiny.grad = torch.zeros_like(tiny)
    probe = copy.copy(optimizer)
    probe.state, probe.param_groups = defaultdict(dict), [{**group, 'params': [tiny]}]
    probe.step()
    return dict(probe.state[tiny])


def _require_moment(found: Any, like: Any, parameter: Tensor, where: str) -> None:
    if not isinstance(like, Tensor):
        require_form(found, like, where)
        return
    require_tensor(found, where)
    scalar = like.ndim == 0 and parameter.ndim > 0
    named = where.rstrip(',').endswith(FACTORED)
    if not named and found.shape != (like.shape if scalar else parameter.shape):
        raise ValueError(f'{where} has the shape {tuple(found.shape)}')


def require_groups(found: Any, own: Mapping[str, Any]) -> None:
    """Refuse groups of parameters whose options are of other kinds than this optimizer's.

    Schedules and other versions of torch have further options; :func:`require_optimizer_state` tries what is there.

    Args:
        found: The optimizer's state, from a file.
        own: The state of this run's optimizer wrapper.

    Raises:
        ValueError: They are.
    """
    groups = found.get('param_groups') if isinstance(found, dict) else None
    state, count = found.get('state') if isinstance(found, dict) else None, len(own['param_groups'])
    if not isinstance(groups, list) or not isinstance(state, dict) or len(groups) != count:
        raise ValueError(f'optimizer is not the state of {count} groups of parameters')
    for i, (group, like) in enumerate(zip(groups, own['param_groups'], strict=True)):
        where = f'optimizer.param_groups[{i}]'
        if not isinstance(group, dict) or group.get('params') != like['params']:
            raise ValueError(f'{where} is not about the same parameters')
        shared = like.keys() & group.keys()
        require_form({name: group[name] for name in shared}, {name: like[name] for name in shared}, where)
    known = {i for group in own['param_groups'] for i in group['params']}
    if not state.keys() <= known or not all(isinstance(kept, dict) for kept in state.values()):
        raise ValueError('optimizer.state is not that of its parameters')
    for name in (own.keys() & found.keys()) - {'state', 'param_groups'}:  # the wrapper's own, such as a loss scaler
        require_form(found[name], own[name], f'optimizer.{name}')
