"""The checkpoints of a work folder: each is whole or absent, known by its checksum, and never the last to be deleted.

A new file is complete on disk before the ledger names it, and an old one is deleted after the ledger has forgotten it.
So a kill at any instant leaves a ledger whose files are all there; a file that the ledger does not name does not exist.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ssmr.artifacts.fault_points import fault_point
from ssmr.artifacts.files import atomic_write, read_json, sha256_file, write_json
from ssmr.errors import CheckpointError

LEDGER, LAST = 'checkpoints.json', 'last_checkpoint'
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """One checkpoint.

    Attributes:
        file: Its name in the work folder.
        sha256: Of its bytes.
        iteration: Steps of training behind it.
        best: Whether it is kept for its metric; training goes on from the others only.
    """

    file: str
    sha256: str
    iteration: int
    best: bool = False


class CheckpointFolder:
    """The checkpoints of one run, oldest first.

    Args:
        folder: The work folder.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)

    def entries(self) -> list[Entry]:
        """What the ledger names.

        Raises:
            CheckpointError: The ledger cannot be read.
        """
        path = self.folder / LEDGER
        if not path.is_file():
            return []
        try:
            return [Entry(**entry) for entry in read_json(path)]
        except TypeError as error:
            raise CheckpointError(
                f'{path} is damaged: {error}', 'remove it and name a checkpoint with --resume'
            ) from error

    def commit(
        self, file: str, content: Mapping[str, Any], iteration: int, *, best: bool = False, keep: int = -1
    ) -> Path:
        """Write a checkpoint, make it the last (or the best) one, then delete those that it makes superfluous.

        Args:
            file: Name; one that exists is replaced.
            content: Tensors and plain data.
            iteration: Steps of training behind it.
            best: Replaces the best one and is not gone on from.
            keep: How many others to keep, this one included; -1 for all.

        Raises:
            ArtifactError: The disk is full; everything is as it was.
        """
        path = self.folder / file
        data = io.BytesIO()  # torch's own writing to files does not say that a disk is full
        torch.save(content, data)
        others = [entry for entry in self.entries() if entry.file != file]
        if path.exists():  # a kill between file and ledger must not leave a name with the checksum of its predecessor
            self._write_ledger(others)
        with atomic_write(path, 'wb') as opened:
            opened.write(data.getbuffer())
            fault_point('checkpoint written')
        fault_point('checkpoint renamed')
        same = [entry for entry in others if entry.best == best]
        kept = [] if best else same[len(same) - keep + 1 :] if 0 < keep <= len(same) else same
        entries = [e for e in others if e.best != best or e in kept]
        self._write_ledger([*entries, Entry(file, sha256_file(path), iteration, best)])
        if not best:
            with atomic_write(self.folder / LAST) as opened:
                opened.write(str(path))
        fault_point('ledger written')
        self._delete_others()
        return path

    def _write_ledger(self, entries: list[Entry]) -> None:
        write_json(self.folder / LEDGER, [asdict(entry) for entry in entries])

    def _delete_others(self) -> None:
        """Delete files that have a checkpoint's name and are not in the ledger."""
        known = {entry.file for entry in self.entries()}
        for pattern in ('epoch_*.pth', 'iter_*.pth', 'best_*_*.pth', '.*.pth.*.tmp'):
            for path in self.folder.glob(pattern):
                if path.name not in known:
                    path.unlink(missing_ok=True)
                    fault_point('checkpoint deleted')

    def last(self) -> Path | None:
        """The newest checkpoint that training can go on from and whose checksum fits; None if there never was one.

        One that does not fit is passed over with a warning that names it and the one that is taken.

        Raises:
            CheckpointError: There are some, and all are damaged.
        """
        damaged: list[Path] = []
        candidates = [entry for entry in self.entries() if not entry.best]
        for entry in reversed(candidates):
            path = self.folder / entry.file
            if path.is_file() and sha256_file(path) == entry.sha256:
                for name in damaged:
                    logger.warning('%s is missing or damaged (its checksum differs); going on from %s', name, path)
                return path
            damaged.append(path)
        if damaged:
            raise CheckpointError(
                f'all checkpoints in {self.folder} are missing or damaged: {", ".join(p.name for p in damaged)}',
                'name another one with --resume PATH, or begin anew without --resume',
            )
        return None

    def require_intact(self, path: Path) -> None:
        """Refuse a checkpoint of this folder whose bytes are not those that were written.

        Raises:
            CheckpointError: Its checksum differs.
        """
        for entry in self.entries():
            if entry.file == path.name and sha256_file(path) != entry.sha256:
                raise CheckpointError(
                    f'{path} is damaged: its checksum differs from {LEDGER}', 'use another checkpoint of this folder'
                )
