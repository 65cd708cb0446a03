"""How well a bank covers the frequencies: A ≤ |φ̂|² + ½ Σ (|ψ̂(ω)|² + |ψ̂(−ω)|²) ≤ B."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from groupscat.wavelets.bank import Bank, fft_frequencies


@dataclass(frozen=True, eq=False)
class LittlewoodPaley:
    """The Littlewood-Paley sum on a grid of frequencies and its bounds.

    ``total`` has the grid's shape, in the order of ``numpy.fft.fftfreq``. The wavelet transform W obeys
    lower·‖x‖² ≤ ‖Wx‖² ≤ upper·‖x‖²; the scattering transform of order m is Lipschitz with the constant
    max(1, upper)^{(m+1)/2} for a contracting ρ.
    """

    total: NDArray[np.float64]

    @property
    def lower(self) -> float:
        return float(self.total.min())

    @property
    def upper(self) -> float:
        return float(self.total.max())

    def __str__(self) -> str:
        return f"Littlewood-Paley sum in [{self.lower:.3f}, {self.upper:.3f}]"


def littlewood_paley(
    bank: Bank, shape: tuple[int, ...], order: int = 1, real_input: bool = True
) -> LittlewoodPaley:
    """Measure the bank of one order on the grid ``shape``.

    Real signals have symmetric spectra, so for them the sum is averaged over ω and −ω; pass
    ``real_input=False`` for the (larger) bound that holds for complex signals.

    >>> from groupscat.wavelets.audio import audio_bank
    >>> print(littlewood_paley(audio_bank(J=4, Q=(8, 1), T=16), (1024,)))
    Littlewood-Paley sum in [0.000, 1.000]

    Source: Mallat 2016, section 4.2; Bruna & Mallat 2013, eq. 4.
    """
    freqs = fft_frequencies(shape)
    psi = np.zeros(shape)
    for w in bank.wavelets(order):
        psi += w.hat(freqs, size=shape) ** 2
    if real_input:
        mirror = np.ix_(*(-np.arange(n) % n for n in shape))
        psi = (psi + psi[mirror]) / 2
    return LittlewoodPaley(np.asarray(bank.phi.hat(freqs, size=shape) ** 2 + psi))


def normalised(bank: Bank, shape: tuple[int, ...]) -> Bank:
    """The bank scaled so that its Littlewood-Paley sum is at most 1 at every order, for real input."""
    worst = max(littlewood_paley(bank, shape, order=m + 1).upper for m in range(len(bank.psi)))
    factor = worst**-0.5
    psi = tuple(tuple(w.scaled(factor) for w in order) for order in bank.psi)
    return replace(bank, phi=bank.phi.scaled(factor), psi=psi)
