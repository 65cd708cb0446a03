"""A chirp from its coefficients

A signal of 1024 samples is found from its coefficients alone, by gradient descent. Those of order 1,
averaged over 64 samples, tell when each frequency is there, to within that time: from white noise the chirp
is found in pieces. Order 2, from there, joins them, because beats between pieces would show in it. Joint
time-frequency scattering sees how the line rises: it finds the chirp from white noise, though all its
coefficients are averages over 256 samples. Where no wavelet looks, above 0.46 cycles per sample, the noise
of the start stays.
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
    first = gs.Scattering1D(J=6, shape=SIZE, Q=8, max_order=1)
    second = first.replace(max_order=2)
    joint = gs.TimeFrequencyScattering(J=8, J_fr=3, shape=SIZE, Q=16, F=1)
    found = {"order 1": gs.reconstruct(first, first(x), backend="torch", steps=200)}
    start = found["order 1"].x
    found["orders 1 and 2"] = gs.reconstruct(second, second(x), start=start, backend="torch", steps=200)
    found["joint time-frequency"] = gs.reconstruct(joint, joint(x), backend="torch", steps=200)
    return plot.reconstructions(found, x)


if __name__ == "__main__":
    import torch  # noqa: F401 -- what takes the gradients
    from _picture import main

    main(draw)
