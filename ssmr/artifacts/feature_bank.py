"""The feature bank of one view: one vector a work, rows aligned to the image table, memory-mapped."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ssmr.artifacts.arrays import read_array, read_ids
from ssmr.artifacts.fault_points import fault_point
from ssmr.artifacts.files import atomic_write, read_json, write_json
from ssmr.artifacts.row_file import RowFile
from ssmr.artifacts.store import read_manifest
from ssmr.errors import ArtifactError

FEATURES, QUARANTINE, IDS, PROGRESS = 'features.npy', 'quarantine.json', 'ids.json', 'progress-{}.json'
#: [N, 32] uint8, the SHA-256 of every image file; zeros where it is not known. Banks of former times have none.
CONTENTS, CONTENT = 'contents.npy', 32
#: [D] float32, in banks that hold int8: the step of each number.
STEPS = 'steps.npy'
#: What is noted of one shard: ``sha256`` of its bytes (vectors, then contents), and its ``quarantine``, id -> reason.
Note = dict[str, Any]


@dataclass(frozen=True)
class FeatureBank:
    """Vectors of one view.

    Attributes:
        ids: The N ids, in the table's order.
        features: [N, D] float32, memory-mapped and read-only, or in memory where the bank holds a byte a number; rows
            of quarantined works are zero.
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
        features = read_features(folder)
        bank = cls(read_ids(folder / IDS), features, read_json(folder / QUARANTINE))
        fix = f'remove {folder} and run the command again'
        if features.ndim != 2 or len(bank.ids) != len(features):
            raise ArtifactError(f'{folder} holds vectors {features.shape} for {len(bank.ids)} ids, not [N, D]', fix)
        if features.size and not np.isfinite([features.min(), features.max()]).all():
            raise ArtifactError(f'{folder / FEATURES} holds NaN or infinity', fix)
        if not _is_quarantine(bank.quarantine, bank.ids):
            raise ArtifactError(f'{folder / QUARANTINE} does not say which works could not be read, and why', fix)
        return bank


def read_features(folder: Path) -> np.ndarray:
    """The vectors [N, D] float32 of a bank, whatever they are stored as.

    Raises:
        ArtifactError: They cannot be read.
    """
    if not (folder / STEPS).is_file():
        return read_array(folder / FEATURES, np.float32, mapped=True)
    steps, multiples = read_array(folder / STEPS, np.float32), read_array(folder / FEATURES, np.int8, mapped=True)
    if steps.shape != multiples.shape[1:]:
        raise ArtifactError(
            f'{folder / STEPS} has the shape {steps.shape}, for vectors {multiples.shape}',
            f'remove {folder} and run the command again',
        )
    return multiples * steps


