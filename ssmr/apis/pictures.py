"""What an inferencer can be given: files, folders, and pictures that are in memory already."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ssmr.datasets.images import BROKEN, FORMATS, load_image_and_content, upright_rgb
from ssmr.errors import DataError, ImageError

#: One picture: a file or a folder of files, a picture of Pillow's, or [H, W, 3] uint8.
Picture = str | Path | Image.Image | np.ndarray


@dataclass(frozen=True)
class Source:
    """A picture that is not read yet.

    Attributes:
        name: The file, or "picture N".
        picture: The file, or the picture itself.
    """

    name: str
    picture: Path | Image.Image

    def read(self) -> tuple[Image.Image, bytes]:
        """The picture and the SHA-256 of its file; b'' where there is none.

        Raises:
            ImageError: It cannot be read.
        """
        if isinstance(self.picture, Path):
            file = self.picture.resolve()
            return load_image_and_content(file.parent, file.name)
        try:
            return upright_rgb(self.picture), b''
        except BROKEN as error:
            raise ImageError(f'{self.name} is broken: {error}', 'open it again from a whole file') from error


def sources(images: Picture | Iterable[Picture]) -> list[Source]:
    """Everything that is to be assessed; folders by name, with all folders in them.

    Raises:
        DataError: A folder holds no picture, an array is none, or there is something else.
    """
    alone = isinstance(images, (str, os.PathLike, Image.Image, np.ndarray)) or not isinstance(images, Iterable)
    several: Iterable[Any] = [images] if alone else images  # type: ignore[list-item, assignment]
    return [source for number, image in enumerate(several) for source in _sources(image, number)]


def _sources(image: Picture, number: int) -> Iterator[Source]:
    if isinstance(image, Image.Image):
        yield Source(f'picture {number}', image)
    elif isinstance(image, np.ndarray):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise DataError(
                f'picture {number} is an array of {image.dtype} {image.shape}', 'give [H, W, 3] uint8, red first'
            )
        yield Source(f'picture {number}', Image.fromarray(image))
    elif isinstance(image, (str, os.PathLike)):
        yield from _files(Path(image))
    else:
        raise DataError(f'picture {number} is {image!r}', 'give a file, a folder, a PIL image or an array [H, W, 3]')


def _files(path: Path) -> Iterator[Source]:
    if not path.is_dir():
        yield Source(_printable(path), path)
        return
    endings = {ending for ending, name in Image.registered_extensions().items() if name in FORMATS}
    found = sorted(file for file in path.rglob('*') if file.suffix.lower() in endings)
    if not found:
        raise DataError(f'there is no picture in {path}', f'pictures end in {", ".join(sorted(endings))}')
    yield from (Source(_printable(file), file) for file in found)


def _printable(path: Path) -> str:
    """The path; bytes in it that are no UTF-8 as escapes, since no CSV or terminal takes them."""
    return os.fsencode(path).decode('utf-8', 'backslashreplace')
