"""Reference graphs: a batch is a list of row numbers until it is gathered where the model runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor
from torch.utils.data import Dataset

from ssmr.artifacts.reference_index import ReferenceIndex


@dataclass(frozen=True)
class ReferenceGraph:
    """A batch of B queries with K references each.

    Attributes:
        nodes: [B, 1 + K, D], the query first.
        similarities: [B, K] of the query with its references.
        reference_scores: [B, K] labels of the references, all from the training split.
        scores: [B] labels of the queries; for the loss and the metrics alone.
        rows: [B] rows of the table.
        mask: [B, 1 + K] bool, False where a graph has no such node; None where all have all.
    """

    nodes: Tensor
    similarities: Tensor
    reference_scores: Tensor
    scores: Tensor
    rows: Tensor
    mask: Tensor | None = None


class RowDataset(Dataset[int]):
    """Row numbers of a split; everything else is gathered by :class:`GraphGather`.

    Args:
        rows: [n] rows of the table.
    """

    metainfo: ClassVar[dict[str, str]] = {}  # mmengine asks every dataset for it

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, item: int) -> int:
        return int(self.rows[item])


class GraphGather(BaseDataPreprocessor):
    """Turns row numbers [B] into a :class:`ReferenceGraph` on the device of the model.

    Bank, index and labels are buffers: they move with the model, stay memory-mapped on a CPU, and are left out of
    checkpoints.

    Args:
        features: [N, D] float32 of the node view.
        index: The references; queries that it lacks cannot be gathered.
        scores: [N] labels.
        num_references: K, the nearest ones that enter the graph.
    """

    features: Tensor
    position: Tensor
    references: Tensor
    similarities: Tensor
    scores: Tensor

    def __init__(self, features: np.ndarray, index: ReferenceIndex, scores: np.ndarray, num_references: int) -> None:
        super().__init__()
        position = np.full(len(index.ids), len(index.queries), dtype=np.int64)  # beyond the end: an IndexError
        position[index.queries] = np.arange(len(index.queries))
        k = num_references
        self._keep('features', _readable(features))
        self._keep('position', torch.from_numpy(position))
        self._keep('references', torch.from_numpy(np.ascontiguousarray(index.references[:, :k], dtype=np.int64)))
        self._keep('similarities', torch.from_numpy(np.ascontiguousarray(index.similarities[:, :k])))
        self._keep('scores', torch.from_numpy(scores.astype(np.float32)))

    def _keep(self, name: str, tensor: Tensor) -> None:
        self.register_buffer(name, tensor, persistent=False)

    def forward(self, data: Tensor, training: bool = False) -> dict[str, ReferenceGraph]:
        """Rows [B] to ``{'graph': ReferenceGraph}``, the keyword of the assessor's forward."""
        rows = data.to(self.features.device)
        position = self.position[rows]
        references = self.references[position]  # [B, K]
        nodes = self.features[torch.cat([rows[:, None], references], dim=1)]  # [B, 1 + K, D]
        graph = ReferenceGraph(nodes, self.similarities[position], self.scores[references], self.scores[rows], rows)
        return {'graph': graph}


def _readable(features: np.ndarray) -> Tensor:
    """Share a read-only memory map with torch; nothing here ever writes to it."""
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', message='The given NumPy array is not writable')
        return torch.from_numpy(np.asarray(features))
