"""Mixed precision that also works on a CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper
from torch import nn

from ssmr.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class Bf16OptimWrapper(OptimWrapper):
    """bfloat16 autocast on any device; unlike float16 it needs no loss scaling.

    mmengine's AmpOptimWrapper insists on a GPU.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Run the forward pass under autocast."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, dtype=torch.bfloat16):
            yield


def amp_wrapper() -> str:
    """The optimizer wrapper for ``--amp``: bfloat16, or float16 with loss scaling on GPUs that lack bfloat16."""
    if torch.cuda.is_available() and not torch.cuda.is_bf16_supported():
        return 'AmpOptimWrapper'
    return 'Bf16OptimWrapper'
