"""The reference index: for every query the rows of its references, nearest first, with their similarities."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ssmr.artifacts.arrays import read_array, read_ids
from ssmr.artifacts.files import atomic_write, write_json
from ssmr.artifacts.reference_lists import ReferenceList
from ssmr.artifacts.store import read_manifest
from ssmr.errors import ArtifactError

ARRAYS = {'queries': np.int64, 'references': np.int64, 'similarities': np.float32}
IDS = 'ids.json'


@dataclass(frozen=True)
class ReferenceIndex:
    """References of Q queries; every row number is a position in the table of N ids.

    Attributes:
        ids: The N ids, in the table's order.
        queries: [Q] int64, ascending.
        references: [Q, K] int64, nearest first.
        similarities: [Q, K] float32, not increasing along a row; equal ones are ordered by id.
    """

    ids: tuple[str, ...]
    queries: np.ndarray
    references: np.ndarray
    similarities: np.ndarray

    @property
    def num_references(self) -> int:
        """K."""
        return int(self.references.shape[1])

    def of(self, rows: np.ndarray) -> np.ndarray:
        """The references [n, K] of rows [n], all of which must be queries."""
        found: np.ndarray = self.references[np.searchsorted(self.queries, rows)]
        return found

    def validate(self, pool: np.ndarray, groups: np.ndarray) -> ReferenceIndex:
        """Check every promise of the index and return it.

        Args:
            pool: [N] bool, the rows that may be references (readable works of the training split).
            groups: [N] integers; works of one group (a work and its duplicates) never refer to each other.

        Raises:
            ArtifactError: A promise is broken; names the first query concerned.
        """
        self.check()
        if len(pool) != len(self.ids) or len(groups) != len(self.ids):
            raise ArtifactError('the index and the table have different lengths', 'build the references again')
        self._refuse(~pool[self.references], 'a reference outside the training pool')
        same = groups[self.references] == groups[self.queries][:, None]
        self._refuse(same, 'itself or its own duplicate as a reference')
        return self

    def check(self) -> ReferenceIndex:
        """Check the promises that need no table (all but pool and groups) and return the index.

        Raises:
            ArtifactError: A promise is broken; names the first query concerned.
        """
        n, shape = len(self.ids), self.references.shape
        if len(shape) != 2 or self.queries.shape != shape[:1] or self.similarities.shape != shape:
            raise ArtifactError(
                f'queries {self.queries.shape}, references {shape} and similarities {self.similarities.shape} have '
                'different lengths',
                'build the references again',
            )
        self._refuse((self.references < 0) | (self.references >= n), 'a row that is not in the table')
        out_of_order = (np.diff(self.queries, prepend=-1) <= 0) | (self.queries >= n)
        self._refuse(out_of_order[:, None], 'a query out of order, listed twice or not in the table')
        self._refuse(np.diff(np.sort(self.references, axis=1), axis=1) == 0, 'the same reference twice')
        self._refuse(~np.isfinite(self.similarities), 'a similarity that is not a number')
        step = np.diff(self.similarities, axis=1)
        rank = id_ranks(self.ids)[self.references]
        self._refuse(step > 0, 'similarities that increase')
        self._refuse((step == 0) & (np.diff(rank, axis=1) < 0), 'equal similarities out of the order of the ids')
        return self

    def _refuse(self, broken: np.ndarray, what: str) -> None:
        bad = np.flatnonzero(broken.any(axis=1))
        if len(bad):
            row = self.queries[bad[0]]
            name = self.ids[row] if 0 <= row < len(self.ids) else f'row {row}'
            raise ArtifactError(
                f'the reference index breaks its promise for {len(bad)} queries, first {name}: it has {what}',
                'build the references again; if a retriever of your own made them, check its search()',
            )

    def to_lists(self) -> list[ReferenceList]:
        """The index as the (query, references) ids of the SSMR authors' text lists."""
        ids = np.array(self.ids, dtype=object)
        rows = zip(self.queries, self.references, strict=True)
        return [ReferenceList(self.ids[q], tuple(ids[r])) for q, r in rows]

    def save(self, folder: Path) -> None:
        """Write the arrays and the ids into ``folder``."""
        for name, dtype in ARRAYS.items():
            content = io.BytesIO()  # NumPy's own writing to files does not say that a disk is full
            np.save(content, np.ascontiguousarray(getattr(self, name), dtype=dtype), allow_pickle=False)
            with atomic_write(folder / f'{name}.npy', 'wb') as file:
                file.write(content.getbuffer())
        write_json(folder / IDS, list(self.ids))

    @classmethod
    def open(cls, folder: Path) -> ReferenceIndex:
        """Open a stored index after checking every checksum.

        Raises:
            ArtifactError: The folder is incomplete, corrupt or breaks a promise.
        """
        folder = Path(folder)
        read_manifest(folder, (*(f'{name}.npy' for name in ARRAYS), IDS))
        arrays = {name: read_array(folder / f'{name}.npy', dtype) for name, dtype in ARRAYS.items()}
        return cls(read_ids(folder / IDS), **arrays).check()

    def require_table(self, ids: Sequence[str]) -> None:
        """Refuse a table that is not the one the index was made for.

        Raises:
            ArtifactError: The ids or their order differ; names the first difference.
        """
        if tuple(ids) == self.ids:
            return
        pairs = enumerate(zip(self.ids, ids, strict=False))
        first = next(
            (f'row {i} is {a} in the index and {b} in the table' for i, (a, b) in pairs if a != b), 'one is longer'
        )
        raise ArtifactError(
            f'the index was made for another table ({len(self.ids)} ids, the table has {len(ids)}; {first})',
            'build the references for this table: tools/build_references.py CONFIG',
        )


def id_ranks(ids: Sequence[str]) -> np.ndarray:
    """[N] int64: the position of each id in the sorted order of ids, by which equal similarities are ordered."""
    ranks = np.empty(len(ids), dtype=np.int64)
    ranks[sorted(range(len(ids)), key=ids.__getitem__)] = np.arange(len(ids))
    return ranks
