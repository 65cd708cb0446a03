"""Banks: the wavelets of each scattering order with the low-pass that averages them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from groupscat.wavelets.morlet import Gabor, Morlet


@dataclass(frozen=True)
class Bank:
    """Filters of a scattering cascade.

    Parameters
    ----------
    phi : the averaging filter φ_J.
    psi : wavelets per order; orders beyond the last entry reuse it.
    alias : how a filter is taken to a coarser grid: ``"fold"`` sums the spectrum over the aliases
        (sampling in space, the 1-D convention), ``"crop"`` keeps the low frequencies (the 2-D one).
    """

    phi: Gabor
    psi: tuple[tuple[Morlet, ...], ...]
    alias: Literal["crop", "fold"]

    @property
    def ndim(self) -> int:
        return self.phi.ndim

    def wavelets(self, order: int) -> tuple[Morlet, ...]:
        """The wavelets applied at scattering order ``order`` ≥ 1."""
        return self.psi[min(order, len(self.psi)) - 1]

    def by_scale(self, order: int) -> list[tuple[Morlet, ...]]:
        """The wavelets of one order grouped by j: what one batched operation applies."""
        scales = sorted({psi.j for psi in self.wavelets(order)})
        return [tuple(psi for psi in self.wavelets(order) if psi.j == j) for j in scales]

    def normalised(self, shape: tuple[int, ...]) -> Bank:
        """The bank scaled so that its Littlewood-Paley sum is at most 1 at every order, for real input."""
        from groupscat.wavelets.littlewood_paley import littlewood_paley

        worst = max(
            littlewood_paley(self, shape, order=m + 1).upper for m in range(len(self.psi))
        )
        factor = worst**-0.5
        return replace(
            self,
            phi=self.phi.scaled(factor),
            psi=tuple(tuple(w.scaled(factor) for w in order) for order in self.psi),
        )


def fft_frequencies(shape: tuple[int, ...]) -> list[NDArray[np.float64]]:
    """Frequencies of a discrete Fourier transform per axis, cycles/sample, in [−½, ½)."""
    return [np.fft.fftfreq(n) for n in shape]
