"""Solid harmonics

The filters of `HarmonicScattering3D`: a Gaussian times a spherical harmonic of degree l and order m. A
rotation of the volume mixes the orders m of one degree and keeps the sum of their squares, so
Σ_m |x ⋆ ψ_lm|² does not depend on how a molecule is turned.
"""

from matplotlib.figure import Figure

import groupscat as gs
from groupscat import plot


def draw() -> Figure:
    S = gs.HarmonicScattering3D(J=2, shape=(32, 32, 32), L=3)
    return plot.filters(S)


if __name__ == "__main__":
    from _picture import main

    main(draw)
