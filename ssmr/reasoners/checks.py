"""Checks of the options that reasoners share; a bad one names itself before anything is built."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ssmr.errors import ConfigError


def check_choice(option: str, value: object, choices: Sequence[str]) -> None:
    """Refuse a value that is none of ``choices``.

    Raises:
        ConfigError: Names the option and the choices.
    """
    if value not in choices:
        raise ConfigError(f'reasoner.{option} is {value!r}', f'use one of {", ".join(choices)}')


def check_count(option: str, value: object, minimum: int = 1) -> None:
    """Refuse what is no whole number of ``minimum`` or more.

    Raises:
        ConfigError: Names the option and the minimum.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
        raise ConfigError(f'reasoner.{option} is {value!r}', f'give a whole number of {minimum} or more')


def check_number(option: str, value: object, low: float, below: float = math.inf) -> None:
    """Refuse what is no number in [low, below).

    Raises:
        ConfigError: Names the option and the range.
    """
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not low <= value < below:
        raise ConfigError(f'reasoner.{option} is {value!r}', f'give a number in [{low:g}, {below:g})')


def check_flag(option: str, value: object) -> None:
    """Refuse what is neither True nor False.

    Raises:
        ConfigError: Names the option.
    """
    if not isinstance(value, bool):
        raise ConfigError(f'reasoner.{option} is {value!r}', 'use True or False')


def check_heads(dim: int, heads: int) -> None:
    """Refuse a number of heads that does not divide ``dim``.

    Raises:
        ConfigError: Names both.
    """
    check_count('heads', heads)
    if dim % heads:
        raise ConfigError(
            f'reasoner.heads is {heads!r}, which does not divide reasoner.dim {dim}', 'let each head have dim / heads'
        )
