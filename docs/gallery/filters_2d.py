"""Wavelets of images

The first column is the low-pass φ, the others are the real parts of the Morlet wavelets: a row per scale
j, a column per orientation θ. Each row has its own window, because wavelets of scale j are 2^j times as wide.

Wavelets are dilations and rotations of one another. The angle above each column is the direction in
which the wavelet oscillates, so it answers to edges at a right angle to it.
"""

from matplotlib.figure import Figure

import groupscat as gs
from groupscat import plot


def draw() -> Figure:
    S = gs.Scattering2D(J=3, shape=(64, 64), L=8)
    return plot.filters(S)


if __name__ == "__main__":
    from _picture import main

    main(draw)
