"""The state of every random generator that training draws from, as plain data that a checkpoint may hold."""

from __future__ import annotations

import random
from types import NoneType
from typing import Any

import numpy as np
import torch


def random_state() -> dict[str, Any]:
    """Python's, NumPy's, torch's and each GPU's generator, as tensors and numbers."""
    version, words, gauss = random.getstate()
    _, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        'python': {'version': version, 'words': torch.tensor(words), 'gauss': gauss},
        'numpy': {
            'keys': torch.from_numpy(np.asarray(keys).astype(np.int64)),
            'position': int(position),
            'has_gauss': int(has_gauss),
            'cached': float(cached),
        },
        'torch': torch.get_rng_state(),
        'cuda': torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Set the generators to what :func:`random_state` returned.

    GPUs that the machine of the checkpoint did not have keep their state.
    """
    python, numpy = state['python'], state['numpy']
    random.setstate((python['version'], tuple(python['words'].tolist()), python['gauss']))
    keys = numpy['keys'].cpu().numpy().astype(np.uint32)
    np.random.set_state(('MT19937', keys, numpy['position'], numpy['has_gauss'], numpy['cached']))
    torch.set_rng_state(state['torch'].cpu())
    for device, gpu in enumerate(state['cuda'][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(gpu.cpu(), device)


def require_random_state(state: dict[str, Any], where: str) -> None:
    """Refuse what no generator can be set to, before any is.

    Args:
        state: Of the form of :func:`random_state`.
        where: What it is called in the error.

    Raises:
        ValueError: A generator refuses it, or would read beyond its numbers.
    """
    python, numpy = state['python'], state['numpy']
    place = numpy['position']
    if type(place) is not int or not 0 <= place <= len(numpy['keys']) or type(python['gauss']) not in (float, NoneType):
        raise ValueError(f'{where} has a place that the generator has not')  # NumPy would not look
    try:
        random.Random().setstate((python['version'], tuple(python['words'].tolist()), python['gauss']))
        torch.Generator().set_state(state['torch'].cpu())
    except (RuntimeError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f'{where}: {error}') from error
    if not isinstance(state['cuda'], list) or not all(
        type(gpu) is torch.Tensor and gpu.dtype == torch.uint8 for gpu in state['cuda']
    ):
        raise ValueError(f'{where} has other states of GPUs')
