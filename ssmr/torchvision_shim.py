"""Make ``import torchvision`` work beside a CPU build of torch.

torchvision's Linux wheel from the package registry links CUDA libraries. Beside a CPU-only torch its compiled operators
cannot be loaded, and its own import then fails on the missing schema of ``torchvision::nms``, although everything that
ssmr, mmpretrain and mmengine use of it is plain Python. Declaring the two schemas it decorates lets that part work; the
compiled operators go on raising torchvision's own error.
"""

from __future__ import annotations

import sys

SCHEMA = '(Tensor dets, Tensor scores, float iou_threshold) -> Tensor'
_declared: list[object] = []  # a library withdraws its schemas when it is collected


def ensure_torchvision() -> None:
    """Import torchvision, declaring the missing operator schemas where that is needed."""
    import torch

    try:
        import torchvision
    except RuntimeError as error:
        if 'torchvision::nms' not in str(error):
            raise
        library = torch.library.Library('torchvision', 'FRAGMENT')
        for operator in ('nms', 'qnms'):
            library.define(operator + SCHEMA)
        _declared.append(library)
        for name in [n for n in sys.modules if n.split('.')[0] == 'torchvision']:
            del sys.modules[name]
        import torchvision  # noqa: F401
