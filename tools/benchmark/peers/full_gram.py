"""Style by full Gram matrices: all of a layer's numbers kept, compared one by one."""

from __future__ import annotations

import torch
from torch import Tensor


def full_gram(features: Tensor) -> Tensor:
    """Maps [B, C, H, W] to Gram matrices [B, C * C]."""
    b, c, h, w = features.shape
    flat = features.reshape(b, c, h * w)
    return (torch.matmul(flat, flat.transpose(1, 2)) / (h * w)).reshape(b, c * c)


def cosines(grams: Tensor) -> Tensor:
    """Gram matrices [N, C * C] to the cosines of all pairs [N, N]."""
    lengths = grams.norm(dim=1)
    return grams @ grams.T / (lengths[:, None] * lengths)
