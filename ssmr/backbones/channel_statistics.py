"""Means and standard deviations of channels as a style descriptor: a Gram matrix's short relative."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ssmr.backbones.encoder import Encoder
from ssmr.registry import BACKBONES


@BACKBONES.register_module()
class ChannelStatistics(Encoder):
    """Mean and standard deviation over the positions of every channel of all maps that the backbone gives.

    These are the statistics by which adaptive instance normalisation carries a style from one picture to another (Huang
    and Belongie, ICCV 2017). Choose the layers by the backbone's ``out_indices``; they weigh alike: inner products of
    two descriptors are the mean over the layers of the cosines of their statistics.
    """

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, S, S] to unit vectors [B, sum of 2 C over the layers], each layer's means before its deviations."""
        layers = [normalize(channel_statistics(m), dim=1) for m in self.feature_maps(images)]
        return torch.cat(layers, dim=1) / len(layers) ** 0.5


def channel_statistics(features: Tensor) -> Tensor:
    """Maps [B, C, H, W] to [B, 2 C]: the means, then the standard deviations (of the positions: divided by H W)."""
    deviation, mean = torch.std_mean(features, dim=(2, 3), correction=0)
    return torch.cat([mean, deviation], dim=1)
