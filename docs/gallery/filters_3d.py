"""Wavelets of volumes

The six oriented wavelets of one scale, which point at the vertices of an icosahedron, cut along the three
planes through their middle. Where a plane contains the direction of a wavelet it shows the oscillation;
where it does not, the wavelet looks like a blob.
"""

from matplotlib.figure import Figure

import groupscat as gs
from groupscat import plot


def draw() -> Figure:
    S = gs.Scattering3D(J=4, shape=(48, 48, 48))
    return plot.filters(S)


if __name__ == "__main__":
    from _picture import main

    main(draw)
