"""Targets: the scale on which a head learns, fitted to the training labels alone."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ssmr.errors import ConfigError


class Targets(nn.Module):
    """An increasing map from labels to the scale that is learned. Its numbers are buffers: they go with the weights.

    Attributes:
        mean: Mean of the training labels on the target scale: what is known of a reference whose label is hidden.
    """

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer('mean', torch.tensor(0.0))

    def fit(self, scores: Tensor) -> None:
        """Fit to the training labels [n].

        Raises:
            ConfigError: All labels are equal, or they are not what the map can take.
        """
        low, high = float(scores.min()), float(scores.max())
        if not low < high:
            raise ConfigError(f'all training scores are {low:g}', 'there is nothing to learn: scores must differ')
        self._fit(scores.double())
        self.mean = self.encode(scores.to(self.mean.device).float()).mean()

    @abstractmethod
    def _fit(self, scores: Tensor) -> None:
        """Fit to labels [n] float64."""

    @abstractmethod
    def encode(self, scores: Tensor) -> Tensor:
        """Labels of any shape to the target scale."""

    @abstractmethod
    def decode(self, targets: Tensor) -> Tensor:
        """The inverse of :meth:`encode`."""


class MinMax(Targets):
    """The extremes of the training labels become 0 and 1.

    Args:
        low: The label that becomes 0; by default the smallest.
        high: The label that becomes 1; by default the largest.
    """

    range: Tensor

    def __init__(self, low: float | None = None, high: float | None = None) -> None:
        super().__init__()
        self.low, self.high = low, high
        self.register_buffer('range', torch.tensor([0.0, 1.0]))

    def _fit(self, scores: Tensor) -> None:
        low = float(scores.min()) if self.low is None else self.low
        high = float(scores.max()) if self.high is None else self.high
        self.range = torch.tensor([low, high], device=self.range.device)

    def encode(self, scores: Tensor) -> Tensor:
        """See :meth:`Targets.encode`."""
        low, high = self.range
        return (scores - low) / (high - low)

    def decode(self, targets: Tensor) -> Tensor:
        """See :meth:`Targets.decode`."""
        low, high = self.range
        return targets.float() * (high - low) + low


#: Name -> map.
TARGETS: dict[str, type[Targets]] = {'minmax': MinMax}


def build_targets(name: str, target_range: Sequence[float] | None = None) -> Targets:
    """Build a map by its name.

    Args:
        name: A name of ``TARGETS``.
        target_range: For 'minmax': the labels that become 0 and 1.

    Raises:
        ConfigError: An unknown name, or a range that is empty or belongs to no 'minmax'.
    """
    if name not in TARGETS:
        raise ConfigError(f'head.targets is {name!r}', f'use one of {", ".join(TARGETS)}')
    if target_range is None:
        return TARGETS[name]()
    low, high = target_range
    if name != 'minmax' or not low < high:
        raise ConfigError(
            f'head.target_range is {list(target_range)} with targets={name!r}', "give (low, high) with targets='minmax'"
        )
    return MinMax(low, high)
