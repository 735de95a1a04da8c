"""Loading tensors from files without running what the files say."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from ssmr.errors import CheckpointError


def _statistics_only(owner: object, name: str) -> Any:
    """Stand in for ``getattr`` in checkpoints: mmengine's HistoryBuffer names its four statistics, nothing else may."""
    from mmengine.logging import HistoryBuffer

    if owner is HistoryBuffer and name in ('min', 'max', 'current', 'mean'):
        return getattr(owner, name)
    raise pickle.UnpicklingError(f'getattr({owner!r}, {name!r}) is not allowed in a checkpoint')


def _allowed() -> list[Any]:
    """What mmengine's own training state needs beyond tensors: history buffers and the NumPy arrays in them."""
    import numpy as np
    from mmengine.logging import HistoryBuffer

    rebuild, scalar = np.zeros(1).__reduce__()[0], np.float64(0).__reduce__()[0]
    names: list[Any] = [HistoryBuffer, np.ndarray, np.dtype, (_statistics_only, 'builtins.getattr')]
    for module in ('numpy._core.multiarray', 'numpy.core.multiarray'):  # as NumPy 2 and NumPy 1 spell it
        names += [(rebuild, f'{module}._reconstruct'), (scalar, f'{module}.scalar')]
    return names + [type(np.dtype(code)) for code in '?bBhHiIlLqQefd']


def safe_torch_load(path: Path | str, map_location: str = 'cpu') -> Any:
    """``torch.load`` with ``weights_only=True``, extended by exactly what mmengine's checkpoints hold.

    Raises:
        CheckpointError: The file is missing, is not a checkpoint, or holds anything else than tensors and plain data.
    """
    import torch

    try:
        with torch.serialization.safe_globals(_allowed()):
            return torch.load(path, map_location=map_location, weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f'there is no file {path}', 'check the path') from error
    except Exception as error:  # on garbage torch's unpickler fails with whatever comes up (IndexError, struct.error…)
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise CheckpointError(
            f'{path} is damaged or holds more than tensors and plain data: {reason}',
            'use a checkpoint that ssmr wrote, or ask its author for a safetensors file',
        ) from error
