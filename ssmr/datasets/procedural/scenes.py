"""Four close scenes, and the table of all eight; `complexity` in 0..1 sets how much there is to see."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ssmr.datasets.procedural.canvas import Layout, count, hsv
from ssmr.datasets.procedural.landscapes import city, forest, mountains, sea

Scene = Callable[[Layout, np.random.Generator, float], None]
_HAIRLINE = np.array([(-1.0, -0.3), (-0.8, -1.2), (0.0, -1.5), (0.8, -1.2), (1.0, -0.3)])


def still_life(layout: Layout, rng: np.random.Generator, complexity: float) -> None:
    """A vase and fruit on a table before a wall."""
    edge, wall = rng.uniform(0.5, 0.68), rng.uniform(0, 1)
    layout.gradient(hsv(wall, 0.25, 0.35), hsv(wall, 0.35, rng.uniform(0.4, 0.75)), -1.0, edge)
    table = rng.choice([0.07, 0.1, 0.58, 0.95])
    layout.gradient(hsv(table, 0.35, 0.8), hsv(table, 0.55, 0.4), edge, 2.0)
    x, top, w, hue = rng.uniform(0.3, 0.7), rng.uniform(0.08, 0.3), rng.uniform(0.09, 0.16), rng.uniform(0, 1)
    heights = np.linspace(top, edge + 0.12, 7)
    profile = w * np.array([0.75, 0.5, 0.55, 0.95, 1.2, 1.05, 0.6])
    layout.ellipse(x + 0.08, edge + 0.13, w * 1.5, 0.035, hsv(table, 0.6, 0.25))
    layout.polygon(
        [*zip(x - profile, heights, strict=True), *zip(x + profile[::-1], heights[::-1], strict=True)],
        hsv(hue, 0.55, 0.6),
    )
    layout.ellipse(x, top, w * 0.75, 0.025, hsv(hue, 0.6, 0.25))
    layout.ellipse(x - w * 0.5, (top + edge) / 2 + 0.06, w * 0.15, 0.07, hsv(hue, 0.2, 0.95))
    fruits = count(rng, complexity, 2, 11)
    for y in np.sort(edge + 0.08 + rng.uniform(0, 0.28, fruits)):
        r, cx, hue = rng.uniform(0.05, 0.085), rng.uniform(0.08, 0.92), rng.choice([0.0, 0.04, 0.08, 0.14, 0.25, 0.8])
        layout.ellipse(cx + 0.03, y + r * 0.85, r * 1.2, r * 0.3, hsv(table, 0.6, 0.25))
        layout.ellipse(cx, y, r, r * rng.uniform(0.85, 1.05), hsv(hue, 0.85, 0.55))
        layout.ellipse(cx - r * 0.12, y - r * 0.12, r * 0.8, r * 0.75, hsv(hue, 0.8, 0.8))
        layout.ellipse(cx - r * 0.35, y - r * 0.35, r * 0.25, r * 0.2, hsv(hue, 0.15, 1.0))
        layout.line(cx, y - r * 0.8, cx + r * 0.2, y - r * 1.3, r * 0.15, hsv(0.1, 0.6, 0.2))


def portrait(layout: Layout, rng: np.random.Generator, complexity: float) -> None:
    """Head and shoulders of one sitter; complexity adds a patterned ground, a hat and beads."""
    back, dress, hair = rng.uniform(0, 1), rng.uniform(0, 1), hsv(rng.uniform(0.02, 0.12), 0.6, rng.uniform(0.08, 0.65))
    layout.gradient(hsv(back, 0.35, rng.uniform(0.25, 0.7)), hsv(back + 0.05, 0.45, rng.uniform(0.2, 0.5)))
    for _ in range(count(rng, complexity, 0, 16)):
        r = rng.uniform(0.02, 0.06)
        layout.ellipse(
            rng.uniform(-0.1, 1.1), rng.uniform(-0.1, 1.1), r, r, hsv(back + 0.1, 0.4, rng.uniform(0.3, 0.8))
        )
    x, y, r, lean = rng.uniform(0.4, 0.6), rng.uniform(0.32, 0.44), rng.uniform(0.15, 0.19), rng.uniform(-0.04, 0.04)
    tone, light = rng.uniform(0.05, 0.08), rng.uniform(0.5, 0.98)
    skin, shade = hsv(tone, 0.42, light), hsv(tone, 0.55, light * 0.78)
    layout.ellipse(x, y + 0.05, r * 1.25, r * rng.uniform(1.4, 2.0), hair)
    layout.ellipse(x, y + 0.85, r * 2.5, 0.5, hsv(dress, 0.6, 0.5))
    layout.box(x - r * 0.4, y + r * 0.8, r * 0.8, r * 1.0, shade)
    layout.ellipse(x, y + r * 2.0, r * 0.85, r * 0.45, skin)
    layout.ellipse(x, y, r, r * 1.3, skin)
    layout.ellipse(x + r * 0.6, y + r * 0.25, r * 0.32, r * 0.75, shade)
    layout.polygon(np.vstack([(x, y) + r * _HAIRLINE, (x + lean, y - 0.8 * r)]), hair)
    for side in (-1, 1):
        eye = x + lean + side * r * 0.4
        layout.ellipse(eye, y - r * 0.05, r * 0.2, r * 0.1, hsv(0.1, 0.05, 0.95))
        layout.ellipse(eye, y - r * 0.05, r * 0.09, r * 0.1, hsv(rng.uniform(0.05, 0.6), 0.5, 0.2))
        layout.line(eye - r * 0.22, y - r * 0.28, eye + r * 0.22, y - r * 0.3, r * 0.07, hair)
    layout.polygon([(x + lean, y), (x + lean + r * 0.16, y + r * 0.45), (x + lean - r * 0.08, y + r * 0.45)], shade)
    layout.ellipse(x + lean, y + r * 0.78, r * 0.3, r * 0.09, hsv(0.99, 0.65, 0.65))
    if rng.random() < complexity:
        hat = hsv(dress + 0.5, 0.5, rng.uniform(0.2, 0.7))
        layout.ellipse(x, y - r * 0.95, r * 1.7, r * 0.3, hat)
        layout.ellipse(x, y - r * 1.35, r * 0.9, r * 0.6, hat)
    for step in np.linspace(-1, 1, count(rng, complexity, 0, 13)):
        layout.ellipse(x + step * r * 0.8, y + r * (2.4 - 0.5 * step**2), r * 0.09, r * 0.09, hsv(back, 0.3, 0.95))


def flowers(layout: Layout, rng: np.random.Generator, complexity: float) -> None:
    """Large blossoms on stems close to the eye."""
    back, green = rng.uniform(0, 1), rng.uniform(0.25, 0.4)
    layout.gradient(hsv(back, 0.25, rng.uniform(0.35, 0.95)), hsv(green, 0.45, rng.uniform(0.2, 0.6)))
    for _ in range(count(rng, complexity, 2, 18)):
        x, y, length = rng.uniform(0, 1), rng.uniform(0.6, 1.1), rng.uniform(0.1, 0.2)
        layout.ellipse(x, y, length, length * 0.25, hsv(green, 0.6, rng.uniform(0.2, 0.6)), rng.uniform(-1.5, 1.5))
    base, blossoms = rng.uniform(0, 1), count(rng, complexity, 2, 10)
    for y in np.sort(rng.uniform(0.12, 0.75, blossoms)):
        x, r = rng.uniform(0.08, 0.92), rng.uniform(0.1, 0.2) * (1.15 - 0.45 * complexity)
        layout.line(x, y, x + rng.normal(0, 0.08), 1.3, 0.018, hsv(green, 0.65, 0.35))
        hue, petals, turn = base + rng.choice([0.0, 0.05, 0.45]), int(rng.integers(5, 10)), rng.uniform(0, 1)
        for angle in turn + np.arange(petals) * 2 * np.pi / petals:
            petal = hsv(hue + rng.normal(0, 0.01), rng.uniform(0.35, 0.8), rng.uniform(0.75, 1.0))
            layout.ellipse(
                x + 0.6 * r * np.cos(angle), y + 0.6 * r * np.sin(angle), 0.48 * r, 0.95 * r / petals**0.5, petal, angle
            )
        layout.ellipse(x, y, 0.27 * r, 0.27 * r, hsv(rng.choice([0.13, 0.07]), 0.8, rng.uniform(0.3, 0.95)))


def abstract(layout: Layout, rng: np.random.Generator, complexity: float) -> None:
    """Discs, boxes, triangles and bars that overlap on a plain ground."""
    hues = rng.uniform(0, 1) + np.array([0.0, 0.08, 0.33, 0.5])
    layout.gradient(hsv(hues[0], 0.2, rng.uniform(0.6, 0.95)), hsv(hues[1], 0.25, rng.uniform(0.5, 0.95)))
    for _ in range(count(rng, complexity, 7, 28)):
        x, y, r = rng.uniform(-0.05, 1.05), rng.uniform(-0.05, 1.05), rng.uniform(0.05, 0.26) * (1.2 - 0.5 * complexity)
        colour = hsv(rng.choice(hues), rng.uniform(0.3, 0.95), rng.choice([0.1, 0.55, 0.85, 0.98]))
        kind, angle = rng.integers(0, 4), rng.uniform(0, 2 * np.pi)
        if kind == 0:
            layout.ellipse(x, y, r, r, colour)
        elif kind == 1:
            layout.box(x, y, r * 1.4, r * rng.uniform(0.5, 1.4), colour)
        elif kind == 2:
            layout.polygon([(x + r * np.cos(angle + k), y + r * np.sin(angle + k)) for k in (0.0, 2.1, 4.2)], colour)
        else:
            layout.line(x, y, x + 3 * r * np.cos(angle), y + 3 * r * np.sin(angle), 0.02, colour)


SCENES: dict[str, Scene] = {
    scene.__name__: scene for scene in (mountains, sea, still_life, portrait, city, forest, flowers, abstract)
}
