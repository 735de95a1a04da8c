"""A head that predicts how the votes spread over the scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from ssmr.errors import ConfigError
from ssmr.heads.base import Head
from ssmr.heads.label_shares import LabelShares
from ssmr.registry import HEADS


def emd_loss(shares: Tensor, target: Tensor, norm: int = 2) -> Tensor:
    """Earth mover's distance of order r between shares, mean over the batch: (mean over bins |CDF - CDF'|^r)^(1/r).

    After Hou et al. (arXiv:1611.05916) as used by NIMA (Talebi and Milanfar, IEEE TIP 2018). Bins count as equally
    spaced, the distance between the first and the last as about 1: for r = 1 it is the Wasserstein distance in bins
    over their number.

    Args:
        shares: [B, bins] predicted, rows summing to 1.
        target: [B, bins], likewise.
        norm: r, 1 or 2.

    Returns:
        [] not negative.
    """
    gap = (shares - target).cumsum(dim=1)
    # vector_norm has slope 0 at 0, where a root would give NaN
    return (torch.linalg.vector_norm(gap, norm, dim=1) / shares.shape[1] ** (1 / norm)).mean()


@HEADS.register_module()
class DistributionHead(Head):
    """ReLU, a linear map and a softmax to the shares of the votes; the score is their mean.

    Learns from vote shares where the data set has them, and otherwise from a normal around the mean score
    (:class:`ssmr.heads.label_shares.LabelShares`).

    Args:
        in_dim: Length of the read-out.
        bins: The scores that can be given, increasing, e.g. 1 to 10.
        emd_norm: Order of the :func:`emd_loss`, 1 or 2; NIMA takes 2.
        sigma: Standard deviation of the votes on one work, on the data set's scale; for data sets of mean scores alone.

    Raises:
        ConfigError: Fewer than two bins, bins that do not increase, another order, or a sigma that is not positive.
    """

    takes_offset = False  # outputs are logits
    bins: Tensor

    def __init__(self, in_dim: int, bins: Sequence[float], emd_norm: int = 2, sigma: float | None = None) -> None:
        super().__init__()
        values = _checked_bins(bins)
        if emd_norm not in (1, 2):
            raise ConfigError(f'head.emd_norm is {emd_norm!r}', 'use 1 or 2')
        if sigma is not None and not 0 < sigma < math.inf:
            raise ConfigError(f'head.sigma is {sigma!r}', 'give a number above 0, in units of the scores')
        self.emd_norm = emd_norm
        self.label_shares = None if sigma is None else LabelShares(values, sigma)
        self.register_buffer('bins', torch.tensor(values))
        self.linear = nn.Linear(in_dim, len(values))

    def forward(self, readout: Tensor, references: Tensor, mask: Tensor | None = None) -> Tensor:
        """[B, in_dim] to logits [B, bins]; the labels of the references are not used here."""
        return self.linear(torch.relu(readout))

    def loss(self, output: Tensor, scores: Tensor, distributions: Tensor | None = None) -> dict[str, Tensor]:
        """The :func:`emd_loss` of logits [B, bins] against vote shares [B, bins], or scores [B] where there are none.

        Raises:
            ConfigError: The shares are of another number of bins, or there are none and sigma is not given.
        """
        target = self._target(scores, distributions)
        return {'loss': emd_loss(output.float().softmax(dim=1), target, self.emd_norm)}

    def _target(self, scores: Tensor, distributions: Tensor | None) -> Tensor:
        if distributions is not None:
            if distributions.shape[1] != len(self.bins):
                raise ConfigError(
                    f'head.bins has {len(self.bins)} scores, but the vote shares of the data set have '
                    f'{distributions.shape[1]}',
                    'list in head.bins the score of each column of votes, in their order',
                )
            return distributions.float()
        if self.label_shares is None:
            raise ConfigError(
                'the data set has mean scores alone, and head.sigma is not given',
                'set head.sigma to the standard deviation of the votes on one work, or name the columns of votes in '
                'table.distribution_columns',
            )
        shares: Tensor = self.label_shares(scores)
        return shares

    def predict(self, output: Tensor) -> Tensor:
        """Logits [B, bins] to mean scores [B]."""
        return (output.float().softmax(dim=1) * self.bins).sum(dim=1)


def _checked_bins(bins: Sequence[float]) -> list[float]:
    fix = 'list the scores that can be given, increasing, e.g. [1, 2, 3, 4, 5]'
    try:
        values = [float(b) for b in bins]
    except (TypeError, ValueError):
        raise ConfigError(f'head.bins is {bins!r}', fix) from None
    if len(values) < 2 or not all(a < b for a, b in pairwise(values)) or not all(map(math.isfinite, values)):
        raise ConfigError(f'head.bins is {bins!r}', fix)
    return values
