"""Painted works with a known taste model: the embedded data set of the quickstart.

Modules:
    canvas: areas and edges of a scene, seen through a random camera.
    scenes: eight kinds of scene laid out on it.
    brush: the stroke engine.
    styles: seven kinds of painting made with it.
    work: one picture with its latents (`paint`).
    taste: what a work is worth (`true_score`) and what simulated raters say (`rate`).
    generate: the folder of images and labels (`generate`).
"""
