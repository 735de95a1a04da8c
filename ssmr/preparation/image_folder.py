"""A folder of images that is filled bit by bit: under its final name lies only what was seen to decode.

A file is written to ``images/.partial/``, decoded there, renamed, and noted in the journal ``downloaded.csv``. A kill
at any instant leaves at worst a partial file, which the next run removes, or a good file without a note, which it
decodes once more.

Files are not forced to disk one by one: 60,000 times fsync would take longer than the download on many disks, and only
a power failure, not a kill, can lose what was renamed. What such a failure leaves has another size than the journal
says, or is not in it; both are decoded again.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from ssmr.artifacts.files import disk_space, sha256_file
from ssmr.datasets.images import load_image
from ssmr.errors import DataError, ImageError
from ssmr.preparation.http import Received
from ssmr.preparation.image_list import Work
from ssmr.preparation.journal import Journal

IMAGES = 'images'
PARTIAL = '.partial'
JOURNAL = 'downloaded.csv'
#: So many files are decoded ahead when those found in place are looked at.
AHEAD = 64


class ImageFolder:
    """The images below a data root, and the journal of those that are good. One process at a time.

    Args:
        root: The data root; exists.

    Raises:
        DataError: The folder cannot be written, or lies elsewhere by a link, which the readers would refuse.
        ArtifactError: The disk is full.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._images = root / IMAGES
        self._partial = self._images / PARTIAL
        self._noting = threading.Lock()
        if not self._images.resolve().is_relative_to(root.resolve()):
            raise DataError(
                f'{self._images} is a link to {self._images.resolve()}, outside the data root',
                f'give the folder above it as --root, or make {root} itself the link',
            )
        try:
            with disk_space(self._images):
                shutil.rmtree(self._partial, ignore_errors=True)
                self._partial.mkdir(parents=True)
                self._journal = Journal(root / JOURNAL)
        except OSError as error:
            raise DataError(f'cannot write in {self._images}: {error.strerror}', 'choose another --root') from error

    def partial(self, image: str) -> Path:
        """Where ``image`` is to be written before it is accepted."""
        return self._partial / image

    def accept(self, work: Work, received: Received) -> str | None:
        """Decode the partial file of ``work``, put it in place and note it. May run in several threads.

        Returns:
            None, or why it is no image; what lay in its place before is then still there.

        Raises:
            ArtifactError: The disk is full.
        """
        path = self.partial(work.image)
        if refused := self._refusal(f'{IMAGES}/{PARTIAL}/{work.image}'):
            path.unlink(missing_ok=True)
            plain = received.content_type.startswith('image/') or received.content_type == 'application/octet-stream'
            return refused if plain else f'the server sent {received.content_type}, not an image'
        try:
            with disk_space(path):
                os.replace(path, self._images / work.image)
        except OSError as error:
            return f'cannot be put in place: {error.strerror}'
        self._note(work.image, received, work.url)
        return None

    def _note(self, image: str, received: Received, url: str) -> None:
        with self._noting:
            self._journal.add(image, received.size, received.sha256, url)

    def verified(self, works: Iterable[Work]) -> set[str]:
        """The images that the journal knows and whose files still have the size they had."""
        sizes, known = self._sizes(), self._journal.sizes
        return {work.image for work in works if known.get(work.image, -1) == sizes.get(work.image, -2)}

    def unverified(self, works: Iterable[Work]) -> list[Work]:
        """The works whose files are there, from whatever source, without the journal knowing them as they are."""
        works = list(works)
        sizes, verified = self._sizes(), self.verified(works)
        return [work for work in works if work.image in sizes and work.image not in verified]

    def verify(self, works: list[Work], threads: int) -> Iterator[Work]:
        """Decode the files in place of ``works`` and note the good ones; yields each work when it is done.

        Raises:
            ArtifactError: The disk is full.
        """
        with ThreadPoolExecutor(threads) as pool:
            for start in range(0, len(works), AHEAD):
                block = works[start : start + AHEAD]
                for work, received in zip(block, pool.map(self._look_at, block), strict=True):
                    if received:
                        self._note(work.image, received, url='')
                    yield work

    def _look_at(self, work: Work) -> Received | None:
        if self._refusal(f'{IMAGES}/{work.image}'):
            return None
        path = self._images / work.image
        return Received(path.stat().st_size, sha256_file(path), '')

    def _refusal(self, file: str) -> str | None:
        try:
            load_image(self.root, file)
        except ImageError as error:
            return f'does not decode: {error.message}'.replace(f'/{PARTIAL}/', '/')
        return None

    def _sizes(self) -> dict[str, int]:
        with os.scandir(self._images) as entries:
            return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}

    def __enter__(self) -> ImageFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._journal.__exit__(kind, error, trace)
        shutil.rmtree(self._partial, ignore_errors=True)
