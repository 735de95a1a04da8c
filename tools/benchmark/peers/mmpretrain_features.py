"""Features by mmpretrain's FeatureExtractor, with the same backbone and the same decoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from ssmr.backbones.encoder import Encoder


def mmpretrain_features(encoder: Encoder, batch_size: int) -> Callable[[Sequence[Path]], np.ndarray]:
    """Build the extractor.

    Args:
        encoder: A GlobalFeature whose preprocessing crops, with bicubic interpolation.
        batch_size: Pictures that are encoded at once.

    Returns:
        A function from files to features [N, D].
    """
    import mmcv
    from mmengine.config import Config
    from mmpretrain import FeatureExtractor
    from mmpretrain.models import GlobalAveragePooling, ImageClassifier

    mmcv.use_backend('pillow')
    preprocess = encoder.preprocess
    normalise = {'mean': preprocess.mean.tolist(), 'std': preprocess.std.tolist(), 'to_rgb': True}
    model = ImageClassifier(encoder.backbone, neck=GlobalAveragePooling(), data_preprocessor=normalise)
    resize = {'type': 'ResizeEdge', 'scale': preprocess.size, 'backend': 'pillow', 'interpolation': 'bicubic'}
    pipeline = [resize, {'type': 'CenterCrop', 'crop_size': preprocess.size}, {'type': 'PackInputs'}]
    model._config = Config({'test_dataloader': {'dataset': {'pipeline': pipeline}}})
    extractor = FeatureExtractor(model)

    def extract(files: Sequence[Path]) -> np.ndarray:
        found = extractor(list(map(str, files)), batch_size=batch_size)
        return torch.stack([features[-1] for features in found]).numpy()

    return extract
