"""Encoders: from images to one vector a view. Thin wrappers over mmpretrain's backbones."""

from ssmr.torchvision_shim import ensure_torchvision

ensure_torchvision()  # before any module here imports mmpretrain
