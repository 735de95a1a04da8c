"""From image files to vectors on all cores: threads decode and, where the encoder runs on the processor, encode.

Neither Pillow nor torch holds Python's lock while it works. On a processor each thread takes a few pictures from the
file to the vector with torch on one thread, so that no core waits for another, and the maps of so few stay small enough
to be taken from memory that is in use already (larger ones are mapped, cleared and unmapped anew for each layer).

Every batch has the same shape, with blank pictures for those that are missing or cannot be read: some kernels round
otherwise for another number of pictures, but none looks at the place in the batch or at the neighbours. So a vector
does not depend on what else is extracted with it.
"""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from PIL import Image

from ssmr.artifacts.feature_bank import CONTENT
from ssmr.backbones.encoder import Encoder
from ssmr.datasets.image_table import ImageTable
from ssmr.datasets.images import load_image_and_content
from ssmr.errors import ImageError

Item = TypeVar('Item')
Result = TypeVar('Result')
#: Pictures that one thread encodes at once on a processor.
CPU_BATCH = 4


class Work(NamedTuple):
    """What became of one picture.

    Attributes:
        row: Of the table.
        vector: [D] float32; zeros where it cannot be read.
        content: [32] uint8, SHA-256 of the file; zeros where it cannot be read.
        reason: Why it cannot be read, or ''.
    """

    row: int
    vector: np.ndarray
    content: np.ndarray
    reason: str


class Loaded(NamedTuple):
    """A batch of B pictures, blank where there is none: squares [B, S, S, 3] and contents [n, 32] uint8."""

    rows: Sequence[int]
    squares: np.ndarray
    contents: np.ndarray
    reasons: list[str]


def encode(
    encoder: Encoder, table: ImageTable, rows: Sequence[int], device: str, batch_size: int, workers: int | None
) -> Generator[Work, None, None]:
    """Encode the pictures of some rows, and give them in this order; close it where not all are taken.

    Args:
        encoder: On ``device``. Its forward may run in several threads at once.
        table: Where the pictures lie.
        rows: Of the table.
        device: As torch names it.
        batch_size: Pictures that go through the encoder at once; on a processor at most ``CPU_BATCH`` in a thread.
        workers: Threads that decode for another device; by default one a core, at most 16. On a processor there are as
            many as torch may use (OMP_NUM_THREADS).
    """
    on_cpu = torch.device(device).type == 'cpu'
    size = min(batch_size, CPU_BATCH) if on_cpu else batch_size
    threads = torch.get_num_threads() if on_cpu else max(1, min(16, cores()) if workers is None else workers)
    batches = (rows[i : i + size] for i in range(0, len(rows), size))

    def load(batch: Sequence[int]) -> Loaded:
        return _load(encoder, table, batch, size)

    def finish(loaded: Loaded) -> list[Work]:
        return _forward(encoder, loaded, device)

    with _pool(threads) as pool:
        if on_cpu:
            for works in in_order(pool, lambda batch: finish(load(batch)), batches, 2 * threads):
                yield from works
        else:
            for loaded in in_order(pool, load, batches, 2 * threads):
                yield from finish(loaded)


def in_order(
    pool: ThreadPoolExecutor, work: Callable[[Item], Result], items: Iterator[Item], ahead: int
) -> Iterator[Result]:
    """As ``pool.map``, but no more than ``ahead`` items are begun before they are asked for."""
    waiting: deque[Future[Result]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


@contextmanager
def _pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Threads in each of which torch uses one; what has not begun when the block is left is dropped."""
    before = torch.get_num_threads()
    pool = ThreadPoolExecutor(threads, 'ssmr-encode', initializer=torch.set_num_threads, initargs=(1,))
    try:
        with warnings.catch_warnings():  # those of load_image are not safe among threads, and end up as these
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)
            yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(before)


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def _load(encoder: Encoder, table: ImageTable, batch: Sequence[int], size: int) -> Loaded:
    side = encoder.preprocess.size
    squares = np.zeros((size, side, side, 3), np.uint8)
    contents, reasons = np.zeros((len(batch), CONTENT), np.uint8), [''] * len(batch)
    for place, row in enumerate(batch):
        try:
            image, content = load_image_and_content(table.root, table.files[row])
        except ImageError as error:
            reasons[place] = error.message
            continue
        squares[place] = encoder.preprocess.square(image)
        contents[place] = np.frombuffer(content, np.uint8)
    return Loaded(batch, squares, contents, reasons)


def _forward(encoder: Encoder, loaded: Loaded, device: str) -> list[Work]:
    with torch.inference_mode():
        squares = torch.from_numpy(loaded.squares).to(device, non_blocking=True)
        vectors = encoder(encoder.preprocess.normalise(squares)).float().cpu().numpy()[: len(loaded.rows)]
    vectors[[reason != '' for reason in loaded.reasons]] = 0
    return [Work(*work) for work in zip(loaded.rows, vectors, loaded.contents, loaded.reasons, strict=True)]
