"""The checkpoints of a work folder: each is whole or absent, known by its checksum, and never the last to be deleted.

A new file is complete on disk before the ledger names it, and an old one is deleted after the ledger has forgotten it.
So a kill at any instant leaves a ledger whose files are all there; a file that the ledger does not name does not exist.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ssmr.artifacts.fault_points import fault_point
from ssmr.artifacts.files import atomic_write, read_json, sha256_file, write_json
from ssmr.errors import ArtifactError, CheckpointError

LEDGER, LAST = 'checkpoints.json', 'last_checkpoint'
#: What names the trained model of a work folder, and the model: see :mod:`ssmr.stages.train`.
RECORD, BEST = 'trained.json', 'best.pth'
#: A checkpoint's name: in the folder itself, and not hidden.
NAME = re.compile(r'[^/\0\n.][^/\0\n]{0,240}\.pth')
#: The names that runs give, and what a kill in the middle of a write leaves. Others are somebody else's files.
OURS = re.compile(
    r'(epoch|iter)_\d+\.pth|best_.+_(epoch|iter)_\d+\.pth|\.(.+\.pth|checkpoints\.json|last_checkpoint)\..+\.tmp'
)
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
            CheckpointError: The ledger is no ledger, or names what cannot be a checkpoint of this folder.
        """
        path = self.folder / LEDGER
        if not path.is_file():
            return []
        try:
            return [_entry(item) for item in read_json(path)]
        except (ArtifactError, TypeError, ValueError) as error:
            reason = error.message if isinstance(error, ArtifactError) else error
            raise CheckpointError(
                f'{path} is damaged: {reason}',
                'move the checkpoints to another folder, remove it, and go on from one of them: --resume PATH',
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
        self.tidy()
        return path

    def _write_ledger(self, entries: list[Entry]) -> None:
        write_json(self.folder / LEDGER, [asdict(entry) for entry in entries])

    def tidy(self) -> None:
        """Delete files that have the name of a run's checkpoint and are not in the ledger."""
        known = {entry.file for entry in self.entries()}
        for path in self.folder.iterdir():
            if OURS.fullmatch(path.name) and path.name not in known:
                path.unlink(missing_ok=True)
                fault_point('checkpoint deleted')

    def forget(self) -> None:
        """Begin anew: a run does not go on from those of a former run, and deletes them when it has one of its own."""
        former = self.entries()
        if not former:
            return
        logger.warning(
            'the run begins anew; at its first checkpoint it deletes those of the former run: %s (to go on from them '
            'instead, stop it now, and use --resume PATH)',
            ', '.join(str(self.folder / entry.file) for entry in former),
        )
        (self.folder / LAST).unlink(missing_ok=True)
        self._write_ledger([])

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
            if _has_checksum(path, entry.sha256):
                for name in damaged:
                    logger.warning('%s is missing or damaged (its checksum differs); going on from %s', name, path)
                return path
            damaged.append(path)
        if damaged:
            raise CheckpointError(
                f'all checkpoints in {self.folder} are missing or damaged: {", ".join(p.name for p in damaged[:8])}',
                'name another one with --resume PATH, or begin anew without --resume',
            )
        return None

    def holds(self, file: str) -> bool:
        """Whether there is a checkpoint of this name, and it is intact."""
        return any(e.file == file and _has_checksum(self.folder / file, e.sha256) for e in self.entries())

    def require_intact(self, path: Path) -> None:
        """Refuse a checkpoint of this folder whose bytes are not those that were written.

        Raises:
            CheckpointError: Its checksum differs.
        """
        known = {LEDGER: [entry.sha256 for entry in self.entries() if entry.file == path.name]}
        record = self.record() if path.name == BEST else None
        known[RECORD] = [record['sha256']] if record else []
        for where, checksums in known.items():
            if checksums and path.is_file() and not any(_has_checksum(path, checksum) for checksum in checksums):
                raise CheckpointError(
                    f'{path} is damaged: its checksum differs from {where}', 'use another checkpoint of this folder'
                )

    def record(self) -> dict[str, Any] | None:
        """What the trained model of this folder was made from: ``inputs``, ``fingerprint``, ``checkpoint``, ``sha256``.

        Returns:
            None where nothing has been trained to its end.

        Raises:
            CheckpointError: The record is no record.
        """
        path = self.folder / RECORD
        if not path.is_file():
            return None
        fix = 'remove it; training goes on with --resume, or begins anew'
        try:
            found = read_json(path)
        except ArtifactError as error:
            raise CheckpointError(error.message, fix) from error
        texts = ('fingerprint', 'checkpoint', 'sha256')
        if (
            not isinstance(found, dict)
            or not isinstance(found.get('inputs'), dict)
            or not all(isinstance(found.get(name), str) for name in texts)
            or found['checkpoint'] != BEST
        ):
            raise CheckpointError(f'{path} does not say what the model was trained with', fix)
        return found


def _entry(item: dict[str, Any]) -> Entry:
    """An entry of the ledger, which may hold anything.

    Raises:
        TypeError: It has other fields.
        ValueError: It names no checkpoint of the folder, or a field is of another kind.
    """
    entry = Entry(**item)
    kinds = [type(value) for value in asdict(entry).values()]
    if kinds != [str, str, int, bool] or not NAME.fullmatch(entry.file):
        raise ValueError(f'{str(item)[:100]} is no checkpoint of this folder')
    return entry


def _has_checksum(path: Path, sha256: str) -> bool:
    try:
        return sha256_file(path) == sha256
    except OSError:  # it is missing, or the disk cannot read it
        return False
