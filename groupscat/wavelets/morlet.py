"""Gabor, Gaussian and Morlet filters on R^d in closed form, in frequency and in space.

A filter is data (a few numbers); it is sampled only when a plan's constants are made. Frequencies are
in cycles per sample, so a filter's spectrum has period 1 on every axis.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from groupscat.wavelets.gaussian import add_gaussian, aliases, half_waves, product, quadratic, transformed

#: exp(−REACH²/2) ≈ 9e-17: beyond this many standard deviations a Gaussian is zero in float64.
REACH = 8.6


@dataclass(frozen=True)
class Gabor:
    """A Gaussian window at frequency ``xi``: ĝ(f) = Σ_m exp(−½ (f+m−ξ)ᵀ C⁻¹ (f+m−ξ)), m over Z^d.

    The sum over m is what sampling in space does to the continuous Gaussian; ĝ ≈ 1 at f = ξ.

    Parameters
    ----------
    xi : centre frequency per axis, cycles/sample.
    directions : orthonormal principal directions of the Gaussian, one row each.
    sigma : standard deviation along each principal direction, cycles/sample.
    j, n : scale index and position in the bank; ``theta``: index of the orientation, if any.
    l1 : normalise to Σ|ψ(t)| = 1 over one period of the sampled filter (1-D audio convention).
    gain : factor applied last (Littlewood-Paley normalisation).

    >>> g = Gabor(xi=(0.25,), sigma=(0.02,))
    >>> round(float(g.hat([np.array([0.25])])[0]), 6)
    1.0

    Source: Bruna & Mallat 2013, section 2.1; Kymatio's conventions.
    """

    xi: tuple[float, ...]
    sigma: tuple[float, ...]
    directions: tuple[tuple[float, ...], ...] = ()
    j: int = 0
    n: int = 0
    theta: int | None = None
    l1: bool = False
    gain: float = 1.0

    @property
    def ndim(self) -> int:
        return len(self.xi)

    def scaled(self, factor: float) -> Self:
        """The same filter multiplied by ``factor``."""
        return replace(self, gain=self.gain * factor)

    @cached_property
    def _rotation(self) -> NDArray[np.float64]:
        return np.array(self.directions) if self.directions else np.eye(self.ndim)

    @cached_property
    def _covariance(self) -> NDArray[np.float64]:
        r = self._rotation
        return np.asarray((r.T * np.square(self.sigma)) @ r)

    @cached_property
    def precision(self) -> NDArray[np.float64]:
        """C⁻¹, shape (d, d)."""
        r = self._rotation
        return np.asarray((r.T / np.square(self.sigma)) @ r)

    @cached_property
    def deviation(self) -> NDArray[np.float64]:
        """Standard deviation of |ĝ| along each axis, cycles/sample, shape (d,)."""
        return np.asarray(np.sqrt(np.diagonal(self._covariance)))

    def support(self, eps: float) -> tuple[tuple[float, float], ...]:
        """Per axis the interval of (un-aliased) frequencies outside which |ĝ| < ``eps``."""
        reach = (self.deviation * math.sqrt(2 * math.log(1 / eps))).tolist()
        return tuple((x - r, x + r) for x, r in zip(self.xi, reach, strict=True))

    def hat(
        self,
        freqs: Sequence[NDArray[np.float64]],
        period: float | Sequence[float] = 1.0,
        size: Sequence[int] | None = None,
        out: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """The (real) spectrum at the grid of ``freqs``.

        Parameters
        ----------
        freqs : one 1-D array of frequencies (cycles/sample) per axis.
        period : period of the aliasing, per axis; 1 for the filter on the input's grid, 2⁻ʳ after the
            filter itself has been subsampled by 2ʳ.
        size : samples of the periodic grid per axis; it only matters for ``l1`` filters wider than it.
        out : contiguous array to write to and return, of the shape below.

        Returns
        -------
        array, shape (len(freqs[0]), …, len(freqs[-1])), float64.
        """
        hat = self._unnormalised(freqs, period, out)
        factor = self.gain / self._norm(size)
        if factor != 1:
            hat *= factor
        return hat

    @property
    def _terms(self) -> tuple[tuple[float, tuple[float, ...]], ...]:
        """Weight and centre of each Gaussian that the filter is a sum of."""
        return ((1.0, self.xi),)

    def _unnormalised(
        self,
        freqs: Sequence[NDArray[np.float64]],
        period: float | Sequence[float] = 1.0,
        out: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        periods = np.broadcast_to(np.asarray(period, float), (self.ndim,)).tolist()
        freqs = [np.asarray(f, np.float64) for f in freqs]
        if out is None:
            out = np.empty([len(f) for f in freqs])
        if self.ndim > 1 and any(2 * REACH * s > p for s, p in zip(self.deviation, periods, strict=True)):
            return self._transformed(freqs, periods, out)
        out.fill(0)
        for weight, centre in self._terms:
            self._add_gaussian(out, freqs, centre, periods, weight)
        return out

    def _norm(self, size: Sequence[int] | None) -> float:
        if not self.l1:
            return 1.0
        if not any(self.xi):  # positive, so its l1 norm is its mean
            return self._at_zero(self.xi)
        if size is None or size[0] > 2 * self._radius:
            return self._total
        # Wider than the grid: periods that overlap nearly cancel in space, nothing does in frequency.
        hat = self._unnormalised([np.asarray(np.fft.fftfreq(size[0]), np.float64)])
        return float(np.abs(np.fft.ifft(hat)).sum()) or 1.0

    @property
    def _radius(self) -> int:
        """The last sample in space that counts, 1-D only."""
        (sigma,) = self.sigma
        return math.ceil(REACH / (2 * math.pi * sigma))

    @cached_property
    def _total(self) -> float:
        """Σ|ψ(t)| before normalisation, 1-D only; the same at t and −t."""
        values = np.abs(self._samples([np.arange(self._radius + 1.0)]))
        return float(2 * values[1:].sum() + values[0])

    def space(self) -> NDArray[np.complex128]:
        """Samples in space for |t| up to the filter's reach, before normalisation, 1-D only."""
        return self._samples([np.arange(-self._radius, self._radius + 1.0)])

    def _samples(self, t: Sequence[NDArray[np.float64]]) -> NDArray[np.complex128]:
        """The filter before normalisation on the grid spanned by the positions t, one array per axis."""
        envelope = np.exp(-2 * math.pi**2 * quadratic(self._covariance, t))
        envelope *= math.prod(math.sqrt(2 * math.pi) * s for s in self.sigma)
        terms = (
            weight
            * math.prod(np.ix_(*(np.exp(2j * math.pi * c * v) for c, v in zip(centre, t, strict=True))))
            for weight, centre in self._terms
        )
        return np.asarray(envelope * sum(terms))

    def _transformed(
        self, freqs: Sequence[NDArray[np.float64]], periods: Sequence[float], out: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The same sum from the other side of Poisson's formula: Σ_t g(t) exp(−2πi f·t), t = n/period.

        Cheaper where aliases overlap: a filter of so wide a band has few samples in space. They are
        transformed an axis at a time by matrix products; as g(−t) is the conjugate of g(t), half of the
        first axis will do.
        """
        radii = [math.ceil(REACH * p / (2 * math.pi * min(self.sigma))) for p in periods]
        first, *rest = (np.arange(-r, r + 1) / p for r, p in zip(radii, periods, strict=True))
        g = self._samples([first[radii[0] :], *rest]) / math.prod(periods)
        g[1:] *= 2
        re, im = g.real, g.imag
        for f, period in zip(freqs[1:], periods[1:], strict=True):
            re, im = transformed(re, im, f, period)
        # The real part of a product, as one of real numbers.
        left = half_waves(freqs[0].tobytes(), periods[0], radii[0])
        right = np.concatenate([re, -im]).reshape(len(left), -1)
        product(left.T, right, out.reshape(len(freqs[0]), -1))
        return out

    def _at_zero(self, centre: Sequence[float]) -> float:
        """Σ_m exp(−½ (m − centre)ᵀ C⁻¹ (m − centre)): the sampled Gaussian at frequency 0."""
        reach = (REACH * self.deviation).tolist()
        shifts = (range(math.ceil(c - r), math.floor(c + r) + 1) for c, r in zip(centre, reach, strict=True))
        frame = list(zip(self._rotation.tolist(), self.sigma, strict=True))
        total = 0.0  # the terms are few: plain numbers are faster than arrays of them
        for m in itertools.product(*shifts):
            x = [k - c for k, c in zip(m, centre, strict=True)]
            total += math.exp(
                -0.5 * sum((sum(r * v for r, v in zip(row, x, strict=True)) / s) ** 2 for row, s in frame)
            )
        return total

    def _add_gaussian(
        self,
        out: NDArray[np.float64],
        freqs: Sequence[NDArray[np.float64]],
        centre: Sequence[float],
        periods: Sequence[float],
        weight: float = 1.0,
    ) -> None:
        """out += weight·Σ_m exp(−½ (f + m·period − centre)ᵀ C⁻¹ (…)), each term only where it counts."""
        reach = math.sqrt(max(0.0, REACH**2 + 2 * math.log(abs(weight)))) * self.deviation
        pieces = [aliases(f, c, r, p) for f, c, r, p in zip(freqs, centre, reach, periods, strict=True)]
        for box in itertools.product(*pieces):
            add_gaussian(out, self.precision, box, weight)


@dataclass(frozen=True)
class Morlet(Gabor):
    """A Gabor filter made zero-mean: ψ̂ = ĝ_ξ − K ĝ_0 with K = ĝ_ξ(0)/ĝ_0(0), so ψ̂(0) = 0 to rounding.

    >>> psi = Morlet(xi=(0.35,), sigma=(0.1,))
    >>> float(psi.hat([np.zeros(1)])[0])
    0.0
    """

    @cached_property
    def correction(self) -> float:
        """K, from the aliased (sampled) Gaussians: the continuous ratio would leave a small mean."""
        return self._at_zero(self.xi) / self._at_zero((0.0,) * self.ndim)

    def support(self, eps: float) -> tuple[tuple[float, float], ...]:
        around_xi = super().support(eps)
        if self.correction <= eps:
            return around_xi
        reach = (self.deviation * math.sqrt(2 * math.log(self.correction / eps))).tolist()
        return tuple((min(lo, -r), max(hi, r)) for (lo, hi), r in zip(around_xi, reach, strict=True))

    @property
    def _terms(self) -> tuple[tuple[float, tuple[float, ...]], ...]:
        around_xi = super()._terms
        return (*around_xi, (-self.correction, (0.0,) * self.ndim)) if self.correction > 0 else around_xi
