"""Writing the data set: a folder that is whole or absent, with the same bytes for the same arguments."""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import shutil
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ssmr.errors import DataError

MAKER = 'ssmr procedural works'
VERSION = 2  # raise it when the same seed paints or scores anything differently
RECORD = 'generator.json'
COLUMNS = ('image', 'score', 'split', 'true_score', 'scene', 'style')
JPEG_QUALITY = 92


def generate(out: Path, images: int = 1500, seed: int = 0, size: int = 192, workers: int | None = None) -> Path:
    """Paint the data set into `out`, or find it complete there and do nothing.

    Leaves `images/00000.jpg` and so on, `labels.csv` (columns COLUMNS; score and true_score 0..10, split 50 / 10 / 40
    per cent train, val and test) and `generator.json` (the arguments). All of it is made in a folder beside `out`
    that takes its name in the end, so a kill at any moment leaves no half-made `out`. A second process waits.

    Args:
        out: The folder to make.
        images: How many works, at least 10.
        seed: At least 0; the same seed gives the same bytes, whatever the number of workers.
        size: Side of the square pictures in pixels, at least 32.
        workers: Processes; by default one for each processor this process may use.

    Returns:
        `out`.

    Raises:
        DataError: An argument is out of range, or `out` holds something that this function did not make.
        ArtifactError: The disk is full.
    """
    from filelock import FileLock

    from ssmr.artifacts.files import disk_space

    workers = _processors() if workers is None else workers
    for name, value, least in (('images', images, 10), ('seed', seed, 0), ('size', size, 32), ('workers', workers, 1)):
        if value < least:
            raise DataError(f'{name} is {value}', f'give {name} of {least} or more')
    given, out = out, Path(os.path.abspath(out))
    arguments = {'images': images, 'seed': seed, 'size': size}
    with disk_space(out):
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
        except (PermissionError, FileExistsError, NotADirectoryError) as error:
            raise DataError(
                f'cannot make {out.parent}: {error.strerror}', 'give --out a folder you may write'
            ) from error
        with FileLock(out.parent / f'.{out.name}.lock'):
            if not _complete(out, arguments):
                _require_own(out)
                _replace(out, arguments, workers)
    return given


def _processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def assign_splits(images: int, seed: int) -> list[str]:
    """Return the split of every work: a random 50 per cent train, 10 val and the rest test."""
    train, val = round(0.5 * images), round(0.1 * images)
    names = ['train'] * train + ['val'] * val + ['test'] * (images - train - val)
    return [names[i] for i in np.random.default_rng([seed, images]).permutation(images)]


def _complete(out: Path, arguments: dict[str, int]) -> bool:
    """Tell whether `out` holds the whole data set of these arguments and this version."""
    if not {'arguments': arguments, 'version': VERSION}.items() <= _record(out).items():
        return False
    expected = [_file(index) for index in range(arguments['images'])]
    return (out / 'labels.csv').is_file() and all((out / 'images' / name).is_file() for name in expected)


def _record(out: Path) -> dict[str, Any]:
    """Return what `generator.json` says, or nothing where there is none of ours."""
    try:
        record = json.loads((out / RECORD).read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) and record.get('maker') == MAKER else {}


def _require_own(out: Path) -> None:
    """Refuse a place that holds anything else than an earlier result of ours or an empty folder."""
    if not os.path.lexists(out):
        return
    fix = 'give --out another folder, or move this one away'
    if out.is_symlink() or not out.is_dir():
        raise DataError(f'{out} exists and is not a folder', fix)
    others = sorted(path.name for path in out.iterdir() if path.name not in ('images', 'labels.csv', RECORD))
    if others:
        raise DataError(f'{out} holds {others[0]!r}, which this tool did not make', fix)
    if not any(out.iterdir()):
        return
    record = _record(out)
    if not record:
        raise DataError(f'{out} was not made by this tool: it has no {RECORD} of ours', fix)
    ours = {_file(index) for index in range(record.get('arguments', {}).get('images', 0))}
    added = sorted(path.name for path in out.glob('images/*') if path.name not in ours)
    if added:
        raise DataError(f'{out / "images"} holds {added[0]!r}, which this tool did not make', fix)


def _replace(out: Path, arguments: dict[str, int], workers: int) -> None:
    """Make the data set beside `out`, then swap it in; leftovers of a killed run are removed first."""
    from ssmr.artifacts.files import fsync_directory

    making, old = (out.with_name(f'.{out.name}.{word}') for word in ('making', 'old'))
    for leftover in (making, old):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        _write(making, arguments, workers)
        if out.exists():
            os.replace(out, old)
        os.replace(making, out)
        fsync_directory(out.parent)
    finally:
        for leftover in (making, old):
            shutil.rmtree(leftover, ignore_errors=True)


def _write(folder: Path, arguments: dict[str, int], workers: int) -> None:
    """Paint every work into `folder`, then write the record and at the very end the labels."""
    from ssmr.artifacts.files import atomic_write, fsync_directory, write_json

    (folder / 'images').mkdir(parents=True)
    images, seed = arguments['images'], arguments['seed']
    job = partial(_paint_file, folder / 'images', seed, arguments['size'])
    if workers == 1:
        rows = [job(index) for index in range(images)]
    else:
        spawn = multiprocessing.get_context('spawn')  # a forked child would inherit the lock and outlive its parent
        with ProcessPoolExecutor(workers, spawn, initializer=_follow_parent) as pool:
            rows = list(pool.map(job, range(images), chunksize=max(1, min(16, images // workers))))
    fsync_directory(folder / 'images')
    write_json(folder / RECORD, {'maker': MAKER, 'version': VERSION, 'arguments': arguments})
    with atomic_write(folder / 'labels.csv') as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator='\n')
        table.writeheader()
        table.writerows({**row, 'split': split} for row, split in zip(rows, assign_splits(images, seed), strict=True))


def _follow_parent() -> None:
    """Leave an interrupt to the parent, and end this worker as soon as the parent is gone (even killed)."""

    def watch() -> None:
        parent = multiprocessing.parent_process()
        assert parent is not None  # only ever called in a worker
        parent.join()
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=watch, daemon=True).start()


def _paint_file(folder: Path, seed: int, size: int, index: int) -> dict[str, object]:
    """Paint one work into `folder` and return its labels."""
    from ssmr.datasets.procedural.taste import rate, true_score
    from ssmr.datasets.procedural.work import paint, stream

    work = paint(seed, index, size)
    with open(folder / _file(index), 'wb') as file:
        work.image.save(file, 'JPEG', quality=JPEG_QUALITY)
        file.flush()
        os.fsync(file.fileno())
    truth = true_score(work.latents)
    return {
        'image': _file(index),
        'score': f'{rate(truth, stream(seed, index, 2)):.2f}',
        'true_score': f'{truth:.4f}',
        'scene': work.latents.scene,
        'style': work.latents.style,
    }


def _file(index: int) -> str:
    return f'{index:05d}.jpg'
