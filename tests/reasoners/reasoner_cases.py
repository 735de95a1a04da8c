"""What the tests of reasoners share: small networks that have something to say, graphs, and the kernels' backends."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from unittest.mock import patch

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ssmr.reasoners import message_passing
from ssmr.reasoners.base import Reasoner
from ssmr.registry import REASONERS

REASONERS.import_from_location()
REGISTERED = sorted(REASONERS.module_dict)
DIM, IN_DIM = 8, 6

#: Every registered reasoner as it comes, then the options that change how it computes.
CASES: list[tuple[str, dict]] = [(name, {}) for name in REGISTERED] + [
    ('RelationGCN', {'variant': 'vsrn'}),
    ('RelationGCN', {'edge_init': 'similarity'}),
    ('GCN', {'edges': 'full', 'residual': True}),
    ('GCN', {'kernel': 'sparse'}),
    ('GCN', {'edges': 'full', 'kernel': 'sparse', 'threshold': 0.3}),
    ('GAT', {'edges': 'full', 'residual': True}),
    ('GAT', {'edge_similarity': False, 'heads': 2}),
    ('GAT', {'kernel': 'sparse'}),
    ('GAT', {'edges': 'full', 'kernel': 'sparse', 'threshold': 0.3}),
    ('NoReference', {'reasoner': {'type': 'GAT', 'kernel': 'sparse'}}),
]


def case_name(case: object) -> str | None:
    """For pytest's ids."""
    return ' '.join([case[0], *map(str, case[1].values())]) if isinstance(case, tuple) else None


def make(name: str, readout: str = 'flatten', k: int = 4, **options: object) -> Reasoner:
    """A registered reasoner, small and awake."""
    if name == 'NoReference':
        inner = {'type': 'RelationGCN', **options.pop('reasoner', {})}  # type: ignore[dict-item]
        options['reasoner'] = {'dim': DIM, 'depth': 2, 'readout': readout, **inner}
    else:
        takes = inspect.signature(REASONERS.get(name)).parameters
        small = {'dim': DIM, 'depth': 2, 'readout': readout}
        options = {**{key: value for key, value in small.items() if key in takes}, **options}
    torch.manual_seed(5)
    reasoner = REASONERS.build({'type': name, 'in_dim': IN_DIM, 'num_references': k, **options})
    wake(reasoner)
    return reasoner


def wake(module: nn.Module) -> None:
    """Relation layers start as the identity and biases at zero; give them something to say."""
    torch.manual_seed(7)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d):
            nn.init.normal_(layer.weight, 1.0, 0.2)
            nn.init.normal_(layer.bias, 0.0, 0.2)
            layer.running_mean.normal_(0, 0.2)
            layer.running_var.uniform_(0.5, 1.5)
    for name, parameter in module.named_parameters():
        if name.endswith('bias') and parameter.detach().abs().sum() == 0:
            nn.init.normal_(parameter, 0.0, 0.2)


def draw(sizes: list[int], k: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    """Nodes, similarities and the mask of graphs with so many existing nodes, the query first."""
    torch.manual_seed(3)
    mask = torch.arange(1 + k)[None] < torch.tensor(sizes)[:, None]
    return torch.randn(len(sizes), 1 + k, IN_DIM), torch.rand(len(sizes), k) * 1.2 - 0.2, mask


def array(tensor: Tensor) -> np.ndarray:
    """In float64, to compute on with NumPy."""
    return tensor.detach().double().numpy()


def require_extra() -> None:
    """Skip without torch-scatter and torch-sparse, unless SSMR_REQUIRE_SPARSE=1 says that they must be there."""
    missing = [name for name in message_passing.EXTRA if find_spec(name) is None]
    if missing and os.environ.get('SSMR_REQUIRE_SPARSE') == '1':
        pytest.fail(f'SSMR_REQUIRE_SPARSE=1, but {", ".join(missing)} is not installed')
    if missing:
        pytest.skip(f'{", ".join(missing)} is not installed: pip install --no-build-isolation "ssmr[sparse]"')


@contextmanager
def running_on(backend: str) -> Iterator[None]:
    """Run the kernels on one backend; see :func:`require_extra` for 'torch-sparse'."""
    if backend == 'torch-sparse':
        require_extra()
        assert message_passing.backend() == 'torch-sparse'
    with patch.object(message_passing, 'backend', lambda: backend):
        yield


BACKENDS = ('native', 'torch-sparse')
