"""The usual image embedding: the last map of a backbone, averaged over its positions."""

from __future__ import annotations

from torch import Tensor

from ssmr.backbones.encoder import Encoder
from ssmr.errors import ConfigError
from ssmr.registry import BACKBONES


@BACKBONES.register_module()
class GlobalFeature(Encoder):
    """Global average pooling of the backbone's last output; a class token [B, C] is taken as it is."""

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, S, S] to [B, C]."""
        last = self.maps(images)[-1]
        if last.ndim == 4:
            return last.mean(dim=(2, 3))
        if last.ndim == 2:
            return last
        raise ConfigError(
            f'{type(self.backbone).__name__} gives an output of shape {tuple(last.shape)}',
            "GlobalFeature takes maps [B, C, H, W] or tokens [B, C]; set the backbone's out_type",
        )
