"""Wavelets of sounds

Spectra of a constant-Q bank: eight wavelets per octave at order 1, one per octave at order 2, and the
low-pass φ. With `sampling_rate=` frequencies are in Hz.

The wavelets of order 1 resolve pitch; those of order 2 only have to follow the much smoother modulus,
so one per octave is enough. Below about 60 Hz here the wavelets of order 1 are spaced evenly: they may be no
longer than 2^J samples.
"""

from matplotlib.figure import Figure

import groupscat as gs
from groupscat import plot


def draw() -> Figure:
    S = gs.Scattering1D(J=9, shape=2**14, Q=8, sampling_rate=16_000)
    return plot.filters(S)


if __name__ == "__main__":
    from _picture import main

    main(draw)
