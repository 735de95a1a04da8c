"""Four outdoor scenes under a sky; `complexity` in 0..1 sets how much there is to see."""

from __future__ import annotations

import numpy as np

from ssmr.datasets.procedural.canvas import Layout, count, hsv

_SNOW = np.array([(0.0, 0.0), (-0.7, 1.0), (-0.1, 0.7), (0.2, 1.1), (0.7, 1.0)])
_HULL = np.array([(-0.5, -0.06), (0.6, -0.06), (0.4, 0.12), (-0.35, 0.12)])


def _sky(layout: Layout, rng: np.random.Generator, horizon: float) -> None:
    """Paint a sky of any hour down to the horizon, often with a sun or moon."""
    hue, value = rng.choice([0.56, 0.6, 0.08, 0.95, 0.75]) + rng.normal(0, 0.03), rng.uniform(0.55, 0.95)
    low = hsv(rng.choice([hue, 0.1, 0.03]), rng.uniform(0.1, 0.5), min(1.0, value + 0.15))
    layout.gradient(hsv(hue, rng.uniform(0.25, 0.65), value), low, -1.0, horizon)
    if rng.random() < 0.6:
        radius = rng.uniform(0.03, 0.09)
        sun = hsv(rng.uniform(0.05, 0.16), rng.uniform(0.1, 0.7), 1.0)
        layout.ellipse(rng.uniform(0.1, 0.9), horizon - rng.uniform(0.15, 0.5), radius, radius, sun)
    for _ in range(int(rng.integers(0, 4))):
        x, y, width = rng.uniform(0, 1), horizon - rng.uniform(0.15, 0.6), rng.uniform(0.08, 0.25)
        layout.ellipse(x, y, width, width * rng.uniform(0.15, 0.35), hsv(hue, 0.08, rng.uniform(0.8, 1.0)))


def mountains(layout: Layout, rng: np.random.Generator, complexity: float) -> None:
    """Ridges behind each other, snow on the peaks, a meadow in front."""
    horizon, hue = rng.uniform(0.5, 0.75), rng.uniform(0.55, 0.8)
    _sky(layout, rng, horizon)
    ridges = count(rng, complexity, 1, 6)
    for depth in np.linspace(0.0, 1.0, ridges):
        xs = np.sort(rng.uniform(-0.6, 1.6, 4 + round(8 * complexity) + 2))
        foot, height = horizon + 0.12 * depth, rng.uniform(0.25, 0.5) * (1.0 - 0.55 * depth)
        peaks = foot - height * rng.uniform(0.15, 1.0, len(xs)) * np.resize([1.0, 0.45], len(xs))
        colour = hsv(hue - 0.2 * depth, 0.2 + 0.3 * depth, 0.75 - 0.4 * depth)
        layout.polygon([(-1.0, 2.0), (-1.0, foot), *zip(xs, peaks, strict=True), (2.0, foot), (2.0, 2.0)], colour)
        for x, y in zip(xs[::2], peaks[::2], strict=True):
            if depth < 0.6 and foot - y > 0.18:
                layout.polygon((x, y) + 0.22 * (foot - y) * _SNOW, hsv(hue, 0.06, 0.97))
    ground = horizon + 0.14
    layout.gradient(hsv(rng.uniform(0.15, 0.4), 0.5, 0.6), hsv(rng.uniform(0.1, 0.35), 0.6, 0.3), ground, 2.0)
    for _ in range(count(rng, complexity, 0, 12)):
        x, y = rng.uniform(-0.1, 1.1), rng.uniform(ground + 0.04, 1.1)
        h = 0.05 + 0.25 * (y - ground)
        layout.polygon([(x, y - h), (x - h * 0.3, y), (x + h * 0.3, y)], hsv(0.38, 0.6, rng.uniform(0.15, 0.35)))


