"""Chirps that rise and chirps that fall

Time-frequency scattering has wavelets in time and along log-frequency, and their spin follows the direction
of a chirp. Two sounds with the same averaged spectrum: a train of chirps, and the same backwards in time.
Beside the scalogram is the energy by rate (how fast it varies in time), scale (how fast along log-frequency)
and spin. The sides change place; the averages of scattering in time alone hardly tell the sounds apart.
"""

import numpy as np
from matplotlib.figure import Figure

import groupscat as gs
from groupscat import plot

RATE, SIZE = 8000, 2**14


def chirps() -> np.ndarray:
    """Four a second, each two octaves up from 400 Hz."""
    t = np.arange(SIZE) / RATE
    part = (4 * t) % 1
    slope = 2 * np.log(2)
    phase = 2 * np.pi * 400 / 4 * np.expm1(slope * part) / slope
    return np.sin(phase) * np.sin(np.pi * part) ** 2


def draw() -> Figure:
    x = chirps()
    S = gs.TimeFrequencyScattering(J=11, J_fr=4, shape=SIZE, Q=12, sampling_rate=RATE)
    figure = Figure(figsize=(10.5, 7.0), layout="constrained", dpi=120)
    for part, sound in zip(figure.subfigures(2, 1), (x, x[::-1].copy()), strict=True):
        plot.rose(S, S(sound), sound, figure=part)
    return figure


if __name__ == "__main__":
    from _picture import main

    main(draw)
