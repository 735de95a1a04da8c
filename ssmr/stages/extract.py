"""Stage 1: the feature bank of a view: what an earlier bank has is copied, the rest encoded, shard by shard."""

from __future__ import annotations

import csv
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ssmr.artifacts.feature_bank import CONTENT, FeatureBank, FeatureBankWriter
from ssmr.artifacts.files import atomic_write
from ssmr.backbones.encoder import Encoder, build_encoder
from ssmr.engine import ranks
from ssmr.errors import ArtifactError, DataError
from ssmr.progress import progress
from ssmr.stages.encoding import Work, encode
from ssmr.stages.project import Project, plain
from ssmr.stages.reuse import Known, known_vectors
from ssmr.stages.shared_build import get_or_build


def feature_bank(project: Project, view: str) -> FeatureBank:
    """Return the bank of a view, extracting what is missing of it.

    Raises:
        DataError: More images than ``extraction.max_bad_fraction`` cannot be read; they are listed in quarantine.csv.
        WeightsError: The encoder's weights are missing or do not fit.
        ArtifactError: The disk is full, or the stored bank is corrupt.
    """
    key = ranks.everywhere(lambda: project.bank_key(view))  # it reads the weights
    folder = get_or_build(project.store, key, lambda folder: _extract(project, view, folder))
    return ranks.everywhere(lambda: _open(project, folder))


def _open(project: Project, folder: Path) -> FeatureBank:
    bank = FeatureBank.open(folder)
    if bank.ids != tuple(project.table.ids):
        raise ArtifactError(f'the ids of {folder} are not those of the table', f'remove {folder} and run it again')
    if bank.quarantine:
        _write_quarantine(project, bank.quarantine)
    return bank


def _extract(project: Project, view: str, folder: Path) -> dict[str, Any]:
    settings = project.cfg.get('extraction', {})
    device = settings.get('device') or ('cuda' if torch.cuda.is_available() else 'cpu')
    encoder = ranks.everywhere(lambda: _encoder(project, view, device))
    layout = (folder, project.table.ids, encoder.dim, settings.get('shard_size', 1024))
    writer = ranks.first_then_others(lambda: FeatureBankWriter(*layout, ranks.rank(), encoder.steps))
    return fill_bank(project, view, encoder, device, writer)


def fill_bank(project: Project, view: str, encoder: Encoder, device: str, writer: FeatureBankWriter) -> dict[str, Any]:
    """Write what is missing of a bank that has been begun; all ranks call this.

    Args:
        project: The project.
        view: Of the config.
        encoder: Of the view, on ``device``.
        device: As torch names it.
        writer: Of this rank.

    Returns:
        Facts for the manifest.

    Raises:
        DataError, ArtifactError: See :func:`feature_bank`.
    """
    known = known_vectors(project, project.bank_key(view), encoder.dim)
    settings = project.cfg.get('extraction', {})

    def encoded(rows: list[int]) -> Generator[Work, None, None]:
        size, workers = settings.get('batch_size', 32), settings.get('num_workers')
        return encode(encoder, project.table, rows, device, size, workers)

    bad = _write_shards(project, f'features of {view}', writer, known, encoded)
    if ranks.is_first():
        writer.finish()
    return {'dim': encoder.dim, 'quarantined': len(bad), 'reused': known.count}


def _encoder(project: Project, view: str, device: str) -> Encoder:
    """The encoder of a view where it is to run; that it gives vectors at all is tried, too."""
    encoder = build_encoder(view, plain(project.cfg.encoders[view])).to(device)
    encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # faster; torch's stubs lack it
    _ = encoder.dim
    return encoder


def _write_shards(
    project: Project,
    title: str,
    writer: FeatureBankWriter,
    known: Known,
    encoded: Callable[[list[int]], Generator[Work, None, None]],
) -> dict[str, str]:
    """Write what is missing of the bank; id -> reason of all images that cannot be read.

    Each rank takes a shard, then they wait for one another: so an error of one, or too many bad images among those of
    all, stops everybody within a shard.
    """
    pending, bad = ranks.from_first((writer.pending, writer.quarantine))
    _check_limit(project, bad)
    shards = writer.shards
    own = pending[ranks.rank() :: ranks.count()]
    missing = [row for shard in own for row in shards[shard] if known.rows[row] < 0]
    total = sum(len(shards[i]) for i in pending)
    with progress(title, total, shown=ranks.is_first()) as advance, closing(encoded(missing)) as works:
        for start in range(0, len(pending), ranks.count()):
            taken = pending[start : start + ranks.count()]
            mine = taken[ranks.rank()] if ranks.rank() < len(taken) else None
            limit = _limit(project) - len(bad)
            work = partial(_write_shard, project, writer, mine, known, _counted(works, advance), limit)
            for found in ranks.together(work):
                bad |= found
            _check_limit(project, bad)
            for other in set(taken) - {mine}:
                advance(len(shards[other]))
            if mine is not None:
                advance(int((known.rows[shards[mine]] >= 0).sum()))
    return bad


def _write_shard(
    project: Project, writer: FeatureBankWriter, shard: int | None, known: Known, works: Iterator[Work], limit: float
) -> dict[str, str]:
    """Store a shard, unless more than ``limit`` of its images are bad; id -> reason of those."""
    bad: dict[str, str] = {}
    if shard is None:
        return bad
    rows = writer.shards[shard]
    sources = known.rows[rows]
    features, contents = np.zeros((len(rows), writer.dim), np.float32), np.zeros((len(rows), CONTENT), np.uint8)
    there = sources >= 0
    features[there], contents[there] = known.features[sources[there]], known.contents[sources[there]]
    for place in np.flatnonzero(~there):
        work = next(works)
        features[place], contents[place] = work.vector, work.content
        if work.reason:
            bad[project.table.ids[work.row]] = work.reason
        if len(bad) > limit:
            return bad
    writer.write(shard, features, bad, contents)
    return bad


def _counted(works: Iterator[Work], advance: Callable[[int], None]) -> Iterator[Work]:
    for work in works:
        advance(1)
        yield work


def _limit(project: Project) -> float:
    limit: float = project.cfg.get('extraction', {}).get('max_bad_fraction', 0.01) * len(project.table)
    return limit


def _check_limit(project: Project, bad: dict[str, str]) -> None:
    if len(bad) <= _limit(project):
        return
    path = _write_quarantine(project, bad)
    first, limit = '; '.join(list(bad.values())[:3]), _limit(project)
    raise DataError(
        f'{len(bad)} images of {project.table.name} cannot be read, more than the {limit:g} tolerated: {first}',
        f'repair those listed in {path}, or raise extraction.max_bad_fraction',
    )


def _write_quarantine(project: Project, bad: dict[str, str]) -> Path:
    """List the images that cannot be read in the work folder; the first rank writes."""
    path = project.work_dir / 'quarantine.csv'
    if ranks.is_first():
        with atomic_write(path) as file:
            csv.writer(file).writerows([('image', 'reason'), *sorted(bad.items())])
    return path