def sea(layout: Layout, rng: np.random.Generator, complexity: float) -> None:
    """Open water with glints and sailing boats, at times a headland."""
    horizon, hue = rng.uniform(0.3, 0.6), rng.uniform(0.46, 0.64)
    _sky(layout, rng, horizon)
    if rng.random() < 0.4:
        x = rng.choice([-0.2, 1.2])
        layout.ellipse(x, horizon, rng.uniform(0.3, 0.5), rng.uniform(0.06, 0.2), hsv(rng.uniform(0.1, 0.4), 0.35, 0.4))
    layout.gradient(hsv(hue, 0.4, 0.8), hsv(hue + 0.04, 0.75, rng.uniform(0.25, 0.5)), horizon, 2.0)
    for _ in range(count(rng, complexity, 6, 46)):
        y = horizon + 0.02 + (1.1 - horizon) * rng.uniform(0, 1) ** 1.5
        width = 0.04 + 0.3 * (y - horizon) * rng.uniform(0.4, 1.2)
        layout.ellipse(
            rng.uniform(-0.1, 1.1), y, width, width * 0.07, hsv(hue, rng.uniform(0.1, 0.5), rng.uniform(0.5, 1.0))
        )
    boats = count(rng, complexity, 1, 6)
    for y in np.sort(horizon + 0.03 + rng.uniform(0, 0.4, boats)):
        x, h = rng.uniform(0.1, 0.9), 0.1 + 0.75 * (y - horizon) * rng.uniform(0.7, 1.1)
        sail = hsv(rng.uniform(0.0, 0.15), rng.choice([0.1, 0.7]), rng.uniform(0.75, 1.0))
        layout.line(x, y, x, y - 1.1 * h, 0.035 * h, hsv(0.08, 0.5, 0.25))
        layout.polygon([(x + 0.03 * h, y - h), (x + 0.03 * h, y - 0.1 * h), (x + 0.5 * h, y - 0.1 * h)], sail)
        layout.polygon([(x - 0.03 * h, y - 0.85 * h), (x - 0.03 * h, y - 0.1 * h), (x - 0.32 * h, y - 0.1 * h)], sail)
        layout.polygon((x, y) + h * _HULL, hsv(rng.uniform(0, 0.12), 0.7, rng.uniform(0.2, 0.5)))


def _windows(
    layout: Layout, rng: np.random.Generator, xs: tuple[float, float], ys: tuple[float, float], step: float
) -> None:
    """Light about 60 per cent of a grid of windows between two widths and two heights."""
    for x in np.arange(*xs, step).tolist():
        for y in np.arange(*ys, step * 1.3).tolist():
            if rng.random() < 0.6:
                layout.box(x, y, step * 0.42, step * 0.6, hsv(0.13, rng.uniform(0.2, 0.7), rng.uniform(0.5, 1.0)))


def city(layout: Layout, rng: np.random.Generator, complexity: float) -> None:
    """A skyline in rows with lit windows over a street or a river."""
    ground, hue = rng.uniform(0.72, 0.88), rng.uniform(0, 1)
    _sky(layout, rng, ground)
    rows = count(rng, complexity, 1, 3)
    for depth in np.linspace(0.2, 1.0, rows):
        x = -0.5
        while x < 1.5:
            width, height = rng.uniform(0.09, 0.2), rng.uniform(0.2, 0.62) * (1.1 - 0.4 * depth)
            base = hsv(hue + rng.normal(0, 0.05), 0.15 + 0.3 * depth, rng.uniform(0.5, 0.75) * (1.1 - 0.6 * depth))
            layout.box(x, ground - height, width, height + 0.02, base)
            if rng.random() < 0.35:
                layout.polygon(
                    [(x, ground - height), (x + width / 2, ground - height - 0.1), (x + width, ground - height)], base
                )
            step = 0.075 - 0.035 * complexity
            if depth > 0.5:
                _windows(layout, rng, (x + 0.02, x + width - 0.025), (ground - height + 0.03, ground - 0.04), step)
            x += width * rng.uniform(0.9, 1.25)
    front = rng.choice([0.58, 0.08])
    layout.gradient(hsv(front, 0.25, 0.55), hsv(front, 0.35, 0.25), ground, 2.0)


def forest(layout: Layout, rng: np.random.Generator, complexity: float) -> None:
    """Trunks with crowns from far to near on a forest floor."""
    ground, hue = rng.uniform(0.55, 0.75), rng.choice([0.3, 0.26, 0.2, 0.1, 0.05]) + rng.normal(0, 0.02)
    _sky(layout, rng, ground)
    layout.gradient(hsv(hue, 0.45, 0.6), hsv(hue + 0.03, 0.6, 0.25), ground, 2.0)
    trees = count(rng, complexity, 2, 13)
    for depth in np.sort(rng.uniform(0, 1, trees)):
        x, foot, height = rng.uniform(-0.15, 1.15), ground + 0.3 * depth, 0.4 + 0.5 * depth * rng.uniform(0.6, 1.1)
        trunk = hsv(rng.uniform(0.05, 0.1), 0.45, rng.uniform(0.15, 0.5))
        layout.line(x, foot, x + rng.normal(0, 0.02), foot - height * 0.8, 0.03 + 0.045 * depth, trunk, 0.4)
        for side in rng.choice([-1, 1], 3):
            y, reach = foot - height * rng.uniform(0.35, 0.7), height * rng.uniform(0.12, 0.25)
            layout.line(x, y, x + side * reach, y - reach, 0.012 + 0.015 * depth, trunk, 0.4)
        for _ in range(7):
            cx, cy, r = (
                x + rng.normal(0, 0.09) * height,
                foot - height * rng.uniform(0.55, 1.0),
                height * rng.uniform(0.09, 0.18),
            )
            leaf = hsv(hue + rng.normal(0, 0.025), rng.uniform(0.45, 0.8), rng.uniform(0.25, 0.75))
            layout.ellipse(cx, cy, r * 1.2, r, leaf)
