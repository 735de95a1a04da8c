"""Checking one part of a config against the class that it names: unknown, missing and ill-typed keywords."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mmengine.registry import Registry

from ssmr import registry as kinds
from ssmr.errors import ConfigError

#: Keyword of a part -> the registry of the part it holds.
NESTED: dict[str, Registry] = {
    'backbone': kinds.BACKBONES,
    'encoder': kinds.BACKBONES,
    'reasoner': kinds.REASONERS,
    'head': kinds.HEADS,
    'parts': kinds.RETRIEVERS,
    'retriever': kinds.RETRIEVERS,
    'assessor': kinds.MODELS,
    'optimizer': kinds.OPTIMIZERS,
}
#: Keywords of NESTED that hold a list of parts.
LISTS = ('parts',)
#: Keyword of a part -> the class of TRANSFORMS whose keywords it holds.
SETTINGS = {'preprocess': 'Preprocess', 'augmentation': 'Augmentation'}
#: Keywords that are filled in by whoever builds the part, from the parts around it.
FILLED_IN = ('in_dim', 'num_references', 'params', 'optimizer', 'param_name', 'runner', 'dataloader')
#: Types that a value can be checked against, by the word that annotations use; True is no number here.
TYPES: dict[str, tuple[type, ...]] = {'int': (int,), 'float': (int, float), 'str': (str,), 'bool': (bool,)}


def check_part(field: str, part: Any, registry: Registry, extra: Iterable[str] = ()) -> None:
    """Check that a part exists, that its keywords are its own and none is missing, and likewise the parts it holds.

    Args:
        field: Where in the config this is, for the error.
        part: The dict with ``type``.
        registry: Where ``type`` is looked up.
        extra: Keywords that the builder takes for itself.

    Raises:
        ConfigError: The name or a keyword is unknown, a required one is missing, or a number, a text or a truth value
            is given where another of these is taken.
    """
    name_one = f'name a part of the {registry.name} registry'
    if not isinstance(part, Mapping) or 'type' not in part:
        raise ConfigError(f"{field} must be dict(type='...', ...), not {part!r}", name_one)
    if not isinstance(part['type'], str):
        raise ConfigError(f'{field}.type must be a name, not {part["type"]!r}', name_one)
    try:
        cls = registry.get(part['type'])
    except ConfigError as error:
        raise ConfigError(f'{field}.type: {error.message}', error.fix) from None
    given = {k: v for k, v in part.items() if k != 'type' and k not in extra}
    check_keywords(field, part['type'], cls, given)
    optional = [name for name, parameter in keywords(cls)[0].items() if parameter.default is None]
    for name, value in given.items():
        if value is None and name in optional:
            continue
        if name in NESTED:
            _check_nested(f'{field}.{name}', value, NESTED[name], name in LISTS)
        elif name in SETTINGS:
            _check_settings(field, name, value)


def _check_nested(field: str, value: Any, registry: Registry, is_list: bool) -> None:
    if not is_list:
        check_part(field, value, registry)
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            check_part(f'{field}[{i}]', item, registry)
    else:
        raise ConfigError(f'{field} must be a list, not {value!r}', 'write [dict(type=...), ...]')


def _check_settings(field: str, name: str, value: Any) -> None:
    """Their values are checked by making one: that costs nothing, and a model is built only after hours of others."""
    where = f'{field}.{name}'
    if not isinstance(value, Mapping):
        raise ConfigError(f'{where} must be a dict, not {value!r}', f'give keywords of {SETTINGS[name]}')
    cls = kinds.TRANSFORMS.get(SETTINGS[name])
    check_keywords(where, SETTINGS[name], cls, value)
    try:
        cls(**value)
    except ConfigError as error:
        raise ConfigError(f'{field}.{error.message}', error.fix) from None


def check_keywords(field: str, name: str, part: Callable[..., Any], given: Mapping[str, Any]) -> None:
    """Check the keywords given to a class or function.

    Raises:
        ConfigError: See :func:`check_part`.
    """
    known, is_open = keywords(part)
    for key, value in given.items():
        if key in known:
            check_value(f'{field}.{key}', value, known[key].annotation, known[key].default)
        elif not is_open or difflib.get_close_matches(key, known, cutoff=0.8):  # handed on, unless a slip of the pen
            check_keys(f'{field} ({name})', [key], known)
    missing = [n for n, p in known.items() if p.default is p.empty and n not in given and n not in FILLED_IN]
    if missing:
        raise ConfigError(
            f'{field} ({name}) lacks {", ".join(missing)}', f'see help of {part.__module__}.{part.__name__}'
        )


def keywords(part: Callable[..., Any]) -> tuple[dict[str, inspect.Parameter], bool]:
    """The keywords of a function or class, with those that it hands up to its bases (mmengine's schedulers do).

    Returns:
        Name -> parameter, and whether further keywords are handed on to somebody unknown.
    """
    makers = [part]
    if inspect.isclass(part):
        makers = [vars(c)['__init__'] for c in part.__mro__ if '__init__' in vars(c) and c is not object]
    found: dict[str, inspect.Parameter] = {}
    for maker in makers:
        parameters = inspect.signature(maker).parameters
        named = {n: p for n, p in parameters.items() if n != 'self' and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
        found = {**named, **found}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            return found, False
    return found, bool(makers)


def check_value(field: str, value: Any, annotation: Any, default: Any = None, minimum: float | None = None) -> None:
    """Refuse a value of the wrong plain type; annotations of anything but int, float, str and bool are not judged.

    Raises:
        ConfigError: Names the field, the value and the type.
    """
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    words = set(re.findall(r'\w+', text)) - {'Union', 'Optional', 'typing', 'torch', 'Tensor', 'None', 'NoneType'}
    if (
        not words
        or not words <= TYPES.keys()
        or (value is None and (default is None or re.search('None|Optional', text)))
    ):
        return
    integral = 'int' in words and isinstance(value, float) and value.is_integer()  # 1e5
    fits = type(value) is not bool or 'bool' in words
    if not integral and not (fits and isinstance(value, tuple(t for w in words for t in TYPES[w]))):
        raise ConfigError(f'{field} is {value!r}', f'give a value of type {" or ".join(sorted(words))}')
    if minimum is not None and value < minimum:
        raise ConfigError(f'{field} is {value!r}', f'give {minimum:g} or more')


def check_keys(where: str, given: Iterable[str], allowed: Iterable[str]) -> None:
    """Refuse keys that nobody reads.

    Raises:
        ConfigError: Names the first unknown key and the close ones.
    """
    allowed = list(allowed)
    for key in given:
        if key not in allowed:
            close = difflib.get_close_matches(str(key), allowed, n=3, cutoff=0.5)
            meant = f'did you mean {" or ".join(close)}?' if close else f'it knows {", ".join(sorted(allowed))}'
            raise ConfigError(f'{where} has no field {key!r}', meant)
