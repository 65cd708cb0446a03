"""Solid harmonic wavelets: radial Gaussians times spherical harmonics, in closed form in frequency."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SolidHarmonic:
    """ψ_{lm}(r) ∝ (r/σ)^l exp(−r²/2σ²) Y_lm(r) with σ = sigma_0·2^j, for the m of one degree l.

    Its Fourier transform has the same form: c_l (−i)^l (ωσ)^l exp(−(ωσ)²/2) Y_lm(ω), ω in radians. The
    polar angle is taken from the first axis of the volume.

    Parameters
    ----------
    j, l : scale and degree. width : σ in samples.
    which : "all" m = −l … l; "half", m = 0 … l with m > 0 weighted by √2, which gives the same Σ_m |·|²
        for real signals; "first", m = −l alone (not rotation covariant).

    >>> psi = SolidHarmonic(j=0, l=2, width=1.0)
    >>> psi.hat([np.fft.fftfreq(4)] * 3).shape
    (5, 4, 4, 4)

    Source: Eickenberg, Exarchakis, Hirn & Mallat 2017, eq. 4; Kymatio's normalisation.
    """

    j: int
    l: int
    width: float
    which: Literal["all", "half", "first"] = "all"

    #: For the table of paths: a harmonic has no orientation.
    theta: ClassVar[None] = None

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
    def orders(self) -> list[int]:
        """The m of the filters."""
        return {
            "all": list(range(-self.l, self.l + 1)),
            "half": list(range(self.l + 1)),
            "first": [-self.l],
        }[self.which]

    def hat(self, freqs: Sequence[NDArray[np.float64]]) -> NDArray[np.complex128]:
        """Spectra of the filters, shape (len(orders), *grid); ``freqs`` per axis in cycles/sample."""
        # The polar axis is the first one of the volume, as in Kymatio.
        z, y, x = np.meshgrid(*[2 * math.pi * self.width * f for f in freqs], indexing="ij", sparse=True)
        r2 = x**2 + y**2 + z**2
        l = self.l
        c = math.pi * math.sqrt(2 / (2 * l + 1)) / (2 ** ((l + 1) / 2) * math.gamma((l + 3) / 2))
        envelope = c * np.exp(-(z**2) / 2) * np.exp(-(x**2 + y**2) / 2)
        filters = np.empty((len(self.orders), *envelope.shape), complex)
        for out, m in zip(filters, self.orders, strict=True):
            # Kymatio measures the polar angle from −z.
            polar, azimuth = _harmonic(l, m, x, y, -z, r2, envelope)
            weight = math.sqrt(2) if self.which == "half" and m > 0 else 1.0
            np.multiply(polar, weight * (-1j) ** l * azimuth, out=out)
        return filters

    def at_nyquist(self) -> float:
        """How much of the filter's maximum is left at |ω| = π."""

        def radial(w: float) -> float:
            return (w * self.width) ** self.l * math.exp(-((w * self.width) ** 2) / 2)

        peak = math.sqrt(self.l) / self.width
        return radial(math.pi) / radial(peak) if peak < math.pi else 1.0


def _harmonic(
    l: int,
    m: int,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    z: NDArray[np.float64],
    r2: NDArray[np.float64],
    window: NDArray[np.float64] | float = 1.0,
) -> tuple[NDArray[np.float64] | float, NDArray[np.complex128]]:
    """window·r^l Y_lm as a real factor and a complex one that depends on x and y only.

    A polynomial, orthonormal, with the Condon-Shortley phase. r^{l−m} P_l^m(z/r)/sin^m obeys the recurrence
    of the Legendre functions in l: no division by r.
    """
    k = abs(m)
    legendre = below = window
    for n in range(k + 1, l + 1):
        higher = (2 * n - 1) / (n - k) * z * legendre
        if n > k + 1:
            higher -= (n + k - 1) / (n - k) * r2 * below
        legendre, below = higher, legendre
    norm = math.sqrt((2 * l + 1) / (4 * math.pi) * math.factorial(l - k) / math.factorial(l + k))
    azimuth = (-1) ** k * math.prod(range(1, 2 * k, 2)) * norm * (x + 1j * y) ** k
    return legendre, np.asarray(azimuth if m >= 0 else (-1) ** k * azimuth.conj())
