"""How a bank covers the frequencies: its Littlewood-Paley sum."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groupscat.plot.figures import POSITIVE, check_dimension, new_figure
from groupscat.plot.frequencies import FINE, frequency_axis, frequency_label, spectra
from groupscat.scattering import Scattering
from groupscat.wavelets.littlewood_paley import littlewood_paley as measure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def littlewood_paley(S: Scattering, order: int = 1, figure: Figure | None = None) -> Figure:
    """The Littlewood-Paley sum of one order's bank and its bounds A, B on the transform's own grid.

    In two dimensions an image over the frequency plane and its section along the first diagonal and both
    axes; in three the same of the plane of the last two axes; in one the sum with the spectra that it is
    made of.

    Raises
    ------
    ArgumentError : S is no translation scattering. ImportError : matplotlib is not installed.
    """
    d = check_dimension(S, "littlewood_paley", (1, 2, 3))
    bounds = S.littlewood_paley(order)
    if S.method == "cascade":
        total = S.cascade.littlewood_paley(S.J, (FINE[d],) * d).total
    else:
        total = measure(S.bank, (FINE[d],) * d, order, real_input=not (S.complex_input and order == 1)).total
    freqs = np.fft.fftshift(np.fft.fftfreq(FINE[d]))
    total = np.fft.fftshift(total)
    title = f"Littlewood-Paley sum, order {order}: A = {bounds.lower:.3g}, B = {bounds.upper:.3g}"
    if d == 1:
        figure = new_figure(figure, 8.0, 3.4)
        ax = figure.subplots()
        _lines_1d(S, ax, freqs, total, order)
        ax.set_title(title)
        return figure
    total = total[total.shape[0] // 2] if d == 3 else total
    unit = "cycles/pixel" if d == 2 else "cycles/voxel"
    figure = new_figure(figure, 9.0, 4.0)
    plane, sections = figure.subplots(1, 2, width_ratios=(1, 1.15))
    edge = 0.5 + 0.5 / FINE[d]
    drawn = plane.imshow(
        total, origin="upper", extent=(-edge, edge, -edge, edge), cmap=POSITIVE, vmin=0, vmax=total.max()
    )
    plane.set(xlabel=f"horizontal frequency, {unit}", ylabel=f"vertical frequency, {unit}")
    figure.colorbar(drawn, ax=plane, shrink=0.85)
    middle = FINE[d] // 2
    sections.plot(freqs[middle:], total[middle, middle:], label="horizontal")
    sections.plot(freqs[middle:], total[middle:, middle], label="vertical", ls="--")
    sections.plot(math.sqrt(2) * freqs[middle:], np.diag(total)[middle:], label="diagonal")
    sections.axhline(1, color="0.6", lw=0.8)
    sections.set(xlabel=f"|frequency|, {unit}", ylim=(0, None), xlim=(0, math.sqrt(0.5)))
    sections.legend(title="section")
    figure.suptitle(title)
    return figure


def _lines_1d(S: Scattering, ax: Axes, freqs: NDArray[Any], total: NDArray[Any], order: int) -> None:
    rate = S.sampling_rate or 1.0
    banks = spectra(S)
    _, fine, phi, psi, centres = banks[min(order, len(banks)) - 1]
    ax.plot(fine * rate, phi**2, color="0.25", lw=1.0, ls="--", label="|φ̂|²")
    for k, spectrum in enumerate(psi):
        # A real signal has both halves of the spectrum, so each wavelet counts half in each of them.
        part = spectrum**2 if S.complex_input and order == 1 else spectrum**2 / 2
        ax.plot(fine * rate, part, color="tab:blue", lw=0.7, alpha=0.6, label=None if k else "each |ψ̂|²")
    ax.plot(freqs * rate, total, color="black", lw=1.6, label="sum")
    ax.axhline(1, color="0.6", lw=0.8)
    frequency_axis(S, ax, min(centres))
    ax.set(xlabel=frequency_label(S), ylim=(0, 1.25 * max(1.0, total.max())))
    ax.legend(loc="upper center", ncols=3)
