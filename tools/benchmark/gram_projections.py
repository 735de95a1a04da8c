"""Ways to make Gram matrices short, for style_descriptor.py: each fits on some works and describes others.

All give vectors whose inner products stand for the cosines of the full matrices. What a way keeps of a work is n
numbers of some bytes; what it fits is shared by all works and not counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ssmr.backbones.channel_statistics import channel_statistics
from ssmr.backbones.gram_style import GramTriangle, SparseSketch
from ssmr.backbones.principal_gram import PrincipalEntries, PrincipalTriangle


@dataclass
class Fold:
    """Works to fit on and works to describe, which are others.

    Attributes:
        fitted: Maps [M, C, H, W].
        described: Maps [N, C, H, W].
        size: C (C + 1) / 2, the numbers of a full matrix's upper triangle.
        axes: [C, C], the eigenvectors of the fitted works' mean Gram matrix, largest eigenvalue first.
        fit: Triangles of the fitted works [M, size], of channels turned to the axes; turning changes no cosine.
        full: The same of the described works [N, size].
    """

    fitted: Tensor
    described: Tensor
    size: int = field(init=False)
    axes: Tensor = field(init=False)
    fit: Tensor = field(init=False)
    full: Tensor = field(init=False)

    def __post_init__(self) -> None:
        channels = self.fitted.shape[1]
        self.triangle = GramTriangle(channels)
        self.size = len(self.triangle.index)
        mean = torch.zeros(channels**2, dtype=torch.float64)
        mean[self.triangle.index] = torch.mean(self.triangles(self.fitted) / self.triangle.weight, dim=0).double()
        # eigh reads one triangle alone, here the upper one.
        self.axes = torch.linalg.eigh(mean.view(channels, channels), UPLO='U')[1].flip(1).float()
        self.fit, self.full = self.triangles(self.turned(self.fitted)), self.triangles(self.turned(self.described))

    def triangles(self, maps: Tensor) -> Tensor:
        """[N, C, H, W] to [N, size], some works at a time."""
        return torch.cat([self.triangle(part) for part in maps.split(32)])

    def turned(self, maps: Tensor) -> Tensor:
        """[N, C, H, W] to maps whose channels are the axes."""
        return torch.einsum('cd,nchw->ndhw', self.axes, maps)


def statistics_of_channels(fold: Fold, n: int) -> Tensor:
    """[N, 2 C], whatever ``n``: what ChannelStatistics gives. Not a stand-in for the Gram matrix, but its rival."""
    del n
    return normalize(channel_statistics(fold.described), dim=1)


def random_channels(fold: Fold, n: int) -> Tensor:
    """Gram matrices of a random mixture of the channels."""
    channels = fold.described.shape[1]
    mixed = side(n)
    generator = torch.Generator().manual_seed(0)
    mixture = torch.randn(mixed, channels, generator=generator)
    return GramTriangle(mixed)(torch.einsum('dc,nchw->ndhw', mixture, fold.described))


def sketch(fold: Fold, n: int) -> Tensor:
    """GramStyle: a random projection of the triangle."""
    projection = SparseSketch(fold.size, n, seed=0)
    return torch.cat([projection(fold.triangles(part)) for part in fold.described.split(32)])


def works_pca(fold: Fold, n: int) -> Tensor:
    """The first principal axes, uncentred, of the fitted triangles, found from their inner products.

    There are no more axes than fitted works. With all of them it is the Nystroem method with these as landmarks.
    """
    values, vectors = torch.linalg.eigh((fold.fit @ fold.fit.T).double())
    kept = values.flip(0)[:n] > 1e-6 * values[-1]
    values, vectors = values.flip(0)[:n][kept], vectors.flip(1)[:, :n][:, kept]
    return ((fold.full @ fold.fit.T).double() @ (vectors / values.sqrt())).float()


def channel_axes(fold: Fold, n: int) -> Tensor:
    """Gram matrices of the first axes of the channels."""
    _, columns = torch.triu_indices(len(fold.axes), len(fold.axes))
    return fold.full[:, columns < side(n)]


def principal_entries(fold: Fold, n: int) -> Tensor:
    """Of the matrices of turned channels the entries with the largest mean square among the fitted works."""
    return fold.full[:, largest(fold, n)]


def principal_entries_halves(fold: Fold, n: int) -> Tensor:
    """The same, rounded to float16."""
    return principal_entries(fold, n).half().float()


def principal_entries_bytes(fold: Fold, n: int) -> Tensor:
    """PrincipalGram: the same in whole steps, a byte each."""
    channels = fold.described.shape[1]
    fitted = PrincipalEntries.fit(fold.triangles(fold.fitted), channels, min(n, fold.size))
    return torch.cat([PrincipalTriangle(fitted)(part) for part in fold.described.split(32)]) * fitted.steps


def largest(fold: Fold, n: int) -> Tensor:
    """[n] positions in the turned triangles."""
    return fold.fit.square().mean(dim=0).topk(min(n, fold.size)).indices


def side(n: int) -> int:
    """Of the largest triangle of at most ``n`` numbers."""
    return int(((8 * n + 1) ** 0.5 - 1) / 2)


#: Name -> the way and the bytes of a number.
WAYS = {
    'channel mean + std (ChannelStatistics)': (statistics_of_channels, 4),
    'Gram of random channels': (random_channels, 4),
    'random projection of the triangle (GramStyle)': (sketch, 4),
    'PCA of works': (works_pca, 4),
    'Gram of principal channels': (channel_axes, 4),
    'principal entries': (principal_entries, 4),
    'principal entries, float16': (principal_entries_halves, 2),
    'principal entries, int8 (PrincipalGram)': (principal_entries_bytes, 1),
}
