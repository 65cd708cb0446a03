"""Coefficients against paths

One bar per path, in the order of `S.paths` and of the path axis: order 0, then (j₁, θ₁), then
(j₁, θ₁, j₂, θ₂). Steps are scales, the pattern inside a step runs over the angles. The scale is
logarithmic: at order 2 coefficients are many and small.
"""

from matplotlib.figure import Figure
from sklearn.datasets import load_sample_image

import groupscat as gs
from groupscat import plot


def draw() -> Figure:
    image = load_sample_image("flower.jpg")[100:356, 200:456].mean(axis=2) / 255
    S = gs.Scattering2D(J=3, shape=image.shape, L=8)
    return plot.coefficients(S, S(image))


if __name__ == "__main__":
    from _picture import main

    main(draw)
