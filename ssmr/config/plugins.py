"""Parts from outside: modules that installed packages offer, or that a config names, are imported here.

A package offers its parts by an entry point of the group ``ssmr.plugins``, whose value is the module that registers
them. Importing a module runs its code: install only packages that you trust.
"""

from __future__ import annotations

import importlib
import traceback
from importlib.metadata import EntryPoint, entry_points
from types import TracebackType

from ssmr.errors import ConfigError

GROUP = 'ssmr.plugins'
#: Packages whose frames say nothing about a plugin. The backport takes over for everybody once anybody imports it.
MACHINERY = ('importlib', 'importlib_metadata')


def import_plugins() -> None:
    """Import the modules of all installed plugins; those that are imported already are left as they are.

    Raises:
        ConfigError: One of them fails; names it and its package, and shows its traceback.
    """
    for entry in entry_points(group=GROUP):
        try:
            entry.load()
        except (Exception, SystemExit) as error:  # a module is a program: it can raise anything
            package = _package(entry)
            raise ConfigError(
                f'the plugin {entry.name} = {entry.value}{f" of the package {package}" if package else ""} fails:\n'
                f'{own_traceback(error)}',
                f'correct or update it, or remove it: pip uninstall {package or entry.name}',
            ) from None


def import_module(name: str) -> None:
    """Import a module that a config names in ``custom_imports``.

    Raises:
        ConfigError: It is not there, or fails; shows its traceback.
    """
    try:
        importlib.import_module(name)
    except (Exception, SystemExit) as error:
        absent = isinstance(error, ModuleNotFoundError) and error.name and f'{name}.'.startswith(f'{error.name}.')
        if absent:
            raise ConfigError(
                f'custom_imports: cannot import {name!r}: {error}', 'is it installed, or on PYTHONPATH?'
            ) from None
        raise ConfigError(
            f'custom_imports: cannot import {name!r}, which fails:\n{own_traceback(error)}',
            f'correct it, or take {name!r} out of custom_imports',
        ) from None


def own_traceback(error: BaseException) -> str:
    """An import's traceback as text, from the first line of the imported module on."""
    place = error.__traceback__
    while place is not None and _is_machinery(place):
        place = place.tb_next
    return ''.join(traceback.format_exception(type(error), error, place)).rstrip()


def _is_machinery(place: TracebackType) -> bool:
    name = place.tb_frame.f_globals.get('__name__', '')
    return name == __name__ or name.split('.')[0] in MACHINERY


def _package(entry: EntryPoint) -> str | None:
    distribution = entry.dist
    return distribution.metadata['Name'] if distribution is not None else None
