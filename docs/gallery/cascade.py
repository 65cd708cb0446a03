"""The fast filter bank

With `method="cascade"` every layer applies the same few small filters and keeps every second sample. Drawn
are the equivalent filters: what the cascade does to the image as a whole, up to each scale. They are close
to dilations of one another, but not exactly: the first row is the bare small filter.
"""

from matplotlib.figure import Figure

import groupscat as gs
from groupscat import plot


def draw() -> Figure:
    S = gs.Scattering2D(J=3, shape=(64, 64), L=8, method="cascade")
    return plot.filters(S)


if __name__ == "__main__":
    from _picture import main

    main(draw)
