"""Stability to deformations

A burst of a tone is stretched in time by a few per cent. Its Fourier spectrum moves by more than the width of
the burst's peak, so that the modulus of the spectrum soon has nothing in common with the original: a
distance of √2, as between orthogonal vectors. The scattering transform changes in proportion to the stretch.
"""

import numpy as np
from matplotlib.figure import Figure

import groupscat as gs

SIZE = 2**12
STRETCHES = np.linspace(0, 0.1, 21)


def burst(stretch: float) -> np.ndarray:
    t = (1 + stretch) * (np.arange(SIZE) - SIZE / 2)
    return np.cos(2 * np.pi * 0.22 * t) * np.exp(-((t / 200) ** 2))


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def draw() -> Figure:
    S = gs.Scattering1D(J=8, shape=SIZE, Q=1)
    signals = np.stack([burst(stretch) for stretch in STRETCHES])
    spectra, coefficients = np.abs(np.fft.rfft(signals)), S(signals)
    figure = Figure(figsize=(6.4, 3.8), layout="constrained", dpi=120)
    ax = figure.subplots()
    for name, values, colour, line in (
        ("modulus of the Fourier transform", spectra, "#d55e00", "--"),
        ("scattering, orders 0 to 2", coefficients, "#0072b2", "-"),
    ):
        distances = [distance(v, values[0]) for v in values]
        ax.plot(100 * STRETCHES, distances, line, color=colour, label=name, lw=2)
    ax.axhline(np.sqrt(2), color="0.6", lw=0.8)
    ax.text(10, np.sqrt(2) + 0.02, "orthogonal", ha="right", va="bottom", color="0.4", fontsize=9)
    ax.set(xlabel="stretch in time, %", ylabel="relative distance to the original", ylim=(0, 1.6))
    ax.legend(loc="center right")
    return figure


if __name__ == "__main__":
    from _picture import main

    main(draw)
