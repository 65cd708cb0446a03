"""The scattering disk of an image

All coefficients of orders 1 and 2 of one image, averaged over space and put where their wavelets live in
the frequency plane. A ring is a scale, fine scales are outside; a sector is a direction. At order 2 each cell
(j₁, θ₁) is divided along the radius by j₂ and along the angle by θ₂.

Near the middle, at coarse scales, the disk of order 1 is brightest at 90°: the stacked roofs repeat along the
vertical. Outside, at fine scales, it is brightest near 0°: the ribs of tiles and the railings.
"""

from matplotlib.figure import Figure
from sklearn.datasets import load_sample_image

import groupscat as gs
from groupscat import plot


def draw() -> Figure:
    image = load_sample_image("china.jpg")[90:346, 170:426].mean(axis=2) / 255
    S = gs.Scattering2D(J=4, shape=image.shape, L=8)
    return plot.scattering_disk(S, S(image), image)


if __name__ == "__main__":
    from _picture import main

    main(draw)
