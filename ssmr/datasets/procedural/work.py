"""One painted work: which scene in which style, its latents, and its picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from ssmr.datasets.procedural.brush import grade, to_image
from ssmr.datasets.procedural.canvas import Layout
from ssmr.datasets.procedural.scenes import SCENES
from ssmr.datasets.procedural.styles import STYLES


@dataclass(frozen=True)
class Latents:
    """What a work is about, before chance lays it out; the taste model sees this and nothing else.

    Attributes:
        scene: A key of `scenes.SCENES`.
        style: A key of `styles.STYLES`.
        complexity: How much there is to see, 0..1.
        warmth: Cold 0 .. warm 1.
        light: Dark 0 .. bright 1.
        brush: Fine 0 .. broad 1.
    """

    scene: str
    style: str
    complexity: float
    warmth: float
    light: float
    brush: float


@dataclass(frozen=True)
class PaintedWork:
    """A picture and the latents it was painted from."""

    image: Image.Image
    latents: Latents


def stream(seed: int, index: int, part: int) -> np.random.Generator:
    """Return the generator of one part (0 latents, 1 paint, 2 raters) of one work: independent of all others."""
    return np.random.default_rng([seed, index, part])


def draw_latents(seed: int, index: int) -> Latents:
    """Draw the latents of work `index`, all independent and uniform."""
    rng = stream(seed, index, 0)
    scene, style = str(rng.choice(list(SCENES))), str(rng.choice(list(STYLES)))
    complexity, warmth, light, brush = rng.uniform(0.0, 1.0, 4).tolist()
    return Latents(scene, style, complexity, warmth, light, brush)


def render(latents: Latents, rng: np.random.Generator, size: int) -> Image.Image:
    """Paint one picture [size, size] of these latents; everything else about it (nuisances) is drawn from `rng`."""
    layout = Layout(2 * size, rng)
    SCENES[latents.scene](layout, rng, latents.complexity)
    layout.colour = grade(layout.colour, rng, latents.warmth, latents.light)
    styled = STYLES[latents.style](layout, rng, latents.brush)
    # Some hands take their style less far than others, so that the drawing shows through; some canvases are coarser.
    picture = Image.blend(styled, layout.colour, rng.uniform(0.05, 0.5)).reduce(2)
    canvas = rng.standard_normal((size, size, 1), dtype=np.float32) * rng.uniform(1.0, 7.0)
    return to_image(np.asarray(picture) + canvas)


def paint(seed: int, index: int, size: int) -> PaintedWork:
    """Paint work `index` of the data set of this seed; the same arguments give the same pixels.

    Args:
        seed: Seed of the data set, not negative.
        index: Number of the work, not negative; the work does not depend on how many others there are.
        size: Side of the square picture in pixels.
    """
    latents = draw_latents(seed, index)
    return PaintedWork(render(latents, stream(seed, index, 1), size), latents)
