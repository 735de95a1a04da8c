"""The registries: every part of the pipeline is found here by the name a config gives it.

``MODELS`` and its like are children of mmengine's roots, so that names of other OpenMMLab packages
resolve by scope (``mmpretrain.SwinTransformer``). The four kinds that are ssmr's own (``BACKBONES``,
``RETRIEVERS``, ``REASONERS``, ``HEADS``) are roots: mmengine allows one registry of a scope under a parent.
Importing this module imports no part: parts are imported at the first look-up (``locations``).
"""

from __future__ import annotations

import difflib
import pkgutil
from importlib import import_module

from mmengine import registry as mm
from mmengine.registry import Registry

from ssmr.errors import ConfigError
from ssmr.torchvision_shim import ensure_torchvision


class PartRegistry(Registry):
    """A registry whose misses list the close names and say where that kind of part lives."""

    _imported: bool

    def get(self, key: str) -> type:
        """Return the class registered as ``key``.

        Args:
            key: A class name, or ``scope.ClassName`` for a part of another OpenMMLab package.

        Raises:
            ConfigError: Nothing of that name is registered.
        """
        scope, name = self.split_scope_key(key)
        known = self._known(scope)
        if name not in known:
            raise ConfigError(
                f'{key!r} is not in the {self.name} registry{self._close(scope, name, known)}', self._hint()
            )
        return known[name]

    def import_from_location(self) -> None:
        """Import every module of the packages that hold this kind: a new file there is found without any list."""
        if self._imported:
            return
        self._imported = True  # first, because the modules look at registries while they are imported
        for name in self._locations:
            module = import_module(name)
            if name.startswith('ssmr.'):
                for info in pkgutil.iter_modules(getattr(module, '__path__', []), f'{name}.'):
                    import_module(info.name)

    def _register_module(self, module: type, module_name: str | list[str] | None = None, force: bool = False) -> None:
        """Register a class (see mmengine), naming both sides if the name is taken; a reloaded class replaces itself.

        Raises:
            ConfigError: Another class has that name.
        """
        names = [module_name] if isinstance(module_name, str) else module_name or [module.__name__]
        for name in names:
            taken = self._module_dict.get(name)
            if taken is not None and not force and _place(taken) != _place(module):
                raise ConfigError(
                    f'{_place(module)} registers as {name!r} in the {self.name} registry, where {_place(taken)} has '
                    'that name already',
                    "give it another name: a new class name, or register_module(name='...')",
                )
        super()._register_module(module, names, force=True)

    def _known(self, scope: str | None) -> dict[str, type]:
        """Everything that can be named under ``scope``."""
        self.import_from_location()
        if scope is None:
            return {**(self.parent.module_dict if self.parent else {}), **self.module_dict}
        if scope == self.scope:
            return self.module_dict
        try:
            import_module(f'{scope}.registry')  # hangs that package's registries below mmengine's
        except (ImportError, TypeError, ValueError):  # the last two where the scope is no name of a module
            return {}
        other = (self.parent or mm.MODELS).children.get(scope)
        if other is None:
            return {}
        ensure_torchvision()  # mmpretrain and its like import it
        other.import_from_location()
        return other.module_dict

    def _close(self, scope: str | None, name: str, known: dict[str, type]) -> str:
        prefix = f'{scope}.' if scope else ''
        close = [k for k in known if k.lower() == name.lower()]
        close = [prefix + k for k in close or difflib.get_close_matches(name, known, n=3, cutoff=0.5)]
        if scope is None and self is BACKBONES:
            close += [f'mmpretrain.{name}'] if name in self._known('mmpretrain') else []
        if close:
            return f'; did you mean {" or ".join(close)}?'
        return f'; it has {", ".join(sorted(self.module_dict)) or "nothing"}'

    def _hint(self) -> str:
        where = ', '.join(self._locations) or 'your own package'
        return (
            f'parts of this kind live in {where}; import your own with '
            "custom_imports=dict(imports=['your_module']) or as a plugin (docs/add_a_module.md), or name another "
            "package's by scope (mmpretrain.ResNet)"
        )


def _place(part: type) -> str:
    return f'{part.__module__}.{getattr(part, "__qualname__", part)}'


def _root(name: str, package: str) -> PartRegistry:
    return PartRegistry(name, scope='ssmr', locations=[package])


def _child(name: str, parent: Registry, *packages: str) -> PartRegistry:
    return PartRegistry(name, parent=parent, scope='ssmr', locations=list(packages))


BACKBONES = _root('backbone', 'ssmr.backbones')
RETRIEVERS = _root('retriever', 'ssmr.retrievers')
REASONERS = _root('reasoner', 'ssmr.reasoners')
HEADS = _root('head', 'ssmr.heads')

MODELS = _child('model', mm.MODELS, 'ssmr.assessors')
DATASETS = _child('dataset', mm.DATASETS, 'ssmr.datasets')
METRICS = _child('metric', mm.METRICS, 'ssmr.evaluation.mmengine_metric')
HOOKS = _child('hook', mm.HOOKS, 'mmengine.hooks', 'ssmr.engine')
OPTIMIZERS = _child('optimizer', mm.OPTIMIZERS, 'mmengine.optim', 'ssmr.engine')
OPTIM_WRAPPERS = _child('optim_wrapper', mm.OPTIM_WRAPPERS, 'mmengine.optim', 'ssmr.engine')
LOOPS = _child('loop', mm.LOOPS, 'mmengine.runner')
TRANSFORMS = _child('transform', mm.TRANSFORMS, 'ssmr.backbones.preprocess')
PARAM_SCHEDULERS = _child('parameter scheduler', mm.PARAM_SCHEDULERS, 'mmengine.optim', 'ssmr.engine')

# mmengine warns at every look-up under a scope that lacks a registry of that kind.
for _root_registry in [v for v in vars(mm).values() if isinstance(v, Registry) and v.parent is None]:
    if 'ssmr' not in _root_registry.children:
        Registry(_root_registry.name, parent=_root_registry, scope='ssmr')
