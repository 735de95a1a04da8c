"""The released code's way to load graphs: a file of features for every work, data frames scanned for every sample."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import Dataset


def write_features(folder: Path, names: Sequence[str], features: np.ndarray) -> None:
    """Pickle each of the vectors [n, D] into a file of its own."""
    for name, vector in zip(names, features, strict=True):
        with open(folder / f'{name}.pkl', 'wb') as file:
            pickle.dump(vector, file)


class ReleasedDataset(Dataset[tuple[Tensor, Tensor]]):
    """Graphs of queries: nodes [1 + K, D] float32, the query first, and the label [].

    Args:
        queries: Names of the queries.
        labels: Columns ``image, score``, a row for every work.
        references: Columns ``query, references``: the names of all references, nearest first, with spaces between.
        num_references: K, how many of them are used.
        folder: What :func:`write_features` wrote; nothing else is ever unpickled.
    """

    def __init__(
        self,
        queries: Sequence[str],
        labels: pd.DataFrame,
        references: pd.DataFrame,
        num_references: int,
        folder: Path,
    ) -> None:
        self.queries, self.labels, self.references = list(queries), labels, references
        self.num_references, self.folder = num_references, folder

    def __len__(self) -> int:
        return len(self.queries)

    def __getitem__(self, item: int) -> tuple[Tensor, Tensor]:
        query = self.queries[item]
        score = self.labels.loc[self.labels['image'] == query, 'score'].item()
        references = self.references.loc[self.references['query'] == query, 'references'].item().split()
        nodes = [self._vector(name) for name in (query, *references[: self.num_references])]
        return torch.from_numpy(np.stack(nodes)), torch.tensor(score, dtype=torch.float32)

    def _vector(self, name: str) -> np.ndarray:
        with open(self.folder / f'{name}.pkl', 'rb') as file:
            vector: np.ndarray = pickle.load(file)
        return vector
