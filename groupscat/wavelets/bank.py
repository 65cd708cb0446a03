"""Banks: the wavelets of each scattering order with the low-pass that averages them."""

from __future__ import annotations

from dataclasses import dataclass
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


def fft_frequencies(shape: tuple[int, ...]) -> list[NDArray[np.float64]]:
    """Frequencies of a discrete Fourier transform per axis, cycles/sample, in [−½, ½)."""
    return [np.asarray(np.fft.fftfreq(n), np.float64) for n in shape]


@dataclass(frozen=True)
class SampledBank:
    """A bank sampled on a periodic grid, made when asked for.

    Spectra have the grid's shape in the order of ``numpy.fft.fftfreq``; in space the origin is at index 0.

    >>> from groupscat.wavelets.oriented import oriented_bank
    >>> filters = SampledBank(oriented_bank(2, J=2, L=4, T=4), (16, 16))
    >>> filters.phi.shape, filters.psi(1).shape
    ((16, 16), (8, 16, 16))
    """

    bank: Bank
    grid: tuple[int, ...]

    @property
    def phi(self) -> NDArray[np.float64]:
        """Spectrum of the low-pass, real, shape (*grid)."""
        return self.bank.phi.hat(fft_frequencies(self.grid), size=self.grid)

    def psi(self, order: int = 1) -> NDArray[np.float64]:
        """Spectra of the wavelets of one order, real, shape (wavelets, *grid)."""
        freqs = fft_frequencies(self.grid)
        return np.stack([w.hat(freqs, size=self.grid) for w in self.bank.wavelets(order)])

    def psi_space(self, order: int = 1) -> NDArray[np.complex128]:
        """The wavelets of one order in space, complex, shape (wavelets, *grid)."""
        return np.asarray(np.fft.ifftn(self.psi(order), axes=tuple(range(1, 1 + len(self.grid)))))

    def phi_space(self) -> NDArray[np.float64]:
        """The low-pass in space, shape (*grid)."""
        return np.asarray(np.fft.ifftn(self.phi).real)
