"""The store: one folder per artifact, named by the fingerprint of everything that went into it.

A folder without ``manifest.json`` does not exist. It is built under ``<name>.partial``, gets its manifest last and is
then renamed, so that a kill at any instant leaves either the whole artifact or a partial one that the next run
continues.
"""

from __future__ import annotations

import datetime
import glob
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from ssmr.artifacts.fault_points import fault_point
from ssmr.artifacts.files import disk_space, fsync_directory, fsync_file, read_json, sha256_file, write_json
from ssmr.config.fingerprint import changed_fields, fingerprint
from ssmr.errors import ArtifactError, SsmrError

MANIFEST = 'manifest.json'


@dataclass(frozen=True)
class ArtifactKey:
    """What an artifact is (kind, name) and everything it depends on (inputs: plain JSON values)."""

    kind: str
    name: str
    inputs: Mapping[str, Any]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the inputs."""
        return fingerprint(self.inputs)

    @property
    def folder(self) -> str:
        """The folder's name; 16 digits tell artifacts apart, the manifest holds all 64."""
        return f'{self.name}-{self.fingerprint[:16]}'


class ArtifactStore:
    """A folder of artifacts, shared by every config, run and process that points to it.

    Args:
        root: The folder; created at the first write.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def path(self, key: ArtifactKey) -> Path:
        """Where the artifact lies, or would lie."""
        return self.root / key.kind / key.folder

    def has(self, key: ArtifactKey) -> bool:
        """Whether a complete artifact of these inputs exists.

        Raises:
            ArtifactError: In its place lies another one, which somebody has moved or changed.
        """
        path = self.path(key) / MANIFEST
        if not path.is_file():
            return False
        manifest = read_json(path)
        if not isinstance(manifest, dict) or manifest.get('fingerprint') != key.fingerprint:
            raise ArtifactError(
                f'{path.parent} holds another artifact than its name says',
                f'remove {path.parent} and run the command again: it will be rebuilt',
            )
        return True

    def get_or_build(self, key: ArtifactKey, build: Callable[[Path], Mapping[str, Any]]) -> Path:
        """Return the artifact's folder, building it first where it is missing.

        Args:
            key: The artifact.
            build: Writes the files into the folder it is given, which may hold what an interrupted build
                left there, and returns facts for the manifest.

        Raises:
            ArtifactError: The disk is full, or what the build left cannot be stored.
        """
        final = self.path(key)
        if self.has(key):
            return final
        with disk_space(final):
            final.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(f'{final}.lock').acquire()  # a second process waits here, then finds the artifact made
        with lock:
            if not self.has(key):
                _build(final, key, build)
        return final

    def stale_fields(self, key: ArtifactKey) -> list[str]:
        """Say why ``key`` is a miss: the inputs in which it differs from the most similar artifact of its name.

        Returns:
            Dotted field names; empty where there is no artifact of this kind and name at all.
        """
        paths = self.root.glob(f'{key.kind}/{glob.escape(key.name)}-*/{MANIFEST}')
        manifests = [m for m in map(read_json, paths) if isinstance(m, dict) and m.get('name') == key.name]
        return min((changed_fields(m.get('inputs', {}), key.inputs) for m in manifests), key=len, default=[])


def _build(final: Path, key: ArtifactKey, build: Callable[[Path], Mapping[str, Any]]) -> None:
    partial = final.with_name(final.name + '.partial')
    try:
        with disk_space(final):
            partial.mkdir(exist_ok=True)
            fault_point('partial folder made')
            _commit(partial, final, key, build(partial))
    except SsmrError:  # bad input or a full disk: going on later would not help, so nothing is left behind
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _commit(partial: Path, final: Path, key: ArtifactKey, facts: Mapping[str, Any]) -> None:
    files = {}
    for path in sorted(partial.iterdir()):
        if path.name.startswith('.') or path.name == MANIFEST:  # what a kill in the middle of a write left
            path.unlink()
            continue
        fsync_file(path)
        files[path.name] = {'bytes': path.stat().st_size, 'sha256': sha256_file(path)}
    manifest = {
        'kind': key.kind,
        'name': key.name,
        'fingerprint': key.fingerprint,
        'inputs': key.inputs,
        'facts': facts,
        'files': files,
        'created': datetime.datetime.now(datetime.timezone.utc).isoformat(timespec='seconds'),
    }
    fault_point('artifact complete but for its manifest')
    write_json(partial / MANIFEST, manifest)
    fault_point('manifest written')
    if final.is_dir():  # it has no manifest, so it does not exist; but a rename does not replace a folder with files
        shutil.rmtree(final)
        fault_point('folder without a manifest removed')
    os.replace(partial, final)
    fault_point('artifact renamed')
    fsync_directory(final.parent)


def read_manifest(folder: Path, needed: Iterable[str] = ()) -> dict[str, Any]:
    """Read and check an artifact's manifest: every file it lists must be there, unchanged.

    Args:
        folder: The artifact.
        needed: Files that the caller is going to read; the manifest must vouch for each.

    Raises:
        ArtifactError: There is no manifest, a file is missing, or its size or checksum differs.
    """
    fix = f'remove {folder} and run the command again: it will be rebuilt'
    if not (folder / MANIFEST).is_file():
        raise ArtifactError(f'{folder} is not a complete artifact: it has no {MANIFEST}', fix)
    manifest = read_json(folder / MANIFEST)
    try:
        unchanged = fingerprint(manifest['inputs']) == manifest['fingerprint'] and isinstance(manifest['facts'], dict)
        files = {name: (entry['bytes'], entry['sha256']) for name, entry in manifest['files'].items()}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ArtifactError(f'{folder / MANIFEST} lacks fields that every manifest has ({error})', fix) from error
    if not unchanged:
        raise ArtifactError(f'{folder / MANIFEST} was changed: its inputs do not give its fingerprint', fix)
    for name in needed:
        if name not in files:
            raise ArtifactError(f'{folder} is corrupt or another kind of artifact: its manifest has no {name}', fix)
    for name, (size, checksum) in files.items():
        path = folder / name
        if os.path.basename(name) != name or not path.is_file():
            raise ArtifactError(f'{folder} is corrupt: {name} is missing', fix)
        if path.stat().st_size != size or sha256_file(path) != checksum:
            raise ArtifactError(f'{folder} is corrupt: the checksum of {name} differs from the manifest', fix)
    return dict(manifest)
