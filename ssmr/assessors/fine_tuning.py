"""Training through an encoder that was made to be frozen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ssmr.backbones.encoder import Encoder
from ssmr.errors import ConfigError
from ssmr.registry import BACKBONES


def trainable_encoder(config: Mapping[str, Any], dim: int) -> Encoder:
    """Build the encoder of ``model.encoder``, ready to be trained.

    Args:
        config: A part of BACKBONES.
        dim: What it must give, ``model.in_dim``.

    Raises:
        ConfigError: It gives maps, or vectors of another length.
    """
    encoder = BACKBONES.build(dict(config))
    if not isinstance(encoder, Encoder):
        raise ConfigError(
            f'model.encoder: {config["type"]} gives feature maps, not one vector an image',
            f"wrap it: dict(type='GlobalFeature', backbone=dict(type={config['type']!r}, ...))",
        )
    if encoder.dim != dim:
        raise ConfigError(
            f'model.in_dim is {dim}, but model.encoder gives {encoder.dim}', f'set model.in_dim={encoder.dim}'
        )
    unfreeze(encoder)
    return encoder


def unfreeze(encoder: Encoder) -> None:
    """Let every parameter learn that the encoder's output depends on.

    The others, of stages beyond the backbone's ``out_indices``, stay frozen: they would never get a gradient, for which
    distributed training waits.
    """
    encoder.requires_grad_(True)
    parameters = list(encoder.parameters())
    size = encoder.preprocess.size
    vectors = encoder(torch.zeros(1, 3, size, size))
    for parameter, gradient in zip(
        parameters, torch.autograd.grad(vectors.sum(), parameters, allow_unused=True), strict=True
    ):
        parameter.requires_grad_(gradient is not None)


def hold_statistics(module: nn.Module) -> None:
    """Make batch norms use, and keep, the statistics they were pretrained with; scale and shift go on learning."""
    for layer in module.modules():
        if isinstance(layer, _BatchNorm):
            layer.eval()
