"""The filters of a bank."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groupscat.plot.figures import check_dimension, direction, new_figure, signed_image, windowed
from groupscat.plot.frequencies import frequency_axis, frequency_label, spectra
from groupscat.plot.volume import filters_3d, harmonics
from groupscat.scattering import HarmonicScattering3D, Scattering
from groupscat.wavelets.morlet import Morlet

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def filters(S: Scattering | HarmonicScattering3D, figure: Figure | None = None) -> Figure:
    """The wavelets and the low-pass.

    In two dimensions the real parts in space, one row per scale and one column per orientation, and φ;
    every picture has its own colour scale, symmetric about 0, and every row its own window. Angles are
    those in which the wavelet oscillates as one sees it, counter-clockwise from the right. In one dimension
    the moduli of the spectra against frequency, one panel for each order that has a bank of its own. In
    three dimensions the middle planes of the coarsest wavelets; of solid harmonics, which have no φ, one
    plane of each degree and order.

    Parameters
    ----------
    figure : an empty figure to draw in; None: a new one.

    Raises
    ------
    ArgumentError : S is no scattering operator. ImportError : matplotlib is not installed.
    """
    held = getattr(S, "operator", S)  # a framework's module holds its operator
    if isinstance(held, HarmonicScattering3D):
        return harmonics(held, figure)
    d = check_dimension(held, "filters", (1, 2, 3))
    return {1: _filters_1d, 2: _filters_2d, 3: filters_3d}[d](held, figure)


def _filters_1d(S: Scattering, figure: Figure | None) -> Figure:
    banks = spectra(S)
    figure = new_figure(figure, 8.0, 2.3 * len(banks) + 0.9)
    panels = figure.subplots(len(banks), 1, sharex=True, squeeze=False)[:, 0]
    rate = S.sampling_rate or 1.0
    for ax, (title, freqs, phi, psi, _) in zip(panels, banks, strict=True):
        shades = _colours("viridis", len(psi))
        for spectrum, colour in zip(psi, shades, strict=True):
            ax.plot(freqs * rate, spectrum, color=colour, lw=1.1)
        ax.plot(freqs * rate, phi, color="0.25", lw=1.6, ls="--", label="φ")
        frequency_axis(S, ax, min(min(c) for *_, c in banks))
        ax.set(ylim=(0, None), ylabel="|ψ̂(ω)|", title=title)
        ax.legend(loc="upper left")
    panels[-1].set_xlabel(frequency_label(S))
    return figure


def _filters_2d(S: Scattering, figure: Figure | None) -> Figure:
    phi, rows = _in_space(S)
    count = len(rows[0])
    # A real wave runs both ways; only complex input tells a direction from its opposite.
    period = 360 if S.complex_input else 180
    angles = [round(math.degrees(direction(w.xi)), 6) % period for w in _oriented(S)]
    figure = new_figure(figure, 0.95 * (count + 1) + 0.8, 1.1 * len(rows) + 0.9)
    panels = figure.subplots(len(rows), count + 1, squeeze=False)
    for ax in panels.flat:
        ax.set(xticks=[], yticks=[])
    for ax in panels[1:, 0]:
        ax.remove()
    for j, row in enumerate(rows):
        for k, psi in enumerate(windowed(row)):
            signed_image(panels[j, k + 1], psi)
        panels[j, 1].set_ylabel(f"j = {j}\n{psi.shape[0]} × {psi.shape[1]} px", fontsize=9)
    for k, angle in enumerate(angles):
        panels[0, k + 1].set_title(f"θ = {k}\n{round(angle)}°", fontsize=9)
    (low,) = windowed([phi])
    signed_image(panels[0, 0], low)
    panels[0, 0].set_title("φ", fontsize=9)
    panels[0, 0].set_ylabel(f"J = {S.J}\n{low.shape[0]} × {low.shape[1]} px", fontsize=9)
    figure.suptitle(f"φ and the real parts of the wavelets, J = {S.J}, L = {S.L}", fontsize=11)
    return figure


def _in_space(S: Scattering) -> tuple[NDArray[Any], list[list[NDArray[Any]]]]:
    """φ and the real parts of ψ by scale and orientation, the origin in the middle."""
    if S.method == "cascade":
        levels = [S.cascade.equivalent(level) for level in range(1, S.J + 1)]
        size = int(max(levels[-1][1].shape[1:]))
        return _centred(levels[-1][0], size), [[_centred(w.real, size) for w in psi] for _, psi in levels]
    spaces = np.fft.fftshift(S.filters.psi_space(1).real, axes=(1, 2))
    wavelets = S.bank.wavelets(1)
    rows: list[list[NDArray[Any]]] = [
        [spaces[k] for k, w in enumerate(wavelets) if w.j == j] for j in range(S.J)
    ]
    return np.fft.fftshift(S.filters.phi_space()), rows


def _centred(w: NDArray[Any], size: int) -> NDArray[Any]:
    before = [(size - n) // 2 for n in w.shape]
    return np.pad(w, [(b, size - n - b) for b, n in zip(before, w.shape, strict=True)])


def _oriented(S: Scattering) -> tuple[Morlet, ...]:
    """The wavelets of the finest scale, one per orientation."""
    if S.method == "cascade":
        return S.cascade.at_scale(0)
    return tuple(w for w in S.bank.wavelets(1) if w.j == 0)


def _colours(name: str, count: int) -> NDArray[Any]:
    from matplotlib import colormaps

    return np.asarray(colormaps[name](np.linspace(0.05, 0.9, count)))
