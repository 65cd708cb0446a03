"""Carriers and modulations

Order 2 tells apart sounds that order 1 confuses. Five tones, each an octave above the one before, and each
varies in loudness at a rhythm of its own, 3 to 48 times a second. Averaged over time, order 1 sees five
frequencies and no more; order 2 finds the rhythm of each.
"""

import numpy as np
from matplotlib.figure import Figure

import groupscat as gs
from groupscat import plot

RATE = 8000


def draw() -> Figure:
    t = np.arange(4 * RATE) / RATE
    x = np.zeros(len(t))
    for octave in 2 ** np.arange(5):
        loudness = 1 + 0.9 * np.cos(2 * np.pi * 3 * octave * t)
        x += loudness * np.cos(2 * np.pi * 200 * octave * t)
    S = gs.Scattering1D(J=11, shape=len(t), Q=8, T="global", sampling_rate=RATE)
    return plot.modulations(S, S(x))


if __name__ == "__main__":
    from _picture import main

    main(draw)
