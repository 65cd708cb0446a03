"""An image from its coefficients

An image of 64 × 64 pixels is found from averages of its scattering coefficients over squares of 8 pixels,
by gradient descent from white noise. Those of order 1 know how much of which orientation there is in each
square, but not where the edges run and how the stripes join. Order 2 knows much of it.
"""

import numpy as np
from matplotlib.figure import Figure

import groupscat as gs
from groupscat import plot

SIDE = 64


def image() -> np.ndarray:
    """A disk on a ramp; stripes on one half."""
    v, u = np.mgrid[:SIDE, :SIDE] / SIDE
    disk = np.hypot(v - 0.4, u - 0.55) < 0.25
    return (0.6 * disk + 0.2 * np.sin(60 * (u + v)) * (u > 0.5) + 0.3 * v).astype(np.float32)


def draw() -> Figure:
    x = image()
    found = {}
    for order in (1, 2):
        S = gs.Scattering2D(J=3, shape=(SIDE, SIDE), max_order=order)
        name = "order 1" if order == 1 else "orders 1 and 2"
        found[name] = gs.reconstruct(S, S(x), backend="torch", steps=150, tolerance=0.002)
    return plot.reconstructions(found, x)


if __name__ == "__main__":
    import torch  # noqa: F401 -- what takes the gradients
    from _picture import main

    main(draw)
