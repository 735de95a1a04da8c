"""Retrievers that hold retrievers: building the inner ones, what they share, and checks of plain settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ssmr.errors import ConfigError
from ssmr.registry import RETRIEVERS
from ssmr.retrievers.base import InnerProductRetriever, Retriever


class NestedRetriever(Retriever):
    """A retriever over others.

    Args:
        parts: The retrievers it holds; their own ``num_references`` are not used.
        num_references: K, how many references are stored a query.

    Attributes:
        reads_labels: Whether one of the parts does.
        needs_table: Likewise.
    """

    def __init__(self, parts: Sequence[Retriever], num_references: int) -> None:
        self.parts, self.num_references = list(parts), num_references
        self.reads_labels = any(part.reads_labels for part in self.parts)
        self.needs_table = self.needs_table or any(part.needs_table for part in self.parts)

    @property
    def views(self) -> tuple[str, ...]:
        """The views of all parts, without repetition."""
        return tuple(dict.fromkeys(v for part in self.parts for v in part.views))


def build(field: str, part: Mapping[str, Any]) -> Retriever:
    """Build the retriever that ``retriever.<field>`` of a config describes.

    Raises:
        ConfigError: It is no dict with a type, or the type is not registered.
    """
    if not isinstance(part, Mapping) or 'type' not in part:
        raise ConfigError(f'retriever.{field} is {part!r}', "give a retriever: dict(type='CosineRetriever', ...)")
    built: Retriever = RETRIEVERS.build(dict(part))
    return built


def build_parts(parts: Sequence[Mapping[str, Any]]) -> list[Retriever]:
    """Build every retriever of ``retriever.parts``.

    Raises:
        ConfigError: It is no list or an empty one, or see :func:`build`.
    """
    if isinstance(parts, (str, Mapping)) or not isinstance(parts, Sequence) or not parts:
        raise ConfigError(f'retriever.parts is {parts!r}', 'give a list of retrievers, [dict(type=...), ...]')
    return [build(f'parts[{i}]', part) for i, part in enumerate(parts)]


def with_embedding(field: str, retriever: Retriever) -> InnerProductRetriever:
    """Return the retriever as one whose similarity is an inner product.

    Raises:
        ConfigError: It is not.
    """
    if not isinstance(retriever, InnerProductRetriever):
        raise ConfigError(
            f'retriever.{field}: {type(retriever).__name__} has no embedding, which is needed here',
            'use a retriever by inner products: cosine, Gram, Euclidean, a fusion of them, or CSLS',
        )
    return retriever


def is_number(value: object) -> bool:
    """Whether it is a number, which True is not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def count(field: str, value: float, minimum: int = 1) -> int:
    """Check and return a whole number (5 and 5.0 alike).

    Raises:
        ConfigError: It is none, or too small.
    """
    if not is_number(value) or value % 1 != 0 or value < minimum:
        raise ConfigError(f'retriever.{field} is {value!r}', f'give a whole number, {minimum} or more')
    return int(value)


def candidate_count(field: str, value: float, num_references: int) -> int:
    """Check and return how many candidates a retriever looks at.

    Raises:
        ConfigError: It is no whole number, or smaller than ``num_references``.
    """
    number = count(field, value)
    if number < num_references:
        raise ConfigError(
            f'retriever.{field} is {number}, fewer than retriever.num_references, {num_references}',
            f'raise {field}, or lower num_references',
        )
    return number


def part_weights(weights: Sequence[float] | None, number: int) -> list[float]:
    """Check and return one weight a part; all 1 where none are given.

    Raises:
        ConfigError: They are no numbers >= 0, all are 0, or they are not as many as the parts.
    """
    given = [1.0] * number if weights is None else weights
    fits = isinstance(given, (list, tuple)) and len(given) == number
    if not fits or not all(is_number(w) and 0 <= w < math.inf for w in given) or sum(given) <= 0:
        raise ConfigError(
            f'retriever.weights is {weights} for {number} parts', 'give one weight >= 0 a part, not all 0'
        )
    return [float(w) for w in given]
