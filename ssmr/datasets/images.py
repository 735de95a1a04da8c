"""Reading one image safely: whatever it is, an upright 8-bit RGB picture comes out, or an error that says why not."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ssmr.errors import ImageError

#: Larger images are refused before a pixel is decoded (decompression bombs); it is Pillow's own error limit.
MAX_PIXELS = 178_956_970
#: Pillow knows more; some of those run other programs (EPS) or have no mark by which to tell them from rubbish (TGA).
FORMATS = ('JPEG', 'PNG', 'TIFF', 'WEBP', 'GIF', 'BMP', 'PPM', 'JPEG2000')
WHITE = (255, 255, 255)
#: What Pillow raises where a file is broken.
BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError)


def load_image(root: Path, file: str) -> Image.Image:
    """Decode an image below ``root`` into upright RGB.

    EXIF rotation is applied, transparency is laid on white, CMYK, palette and grayscale are converted, 16-bit
    grayscale is scaled to 8 bits (plain conversion would clip it to white). Of animations the first frame is taken.

    Args:
        root: The data root; links that lead out of it are not followed.
        file: Path relative to ``root``.

    Raises:
        ImageError: The file is missing, empty, truncated, no image, too large, or outside the root.
    """
    with _opened(root, file) as stream:
        return _decode(stream)


def load_image_and_content(root: Path, file: str) -> tuple[Image.Image, bytes]:
    """As :func:`load_image`, with the SHA-256 (32 bytes) of the file that was decoded."""
    with _opened(root, file) as stream:
        content = _content(stream)
        stream.seek(0)
        return _decode(stream), content


def image_content(root: Path, file: str) -> bytes:
    """The SHA-256 (32 bytes) of an image file; no pixel is decoded.

    Raises:
        ImageError: The file is missing, empty, cannot be read, or lies outside the root.
    """
    with _opened(root, file) as stream:
        return _content(stream)


@contextmanager
def _opened(root: Path, file: str) -> Iterator[BinaryIO]:
    """The file, open for the block; whatever the block finds wrong with it becomes an error that names it."""
    path = _inside(root, file)
    try:
        with open(path, 'rb') as stream:
            if os.fstat(stream.fileno()).st_size == 0:
                raise ImageError(f'{path} is empty (zero bytes)', 'download it again')
            yield stream
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        reason = error if isinstance(error, Image.DecompressionBombError) else 'it is none, or has lost its beginning'
        raise ImageError(
            f'{path} is not an image that can be read: {reason}', f'use one of {", ".join(FORMATS)}'
        ) from error
    except BROKEN as error:
        raise ImageError(f'{path} is broken: {error}', 'download it again') from error


def _content(stream: BinaryIO) -> bytes:
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    return digest.digest()


def _decode(stream: BinaryIO) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', Image.DecompressionBombWarning)  # the limit below is ours
        with Image.open(stream, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ImageError(f'{stream.name} has {image.width} x {image.height} pixels', 'scale it down first')
            return upright_rgb(image)


def upright_rgb(image: Image.Image) -> Image.Image:
    """An opened image as :func:`load_image` gives it; what Pillow raises for a broken one are BROKEN."""
    image.load()
    return _to_rgb(ImageOps.exif_transpose(image))


def _inside(root: Path, file: str) -> str:
    # Plain strings: Path takes longer over this than SHA-256 over a small picture.
    path = os.path.join(root, file)
    try:
        real = os.path.realpath(path, strict=True)
    except OSError as error:
        raise ImageError(f'{path} is missing ({error.strerror})', 'download it') from error
    if not real.startswith(os.path.join(_real(os.path.abspath(root)), '')):
        raise ImageError(f'{path} is a link to {real}, outside the data root', 'copy the file below the root')
    if not os.path.isfile(real):
        raise ImageError(f'{path} is not a file', 'put an image there')
    return real


@lru_cache
def _real(root: str) -> str:
    return os.path.realpath(root)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ('I;16', 'I;16B', 'I;16L', 'I', 'F'):
        return Image.fromarray(_to_8_bit(np.asarray(image), image.mode)).convert('RGB')
    if 'A' in image.getbands() or 'transparency' in image.info:
        image = image.convert('RGBA')
        canvas = Image.new('RGB', image.size, WHITE)
        canvas.paste(image, mask=image.getchannel('A'))
        return canvas
    return image.convert('RGB')


def _to_8_bit(values: np.ndarray, mode: str) -> np.ndarray:
    """Scale high-depth grayscale [H, W] to uint8.

    White is 65535 in 16-bit modes, and in mode I, as which some versions of Pillow open 16-bit files; numbers beyond
    that, and those of mode F (0 to 1, to 255 or to 65535 by its maximum), stretch to their own maximum.
    """
    values = np.nan_to_num(values.astype(np.float64))
    highest = values.max(initial=0)
    whites = (1.0, 255.0, 65535.0) if mode == 'F' else (65535.0,)
    white = next((w for w in whites if highest <= w), highest)
    return np.clip(values * (255.0 / white) + 0.5, 0, 255).astype(np.uint8)
