"""Reading one image safely: whatever it is, an upright 8-bit RGB picture comes out, or an error that says why not."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ssmr.errors import ImageError

#: Larger images are refused before a pixel is decoded (decompression bombs); it is Pillow's own error limit.
MAX_PIXELS = 178_956_970
#: Pillow knows more; some of those run other programs (EPS) or have no mark by which to tell them from rubbish (TGA).
FORMATS = ('JPEG', 'PNG', 'TIFF', 'WEBP', 'GIF', 'BMP', 'PPM', 'JPEG2000')
WHITE = (255, 255, 255)


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
    path = _inside(root, file)
    if path.stat().st_size == 0:
        raise ImageError(f'{path} is empty (zero bytes)', 'download it again')
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)  # the limit below is ours
            with Image.open(path, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise ImageError(f'{path} has {image.width} x {image.height} pixels', 'scale it down first')
                image.load()
                return _to_rgb(ImageOps.exif_transpose(image))
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise ImageError(
            f'{path} is not an image that can be read: {error}', f'use one of {", ".join(FORMATS)}'
        ) from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError) as error:  # Pillow's ways to say broken
        raise ImageError(f'{path} is broken: {error}', 'download it again') from error


def _inside(root: Path, file: str) -> Path:
    path = root / file
    try:
        real = Path(os.path.realpath(path, strict=True))
    except OSError as error:
        raise ImageError(f'{path} is missing ({error.strerror})', 'download it') from error
    if not real.is_relative_to(os.path.realpath(root)):
        raise ImageError(f'{path} is a link to {real}, outside the data root', 'copy the file below the root')
    if not real.is_file():
        raise ImageError(f'{path} is not a file', 'put an image there')
    return real


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
