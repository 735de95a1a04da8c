"""Every picture decoded once: whether it can be read, its size, and what duplicates are found by."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image

from ssmr.datasets.images import load_image
from ssmr.errors import ImageError
from ssmr.progress import progress

#: Side of the perceptual hash, which has HASH_SIZE² bits; tools/benchmark/duplicates.py has the measurement behind it.
HASH_SIZE = 16
#: Side of the thumbnail that pictures without a usable hash are compared by.
THUMBNAIL = 16
#: Largest difference between the channels of a grey picture, 0 to 255, seen at GREY_SIDE² pixels.
GREY, GREY_SIDE = 8, 32


@dataclass(frozen=True)
class Picture:
    """What one look at a file tells.

    Attributes:
        file: Path relative to the data root.
        reason: Why it cannot be read; '' if it decodes.
        width: In pixels, upright; 0 if it cannot be read.
        height: In pixels, upright; 0 if it cannot be read.
        hash: HASH_SIZE² bits of the perceptual hash, packed; empty if it cannot be read.
        thumbnail: THUMBNAIL² RGB values, row by row; empty if it cannot be read.
        grey: It has no colours.
    """

    file: str
    reason: str
    width: int = 0
    height: int = 0
    hash: bytes = b''
    thumbnail: bytes = b''
    grey: bool = False


def inspect(root: Path, files: Sequence[str], workers: int | None = None) -> list[Picture]:
    """Decode every file whole, in parallel; what cannot be read is a picture with a reason.

    Threads, since Pillow gives up the interpreter lock while it decodes and resizes: with pictures of 1675 x 1280
    pixels two threads were 1.8 times as fast as one, as two processes were (3.3 s and 3.2 s for 120 pictures; with
    tiny ones of 256 pixels 1.3 and 2.2 times). They need no start-up and no copies, and the programs that call this
    may have threads of their own. Only a few pictures are in memory at any time.

    Args:
        root: The data root.
        files: Paths relative to ``root``.
        workers: Threads; by default one for each processor this process may use.

    Returns:
        One picture a file, in the order of ``files``.
    """
    workers = workers or _processors()
    found = []
    with progress('pictures', len(files)) as advance, ThreadPoolExecutor(workers) as pool:
        for picture in _in_order(pool, partial(look, root), files, ahead=4 * workers):
            found.append(picture)
            advance(1)
    return found


def look(root: Path, file: str) -> Picture:
    """Decode one file and describe it."""
    try:
        image = load_image(root, file)
    except ImageError as error:
        return Picture(file, error.message)
    small = image.resize((GREY_SIDE, GREY_SIDE), Image.Resampling.BOX)
    grey = bool(np.ptp(np.asarray(small), axis=2).max() <= GREY)
    thumbnail = small.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX).tobytes()
    return Picture(file, '', image.width, image.height, perceptual_hash(image, HASH_SIZE), thumbnail, grey)


def perceptual_hash(image: Image.Image, size: int) -> bytes:
    """size² bits, packed: which low frequencies of the luminance lie above their median (ImageHash's ``phash``)."""
    return np.packbits(imagehash.phash(image, hash_size=size).hash).tobytes()


def _in_order(
    pool: ThreadPoolExecutor, function: Callable[[str], Picture], items: Iterable[str], ahead: int
) -> Iterator[Picture]:
    """Like ``pool.map``, which would queue all items at once, but with no more than ``ahead`` of them."""
    waiting: deque[Future[Picture]] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
