"""Wavelets along the angle θ: Morlet filters on a circle of samples."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from groupscat.wavelets.bank import fft_frequencies
from groupscat.wavelets.littlewood_paley import LittlewoodPaley
from groupscat.wavelets.morlet import Gabor, Morlet
from groupscat.wavelets.oriented import SIGMA, XI


@dataclass(frozen=True)
class AngularBank:
    """K dyadic scales of Morlet wavelets on a circle, of both signs, and a Gaussian for what is left.

    With the mother wavelet of the plane: ψ̃_k has the width 0.8·2^k samples and the frequency ±(3/8)·2^−k
    cycles/sample, φ̃ the width 0.8·2^(K−1). ``j`` is k, and K for φ̃; ``n`` counts the filters.

    Parameters
    ----------
    circle : samples of the period. K : number of scales, 2^K ≤ circle.
    gain : factor of every filter.

    >>> bank = AngularBank(circle=16, K=3)
    >>> [(w.j, spin(w)) for w in bank.filters]
    [(0, 1), (0, -1), (1, 1), (1, -1), (2, 1), (2, -1), (3, 0)]

    Source: Sifre & Mallat 2013, section 3; Oyallon & Mallat 2015, section 3.
    """

    circle: int
    K: int
    gain: float = 1.0

    def psi(self, k: int, sign: int) -> Morlet:
        """ψ̃_k with a frequency of the given sign."""
        return Morlet(xi=(sign * XI / 2**k,), sigma=(_width(k),), j=k, n=2 * k + (sign < 0), gain=self.gain)

    @property
    def phi(self) -> Gabor:
        """The average along θ over about 2^K samples."""
        return Gabor(xi=(0.0,), sigma=(_width(self.K - 1),), j=self.K, n=2 * self.K, gain=self.gain)

    @property
    def filters(self) -> tuple[Gabor, ...]:
        """ψ̃_0, its negative, ψ̃_1, …, φ̃."""
        return (*(self.psi(k, sign) for k in range(self.K) for sign in (1, -1)), self.phi)

    def littlewood_paley(self) -> LittlewoodPaley:
        """Σ|ψ̃̂|² + |φ̃̂|² over the filters of both signs, at the frequencies of the circle."""
        grid = (self.circle,)
        freqs = fft_frequencies(grid)
        return LittlewoodPaley(np.sum([w.hat(freqs, size=grid) ** 2 for w in self.filters], axis=0))

    def normalised(self) -> AngularBank:
        """The bank scaled so that its Littlewood-Paley sum is at most 1."""
        return replace(self, gain=self.gain * self.littlewood_paley().upper ** -0.5)


def _width(k: int) -> float:
    """Deviation in cycles/sample of a Gaussian of 0.8·2^k samples."""
    return 1 / (2 * math.pi * SIGMA * 2.0**k)


def spin(angular: Gabor) -> int:
    """The sign of a filter's frequency along θ; 0 for φ̃."""
    return int(np.sign(angular.xi[0]))


@dataclass(frozen=True)
class ScaleBank:
    """K dyadic scales of Morlet wavelets along the scales j, of both signs, and a Gaussian for what is left.

    The wavelets of :class:`AngularBank` on an axis that does not close: the scales that exist are a few, and
    beyond them responses are taken to be zero.

    >>> bank = ScaleBank(K=1)
    >>> [(w.j, spin(w)) for w in bank.filters], bank.taps(bank.filters[0], 3).shape
    ([(0, 1), (0, -1), (1, 0)], (3, 3))
    """

    K: int
    gain: float = 1.0

    @property
    def filters(self) -> tuple[Gabor, ...]:
        """ψ̃_0, its negative, …, φ̃."""
        return AngularBank(0, self.K, self.gain).filters

    def taps(self, w: Gabor, scales: int) -> NDArray[np.complex128]:
        """The matrix w(j − j1) for j, j1 = 0 … scales−1."""
        values = w.gain * w.space()
        lag = np.arange(scales)[:, None] - np.arange(scales)
        reach = len(values) // 2
        return np.asarray(np.where(np.abs(lag) > reach, 0, values[np.clip(reach + lag, 0, len(values) - 1)]))

    def normalised(self) -> ScaleBank:
        """The bank scaled so that its Littlewood-Paley sum is at most 1 on an axis of any length."""
        fine = AngularBank(1 << (self.K + 8), self.K, self.gain)
        return replace(self, gain=self.gain * fine.littlewood_paley().upper ** -0.5)
