"""Coefficients in space

The coefficients of order 0 and 1 keep a coarse grid, one sample every 2^J pixels. Each small picture shows
where in the image one wavelet found something: at j = 0 and 22° the ribs of the tiles, at j = 2 and 90° the
eaves of the roofs, next to nothing in the sky. Pictures share one colour scale, whose steps are finer near 0.
"""

from matplotlib.figure import Figure
from sklearn.datasets import load_sample_image

import groupscat as gs
from groupscat import plot


def draw() -> Figure:
    image = load_sample_image("china.jpg")[90:346, 170:426].mean(axis=2) / 255
    S = gs.Scattering2D(J=3, shape=image.shape, L=8, max_order=1)
    return plot.maps(S, S(image))


if __name__ == "__main__":
    from _picture import main

    main(draw)
