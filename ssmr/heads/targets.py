"""Targets: the scale on which a head learns, fitted to the training labels alone."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
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
        low, high = float(scores.float().min()), float(scores.float().max())  # as they will be told apart
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
        return _wide(targets) * (high - low) + low


class Standardise(Targets):
    """The training labels get mean 0 and standard deviation 1 (of the population, as scikit-learn's StandardScaler)."""

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer('shift', torch.tensor(0.0))
        self.register_buffer('scale', torch.tensor(1.0))

    def _fit(self, scores: Tensor) -> None:
        self.shift = scores.mean().to(self.shift)
        self.scale = scores.std(correction=0).to(self.scale)

    def encode(self, scores: Tensor) -> Tensor:
        """See :meth:`Targets.encode`."""
        return (scores - self.shift) / self.scale

    def decode(self, targets: Tensor) -> Tensor:
        """See :meth:`Targets.decode`."""
        return _wide(targets) * self.scale + self.shift


class BoxCox(Standardise):
    """Box and Cox's power transform (JRSS B 26, 1964), then :class:`Standardise`: for skewed labels, which must be > 0.

    With t = x / g, g the geometric mean of the training labels, it is (t^power - 1) / power; a power of 0 means log t.
    The power is the most likely one between -5 and 5: a steeper one would press one end of the scale into a constant.
    g keeps numbers near 1; the standardised result does not depend on it.

    The transform has a bounded image where power is not 0, so that an output may have no inverse. Therefore labels and
    decoded scores are kept between half the smallest and twice the largest training label: any finite or infinite
    output decodes to a score in there, and only NaN to NaN.
    """

    unit: Tensor
    power: Tensor
    reach: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer('unit', torch.tensor(1.0))
        self.register_buffer('power', torch.tensor(1.0))
        self.register_buffer('reach', torch.tensor([0.5, 2.0]))

    def _fit(self, scores: Tensor) -> None:
        low, high = float(scores.min()), float(scores.max())
        if low <= 0:
            raise ConfigError(
                f"head.targets is 'boxcox', but the smallest training score is {low:g}",
                "Box-Cox takes scores above 0 alone: use targets='standardise' or 'minmax'",
            )
        unit = scores.log().mean().exp()
        self.unit = unit.to(self.unit)
        self.power = torch.tensor(_likely_power((scores / unit).cpu().numpy())).to(self.power)
        self.reach = torch.tensor([low / 2, high * 2]).to(self.reach)
        super()._fit(self._bend(scores.to(self.power.device)))

    def _bend(self, scores: Tensor) -> Tensor:
        low, high = self.reach
        return torch.expm1(self.power * (scores.clamp(low, high) / self.unit).log()) / self.power

    def encode(self, scores: Tensor) -> Tensor:
        """See :meth:`Targets.encode`."""
        return super().encode(self._bend(scores))

    def decode(self, targets: Tensor) -> Tensor:
        """See :meth:`Targets.decode`."""
        low, high = self.reach
        inside = (self.power * super().decode(targets)).clamp(min=-1)  # beyond it there is no inverse
        return (self.unit * (inside.log1p() / self.power).exp()).clamp(low, high)


def _likely_power(scores: np.ndarray) -> float:
    """The maximum likelihood power of scores [n] with geometric mean 1: their likelihood is highest where the variance
    of what they become is smallest. Never 0, which nobody can tell from 1e-6.
    """
    from scipy.optimize import minimize_scalar  # imported late: slow, and few need it
    from scipy.special import boxcox

    def cost(power: float) -> float:
        return float(np.log(boxcox(scores, power).var()))

    power = float(minimize_scalar(cost, bounds=(-5, 5), method='bounded', options={'xatol': 1e-6}).x)
    return power if abs(power) > 1e-6 else 1e-6


def _wide(outputs: Tensor) -> Tensor:
    """Half precision to float32: it has three digits, scores have more."""
    return outputs.to(torch.promote_types(outputs.dtype, torch.float32))


#: Name -> map.
TARGETS: dict[str, type[Targets]] = {'minmax': MinMax, 'standardise': Standardise, 'boxcox': BoxCox}


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