class FeatureBankWriter:
    """Writes a bank shard by shard; a rerun after a kill goes on at the first shard that is not on disk.

    The whole bank is reserved at the start, so that a full disk is met before the first forward pass.

    Args:
        folder: Where to write; may hold an interrupted bank of the same inputs.
        ids: The N ids of the table.
        dim: D.
        shard_size: Rows a shard; the most that a kill can lose.
        writer: Number of this writer, where several processes write shards of their own; 0 must begin.
        steps: [D] float32 where each number is one of its step's multiples by -127 to 127; these are then stored, in a
            byte each.

    Raises:
        ArtifactError: There is not enough space for all vectors.
    """

    def __init__(
        self,
        folder: Path,
        ids: Sequence[str],
        dim: int,
        shard_size: int,
        writer: int = 0,
        steps: np.ndarray | None = None,
    ) -> None:
        self.folder, self.ids, self.dim, self.writer, self.steps = folder, list(ids), dim, writer, steps
        self._layout = {'rows': len(self.ids), 'dim': dim, 'shard_size': shard_size}
        self.shards = [range(s, min(s + shard_size, len(self.ids))) for s in range(0, len(self.ids), shard_size)]
        self._features = RowFile(folder / FEATURES, len(self.ids), dim, '<f4' if steps is None else '|i1')
        self._contents = RowFile(folder / CONTENTS, len(self.ids), CONTENT, '|u1')
        self._done = self._previous()
        if not self._done and writer == 0:
            self._reserve()
        noted = self._noted(self._notes)
        self._own = {shard: note for shard, note in self._done.items() if noted.get(shard) == note}

    def _previous(self) -> dict[str, Note]:
        """The shards on disk, by whatever writer, as far as they are what was noted."""
        if not self._features.is_reserved() or not self._contents.is_reserved():
            return {}
        noted: dict[str, Note] = {}
        for notes in sorted(self.folder.glob(PROGRESS.format('*'))):
            noted |= self._noted(notes)
        return {i: note for i, note in noted.items() if self._checksum(self.shards[int(i)]) == note['sha256']}

    def _checksum(self, rows: range) -> str:
        return _sha256(self._features.read(rows), self._contents.read(rows))

    def _noted(self, path: Path) -> dict[str, Note]:
        """The shards that one writer has noted, unless it was for another layout or is no such note."""
        try:
            notes = read_json(path) if path.is_file() else {}
        except ArtifactError:  # what is damaged proves nothing: its shards are computed again
            return {}
        if not isinstance(notes, dict) or notes.get('layout') != self._layout:
            return {}
        done: Any = notes.get('done')
        return {str(i): done[str(i)] for i in range(len(self.shards)) if self._is_note(done, i)}

    def _is_note(self, done: Any, shard: int) -> bool:
        note, rows = done.get(str(shard)) if isinstance(done, dict) else None, self.shards[shard]
        return (
            isinstance(note, dict)
            and note.keys() == {'sha256', 'quarantine'}
            and _is_quarantine(note['quarantine'], self.ids[rows.start : rows.stop])
        )

    @property
    def _notes(self) -> Path:
        return self.folder / PROGRESS.format(self.writer)

    def _reserve(self) -> None:
        """Of a kill in between, nothing is believed: the features come last."""
        self._contents.reserve()
        self._features.reserve()
        fault_point('features reserved')

    @property
    def pending(self) -> list[int]:
        """Indices of the shards still to be written."""
        return [i for i in range(len(self.shards)) if str(i) not in self._done]

    @property
    def quarantine(self) -> dict[str, str]:
        """id -> reason, over the shards written so far."""
        return {k: v for note in self._done.values() for k, v in note['quarantine'].items()}

    def write(
        self, shard: int, features: np.ndarray, quarantine: dict[str, str], contents: np.ndarray | None = None
    ) -> None:
        """Store one shard durably.

        Args:
            shard: Index into ``shards``.
            features: [len(shards[shard]), D] float32, finite.
            quarantine: id -> reason of the rows that could not be read; their vectors are zero.
            contents: [len(shards[shard]), 32] uint8, SHA-256 of the image files; zeros where it is not known.
        """
        rows = self.shards[shard]
        if features.shape != (len(rows), self.dim) or not np.isfinite(features).all():
            raise ArtifactError(
                f'shard {shard} has shape {features.shape} (expected {(len(rows), self.dim)}) or holds NaN or infinity',
                'check the weights and the preprocessing of this encoder',
            )
        data = self._features.write(rows.start, features if self.steps is None else self._multiples(features))
        known = self._contents.write(rows.start, np.zeros((len(rows), CONTENT)) if contents is None else contents)
        fault_point('shard written')
        note: Note = {'sha256': _sha256(data, known), 'quarantine': quarantine}
        self._own[str(shard)] = self._done[str(shard)] = note
        self._note(self._own)
        fault_point('progress noted')

    def _multiples(self, features: np.ndarray) -> np.ndarray:
        multiples = np.rint(features / self.steps).astype(np.int8)
        if not (multiples * self.steps == features).all():
            raise ArtifactError('vectors are not multiples of the steps of their encoder', 'mend its forward or steps')
        return multiples

    def _note(self, done: dict[str, Note]) -> None:
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
                fault_point('notes of another writer deleted')
        if self.steps is not None:
            with atomic_write(self.folder / STEPS, 'wb') as file:
                np.save(file, self.steps)
        write_json(self.folder / IDS, self.ids)
        write_json(self.folder / QUARANTINE, self.quarantine)


def _sha256(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _is_quarantine(value: object, ids: Sequence[str]) -> bool:
    """Whether it maps some of ``ids`` to reasons."""
    if not isinstance(value, dict):
        return False
    return value.keys() <= set(ids) and all(isinstance(reason, str) for reason in value.values())
