"""The taste model: a stand-in for human judgement whose truth is known.

No person has judged these pictures. The true score of a work, 0..10, is a stated function of its latents alone:

    true        = clip(BASE + scene + style + interaction + complexity + warmth + light + brush, 0, 10)
    scene       = SCENES[scene][0]                                  -1.4 .. 1.1
    style       = STYLES[style][0]                                  -0.8 .. 0.8
    interaction = INTERACTION * sum_t asks[scene, t] * offers[style, t], asks and offers centred over their kinds
    complexity  = 0.6 * (c - 0.5) + 0.3 - 3.6 * (c - 0.5)^2         rich, but not crammed
    warmth      = 1.2 * (w - 0.5)
    light       = 0.25 * sin(pi * l) - 0.16                         neither murky nor glaring
    brush       = -1.2 * (b - 0.5) * (c - 0.5)                      broad for simple, fine for rich works

with c, w, l, b in 0..1 the complexity, warmth, light and brush. The score is what a small jury says (`rate`): RATERS
people, each with an own leniency ~ N(0, BIAS) and an own lapse ~ N(0, LAPSE), both standard deviations, averaged,
clipped to 0..10 and rounded to 0.01. Scores and true scores then correlate at about .9.
"""

from __future__ import annotations

import numpy as np

from ssmr.datasets.procedural.work import Latents

BASE = 5.0
INTERACTION = 1.2
RATERS, BIAS, LAPSE = 5, 0.9, 1.5

# What a scene is worth by itself, and what it asks of a style (drama, delicacy, order), each -1 .. 1.
SCENES: dict[str, tuple[float, tuple[float, float, float]]] = {
    'mountains': (0.5, (1.0, -0.3, 0.2)),
    'sea': (1.1, (0.5, 0.8, -0.7)),
    'still_life': (-0.2, (0.3, -0.6, -0.9)),
    'portrait': (0.7, (0.9, -0.2, -1.0)),
    'city': (-0.8, (-0.4, -0.8, 1.0)),
    'forest': (0.0, (-0.3, -1.0, -0.2)),
    'flowers': (0.2, (-1.0, 1.0, 0.1)),
    'abstract': (-1.4, (-0.8, 0.4, 0.9)),
}
# What a style is worth by itself, and what it offers of the same three.
STYLES: dict[str, tuple[float, tuple[float, float, float]]] = {
    'oil': (0.8, (0.8, -0.9, -0.6)),
    'pointillist': (0.0, (-0.5, -0.2, 0.7)),
    'watercolour': (0.3, (-0.4, 1.0, -0.8)),
    'woodblock': (-0.6, (-0.7, 0.2, 1.0)),
    'chiaroscuro': (0.6, (1.0, 0.3, -0.7)),
    'pastel': (-0.3, (-0.8, 0.8, -0.3)),
    'engraving': (-0.8, (0.6, -0.8, 0.8)),
}


def _interactions() -> dict[tuple[str, str], float]:
    """Return how much each pair gains by going together; rows and columns have mean 0, so no main effect hides here."""
    asks = np.array([wants for _, wants in SCENES.values()])
    offers = np.array([gives for _, gives in STYLES.values()])
    table = INTERACTION * (asks - asks.mean(axis=0)) @ (offers - offers.mean(axis=0)).T
    return {(a, b): float(table[i, j]) for i, a in enumerate(SCENES) for j, b in enumerate(STYLES)}


_SUITS = _interactions()


def true_score(latents: Latents) -> float:
    """Return the noise-free score, 0..10, of a work with these latents (the module's formula)."""
    c, b = latents.complexity - 0.5, latents.brush - 0.5
    score = BASE + SCENES[latents.scene][0] + STYLES[latents.style][0] + _SUITS[latents.scene, latents.style]
    score += 0.6 * c + 0.3 - 3.6 * c**2 - 1.2 * b * c
    score += 1.2 * (latents.warmth - 0.5) + 0.25 * np.sin(np.pi * latents.light) - 0.16
    return float(np.clip(score, 0.0, 10.0))


def rate(truth: float, rng: np.random.Generator) -> float:
    """Return the mean opinion, 0..10 in steps of 0.01, of a fresh jury about a work of this true score."""
    opinions = truth + rng.normal(0.0, BIAS, RATERS) + rng.normal(0.0, LAPSE, RATERS)
    return round(float(np.clip(opinions.mean(), 0.0, 10.0)), 2)
