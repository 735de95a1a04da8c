"""Gram matrices of feature maps as a style descriptor, at a size that can be kept for every work of a data set.

The Gram matrix G = F F^T / (H W) of a map F [C, H W] holds which channels fire together, wherever they do: texture and
palette without the scene (Gatys, Ecker and Bethge, CVPR 2016). Two works are compared by the cosine of their matrices,
<G, G'> / (|G| |G'|). As G is symmetric, its upper triangle with the off-diagonal entries times sqrt(2) has the same
inner products with about half the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from ssmr.backbones.encoder import Encoder
from ssmr.registry import BACKBONES


@BACKBONES.register_module()
class GramStyle(Encoder):
    """Normalised Gram matrices of all maps that the backbone gives (choose the layers by its ``out_indices``).

    Inner products of two descriptors are the mean over the layers of the cosines of their Gram matrices. A layer whose
    triangle is longer than ``dim`` is projected by a seeded sparse sketch, whose inner products agree in expectation,
    with a standard deviation of at most about sqrt(2 / dim).

    Args:
        backbone: See :class:`ssmr.backbones.encoder.Encoder`.
        weights: See there.
        preprocess: See there.
        dim: Numbers kept a layer.
        seed: Of the projection, and of random weights.
    """

    def __init__(
        self,
        backbone: Mapping[str, Any],
        weights: str | None = None,
        preprocess: Mapping[str, Any] | None = None,
        dim: int = 1024,
        seed: int = 0,
    ) -> None:
        super().__init__(backbone, weights, preprocess, seed)
        self.triangles, self.sketches = nn.ModuleList(), nn.ModuleList()
        size = self.preprocess.size
        with torch.inference_mode():
            channels = [m.shape[1] for m in self.feature_maps(torch.zeros(1, 3, size, size))]
        for layer, c in enumerate(channels):
            length = c * (c + 1) // 2
            self.triangles.append(GramTriangle(c))
            self.sketches.append(nn.Identity() if length <= dim else SparseSketch(length, dim, seed + layer))

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, S, S] to [B, D], D the sum of the layers' sizes."""
        maps = self.feature_maps(images)
        parts = zip(maps, self.triangles, self.sketches, strict=True)
        layers = [sketch(triangle(m)) for m, triangle, sketch in parts]
        return torch.cat(layers, dim=1) / len(layers) ** 0.5


class GramTriangle(nn.Module):
    """Maps [B, C, H, W] to unit vectors [B, C (C + 1) / 2] whose inner products are the Gram matrices' cosines.

    Args:
        channels: C.
    """

    index: Tensor
    weight: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        rows, columns = torch.triu_indices(channels, channels)
        self.register_buffer('index', rows * channels + columns, persistent=False)
        self.register_buffer('weight', torch.where(rows == columns, 1.0, 2.0**0.5), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """[B, C, H, W] to [B, C (C + 1) / 2], row by row of the upper triangle."""
        flat = features.flatten(2)
        gram = torch.bmm(flat, flat.transpose(1, 2)).flatten(1)  # of length 1 in the end: no need to divide by H W
        return normalize(gram.index_select(1, self.index) * self.weight, dim=1)


class SparseSketch(nn.Module):
    """A seeded sparse projection: each input number is added, with random signs, to ``copies`` of the outputs.

    The sparse Johnson-Lindenstrauss transform of Kane and Nelson (J. ACM 61, 2014): unbiased inner products like a
    dense Gaussian projection's, at a cost that grows with the input and not with input times output.

    Args:
        size: Length of an input.
        dim: Length of an output.
        seed: Of the random positions and signs.
        copies: Outputs per input; more copies, fewer accidents between two large inputs.
    """

    places: Tensor
    signs: Tensor

    def __init__(self, size: int, dim: int, seed: int, copies: int = 4) -> None:
        super().__init__()
        self.dim, self.copies = dim, copies
        generator = torch.Generator().manual_seed(seed)
        self.register_buffer('places', torch.randint(dim, (copies, size), generator=generator), persistent=False)
        signs = torch.randint(2, (copies, size), generator=generator) * 2.0 - 1.0
        self.register_buffer('signs', signs, persistent=False)

    def forward(self, vectors: Tensor) -> Tensor:
        """[B, size] to [B, dim]."""
        out = vectors.new_zeros(len(vectors), self.dim)
        for places, signs in zip(self.places, self.signs, strict=True):
            out.index_add_(1, places, vectors * signs)
        return out / self.copies**0.5
