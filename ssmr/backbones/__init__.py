"""Encoders: from images to one vector a view. Thin wrappers over mmpretrain's backbones."""

import warnings

from ssmr.torchvision_shim import ensure_torchvision

warnings.filterwarnings(
    'ignore', message='Fail to import ``MultiScaleDeformableAttention``'
)  # of mmcv-lite, not needed
ensure_torchvision()  # before any module here imports mmpretrain
