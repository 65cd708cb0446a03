"""Spectra of 1-D banks and the frequency axes they are drawn on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groupscat.scattering import Scattering
from groupscat.wavelets.bank import fft_frequencies

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Samples per axis at which the spectra of closed-form filters are drawn: finer than any image's grid.
FINE = {1: 8192, 2: 257, 3: 65}

Panel = tuple[str, NDArray[Any], NDArray[Any], NDArray[Any], list[float]]


def spectra(S: Scattering) -> list[Panel]:
    """Per 1-D bank: title, frequencies (ascending), |φ̂|, |ψ̂| per wavelet, centres, on a fine grid."""
    n = max(FINE[1], S.axes[0].padded)
    phi: NDArray[Any]
    psi: NDArray[Any]
    grid = fft_frequencies((n,))
    (freqs,) = grid
    shift = np.fft.fftshift
    if S.method == "cascade":
        levels = [S.cascade.equivalent(level) for level in range(1, S.J + 1)]
        psi = np.concatenate([np.abs(np.fft.fft(psi, n)) for _, psi in levels])
        centres = [w.xi[0] for j in range(S.J) for w in S.cascade.at_scale(j)]
        phi = np.abs(np.fft.fft(levels[-1][0], n))
        return [
            (
                "equivalent filters of the cascade, every order",
                shift(freqs),
                shift(phi),
                shift(psi, 1),
                centres,
            )
        ]
    panels: list[Panel] = []
    same = S.bank.wavelets(1) == S.bank.wavelets(2)
    for order in (1,) if same or S.max_order < 2 else (1, 2):
        wavelets = S.bank.wavelets(order)
        # Normalised on the operator's own grid, drawn on a finer one.
        size = (S.axes[0].padded,)
        phi = S.bank.phi.hat(grid, size=size)
        psi = np.stack([w.hat(grid, size=size) for w in wavelets])
        title = f"order {order}: {len(wavelets)} wavelets" if not same else f"{len(wavelets)} wavelets"
        panels.append((title, shift(freqs), shift(phi), shift(psi, 1), [w.xi[0] for w in wavelets]))
    return panels


def frequency_axis(S: Scattering, ax: Axes, lowest: float) -> None:
    """Logarithmic from well below the lowest centre frequency; linear where there are negative ones."""
    rate = S.sampling_rate or 1.0
    if S.complex_input:
        ax.set_xlim(-rate / 2, rate / 2)
    else:
        logarithmic(S, ax, "x")
        ax.set_xlim(lowest / 4 * rate, rate / 2)


def logarithmic(S: Scattering, ax: Axes, name: str) -> None:
    """Make the axis "x" or "y" logarithmic: powers of two of cycles/sample, plain numbers of Hz."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    scale, axis = (ax.set_xscale, ax.xaxis) if name == "x" else (ax.set_yscale, ax.yaxis)
    if S.sampling_rate is None:
        scale("log", base=2)
        return
    scale("log")
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def frequency_label(S: Scattering) -> str:
    return "frequency, cycles/sample" if S.sampling_rate is None else "frequency, Hz"


def edges(centres: NDArray[Any]) -> NDArray[Any]:
    """Borders between ascending frequencies: geometric means where they are positive."""
    if len(centres) == 1:
        return np.array([centres[0] / math.sqrt(2), centres[0] * math.sqrt(2)])
    positive = bool((centres > 0).all())
    c = np.log(centres) if positive else centres
    middle = (c[1:] + c[:-1]) / 2
    edges = np.concatenate([[2 * c[0] - middle[0]], middle, [2 * c[-1] - middle[-1]]])
    return np.asarray(np.exp(edges) if positive else edges)
