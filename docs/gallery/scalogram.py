"""The scalogram of a sound

The coefficients of order 1 against time and frequency. The sound is made of a chirp, a steady tone with two
overtones, a tone whose pitch trembles, and two clicks: lines, horizontal bars, waves and vertical lines.
"""

import numpy as np
from matplotlib.figure import Figure

import groupscat as gs
from groupscat import plot

RATE = 16_000


def sound() -> np.ndarray:
    t = np.arange(2 * RATE) / RATE
    chirp = np.sin(2 * np.pi * (150 * t + 150 * t**2)) * (t < 1)
    note = sum(np.sin(2 * np.pi * 440 * k * t) / k for k in (1, 2, 3)) * (t > 1) * (t < 1.4)
    vibrato = np.sin(2 * np.pi * 1500 * t + 20 * np.sin(2 * np.pi * 6 * t)) * (t > 1.4)
    clicks = 5.0 * np.isin(np.arange(len(t)), [RATE // 4, RATE // 2])
    return chirp + note + vibrato + clicks


def draw() -> Figure:
    x = sound()
    S = gs.Scattering1D(J=8, shape=len(x), Q=16, max_order=1, T=256, sampling_rate=RATE)
    return plot.scalogram(S, x, db=True)


if __name__ == "__main__":
    from _picture import main

    main(draw)
