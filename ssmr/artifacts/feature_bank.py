"""The feature bank of one view: one vector a work, rows aligned to the image table, memory-mapped."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ssmr.artifacts.fault_points import fault_point
from ssmr.artifacts.files import disk_space, read_json, write_json
from ssmr.artifacts.store import read_manifest
from ssmr.errors import ArtifactError

FEATURES, QUARANTINE, IDS, PROGRESS = 'features.npy', 'quarantine.json', 'ids.json', 'progress-{}.json'


@dataclass(frozen=True)
class FeatureBank:
    """Vectors of one view.

    Attributes:
        ids: The N ids, in the table's order.
        features: [N, D] float32, memory-mapped and read-only; rows of quarantined works are zero.
        quarantine: id -> why the image could not be read.
    """

    ids: tuple[str, ...]
    features: np.ndarray
    quarantine: dict[str, str]

    @property
    def dim(self) -> int:
        """D, the length of one vector."""
        return int(self.features.shape[1])

    @property
    def valid(self) -> np.ndarray:
        """[N] bool: rows whose image could be read."""
        return np.array([i not in self.quarantine for i in self.ids], dtype=bool)

    @classmethod
    def open(cls, folder: Path) -> FeatureBank:
        """Open a stored bank after checking every checksum.

        Raises:
            ArtifactError: The folder is incomplete or corrupt.
        """
        read_manifest(folder, (FEATURES, IDS, QUARANTINE))
        try:
            features = np.load(folder / FEATURES, mmap_mode='r', allow_pickle=False)
        except ValueError as error:
            raise ArtifactError(f'{folder / FEATURES} is not an array: {error}', f'remove {folder}') from error
        bank = cls(tuple(read_json(folder / IDS)), features, read_json(folder / QUARANTINE))
        if features.ndim != 2 or features.dtype != np.float32 or len(bank.ids) != len(features):
            raise ArtifactError(
                f'{folder} holds {features.dtype} {features.shape} for {len(bank.ids)} ids, not float32 [N, D]',
                f'remove {folder} and run the command again',
            )
        return bank


class FeatureBankWriter:
    """Writes a bank shard by shard; a rerun after a kill goes on at the first shard that is not on disk.

    The whole file is reserved at the start, so that a full disk is met before the first forward pass.

    Args:
        folder: Where to write; may hold an interrupted bank of the same inputs.
        ids: The N ids of the table.
        dim: D.
        shard_size: Rows a shard; the most that a kill can lose.
        writer: Number of this writer, where several processes write shards of their own; 0 must begin.

    Raises:
        ArtifactError: There is not enough space for [N, D] float32.
    """

    def __init__(self, folder: Path, ids: Sequence[str], dim: int, shard_size: int, writer: int = 0) -> None:
        self.folder, self.ids, self.dim, self.writer = folder, list(ids), dim, writer
        self._layout = {'rows': len(self.ids), 'dim': dim, 'shard_size': shard_size}
        self._done = self._previous()
        self._own = self._noted(self._notes) if self._done else {}
        self.shards = [range(s, min(s + shard_size, len(self.ids))) for s in range(0, len(self.ids), shard_size)]
        self._header = self._reserve()

    def _previous(self) -> dict[str, dict[str, str]]:
        """The shards on disk, by whatever writer."""
        done: dict[str, dict[str, str]] = {}
        if (self.folder / FEATURES).is_file():
            for path in self.folder.glob(PROGRESS.format('*')):
                done |= self._noted(path)
        return done

    def _noted(self, path: Path) -> dict[str, dict[str, str]]:
        """The shards that one writer has noted, unless it was for another layout."""
        progress: dict[str, Any] = read_json(path) if path.is_file() else {'layout': None, 'done': {}}
        return progress['done'] if progress['layout'] == self._layout else {}

    @property
    def _notes(self) -> Path:
        return self.folder / PROGRESS.format(self.writer)

    def _reserve(self) -> int:
        """Write the array's header, reserve its bytes and return the header's length."""
        path = self.folder / FEATURES
        if not self._done and self.writer == 0:
            with disk_space(path), open(path, 'wb') as file:
                header = {'descr': '<f4', 'fortran_order': False, 'shape': (len(self.ids), self.dim)}
                np.lib.format.write_array_header_1_0(file, header)
                start = file.tell()
                os.posix_fallocate(file.fileno(), 0, start + len(self.ids) * self.dim * 4)
        with open(path, 'rb') as file:
            np.lib.format.read_magic(file)
            np.lib.format.read_array_header_1_0(file)
            return file.tell()

    @property
    def pending(self) -> list[int]:
        """Indices of the shards still to be written."""
        return [i for i in range(len(self.shards)) if str(i) not in self._done]

    @property
    def quarantine(self) -> dict[str, str]:
        """id -> reason, over the shards written so far."""
        return {k: v for shard in self._done.values() for k, v in shard.items()}

    def write(self, shard: int, features: np.ndarray, quarantine: dict[str, str]) -> None:
        """Store one shard durably.

        Args:
            shard: Index into ``shards``.
            features: [len(shards[shard]), D] float32, finite.
            quarantine: id -> reason of the rows that could not be read; their vectors are zero.
        """
        rows = self.shards[shard]
        if features.shape != (len(rows), self.dim) or not np.isfinite(features).all():
            raise ArtifactError(
                f'shard {shard} has shape {features.shape} (expected {(len(rows), self.dim)}) or holds NaN or infinity',
                'check the weights and the preprocessing of this encoder',
            )
        path = self.folder / FEATURES
        with disk_space(path), open(path, 'r+b') as file:
            file.seek(self._header + rows.start * self.dim * 4)
            file.write(np.ascontiguousarray(features, dtype='<f4').tobytes())
            file.flush()
            os.fsync(file.fileno())
        fault_point('shard written')
        self._own[str(shard)] = self._done[str(shard)] = quarantine
        self._note(self._own)
        fault_point('progress noted')

    def _note(self, done: dict[str, dict[str, str]]) -> None:
        write_json(self._notes, {'layout': self._layout, 'done': done})

    def finish(self) -> None:
        """Write ids and quarantine; all shards must be there, whoever wrote them.

        The notes of all writers become one, which stays: a kill now costs nothing.
        """
        self._done = self._previous()
        if self.pending:
            raise ArtifactError(f'{len(self.pending)} shards of {self.folder} are not written', 'run the command again')
        self._note({str(i): self._done[str(i)] for i in range(len(self.shards))})
        for path in self.folder.glob(PROGRESS.format('*')):
            if path != self._notes:
                path.unlink()
        write_json(self.folder / IDS, self.ids)
        write_json(self.folder / QUARANTINE, self.quarantine)
