"""Coverage of the frequency plane

The Littlewood-Paley sum of an image's bank over all frequencies, and its sections. The corners, at high
diagonal frequencies, are covered least. `normalize="littlewood-paley"`, as here, scales the filters so
that the largest value B is 1: the transform is then a contraction, ‖Sx − Sy‖ ≤ ‖x − y‖.
"""

from matplotlib.figure import Figure

import groupscat as gs
from groupscat import plot


def draw() -> Figure:
    S = gs.Scattering2D(J=3, shape=(64, 64), L=8, normalize="littlewood-paley")
    return plot.littlewood_paley(S)


if __name__ == "__main__":
    from _picture import main

    main(draw)
