"""Training by several ranks that hold the same model after every step."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dist import all_reduce_params, get_world_size
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.registry import MODEL_WRAPPERS
from torch import Tensor, distributed, nn
from torch.distributed import GradBucket
from torch.futures import Future
from torch.nn.modules.batchnorm import _BatchNorm

from ssmr.errors import ConfigError

#: Torch's complaint, and where it lists the numbers of the parameters.
UNUSED, NUMBERS = 'parameters that were not used', re.compile(r'did not receive grad for rank \d+: ([\d ]+)')


@MODEL_WRAPPERS.register_module()
class AlikeDataParallel(MMDistributedDataParallel):
    """mmengine's wrapper, with running statistics of batch normalisation that are the mean of those of the ranks.

    Torch's own way, to send all buffers of the first rank to the others, would send the feature banks too, and would
    leave each rank to validate with statistics of its own. Gradients are added in the order of the ranks, see
    :func:`mean_in_order`.

    Args:
        module: The model.
        device_ids: The GPU of this rank; None on a CPU.
    """

    def __init__(self, module: nn.Module, device_ids: Sequence[int] | None = None) -> None:
        with warnings.catch_warnings():  # the new name of the option does not keep the banks from being sent at first
            warnings.filterwarnings('ignore', '`broadcast_buffers` is deprecated', FutureWarning)
            super().__init__(module, device_ids=device_ids, broadcast_buffers=False)
        if get_world_size() > 2:  # two numbers have the same sum in either order
            self.register_comm_hook(None, lambda _, bucket: mean_in_order(bucket))

    def train_step(self, data: Any, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """One step, as mmengine makes it; then the statistics.

        Raises:
            ConfigError: The step before did not use every parameter.
        """
        try:
            losses: dict[str, Tensor] = super().train_step(data, optim_wrapper)
        except RuntimeError as error:
            if UNUSED not in str(error):
                raise
            raise ConfigError(
                f'{type(self.module).__name__} has parameters without a gradient{self._unused(str(error))}, '
                'for which several processes would wait',
                'let every step use them, set their requires_grad to False, or train with one process',
            ) from error
        norms = [m for m in self.modules() if isinstance(m, _BatchNorm) and m.training and m.track_running_stats]
        statistics = [s for norm in norms for s in (norm.running_mean, norm.running_var) if s is not None]
        if statistics:
            all_reduce_params(statistics, op='mean')
        return losses

    def _unused(self, message: str) -> str:
        names = [name for name, parameter in self.module.named_parameters() if parameter.requires_grad]
        found = NUMBERS.search(message)
        return '' if found is None else ': ' + ', '.join(names[int(number)] for number in found[1].split()[:8])


def mean_in_order(bucket: GradBucket) -> Future[Tensor]:
    """Average gradients over the ranks, adding them up in the order of the ranks; as much to send as in a ring.

    A ring begins each part of a bucket with another rank, and torch orders the buckets anew after the first step. So
    the last bits of a resumed run would be others.

    Args:
        bucket: Gradients of some parameters, one after the other.

    Returns:
        Their mean, in the same order.
    """
    size, count = bucket.buffer().numel(), get_world_size()
    own = nn.functional.pad(bucket.buffer(), (0, -size % count))
    parts = torch.empty_like(own)
    distributed.all_to_all_single(parts, own)  # the part that this rank adds up, as each rank has it
    total, *others = parts.chunk(count)
    for part in others:
        total = total + part
    shared = distributed.all_gather(list(own.chunk(count)), total / count, async_op=True)
    mean: Future[Tensor] = shared.get_future().then(lambda done: own[:size])
    return mean


def model_wrapper() -> dict[str, object]:
    """How a model is wrapped for several processes; mmengine's own way names a GPU even where there is none."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else None
    return {'type': AlikeDataParallel.__name__, 'device_ids': devices}
