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

    def get(self, key: str) -> type:
        """Return the class registered as ``key``.

        Args:
            key: A class name, or ``scope.ClassName`` for a part of another OpenMMLab package.

        Raises:
            ConfigError: Nothing of that name is registered.
        """
        scope, name = self.split_scope_key(key)
        self.import_from_location()
        if scope in (None, 'ssmr') and name in self.module_dict:
            return self.module_dict[name]
        found = self._from_elsewhere(scope, key)
        if found is None:
            raise ConfigError(f'{key!r} is not in the {self.name} registry{self._close(name)}', self._hint())
        return found

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

    def _from_elsewhere(self, scope: str | None, key: str) -> type | None:
        """Look ``key`` up under mmengine's own registry of models or, for a child, under its parent."""
        if scope in (None, 'ssmr'):
            return None if self.parent is None else self.parent.module_dict.get(key)
        try:
            import_module(f'{scope}.registry')  # hangs that package's registries below mmengine's
        except ImportError:
            return None
        other = (self.parent or mm.MODELS).children.get(scope)
        if other is None:
            return None
        ensure_torchvision()  # mmpretrain and its like import it
        other.import_from_location()
        return other.module_dict.get(key.split('.', 1)[1])

    def _close(self, name: str) -> str:
        known = list(self.module_dict) + ([] if self.parent is None else list(self.parent.module_dict))
        close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        if close:
            return f'; did you mean {" or ".join(close)}?'
        return f'; it has {", ".join(sorted(self.module_dict)) or "nothing"}'

    def _hint(self) -> str:
        where = ', '.join(self._locations) or 'your own package'
        return (
            f'parts of this kind live in {where}; import your own with '
            "custom_imports=dict(imports=['your_module']), or name another package's by scope (mmpretrain.ResNet)"
        )


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
PARAM_SCHEDULERS = _child('parameter scheduler', mm.PARAM_SCHEDULERS, 'mmengine.optim', 'ssmr.engine')
