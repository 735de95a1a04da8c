"""Features as one would write it: a DataLoader whose workers decode and normalise, and a loop over its batches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ssmr.backbones.encoder import Encoder
from ssmr.backbones.preprocess import Preprocess
from ssmr.datasets.images import load_image


class Pictures(Dataset[Tensor]):
    """Pictures [3, S, S], read when they are asked for."""

    def __init__(self, folder: Path, names: Sequence[str], preprocess: Preprocess) -> None:
        self.folder, self.names, self.preprocess = folder, names, preprocess

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, item: int) -> Tensor:
        return torch.from_numpy(self.preprocess(load_image(self.folder, self.names[item])))


def plain_features(encoder: Encoder, folder: Path, names: Sequence[str], batch_size: int, workers: int) -> np.ndarray:
    """[N, D], encoded with all threads of torch while ``workers`` processes decode."""
    loader = DataLoader(Pictures(folder, names, encoder.preprocess), batch_size=batch_size, num_workers=workers)
    with torch.inference_mode():
        return np.concatenate([encoder(images).numpy() for images in loader])
