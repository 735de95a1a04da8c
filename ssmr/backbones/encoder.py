"""The base of all encoders: a frozen backbone, its weights and its preprocessing, giving one vector an image."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ssmr.backbones.preprocess import Preprocess
from ssmr.backbones.weights import load_weights, resolve_weights
from ssmr.errors import ConfigError
from ssmr.registry import BACKBONES


class Encoder(nn.Module):
    """Images [B, 3, S, S] to vectors [B, D].

    Args:
        backbone: A part of BACKBONES, or of mmpretrain by scope, whose forward gives a tuple of maps [B, C, H, W].
        weights: See :func:`ssmr.backbones.weights.resolve_weights`; None leaves the random start of ``seed``.
        preprocess: Keywords of :class:`ssmr.backbones.preprocess.Preprocess`.
        seed: Of random weights and projections.
    """

    def __init__(
        self,
        backbone: Mapping[str, Any],
        weights: str | None = None,
        preprocess: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.preprocess = Preprocess(**(preprocess or {}))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.backbone: nn.Module = BACKBONES.build(dict(backbone))
        if weights is not None:
            convert = getattr(self.backbone, 'convert_weights', None)
            load_weights(self.backbone, resolve_weights(weights, 'weights'), convert)
        self.requires_grad_(False)
        self.eval()

    def maps(self, images: Tensor) -> tuple[Tensor, ...]:
        """The backbone's outputs, always as a tuple.

        Raises:
            ConfigError: The backbone refuses images of this size (Swin, whose windows would be larger than its map).
        """
        try:
            outputs = self.backbone(images)
        except AssertionError as error:
            raise ConfigError(
                f'{type(self.backbone).__name__} does not take images of {images.shape[-1]} pixels: {error}',
                "change preprocess.size, or the backbone's own settings of size and windows",
            ) from error
        return tuple(outputs) if isinstance(outputs, (tuple, list)) else (outputs,)

    def feature_maps(self, images: Tensor) -> tuple[Tensor, ...]:
        """The backbone's outputs, for encoders that look at positions: maps [B, C, H, W].

        Raises:
            ConfigError: An output is a row of tokens [B, N, C] or one vector [B, C].
        """
        maps = self.maps(images)
        for features in maps:
            if features.ndim != 4:
                raise ConfigError(
                    f'{type(self.backbone).__name__} gives an output of shape {tuple(features.shape)}, but '
                    f'{type(self).__name__} takes maps [B, C, H, W]',
                    "set in the backbone out_type='featmap' (ViT and its like), gap_before_final_norm=False "
                    '(ConvNeXt), or out_indices of stages with maps',
                )
        return maps

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, S, S] float32 to [B, D] float32."""

    @cached_property
    def dim(self) -> int:
        """D, found by one forward pass over a blank image."""
        size = self.preprocess.size
        with torch.inference_mode():
            device = next((t.device for t in chain(self.parameters(), self.buffers())), 'cpu')
            return int(self(torch.zeros(1, 3, size, size, device=device)).shape[1])

    @property
    def steps(self) -> np.ndarray | None:
        """[D] float32, where each number is one of its step's multiples by -127 to 127 and is stored in a byte."""
        return None


def build_encoder(view: str, config: Mapping[str, Any]) -> Encoder:
    """Build the encoder of a view.

    Raises:
        ConfigError: The part is a bare backbone, which gives maps and not one vector.
    """
    encoder = BACKBONES.build(dict(config))
    if not isinstance(encoder, Encoder):
        raise ConfigError(
            f'encoders.{view}: {config["type"]} gives feature maps, not one vector an image',
            f"wrap it: dict(type='GlobalFeature', backbone=dict(type={config['type']!r}, ...))",
        )
    return encoder
