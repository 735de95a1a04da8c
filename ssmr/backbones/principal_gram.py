"""The entries of Gram matrices that matter for the works at hand, in a byte each: a descriptor that is fitted.

The channels are turned to the eigenvectors of the mean Gram matrix of some works. Turning changes no cosine of two
matrices, but afterwards a few entries hold nearly all of them: those with the largest mean square among the works are
kept, each rounded to 255 steps of its own. At a sixtieth of the bytes these find far more of the full matrices'
neighbours than a blind projection of the same size (docs/performance.md has the curve).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ssmr.backbones.encoder import Encoder
from ssmr.backbones.gram_style import GramTriangle
from ssmr.errors import WeightsError
from ssmr.registry import BACKBONES

#: Of a rounded entry.
LARGEST = 127
#: What a file holds of a layer.
NAMES = ('axes', 'entries', 'steps')
FIT_AGAIN = 'fit again: python tools/fit_style.py CONFIG --replace'


@dataclass(frozen=True)
class PrincipalEntries:
    """What is fitted for one layer of C channels.

    Attributes:
        axes: [C, C] float32, the eigenvectors in its columns, largest eigenvalue first.
        entries: [n] int64, row * C + column of the entries that are kept, in the upper triangle.
        steps: [n] float32, the step of each: 1 / 127 of its largest absolute value among the works.
    """

    axes: Tensor
    entries: Tensor
    steps: Tensor

    @classmethod
    def fit(cls, triangles: Tensor, channels: int, numbers: int) -> PrincipalEntries:
        """Fit to works.

        Args:
            triangles: [M, C (C + 1) / 2], see :class:`ssmr.backbones.gram_style.GramTriangle`.
            channels: C.
            numbers: n; all, where a triangle has fewer.
        """
        triangle = GramTriangle(channels)
        mean = torch.zeros(channels**2, dtype=torch.float64)
        mean[triangle.index] = torch.mean(triangles / triangle.weight, dim=0).double()
        # eigh reads one triangle alone, here the upper one.
        axes = torch.linalg.eigh(mean.view(channels, channels), UPLO='U')[1].flip(1).float()
        squares, largest = torch.zeros(len(triangle.index)), torch.zeros(len(triangle.index))
        for part in triangles.split(32):
            grams = part.new_zeros(len(part), channels**2)
            grams[:, triangle.index] = part / triangle.weight
            upper = grams.view(-1, channels, channels)
            whole = upper + upper.triu(1).transpose(1, 2)
            turned = (axes.T @ whole @ axes).flatten(1)[:, triangle.index] * triangle.weight
            squares += turned.square().sum(dim=0)
            largest = torch.maximum(largest, turned.abs().amax(dim=0))
        kept = squares.topk(min(numbers, len(squares))).indices
        steps = (largest[kept] / LARGEST).clamp_min(torch.finfo(torch.float32).tiny)
        return cls(axes, triangle.index[kept], steps)

    def tensors(self, layer: int) -> dict[str, Tensor]:
        """As they stand in a file."""
        return {f'{layer}.{name}': value.contiguous() for name, value in vars(self).items()}


class PrincipalTriangle(nn.Module):
    """Maps [B, C, H, W] to the kept entries [B, n] of their normalised Gram matrices, in whole steps.

    Args:
        fitted: What is kept.
    """

    axes: Tensor
    entries: Tensor
    weights: Tensor
    steps: Tensor

    def __init__(self, fitted: PrincipalEntries) -> None:
        super().__init__()
        channels = len(fitted.axes)
        diagonal = fitted.entries % channels == fitted.entries // channels
        self.register_buffer('axes', fitted.axes, persistent=False)
        self.register_buffer('entries', fitted.entries, persistent=False)
        self.register_buffer('weights', torch.where(diagonal, 1.0, 2.0**0.5) / fitted.steps, persistent=False)
        self.register_buffer('steps', fitted.steps, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """[B, C, H, W] to [B, n], whole numbers from -127 to 127 as float32; times ``steps`` they are the entries."""
        turned = self.axes.T @ features.flatten(2)
        gram = torch.bmm(turned, turned.transpose(1, 2)).flatten(1)
        length = torch.linalg.vector_norm(gram, dim=1, keepdim=True).clamp_min(1e-12)
        kept = gram.index_select(1, self.entries) * self.weights / length
        return kept.round().clamp(-LARGEST, LARGEST)


@BACKBONES.register_module()
class PrincipalGram(Encoder):
    """The principal entries of the Gram matrices of all maps that the backbone gives, stored in a byte each.

    ``python tools/fit_style.py CONFIG`` fits them to works of the training split. Inner products of two descriptors
    are close to the mean over the layers of the cosines of their Gram matrices.

    Args:
        backbone: See :class:`ssmr.backbones.encoder.Encoder`.
        axes: The file that was fitted, for this backbone with these weights and this preprocessing.
        weights: See :class:`ssmr.backbones.encoder.Encoder`.
        preprocess: See there.
        seed: See there.

    Raises:
        WeightsError: There is no such file, or it was fitted to maps with other numbers of channels.
    """

    all_steps: Tensor

    def __init__(
        self,
        backbone: Mapping[str, Any],
        axes: str,
        weights: str | None = None,
        preprocess: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(backbone, weights, preprocess, seed)
        layers, size = read_axes(axes), self.preprocess.size
        with torch.inference_mode():
            channels = [m.shape[1] for m in self.feature_maps(torch.zeros(1, 3, size, size))]
        if [len(layer.axes) for layer in layers] != channels:
            raise WeightsError(
                f'{axes} was fitted to maps of {[len(layer.axes) for layer in layers]} channels, the backbone gives '
                f'{channels}',
                FIT_AGAIN,
            )  # fmt: skip
        self.triangles = nn.ModuleList(PrincipalTriangle(layer) for layer in layers)
        self.register_buffer('all_steps', torch.cat([layer.steps for layer in layers]) / len(layers) ** 0.5, False)

    @property
    def steps(self) -> np.ndarray:
        """See :attr:`ssmr.backbones.encoder.Encoder.steps`."""
        found: np.ndarray = self.all_steps.cpu().numpy()
        return found

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, S, S] to [B, D], D the sum of the layers' entries."""
        maps = self.feature_maps(images)
        numbers = [triangle(m) for m, triangle in zip(maps, self.triangles, strict=True)]
        return torch.cat(numbers, dim=1) * self.all_steps


