"""References that are near to the query and not to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ssmr.errors import ConfigError
from ssmr.registry import RETRIEVERS
from ssmr.retrievers.nested import NestedRetriever, build, candidate_count, is_number, with_embedding
from ssmr.retrievers.ranking import rows_at_once
from ssmr.retrievers.search import Search

#: Queries whose references are chosen at once.
BLOCK = 256


@RETRIEVERS.register_module()
class DiverseRetriever(NestedRetriever):
    """Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998) over the nearest candidates.

    References are chosen one by one, each time the largest of
    ``trade_off * s(query, work) - (1 - trade_off) * max(0, largest s(chosen, work))``,
    which is the stored similarity. What is subtracted only grows as more is chosen, so that no later choice has a
    larger value than an earlier one; that is why works opposite to a chosen one (s < 0) earn nothing. Equal values
    are chosen by id. For cosines the values lie within [-1, trade_off].

    Args:
        retriever: A retriever with an embedding; its own ``num_references`` is not used.
        trade_off: The paper's lambda, above 0 and at most 1: 1 is the retriever alone.
        candidates: How many nearest works are chosen from; never fewer than are asked for, nor more than a query can
            have.
        num_references: K, how many references are stored a query.

    Raises:
        ConfigError: The retriever has no embedding, ``trade_off`` is out of range, or there are fewer candidates than
            ``num_references``.
    """

    def __init__(
        self, retriever: Mapping[str, Any], trade_off: float = 0.7, candidates: int = 200, num_references: int = 50
    ) -> None:
        self.inner = with_embedding('retriever', build('retriever', retriever))
        super().__init__([self.inner], num_references)
        if not is_number(trade_off) or not 0 < trade_off <= 1:
            raise ConfigError(f'retriever.trade_off is {trade_off!r}', 'give a number above 0 and at most 1')
        self.trade_off = trade_off
        self.candidates = candidate_count('candidates', candidates, num_references)

    def find(self, search: Search) -> tuple[np.ndarray, np.ndarray]:
        """See :meth:`ssmr.retrievers.base.Retriever.find`."""
        number, k = search.candidates(self.candidates), search.k
        positions, relevance = self.inner.find(replace(search, k=number))
        order = np.argsort(positions, axis=1)  # ties are then for the first
        positions, relevance = (np.take_along_axis(a, order, axis=1) for a in (positions, relevance))
        sides = self.inner.embed_search(search.within_pool())
        left, right = (torch.as_tensor(side, device=search.device) for side in sides)
        values = np.empty((len(positions), k), dtype=np.float32)
        chosen = np.empty((len(positions), k), dtype=np.int64)
        for start in range(0, len(positions), BLOCK):
            rows = slice(start, start + BLOCK)
            works = torch.as_tensor(positions[rows], device=search.device)
            nearness = torch.as_tensor(relevance[rows], device=search.device)
            best, places = _choose(nearness, _similarities(left, right, works), k, self.trade_off)
            values[rows], chosen[rows] = best.cpu().numpy(), places.cpu().numpy()
        return np.take_along_axis(positions, chosen, axis=1), values


def _similarities(left: Tensor, right: Tensor, works: Tensor) -> Tensor:
    """[B, C, C] float32: of all pairs among works [B, C], computed in float64 so that copies are exactly alike."""
    parts = works.split(rows_at_once(works.shape[1] * right.shape[1], right.device.type))
    return torch.cat([torch.bmm(left[part].double(), right[part].double().mT).float() for part in parts])


def _choose(relevance: Tensor, similar: Tensor, k: int, trade_off: float) -> tuple[Tensor, Tensor]:
    """Values and places [B, k] of the candidates chosen by relevance [B, C] and similarities [B, C, C]."""
    rows = torch.arange(len(relevance), device=relevance.device)
    redundancy, taken = torch.zeros_like(relevance), torch.zeros_like(relevance, dtype=torch.bool)
    values, places = [], []
    for _ in range(k):
        value = (trade_off * relevance - (1 - trade_off) * redundancy).masked_fill(taken, -torch.inf)
        place = value.argmax(dim=1)  # the first of equal ones, as torch documents
        values.append(value[rows, place])
        places.append(place)
        taken[rows, place] = True
        redundancy = torch.maximum(redundancy, similar[rows, place])
    return torch.stack(values, dim=1), torch.stack(places, dim=1)
