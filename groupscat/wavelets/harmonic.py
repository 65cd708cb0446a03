"""Solid harmonic wavelets: radial Gaussians times spherical harmonics, in closed form in frequency."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SolidHarmonic:
    """ψ_{lm}(r) ∝ (r/σ)^l exp(−r²/2σ²) Y_lm with σ = sigma_0·2^j, for all m of one degree l.

    Its Fourier transform has the same form: c_l (−i)^l (ω σ)^l exp(−(ωσ)²/2) Y_lm(ω), ω in radians.

    Parameters
    ----------
    j, l : scale and degree. width : σ in samples.
    single : only the harmonic m = −l, as its real and imaginary part (not rotation covariant).

    >>> psi = SolidHarmonic(j=0, l=2, width=1.0)
    >>> psi.hat([np.fft.fftfreq(4)] * 3).shape
    (5, 4, 4, 4)

    Source: Eickenberg, Exarchakis, Hirn & Mallat 2017, eq. 4; Kymatio's normalisation.
    """

    j: int
    l: int
    width: float
    single: bool = False

    #: For the table of paths: harmonics have no orientation; the band is centred at √l/σ.
    theta: None = None

    @property
    def n(self) -> int:
        return self.j

    @property
    def xi(self) -> tuple[float, ...]:
        """Frequency |ω| of largest response, cycles/sample."""
        return (math.sqrt(self.l) / (2 * math.pi * self.width),)

    @property
    def sigma(self) -> tuple[float, ...]:
        """Radial bandwidth, cycles/sample."""
        return (1 / (2 * math.pi * self.width),)

    @property
    def count(self) -> int:
        """Number of real filters."""
        return min(2, 2 * self.l + 1) if self.single else 2 * self.l + 1

    def hat(self, freqs: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Spectra divided by (−i)^l, for the real harmonics m: shape (count, *grid).

        Summing |·|² over the real harmonics or over the complex ones gives the same.
        """
        grid = np.meshgrid(*[2 * math.pi * self.width * f for f in freqs], indexing="ij", sparse=True)
        x, y, z = grid
        r2 = x**2 + y**2 + z**2
        l = self.l
        c = math.pi * math.sqrt(2 / (2 * l + 1)) / (2 ** ((l + 1) / 2) * math.gamma((l + 3) / 2))
        envelope = c * np.exp(-r2 / 2)
        # Kymatio measures the polar angle from −z.
        degrees = [l] if self.single else range(l + 1)
        parts = [p for m in degrees for p in _harmonics(l, m, x, y, -z, r2)]
        filters = np.stack([envelope * p for p in parts])
        return filters / math.sqrt(2) if self.single and l else filters

    def at_nyquist(self) -> float:
        """How much of the filter's maximum is left at |ω| = π."""

        def radial(w: float) -> float:
            return (w * self.width) ** self.l * math.exp(-((w * self.width) ** 2) / 2)

        peak = math.sqrt(self.l) / self.width
        return radial(math.pi) / radial(peak) if peak < math.pi else 1.0


def _harmonics(
    l: int,
    m: int,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    z: NDArray[np.float64],
    r2: NDArray[np.float64],
) -> list[NDArray[np.float64]]:
    """The orthonormal real solid harmonics r^l Y_{l,±m} as polynomials: one for m = 0, else two.

    r^{l−m} P_l^m(z/r)/sin^m follows the recurrence of the Legendre functions in l, without a division by r.
    """
    below = np.zeros(np.broadcast_shapes(z.shape, r2.shape))
    legendre = below + math.prod(range(1, 2 * m, 2))
    for k in range(m + 1, l + 1):
        legendre, below = ((2 * k - 1) * z * legendre - (k + m - 1) * r2 * below) / (k - m), legendre
    norm = math.sqrt((2 * l + 1) / (4 * math.pi) * math.factorial(l - m) / math.factorial(l + m))
    if m == 0:
        return [norm * legendre]
    turn = (x + 1j * y) ** m
    return [math.sqrt(2) * norm * legendre * turn.real, math.sqrt(2) * norm * legendre * turn.imag]