def axes_file(path: str, field: str) -> Path:
    """The file of fitted axes.

    Args:
        path: Of the config.
        field: Which field of the config this is, for the error.

    Raises:
        WeightsError: There is none.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise WeightsError(f'{field}: there is no file {file}', 'fit it: python tools/fit_style.py CONFIG')
    return file


def read_axes(path: str) -> list[PrincipalEntries]:
    """Read what ``tools/fit_style.py`` wrote, a layer each.

    Raises:
        WeightsError: The file is not there, or is none of these.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    file = axes_file(path, 'axes')
    try:
        tensors = load_file(file)
        layers = [PrincipalEntries(*(tensors[f'{i}.{n}'] for n in NAMES)) for i in range(len(tensors) // len(NAMES))]
    except (SafetensorError, KeyError, OSError) as error:
        raise WeightsError(f'{file} does not hold fitted axes: {error}', FIT_AGAIN) from error
    if not layers or not all(map(_is_sound, layers)):
        raise WeightsError(f'{file} does not hold fitted axes', FIT_AGAIN)
    return layers


def _is_sound(layer: PrincipalEntries) -> bool:
    channels = len(layer.axes) if layer.axes.ndim == 2 else -1
    return (
        layer.axes.shape == (channels, channels)
        and layer.entries.ndim == 1
        and layer.steps.shape == layer.entries.shape
        and (layer.axes.dtype, layer.entries.dtype, layer.steps.dtype) == (torch.float32, torch.int64, torch.float32)
        and bool(((layer.entries >= 0) & (layer.entries < channels**2)).all())
        and bool(torch.isfinite(layer.axes).all() and torch.isfinite(layer.steps).all() and (layer.steps > 0).all())
    )
