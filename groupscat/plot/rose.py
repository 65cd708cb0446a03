"""The energy of a sound by rate, scale and spin of the time-frequency wavelets that respond to it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from groupscat.backend import Array
from groupscat.errors import ArgumentError
from groupscat.plan.joint_paths import JointPath
from groupscat.plot.figures import POSITIVE, new_figure, one_signal
from groupscat.plot.frequencies import edges, frequency_label, logarithmic
from groupscat.plot.time_frequency import scalogram
from groupscat.scattering import Scattering1D, TimeFrequencyScattering

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: The scalogram beside a rose is averaged over the largest scale divided by this.
FINER = 16
SPINS = {-1: "falling (spin −1)", 1: "rising (spin +1)"}


def rose(
    S: TimeFrequencyScattering,
    y: Array,
    x: Array | None = None,
    figure: Figure | None = None,
) -> Figure:
    """The energy of the coefficients ψ_μ(t) ψ_ℓ(±λ) of one sound, by rate μ, scale ℓ and spin ±.

    The rate says how fast the scalogram varies in time, the scale how fast along log-frequency; a chirp
    answers where their ratio μ/ℓ is its slope in octaves per second. Falling chirps are on the left, rising
    ones on the right, as in a mirror. Colours give the sum of squares over rows and time relative to the
    largest.

    Parameters
    ----------
    y : coefficients of one signal, shape (paths, times) or (paths, rows, times), of any framework.
    x : the signal itself, shape (N,), whose scalogram is drawn beside.

    Rates are in Hz where S has a sampling rate, otherwise in cycles/sample; scales in cycles/octave.

    Raises
    ------
    ArgumentError : S is no TimeFrequencyScattering, or has not both spins.
    ShapeError : y is not one signal's. ImportError : matplotlib is not installed.

    Source: Andén, Lostanlen & Mallat 2019, section II.
    """
    held = getattr(S, "operator", S)  # a framework's module holds its operator
    if not isinstance(held, TimeFrequencyScattering):
        raise ArgumentError(f"plot.rose draws a TimeFrequencyScattering, got {type(held).__name__}.")
    found: defaultdict[tuple[int, float, float], float] = defaultdict(float)
    for path, values in zip(held.paths, one_signal(held, y), strict=True):
        if isinstance(path, JointPath) and path.order == 2 and path.spin and path.xi_fr:
            # Q rows make an octave.
            found[path.spin, abs(path.xi_fr) * held.Q[0], path.wavelets[-1].xi[0]] += float(values @ values)
    spins, scales, rates = (sorted({key[axis] for key in found}) for axis in range(3))
    if held.separable or spins != list(SPINS):
        raise ArgumentError(
            f"plot.rose compares both spins, and {held!r} lacks one; build it without separable and without "
            "excluding psi_t psi_f."
        )
    grid = {
        spin: np.array([[found[spin, scale, rate] for rate in rates] for scale in scales]) for spin in SPINS
    }
    top = max(values.max() for values in grid.values()) or 1.0

    figure = new_figure(figure, 6.0 if x is None else 10.5, 3.8)
    part: Any = figure
    if x is not None:
        beside: Any = figure.subfigures(1, 2, width_ratios=(1, 1.25))
        scalogram(_first_order(held), x, figure=beside[0])
        part = beside[1]
    panels = part.subplots(1, 2, sharey=True)
    horizontal = edges(np.array(rates) * (held.time.sampling_rate or 1.0))
    vertical = edges(np.array(scales))
    for ax, (spin, title) in zip(panels, SPINS.items(), strict=True):
        drawn = ax.pcolormesh(horizontal, vertical, grid[spin] / top, cmap=POSITIVE, vmin=0, vmax=1)
        logarithmic(held.time, ax, "x")
        ax.set_yscale("log", base=2)
        ax.yaxis.set_major_formatter("{x:g}")
        ax.tick_params(axis="x", labelsize=8)
        ax.set(title=title, xlabel=frequency_label(held.time).replace("frequency", "rate μ"))
    panels[0].invert_xaxis()
    panels[0].set_ylabel("scale ℓ, cycles/octave")
    part.colorbar(drawn, ax=panels, label="energy, relative to the largest")
    return figure


def _first_order(S: TimeFrequencyScattering) -> Scattering1D:
    """The wavelets of S, averaged over a shorter time: a picture shows more than features keep."""
    finer = max(1, 2**S.J // FINER)
    return S.time.replace(T=finer, stride=finer, max_order=1, out_type="array")
