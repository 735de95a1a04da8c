"""Artifacts that all ranks of a run build together; with one process simply the store's own way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ssmr.artifacts.store import ArtifactKey, ArtifactStore
from ssmr.engine import ranks

Build = Callable[[Path], Mapping[str, Any]]


def get_or_build(store: ArtifactStore, key: ArtifactKey, build: Build) -> Path:
    """Return an artifact's folder, building it first where it is missing; every rank must call this.

    Rank 0 holds the lock and commits. ``build`` runs on every rank, with the same folder; it must itself see to it that
    all ranks have done their part before rank 0 returns from it (:func:`ssmr.engine.ranks.together`).

    Raises:
        SsmrError: On all ranks, where one of them failed.
    """
    if ranks.from_first(store.has(key)):
        return store.path(key)
    ranks.together(lambda: _lead(store, key, build) if ranks.is_first() else _follow(build))
    return store.path(key)


def _lead(store: ArtifactStore, key: ArtifactKey, build: Build) -> None:
    told = False

    def everybody(partial: Path) -> Mapping[str, Any]:
        nonlocal told
        told = True
        ranks.from_first(str(partial))
        return build(partial)

    try:
        store.get_or_build(key, everybody)
    finally:
        if not told:  # another job has made it meanwhile, or it cannot even be begun
            ranks.from_first(None)


def _follow(build: Build) -> None:
    partial = ranks.from_first(None)
    if partial is not None:
        build(Path(partial))
