"""The layout of a scene: flat colour areas and the edges between them, seen through a random camera."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Colour: TypeAlias = tuple[int, int, int]
Points: TypeAlias = Iterable[Sequence[float]] | NDArray[np.floating]
Floats: TypeAlias = NDArray[np.float32]


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """Turn hue (cyclic, one turn is 1), saturation and value (clipped to 0..1) into an RGB triple of 0..255."""
    saturation, value = min(max(saturation, 0.0), 1.0), min(max(value, 0.0), 1.0)
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


def count(rng: np.random.Generator, complexity: float, least: int, most: int) -> int:
    """Draw a number of things that grows with the complexity, one more or less by chance."""
    return max(least, round(least + complexity * (most - least)) + int(rng.integers(-1, 2)))


def smooth_noise(rng: np.random.Generator, cells: int, size: int) -> Floats:
    """Return a smooth random field [size, size] of about standard normal values with `cells` bumps a side."""
    coarse = Image.fromarray(rng.standard_normal((cells, cells), dtype=np.float32))
    return np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC))


class Layout:
    """Areas painted back to front in unit coordinates (x right, y down, the frame is about 0..1 each way).

    The camera mirrors, turns, zooms and shifts the frame at random, so the same scene never sits in the same place;
    scenes paint their backgrounds well beyond 0..1.

    Args:
        size: Side in pixels.
        rng: Source of the camera's position.

    Attributes:
        colour: RGB image [size, size] of the flat colours.
        regions: 8-bit image of the same size in which neighbouring areas nearly always differ.
    """

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self.size = size
        self.colour = Image.new('RGB', (size, size))
        self.regions = Image.new('L', (size, size))
        self._draw, self._mark = ImageDraw.Draw(self.colour), ImageDraw.Draw(self.regions)
        self._count = 0
        zoom, turn = rng.uniform(0.8, 1.25), rng.normal(0.0, 0.06)
        mirror = -1.0 if rng.random() < 0.5 else 1.0
        cos, sin = np.cos(turn) * zoom * size, np.sin(turn) * zoom * size
        self._matrix = np.array([[cos * mirror, sin * mirror], [-sin, cos]])
        self._offset = size * (0.5 + rng.uniform(-0.12, 0.12, 2))

    def polygon(self, points: Points, colour: Colour) -> None:
        """Fill the polygon of points [M, 2]; M is at least 3."""
        pixels = (np.asarray(points) - 0.5) @ self._matrix.T + self._offset
        flat = pixels.ravel().tolist()
        self._count += 1
        self._draw.polygon(flat, fill=colour)
        self._mark.polygon(flat, fill=self._count * 37 % 256)

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour, turn: float = 0.0) -> None:
        """Fill the ellipse about (x, y) with radii (rx, ry), turned by `turn` radians."""
        self.polygon(
            (x, y) + _CIRCLE * (rx, ry) @ [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]], colour
        )

    def box(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        """Fill the rectangle whose corner nearest the origin is (x, y)."""
        self.polygon(((x, y), (x + width, y), (x + width, y + height), (x, y + height)), colour)

    def line(
        self, x0: float, y0: float, x1: float, y1: float, width: float, colour: Colour, taper: float = 1.0
    ) -> None:
        """Fill a straight band of the given width that ends `taper` times as wide."""
        length = float(np.hypot(x1 - x0, y1 - y0)) + 1e-9
        dx, dy = (y1 - y0) / length * width / 2, (x0 - x1) / length * width / 2
        ends = (
            (x0 - dx, y0 - dy),
            (x1 - dx * taper, y1 - dy * taper),
            (x1 + dx * taper, y1 + dy * taper),
            (x0 + dx, y0 + dy),
        )
        self.polygon(ends, colour)

    def gradient(self, top: Colour, bottom: Colour, y0: float = -1.0, y1: float = 2.0, steps: int = 14) -> None:
        """Fill the whole width between heights y0 and y1 with bands that go from one colour to the other."""
        edges = np.linspace(y0, y1, steps + 1)
        for band, mix in enumerate(np.linspace(0.0, 1.0, steps)):
            red, green, blue = (round(a + (b - a) * mix) for a, b in zip(top, bottom, strict=True))
            self.box(-1.0, float(edges[band]), 3.0, float(edges[-1] - edges[band]), (red, green, blue))
            self._count -= 1  # one region: a gradient has no edges inside
        self._count += 1


_ANGLES = np.linspace(0.0, 2.0 * np.pi, 28, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
