"""Training by several ranks that hold the same model after every step."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dist import all_reduce_params
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.registry import MODEL_WRAPPERS
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@MODEL_WRAPPERS.register_module()
class AlikeDataParallel(MMDistributedDataParallel):
    """mmengine's wrapper, with running statistics of batch normalisation that are the mean of those of the ranks.

    Torch's own way, to send all buffers of the first rank to the others, would send the feature banks too, and would
    leave each rank to validate with statistics of its own.

    Args:
        module: The model.
        device_ids: The GPU of this rank; None on a CPU.
    """

    def __init__(self, module: nn.Module, device_ids: Sequence[int] | None = None) -> None:
        with warnings.catch_warnings():  # the new name of the option does not keep the banks from being sent at first
            warnings.filterwarnings('ignore', '`broadcast_buffers` is deprecated', FutureWarning)
            super().__init__(module, device_ids=device_ids, broadcast_buffers=False)

    def train_step(self, data: Any, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """One step, as mmengine makes it; then the statistics."""
        losses: dict[str, Tensor] = super().train_step(data, optim_wrapper)
        norms = [m for m in self.modules() if isinstance(m, _BatchNorm) and m.training and m.track_running_stats]
        statistics = [s for norm in norms for s in (norm.running_mean, norm.running_var) if s is not None]
        if statistics:
            all_reduce_params(statistics, op='mean')
        return losses


def model_wrapper() -> dict[str, object]:
    """How a model is wrapped for several processes; mmengine's own way names a GPU even where there is none."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else None
    return {'type': AlikeDataParallel.__name__, 'device_ids': devices}
