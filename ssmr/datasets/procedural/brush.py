"""The stroke engine and the other tools that every painting style is made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from ssmr.datasets.procedural.canvas import Floats, smooth_noise

_HUE_AXIS = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / 3**0.5


def floats(image: Image.Image) -> Floats:
    """Return the image as float32 of 0..255."""
    return np.asarray(image, dtype=np.float32)


def to_image(pixels: NDArray[np.floating]) -> Image.Image:
    """Clip [H, W] or [H, W, 3] to 0..255 and return it as an image."""
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def turn_hues(radians: float) -> NDArray[np.floating]:
    """Return the 3 x 3 rotation of RGB about the grey axis (Rodrigues' formula)."""
    return np.eye(3) + np.sin(radians) * _HUE_AXIS + (1 - np.cos(radians)) * _HUE_AXIS @ _HUE_AXIS


def grade(image: Image.Image, rng: np.random.Generator, warmth: float, light: float) -> Image.Image:
    """Set a scene's warmth and light, under a random hue turn and a lamp at a random place (both nuisances).

    Args:
        image: RGB layout.
        rng: Source of the nuisances.
        warmth: 0 (cold) .. 1 (warm).
        light: 0 (dark) .. 1 (bright).
    """
    tint = 1.0 + (warmth - 0.5) * np.array([0.55, 0.05, -0.6])
    matrix = 1.35 * turn_hues(rng.normal(0.0, 0.25)) * tint[:, None]
    small = max(2, image.size[0] // 8)
    y, x = np.mgrid[0:small, 0:small] / small
    lamp = 1.0 - rng.uniform(0.1, 0.5) * np.hypot(x - rng.uniform(0, 1), y - rng.uniform(0, 1))
    shade = to_image(255 * lamp * (0.85 + 0.5 * light) / 1.35).resize(image.size).convert('RGB')
    # Pillow's integer arithmetic instead of a matrix product, whose last bits may depend on the number of threads.
    rows = np.column_stack([matrix, np.zeros(3)]).ravel().tolist()
    return ImageChops.multiply(image, shade).convert('RGB', tuple(rows))


def blur(image: Image.Image, fraction: float) -> Image.Image:
    """Blur by a radius given as a fraction of the image's width."""
    return image.filter(ImageFilter.BoxBlur(fraction * image.size[0]))


def outlines(regions: Image.Image, reach: int) -> NDArray[np.bool_]:
    """Mark the pixels [H, W] within `reach` pixels (in each direction) of an edge between two regions."""
    ids = np.asarray(regions)
    edge = np.zeros(ids.shape, bool)
    edge[:-1] |= ids[:-1] != ids[1:]
    edge[:, :-1] |= ids[:, :-1] != ids[:, 1:]
    for _ in range(reach):  # far faster than Pillow's MaxFilter
        for lines in (edge, edge.T):
            before = lines.copy()
            lines[1:] |= before[:-1]
            lines[:-1] |= before[1:]
    return edge


def orientations(image: Image.Image, rng: np.random.Generator, wander: float) -> Floats:
    """Return the direction [h, w], in radians, in which a brush follows the picture's edges (h = H / 8).

    Args:
        image: What is painted; strokes run along its blurred edges.
        rng: Source of a smooth field that leads the brush where there are no edges.
        wander: Strength of that field.
    """
    small = image.convert('L').reduce(8).filter(ImageFilter.GaussianBlur(1.5))
    dy, dx = np.gradient(floats(small))
    side = small.size[0]
    free = smooth_noise(rng, 4, side) * 1.2 + rng.uniform(0, np.pi)
    return np.arctan2(dx + wander * np.sin(free), -dy + wander * np.cos(free)).astype(np.float32)


def scatter(rng: np.random.Generator, spacing: float, size: int) -> NDArray[np.floating]:
    """Return the points [M, 2] of a jittered grid with the given spacing in pixels, in random order."""
    axis = np.arange(-0.5, size / spacing + 0.5)
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    return rng.permutation((points + rng.uniform(-0.5, 0.5, points.shape)) * spacing)


def pick(image: Image.Image, points: NDArray[np.floating]) -> Floats:
    """Return the colours [M, 3], 0..255, of the image under the points [M, 2]."""
    column, row = np.clip(points.astype(int), 0, image.size[0] - 1).T
    return np.asarray(image)[row, column].astype(np.float32)


def strokes(
    canvas: Image.Image,
    points: NDArray[np.floating],
    angles: NDArray[np.floating],
    colours: NDArray[np.floating],
    length: float,
    width: float,
    bristles: NDArray[np.floating] | None = None,
) -> None:
    """Draw one straight stroke at every point.

    Args:
        canvas: RGB image to paint on.
        points: Middles [M, 2] in pixels.
        angles: Directions [M] in radians.
        colours: RGB [M, 3] of 0..255, clipped.
        length: Length in pixels.
        width: Width in pixels.
        bristles: Brightness offsets [M, B] of B parallel hairs that share the width; none means one plain stroke.
    """
    draw = ImageDraw.Draw(canvas)
    hairs = np.zeros((len(points), 1)) if bristles is None else bristles
    count = hairs.shape[1]
    along = np.stack([np.cos(angles), np.sin(angles)], axis=1) * (length / 2)
    across = np.stack([-np.sin(angles), np.cos(angles)], axis=1) * (width / count)
    middles = points[:, None] + across[:, None] * (np.arange(count) - (count - 1) / 2)[:, None]
    lines = np.concatenate([middles - along[:, None], middles + along[:, None]], axis=2).reshape(-1, 4).tolist()
    fills = np.clip(colours[:, None] + hairs[..., None], 0, 255).astype(int).reshape(-1, 3).tolist()
    thick = max(1, round(width / count + 0.5))
    for line, fill in zip(lines, fills, strict=True):
        draw.line(line, fill=tuple(fill), width=thick)
