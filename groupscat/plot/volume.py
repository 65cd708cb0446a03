"""Filters of volumes: oriented wavelets in the three middle planes, solid harmonics in one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groupscat.plot.figures import new_figure, signed_image, windowed
from groupscat.scattering import HarmonicScattering3D, Scattering
from groupscat.wavelets.bank import fft_frequencies
from groupscat.wavelets.harmonic import SolidHarmonic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: The planes through the middle: the axis that is cut.
PLANES = {"axes 2, 3": 0, "axes 1, 3": 1, "axes 1, 2": 2}


def filters_3d(S: Scattering, figure: Figure | None) -> Figure:
    """The wavelets of the coarsest scale: a row per middle plane, a column per orientation, φ first."""
    if S.method == "cascade":
        psi, low = _cascade(S)
    else:
        spaces = np.fft.fftshift(S.filters.psi_space(1).real, axes=(1, 2, 3))
        psi = [spaces[k] for k, w in enumerate(S.bank.wavelets(1)) if w.j == S.J - 1]
        low = np.fft.fftshift(S.filters.phi_space())
    figure = new_figure(figure, 1.1 * (len(psi) + 1) + 0.8, 4.4)
    panels = figure.subplots(len(PLANES), len(psi) + 1, squeeze=False)
    for row, (plane, axis) in enumerate(PLANES.items()):
        cut = windowed([_middle(w, axis) for w in psi])
        for ax, values in zip(panels[row], (*windowed([_middle(low, axis)]), *cut), strict=True):
            signed_image(ax, values)
            ax.set(xticks=[], yticks=[])
        panels[row, 0].set_ylabel(plane, fontsize=9)
    for k, ax in enumerate(panels[0]):
        ax.set_title(f"θ = {k - 1}" if k else "φ", fontsize=9)
    size = cut[0].shape[0]
    figure.suptitle(
        f"φ and the real parts of the wavelets of scale j = {S.J - 1}\n"
        f"in the planes through their middle, {size} × {size} voxels",
        fontsize=11,
    )
    return figure


def harmonics(S: HarmonicScattering3D, figure: Figure | None) -> Figure:
    """Solid harmonics: a row per degree l, a column per order m ≥ 0, in the plane of the axes 1 and 3."""
    width = 4.0  # all scales are dilations of this one
    size = 2 * int(4.5 * width) + 1
    grid = fft_frequencies((size,) * 3)
    figure = new_figure(figure, 1.35 * (S.L + 1) + 1.0, 1.35 * (S.L + 1) + 0.8)
    panels = figure.subplots(S.L + 1, S.L + 1, squeeze=False)
    for l in range(S.L + 1):
        spectra = SolidHarmonic(j=0, l=l, width=width).hat(grid)
        spaces = np.fft.fftshift(np.fft.ifftn(spectra, axes=(1, 2, 3)).real, axes=(1, 2, 3))
        for m, ax in enumerate(panels[l]):
            if m > l:
                ax.remove()
                continue
            signed_image(ax, _middle(spaces[l + m], 1))
            ax.set(xticks=[], yticks=[])
            ax.set_title(f"m = {m}", fontsize=9)
        panels[l, 0].set_ylabel(f"l = {l}", fontsize=9)
    figure.suptitle("Real parts of the solid harmonics\nin the plane of the axes 1 (down) and 3", fontsize=11)
    return figure


def _cascade(S: Scattering) -> tuple[list[NDArray[Any]], NDArray[Any]]:
    low, band = S.cascade.equivalent(S.J)
    size = max(*low.shape, *band.shape[1:])

    def centred(w: NDArray[Any]) -> NDArray[Any]:
        before = [(size - n) // 2 for n in w.shape]
        return np.pad(w, [(b, size - n - b) for b, n in zip(before, w.shape, strict=True)])

    return [centred(w.real) for w in band], centred(low)


def _middle(w: NDArray[Any], axis: int) -> NDArray[Any]:
    return np.asarray(np.take(w, w.shape[axis] // 2, axis))
