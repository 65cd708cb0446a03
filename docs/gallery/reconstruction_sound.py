"""A chirp from its coefficients

A signal of 1024 samples is found from its scattering coefficients alone, by gradient descent from white noise.
Averages of the moduli of order 1 over 32 samples tell when each frequency is there, to within that time: the chirp's
line is found, but broken. With order 2 it is nearly whole, because beats between its pieces would show there.
Above 0.35 cycles per sample no wavelet looks, and the noise of the start stays as it was.
"""

import numpy as np
from matplotlib.figure import Figure

import groupscat as gs
from groupscat import plot

SIZE = 1024


def chirp() -> np.ndarray:
    t = np.arange(SIZE) / SIZE
    return (np.sin(2 * np.pi * (30 * t + 120 * t**2)) * np.hanning(SIZE)).astype(np.float32)


def draw() -> Figure:
    x = chirp()
    found = {}
    for order in (1, 2):
        S = gs.Scattering1D(J=5, shape=SIZE, Q=4, max_order=order)
        name = "order 1" if order == 1 else "orders 1 and 2"
        found[name] = gs.reconstruct(S, S(x), backend="torch", steps=150, tolerance=0.01)
    return plot.reconstructions(found, x)


if __name__ == "__main__":
    import torch  # noqa: F401 -- what takes the gradients
    from _picture import main

    main(draw)
