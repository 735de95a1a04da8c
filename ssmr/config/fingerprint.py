"""Fingerprints: one hash over plain values, and what differs between two sets of them."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ssmr.errors import ConfigError


def fingerprint(inputs: Mapping[str, Any]) -> str:
    """Return the SHA-256 (64 hexadecimal digits) of canonical JSON: sorted keys, tuples as lists.

    Raises:
        TypeError: A value is not plain JSON (a class, an array…): its text would not identify it.
        ValueError: A number is NaN or infinite.
    """
    text = json.dumps(inputs, sort_keys=True, separators=(',', ':'), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def changed_fields(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Name the fields, dotted, in which two sets of inputs differ, sorted."""
    before, after = dict(_flatten(old)), dict(_flatten(new))
    missing = object()
    return sorted(k for k in before.keys() | after.keys() if before.get(k, missing) != after.get(k, missing))


def _flatten(value: Any, prefix: str = '') -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flatten(item, f'{prefix}.{key}' if prefix else str(key))
    else:
        yield (
            prefix,
            json.dumps(value, sort_keys=True, default=repr),
        )  # as the fingerprint sees it: tuple = list, 1 != 1.0


def code_version(cls: type) -> dict[str, str]:
    """Identify the code behind a part: its own and its bases' source files, or the version of their package.

    A part that somebody registers and then edits must not be served from artifacts of its former self; packages that
    are installed as releases (torch, mmengine, mmpretrain) are told apart by their version.

    Returns:
        Module or package name to a hash or a version.

    Raises:
        ConfigError: A part has no source file (it was typed into a notebook or an interpreter).
    """
    found: dict[str, str] = {}
    for base in cls.__mro__:
        package = base.__module__.split('.')[0]
        if package in ('builtins', 'abc', 'typing'):
            continue
        if package in ('torch', 'mmengine', 'mmpretrain', 'mmcv', 'sklearn', 'numpy'):
            found[package] = version(
                'mmcv-lite' if package == 'mmcv' else 'scikit-learn' if package == 'sklearn' else package
            )
        else:
            found[base.__module__] = hashlib.sha256(_source(base)).hexdigest()[:16]
    return found


def _source(part: type) -> bytes:
    try:
        return Path(inspect.getfile(part)).read_bytes()
    except (OSError, TypeError) as error:
        raise ConfigError(
            f'{part.__name__} of {part.__module__} has no source file, so that its artifacts could not be told apart',
            "put it into a module and name that by custom_imports=dict(imports=['your_module'])",
        ) from error
