"""Read a config file, apply ``--cfg-options`` and check it."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config, DictAction

from ssmr.config.plugins import import_module, import_plugins
from ssmr.config.schema import validate
from ssmr.errors import ConfigError

#: A name for the config's own run folder: work_dirs/<config name>.
WORK_DIRS = 'work_dirs'


def load_config(path: str | Path, options: Sequence[str] = (), work_dir: str | None = None) -> Config:
    """Load and check a config, after importing the installed plugins and the modules that it names.

    Args:
        path: A Python config file of mmengine's kind (``_base_`` and all).
        options: ``dotted.key=value`` items, as ``--cfg-options`` takes them.
        work_dir: Overrides the config's; by default ``work_dirs/<name of the file>``.

    Raises:
        ConfigError: The file is missing, a field or part is unknown, an option is malformed, or a plugin fails.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f'there is no config {path}', 'see configs/ for those that come with ssmr')
    try:
        cfg = Config.fromfile(path, import_custom_modules=False)  # import_custom does, with better errors
    except Exception as error:  # a config is a program: it can raise anything
        raise ConfigError(
            f'{path} is not a valid config: {type(error).__name__}: {error}', 'configs are Python files of assignments'
        ) from error
    _merge(cfg, options)
    if work_dir is not None:
        cfg.work_dir = work_dir
    cfg.setdefault('work_dir', str(Path(WORK_DIRS) / path.stem))
    cfg.setdefault('artifact_dir', str(Path(WORK_DIRS) / 'artifacts'))
    import_plugins()
    import_custom(cfg)
    validate(cfg)
    return cfg


def _merge(cfg: Config, options: Sequence[str]) -> None:
    for key, value in parse_options(options).items():
        try:
            cfg.merge_from_dict({key: value})
        except (TypeError, KeyError, ValueError, AttributeError, IndexError) as error:
            raise ConfigError(
                f'--cfg-options: {key} does not fit the config: {error}', 'see tools/print_config.py for what it holds'
            ) from error


def parse_options(options: Sequence[str]) -> dict[str, object]:
    """Parse ``dotted.key=value`` items with mmengine's rules (numbers, lists, tuples, true/false, None, text).

    Raises:
        ConfigError: An item has no ``=``, or its brackets do not match.
    """
    parsed: dict[str, object] = {}
    for item in options:
        key, separator, value = item.partition('=')
        if not separator or not key:
            raise ConfigError(f'--cfg-options: {item!r} is not key=value', 'write e.g. train_cfg.max_epochs=5')
        try:
            parsed[key] = _parse_value(value)
        except AssertionError as error:
            raise ConfigError(
                f'--cfg-options: {item!r}: {error}', "write lists as '[1,2]' and tuples as '(1,2)'"
            ) from error
    return parsed


def _parse_value(text: str) -> object:
    """A value by mmengine's rules, except that blanks in a text stay: folders have names with blanks."""
    try:
        literal = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError):
        literal = None
    if isinstance(literal, (list, tuple)):
        return literal
    value: object = DictAction._parse_iterable(text)
    return text.strip().strip('\'"') if isinstance(value, str) else value


def import_custom(cfg: Config) -> None:
    """Import ``custom_imports.imports``, whether a file or an option names them.

    Raises:
        ConfigError: These are no names, or a module cannot be imported; the latter is only a warning with
            ``allow_failed_imports``.
    """
    custom = cfg.get('custom_imports')
    names = custom.get('imports', []) if isinstance(custom, dict) else []  # anything else is refused by the schema
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f'custom_imports.imports is {names!r}', "give a list of module names: ['your_module']")
    for name in names:
        try:
            import_module(name)
        except ConfigError as error:
            if not custom.get('allow_failed_imports'):
                raise
            warnings.warn(error.message, stacklevel=2)


def set_weights(cfg: Config, item: str) -> None:
    """Apply ``--weights [VIEW=]PATH``: to one view's encoder, or to all.

    Raises:
        ConfigError: There is no encoder of that view.
    """
    view, separator, path = item.partition('=')
    if separator and view not in cfg.encoders:
        raise ConfigError(f'--weights {item}: the encoders are {", ".join(cfg.encoders)}', 'name one of them')
    for name in [view] if separator else list(cfg.encoders):
        cfg.encoders[name].weights = path if separator else item
