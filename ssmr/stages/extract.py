"""Stage 1: the feature bank of a view. Workers decode, the main process encodes, a shard at a time goes to disk."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ssmr.artifacts.feature_bank import FeatureBank, FeatureBankWriter
from ssmr.artifacts.files import atomic_write
from ssmr.backbones.encoder import Encoder, build_encoder
from ssmr.backbones.preprocess import Preprocess
from ssmr.datasets.image_table import ImageTable
from ssmr.datasets.images import load_image
from ssmr.engine import ranks
from ssmr.errors import ArtifactError, DataError, ImageError
from ssmr.progress import progress
from ssmr.stages.project import Project, plain
from ssmr.stages.shared_build import get_or_build

Item = tuple[int, np.ndarray | None, str]
Batch = tuple[list[int], Tensor, dict[str, str]]


def feature_bank(project: Project, view: str) -> FeatureBank:
    """Return the bank of a view, extracting what is missing of it.

    Raises:
        DataError: More images than ``extraction.max_bad_fraction`` cannot be read; they are listed in quarantine.csv.
        WeightsError: The encoder's weights are missing or do not fit.
        ArtifactError: The disk is full, or the stored bank is corrupt.
    """
    key = ranks.everywhere(lambda: project.bank_key(view))  # it reads the weights
    folder = get_or_build(project.store, key, lambda partial: _extract(project, view, partial))
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
    writer = ranks.first_then_others(lambda: FeatureBankWriter(*layout, writer=ranks.rank()))
    bad = _write_shards(project, encoder, f'features of {view}', writer, device)
    if ranks.is_first():
        writer.finish()
    return {'dim': encoder.dim, 'quarantined': len(bad)}


def _encoder(project: Project, view: str, device: str) -> Encoder:
    """The encoder of a view where it is to run; that it gives vectors at all is tried, too."""
    encoder = build_encoder(view, plain(project.cfg.encoders[view])).to(device)
    encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # faster; torch's stubs lack it
    _ = encoder.dim
    return encoder


def _write_shards(
    project: Project, encoder: Encoder, title: str, writer: FeatureBankWriter, device: str
) -> dict[str, str]:
    """Write what is missing of the bank; id -> reason of all images that cannot be read.

    Each rank takes a shard, then they wait for one another: so an error of one, or too many bad images among those of
    all, stops everybody within a shard.
    """
    pending, bad = ranks.from_first((writer.pending, writer.quarantine))
    _check_limit(project, bad)
    shards, settings = writer.shards, project.cfg.get('extraction', {})
    own = pending[ranks.rank() :: ranks.count()]
    total = sum(len(shards[i]) for i in pending)
    with progress(title, total, shown=ranks.is_first()) as advance:
        batches = _counted(_batches(project.table, encoder.preprocess, [shards[i] for i in own], settings), advance)
        for start in range(0, len(pending), ranks.count()):
            taken = pending[start : start + ranks.count()]
            mine = taken[ranks.rank()] if ranks.rank() < len(taken) else None
            work = partial(_write_shard, encoder, writer, mine, batches, _limit(project) - len(bad), device)
            for found in ranks.together(work):
                bad |= found
            _check_limit(project, bad)
            for other in set(taken) - {mine}:
                advance(len(shards[other]))
    return bad


def _write_shard(
    encoder: Encoder, writer: FeatureBankWriter, shard: int | None, batches: Iterator[Batch], limit: float, device: str
) -> dict[str, str]:
    """Encode and store a shard, unless more than ``limit`` of its images are bad; id -> reason of those."""
    bad: dict[str, str] = {}
    if shard is None:
        return bad
    rows, seen = writer.shards[shard], 0
    features = np.zeros((len(rows), encoder.dim), np.float32)
    while seen < len(rows):
        numbers, images, failed = next(batches)
        seen += len(numbers) + len(failed)
        bad |= failed
        if len(bad) > limit:
            return bad
        if numbers:
            features[np.array(numbers) - rows.start] = _forward(encoder, images, device)
    writer.write(shard, features, bad)
    return bad


def _counted(batches: Iterator[Batch], advance: Callable[[int], None]) -> Iterator[Batch]:
    for batch in batches:
        advance(len(batch[0]) + len(batch[2]))
        yield batch


def _forward(encoder: Encoder, images: Tensor, device: str) -> np.ndarray:
    with torch.inference_mode():
        images = images.to(device, non_blocking=True, memory_format=torch.channels_last)
        vectors: np.ndarray = encoder(images).float().cpu().numpy()
    return vectors


class _Images(Dataset[Item]):
    """Decoded and preprocessed works; a work that cannot be read is an item with the reason, not an exception."""

    def __init__(self, table: ImageTable, preprocess: Preprocess) -> None:
        self.table, self.preprocess = table, preprocess

    def __getitem__(self, row: int) -> Item:
        try:
            return row, self.preprocess(load_image(self.table.root, self.table.files[row])), ''
        except ImageError as error:
            return row, None, error.message


def _batches(table: ImageTable, preprocess: Preprocess, shards: list[range], settings: Any) -> Iterator[Batch]:
    size = settings.get('batch_size', 32)
    parts = [list(rows[i : i + size]) for rows in shards for i in range(0, len(rows), size)]  # none spans two shards
    workers = settings.get('num_workers', min(4, os.cpu_count() or 1))

    def collate(items: list[Item]) -> Batch:
        good = [(row, image) for row, image, _ in items if image is not None]
        images = torch.from_numpy(np.stack([i for _, i in good])) if good else torch.empty(0)
        return [row for row, _ in good], images, {table.ids[r]: why for r, image, why in items if image is None}

    return iter(DataLoader(_Images(table, preprocess), batch_sampler=parts, num_workers=workers, collate_fn=collate))


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
