"""Seven painting styles: each re-renders a layout with its own palette, texture and brushwork.

A style gets the layout at twice the final size (halving it later smooths the strokes), a random generator and the
brush size in 0..1, and returns an RGB image of the layout's size. Lengths are fractions of the side.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from ssmr.datasets.procedural.brush import blur, floats, orientations, outlines, pick, scatter, strokes, to_image
from ssmr.datasets.procedural.canvas import Layout, smooth_noise

Style = Callable[[Layout, np.random.Generator, float], Image.Image]


def oil(layout: Layout, rng: np.random.Generator, brush: float) -> Image.Image:
    """Broad bristled strokes that follow the edges, coarse ones below finer ones."""
    size, canvas = layout.size, blur(layout.colour, 0.02)
    field = orientations(layout.colour, rng, 4.0)
    for width in (0.05 + 0.03 * brush, 0.017 + 0.015 * brush):
        points = scatter(rng, size * width * 1.15, size)
        row, column = np.clip(points[:, ::-1].astype(int) // 8, 0, len(field) - 1).T
        colours = pick(layout.colour, points) + rng.normal(0, 9, (len(points), 3))
        bristles = rng.normal(0, 15, (len(points), 3))
        angles = field[row, column] + rng.normal(0, 0.12, len(points))
        strokes(canvas, points, angles, colours, size * width * 3.2, size * width, bristles)
    return canvas


def pointillist(layout: Layout, rng: np.random.Generator, brush: float) -> Image.Image:
    """Separate dots of divided, heightened colour on a cream ground."""
    size, radius = layout.size, layout.size * (0.0055 + 0.0045 * brush)
    canvas = Image.new('RGB', layout.colour.size, (238, 228, 205))
    draw = ImageDraw.Draw(canvas)
    points = scatter(rng, radius * 1.75, size)
    colours = pick(layout.colour, points)
    grey = colours.mean(axis=1, keepdims=True)
    colours = grey + 1.5 * (colours - grey) + rng.normal(0, 28, colours.shape) + 12
    boxes = np.concatenate([points - radius, points + radius], axis=1).tolist()
    for box, colour in zip(boxes, np.clip(colours, 0, 255).astype(int).tolist(), strict=True):
        draw.ellipse(box, fill=tuple(colour))
    return canvas


def watercolour(layout: Layout, rng: np.random.Generator, brush: float) -> Image.Image:
    """Thin washes that bleed over their edges and dry darker there, on granular white paper."""
    size = layout.size
    shift = np.stack([smooth_noise(rng, 24, size), smooth_noise(rng, 24, size)]) * size * (0.004 + 0.008 * brush)
    row, column = np.clip(np.indices((size, size), dtype=np.float32) + shift, 0, size - 1).astype(np.int32)
    wash = Image.fromarray(np.asarray(layout.colour)[row, column])
    bled = floats(blur(wash, 0.006 + 0.014 * brush))
    dried = floats(blur(wash.convert('L'), 0.004)) - floats(blur(wash.convert('L'), 0.014))
    pigment = 0.72 + 0.12 * smooth_noise(rng, 9, size) + 0.05 * rng.standard_normal((size, size), dtype=np.float32)
    margin = np.minimum.reduce([row, column, size - 1 - row, size - 1 - column]) / (0.05 * size)
    pigment = np.clip(pigment - 0.02 * dried, 0.15, 1.0) * np.clip(margin, 0, 1) ** 0.5
    return to_image(252 - (252 - bled) * pigment[..., None])


def woodblock(layout: Layout, rng: np.random.Generator, brush: float) -> Image.Image:
    """Few flat inks, dark key lines and the grain of the block."""
    size = layout.size
    inks = layout.colour.quantize(int(rng.integers(5, 9)), Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    flat = 0.85 * floats(inks.convert('RGB')) + 0.2 * np.array([235, 215, 170], np.float32)
    grain = Image.fromarray(rng.standard_normal((8, 160), dtype=np.float32)).resize((size, size))
    flat += 6 * floats(grain)[..., None]
    flat[outlines(layout.regions, max(1, round(size * (0.002 + 0.004 * brush))))] = (38, 32, 48)
    return to_image(flat)


def chiaroscuro(layout: Layout, rng: np.random.Generator, brush: float) -> Image.Image:
    """One pool of golden light in brown darkness, smooth modelling, craquelure."""
    size = layout.size
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    cx, cy = rng.uniform(0.3, 0.7, 2)
    pool = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / rng.uniform(0.07, 0.16))
    blurred = blur(layout.colour, 0.004 + 0.012 * brush)
    soft, brown = floats(blurred), floats(blurred.convert('L'))[..., None] * np.array([1.1, 0.82, 0.5], np.float32)
    lit = (0.45 * soft + 0.6 * brown) * (0.12 + 1.05 * pool)[..., None] + np.array([16, 10, 6], np.float32)
    cracks = np.abs(smooth_noise(rng, 22, size)) < 0.025
    lit[cracks] *= 0.72
    return to_image(lit)


def pastel(layout: Layout, rng: np.random.Generator, brush: float) -> Image.Image:
    """Short, pale, broken strokes in one leaning direction with much play of colour."""
    size, width = layout.size, layout.size * (0.009 + 0.007 * brush)
    canvas = blur(layout.colour, 0.03)
    canvas = Image.blend(canvas, Image.new('RGB', canvas.size, (235, 225, 230)), 0.6)
    points, lean = scatter(rng, width * 1.5, size), rng.uniform(0, np.pi)
    colours = 0.68 * pick(layout.colour, points) + 78 + rng.normal(0, 15, (len(points), 3))
    angles = lean + rng.normal(0, 0.3, len(points))
    strokes(canvas, points, angles, colours, width * 3.2, width)
    return canvas


def engraving(layout: Layout, rng: np.random.Generator, brush: float) -> Image.Image:
    """Black lines on paper: hatching in up to three directions, denser in the dark, and outlines."""
    size = layout.size
    ink = 1.0 - floats(ImageOps.autocontrast(layout.colour.convert('L'), 1)) / 255
    y, x = np.indices((size, size), dtype=np.float32) / size
    bend, start, lines = 0.012 * smooth_noise(rng, 5, size), rng.uniform(0, np.pi), 95 - 45 * brush
    black = outlines(layout.regions, max(1, round(size * 0.0015)))
    for turn, least in ((0.0, 0.1), (1.05, 0.42), (2.1, 0.65)):
        wave = np.cos(2 * np.pi * lines * (np.cos(start + turn) * x + np.sin(start + turn) * y + bend))
        black |= 0.5 * (wave + 1) < np.clip(1.1 * (ink - least), 0, 0.75)
    paper = np.array([236, 226, 204], np.float32) + 5 * smooth_noise(rng, 40, size)[..., None]
    return to_image(np.where(black[..., None], np.array([40, 34, 32], np.float32), paper))


STYLES: dict[str, Style] = {
    style.__name__: style for style in (oil, pointillist, watercolour, woodblock, chiaroscuro, pastel, engraving)
}
