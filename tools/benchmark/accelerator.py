"""What differs between a GPU and the processor that stands in for it in tests; nothing else may ask where it runs."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from timing import in_turn

#: Side of the matrices whose product gives the matrix rate.
SIDE = {'cuda': 8192, 'cpu': 128}
#: Runs before a piece of work is captured: libraries choose their kernels and take their memory in them.
BEFORE_CAPTURE = 3


class Accelerator:
    """The first GPU, or the processor.

    Args:
        kind: 'cuda' or 'cpu'.

    Attributes:
        device: As torch names it.
        name: The GPU's, or 'cpu'.
    """

    def __init__(self, kind: str) -> None:
        self.kind, self.device = kind, torch.device(kind)
        self.name = torch.cuda.get_device_name() if kind == 'cuda' else 'cpu'

    def wait(self) -> None:
        """Return when all work that was handed to the GPU is done."""
        if self.kind == 'cuda':
            torch.cuda.synchronize()

    def in_turn(self, ways: Mapping[str, Callable[[], Any]], repeats: int, warm_up: int = 1) -> dict[str, list[float]]:
        """As :func:`timing.in_turn`, waiting for the end of each."""

        def whole(way: Callable[[], Any]) -> None:
            way()
            self.wait()

        self.wait()
        return in_turn({name: partial(whole, way) for name, way in ways.items()}, repeats, warm_up)

    def captured(self, work: Callable[[], Any]) -> Callable[[], Any]:
        """The work as a CUDA graph: it reads and writes the same places whenever it is called.

        Args:
            work: It must not wait for the GPU, and is run a few times first. On the processor it is what is returned.
        """
        if self.kind != 'cuda':
            return work
        gc.collect()  # what is left of earlier backward passes would still belong to another stream
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(BEFORE_CAPTURE):
                work()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            work()
        return graph.replay

    def adam(self, parameters: Iterable[torch.nn.Parameter], lr: float) -> torch.optim.Adam:
        """Adam in one kernel, whose steps can be captured."""
        return torch.optim.Adam(parameters, lr, fused=True, capturable=self.kind == 'cuda')

    def rate(self, dtype: torch.dtype, repeats: int = 5, products: int = 10) -> float:
        """Floating-point operations a second in the product of two large matrices of random numbers."""
        side = SIDE[self.kind]
        a, b = (torch.randn(side, side, device=self.device).to(dtype) for _ in range(2))
        out = torch.empty_like(a)

        def multiply() -> None:
            for _ in range(products):
                torch.mm(a, b, out=out)

        return products * 2 * side**3 / statistics.median(self.in_turn({'mm': multiply}, repeats)['mm'])

    @contextmanager
    def tf32(self, on: bool) -> Iterator[None]:
        """Let float32 matrices and convolutions be multiplied with TF32's 10 bits, or with all 23.

        Torch's defaults would differ for the two networks: it multiplies matrices with all bits, convolutions with 10.
        """
        matrices, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
        before = matrices.allow_tf32, convolutions.allow_tf32
        matrices.allow_tf32 = convolutions.allow_tf32 = on
        try:
            yield
        finally:
            matrices.allow_tf32, convolutions.allow_tf32 = before
