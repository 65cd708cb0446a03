"""Wavelets along log-frequency: the axis λ of first-order wavelets, counted from high to low frequency."""

from __future__ import annotations

from dataclasses import dataclass, replace

from groupscat.wavelets.audio import audio_bank
from groupscat.wavelets.morlet import Gabor, Morlet


@dataclass(frozen=True)
class FrequentialBank:
    """Filters along the rows of a scalogram; frequencies in cycles per row.

    Parameters
    ----------
    phi : averages the coefficients over F rows.
    low : number 0, the low-pass that completes the wavelets, 2^J_fr rows wide.
    up : wavelets 1 … P of spin +1, ξ > 0 (from high to low quefrency). With a wavelet of positive frequency
        in time they respond to chirps that rise.
    down : wavelets P+1 … 2P of spin −1, the conjugates of ``up``: they respond to chirps that fall.
    """

    phi: Gabor
    low: Gabor
    up: tuple[Morlet, ...]
    down: tuple[Morlet, ...]

    @property
    def wavelets(self) -> tuple[Gabor, ...]:
        """All filters in the order of their number n_fr."""
        return (self.low, *self.up, *self.down)


def frequential_bank(J_fr: int, Q_fr: int, F: float) -> FrequentialBank:
    """Wavelets up to the scale 2^J_fr rows, Q_fr per octave, and φ of width F rows.

    >>> bank = frequential_bank(J_fr=2, Q_fr=1, F=4)
    >>> [(psi.n, round(psi.xi[0], 4)) for psi in bank.wavelets]
    [(0, 0.0), (1, 0.35), (2, 0.175), (3, 0.0875), (4, -0.35), (5, -0.175), (6, -0.0875)]

    Source: Andén, Lostanlen & Mallat 2019, section III; the constants are Kymatio's.
    """
    bank = audio_bank(J_fr, (Q_fr, 1), 2**J_fr, negative=True)
    psi = tuple(replace(psi, n=psi.n + 1) for psi in bank.wavelets(1))
    half = len(psi) // 2
    return FrequentialBank(audio_bank(J_fr, (Q_fr, 1), F).phi, bank.phi, psi[:half], psi[half:])
