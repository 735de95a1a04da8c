"""Losses on predicted scores: names, weights, and the two that look at a batch as a whole."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ssmr.errors import ConfigError

#: A batch whose values differ by less than this share of the largest is constant: float32 cannot say more.
RESOLUTION = 1e-6


def plcc_loss(output: Tensor, target: Tensor) -> Tensor:
    """(1 - Pearson's correlation) / 2 of a batch: 0 where it is perfect, 1 where it is reversed.

    It does not see the level and the spread of the outputs, so that it goes with a loss that does (Li et al.,
    Norm-in-Norm, ACM MM 2020). A batch whose outputs or targets are constant, one of a single work too, has no
    correlation: its loss and its gradient are zero.

    Args:
        output: [B] predictions.
        target: [B] labels.

    Returns:
        [] between 0 and 1.
    """
    x, x_varies = _centred(output)
    y, y_varies = _centred(target)
    defined = x_varies & y_varies
    norms = torch.where(defined, (x * x).sum() * (y * y).sum(), 1.0)  # before the root, whose slope at 0 is infinite
    nothing = 0 * output.sum()  # but NaN where an output is: divergence must show
    return torch.where(defined, (1 - (x * y).sum() / norms.sqrt()) / 2, nothing)


def _centred(values: Tensor) -> tuple[Tensor, Tensor]:
    """Values less their mean in units of their spread, which correlation does not notice, and whether they have one."""
    spread = (values.max() - values.min()).detach()
    varies = spread > RESOLUTION * values.abs().max()
    return (values - values.mean()) / torch.where(varies, spread, 1.0), varies


def rank_loss(output: Tensor, target: Tensor, margin: float) -> Tensor:
    """Margin ranking loss, mean over all pairs of a batch whose labels differ (Kong et al., ECCV 2016).

    A pair costs max(0, margin - (higher's output - lower's output)). A batch without such a pair costs nothing.

    Args:
        output: [B] predictions.
        target: [B] labels.
        margin: By how much, in units of the target scale, outputs should differ.

    Returns:
        [] not negative.
    """
    order = torch.sign(target[:, None] - target[None])  # [B, B]: every pair twice, which a mean does not notice
    costs = functional.margin_ranking_loss(output[:, None], output[None], order, margin, reduction='none')
    differ = order != 0
    return (costs * differ).sum() / differ.sum().clamp(min=1)


#: Name -> loss of outputs [B] against targets [B], both float32.
LOSSES: dict[str, Callable[..., Tensor]] = {
    'smooth_l1': functional.smooth_l1_loss,
    'mse': functional.mse_loss,
    'mae': functional.l1_loss,
    'plcc': plcc_loss,
    'rank': rank_loss,
}


class ScoreLoss:
    """One loss, or a weighted sum of several.

    Args:
        loss: A name of ``LOSSES``, or names with their weights, e.g. ``dict(smooth_l1=1.0, plcc=0.5, rank=0.2)``.
        rank_margin: ``margin`` of :func:`rank_loss`.

    Raises:
        ConfigError: An unknown name, a weight that is negative or no number, no weight above 0, or a negative margin.
    """

    def __init__(self, loss: str | Mapping[str, float], rank_margin: float = 0.05) -> None:
        if not (_is_number(rank_margin) and rank_margin >= 0):
            raise ConfigError(f'head.rank_margin is {rank_margin!r}', 'give 0 or more, in units of the target scale')
        weights = {loss: 1.0} if isinstance(loss, str) else _checked_weights(loss)
        for name in weights:
            if name not in LOSSES:
                raise ConfigError(f'head.loss is {name!r}', f'use one of {", ".join(LOSSES)}')
        parts = LOSSES | {'rank': partial(rank_loss, margin=float(rank_margin))}
        self.terms = [('loss' if n == loss else f'loss_{n}', w, parts[n]) for n, w in weights.items()]

    def __call__(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Losses of outputs [B] against targets [B].

        Returns:
            ``loss`` where one was named, else ``loss_<name>``, weighted, for each: mmengine sums and logs them.
        """
        output, target = output.float(), target.float()
        return {key: weight * part(output, target) for key, weight, part in self.terms}


def _checked_weights(loss: Any) -> dict[str, float]:
    example = 'give a name, or names with their weights, e.g. dict(smooth_l1=1.0, plcc=0.5)'
    if not isinstance(loss, Mapping):
        raise ConfigError(f'head.loss is {loss!r}', example)
    for name, weight in loss.items():
        if not (_is_number(weight) and weight >= 0):
            raise ConfigError(f'head.loss.{name} is {weight!r}', 'a weight is a number, 0 or more')
    if not any(loss.values()):
        raise ConfigError(f'head.loss is {dict(loss)!r}: there is nothing to learn', example)
    return {name: float(weight) for name, weight in loss.items()}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
