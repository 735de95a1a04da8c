"""Reference graphs: a batch is a list of row numbers until it is gathered where the model runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from ssmr.artifacts.reference_index import ReferenceIndex
from ssmr.errors import DataError, ImageError


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
        distributions: [B, bins] shares of the votes of the queries, where the data set has them.
        images: [B, m, 3, S, S] pictures of the queries (m = 1), or of queries and references (m = 1 + K), for models
            that read them.
    """

    nodes: Tensor
    similarities: Tensor
    reference_scores: Tensor
    scores: Tensor
    rows: Tensor
    mask: Tensor | None = None
    distributions: Tensor | None = None
    images: Tensor | None = None

    def require_images(self) -> Tensor:
        """Return ``images``.

        Raises:
            DataError: There are none.
        """
        if self.images is None:
            raise DataError('the model reads pictures, and its batch holds none', 'load it with an ImageDataset')
        return self.images


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

    Banks, index and labels are buffers: they move with the model, stay memory-mapped on a CPU, and are left out of
    checkpoints.

    Args:
        features: [N, D_v] float32 of each node view; a node is their concatenation, [sum of D_v].
        index: The references; queries that it lacks cannot be gathered.
        scores: [N] labels.
        num_references: K, the nearest ones that enter the graph.
        min_similarity: References less similar than this are masked; a graph may be left with the query alone.
        training: [n] rows by whose means and standard deviations node features are standardised; None leaves them.
        distributions: [N, bins] shares of the votes.
    """

    position: Tensor
    references: Tensor
    similarities: Tensor
    scores: Tensor
    distributions: Tensor | None

    def __init__(
        self,
        features: Sequence[np.ndarray],
        index: ReferenceIndex,
        scores: np.ndarray,
        num_references: int,
        min_similarity: float | None = None,
        training: np.ndarray | None = None,
        distributions: np.ndarray | None = None,
    ) -> None:
        super().__init__()
        position = np.full(len(index.ids), len(index.queries), dtype=np.int64)  # beyond the end: an IndexError
        position[index.queries] = np.arange(len(index.queries))
        k = num_references
        self.min_similarity, self.num_views = min_similarity, len(features)
        for i, bank in enumerate(features):
            self._keep(f'features_{i}', _readable(bank))
        self._keep('position', torch.from_numpy(position))
        self._keep('references', torch.from_numpy(np.ascontiguousarray(index.references[:, :k], dtype=np.int64)))
        self._keep('similarities', torch.from_numpy(np.ascontiguousarray(index.similarities[:, :k])))
        self._keep('scores', torch.from_numpy(scores.astype(np.float32)))
        self._keep('distributions', None if distributions is None else torch.from_numpy(distributions).float())
        self._fit_scale(features, training)

    def _keep(self, name: str, tensor: Tensor | None) -> None:
        self.register_buffer(name, tensor, persistent=False)

    def _fit_scale(self, features: Sequence[np.ndarray], training: np.ndarray | None) -> None:
        self.standardise = training is not None
        if training is None:
            return
        from sklearn.preprocessing import StandardScaler  # slow to import

        scalers = [StandardScaler().fit(np.asarray(bank[training], dtype=np.float64)) for bank in features]
        self._keep('mean', torch.from_numpy(np.concatenate([s.mean_ for s in scalers])).float())
        self._keep('scale', torch.from_numpy(np.concatenate([s.scale_ for s in scalers])).float())

    def nodes(self, rows: Tensor) -> Tensor:
        """Rows of any shape [...] to node features [..., D]."""
        # whole rows are copied; indexing would compute the place of every single number
        views = [functional.embedding(rows, self.get_buffer(f'features_{i}')) for i in range(self.num_views)]
        return self.scaled(views[0] if self.num_views == 1 else torch.cat(views, dim=-1))

    def scaled(self, vectors: Tensor) -> Tensor:
        """Vectors [..., D] of all node views side by side to node features [..., D]."""
        return (vectors - self.get_buffer('mean')) / self.get_buffer('scale') if self.standardise else vectors

    def new_works(
        self, vectors: Tensor, references: Tensor, similarities: Tensor, images: Tensor | None = None
    ) -> ReferenceGraph:
        """The graphs of works that are in no table; their labels are NaN and their rows -1.

        Args:
            vectors: [B, D] of the works, all node views side by side.
            references: [B, >= K] rows of the table, the nearest first.
            similarities: [B, >= K] of the works with their references.
            images: See :class:`ReferenceGraph`.
        """
        references, similarities = (t[:, : self.references.shape[1]] for t in (references, similarities))
        nodes = torch.cat([self.scaled(vectors)[:, None], self.nodes(references)], dim=1)
        unknown = torch.full((len(vectors),), torch.nan, device=vectors.device)
        rows = torch.full((len(vectors),), -1, device=vectors.device)
        labels, mask = self.scores[references], self._mask(similarities)
        return ReferenceGraph(nodes, similarities, labels, unknown, rows, mask, images=images)

    def _mask(self, similarities: Tensor) -> Tensor | None:
        """[B, 1 + K] of similarities [B, K]: the work itself, and the references that are similar enough."""
        if self.min_similarity is None:
            return None
        return functional.pad(similarities >= self.min_similarity, (1, 0), value=True)

    def forward(
        self, data: Tensor | Sequence[Tensor] | ImageError, training: bool = False
    ) -> dict[str, ReferenceGraph]:
        """Make the keyword of the assessor's forward, ``{'graph': ReferenceGraph}``.

        Args:
            data: Rows [B], or a batch of :func:`ssmr.datasets.image_batches.collate_images`.
            training: Part of mmengine's interface; nothing depends on it.

        Raises:
            ImageError: A picture of the batch cannot be read any more.
        """
        if isinstance(data, ImageError):
            raise data
        rows, images = (data, None) if isinstance(data, Tensor) else data
        rows = rows.to(self.scores.device)
        position = self.position[rows]
        references, similarities = self.references[position], self.similarities[position]  # [B, K]
        graph = ReferenceGraph(
            nodes=self.nodes(torch.cat([rows[:, None], references], dim=1)),
            similarities=similarities,
            reference_scores=self.scores[references],
            scores=self.scores[rows],
            rows=rows,
            mask=self._mask(similarities),
            distributions=None if self.distributions is None else self.distributions[rows],
            images=None if images is None else images.to(self.scores.device, non_blocking=True),
        )
        return {'graph': graph}


def _readable(features: np.ndarray) -> Tensor:
    """Share a read-only memory map with torch; nothing here ever writes to it."""
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', message='The given NumPy array is not writable')
        return torch.from_numpy(np.asarray(features))
