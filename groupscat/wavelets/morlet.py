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

#: exp(−REACH²/2) ≈ 9e-17: beyond this many standard deviations a Gaussian is zero in float64.
REACH = 8.6

#: Elements of a grid evaluated at a time: the temporaries of one slab stay in the cache.
BLOCK = 1 << 15


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
    def _precision(self) -> NDArray[np.float64]:
        r, s = self._rotation, np.array(self.sigma)
        return np.asarray(r.T @ np.diag(s**-2) @ r)

    @cached_property
    def deviation(self) -> NDArray[np.float64]:
        """Standard deviation of |ĝ| along each axis, cycles/sample, shape (d,)."""
        r, s = self._rotation, np.array(self.sigma)
        return np.asarray(np.sqrt(np.diag(r.T @ np.diag(s**2) @ r)))

    def support(self, eps: float) -> tuple[tuple[float, float], ...]:
        """Per axis the interval of (un-aliased) frequencies outside which |ĝ| < ``eps``."""
        reach = self.deviation * math.sqrt(2 * math.log(1 / eps))
        return tuple((x - r, x + r) for x, r in zip(self.xi, reach, strict=True))

    def hat(
        self,
        freqs: Sequence[NDArray[np.float64]],
        period: float | Sequence[float] = 1.0,
        size: Sequence[int] | None = None,
    ) -> NDArray[np.float64]:
        """The (real) spectrum at the grid of ``freqs``.

        Parameters
        ----------
        freqs : one 1-D array of frequencies (cycles/sample) per axis.
        period : period of the aliasing, per axis; 1 for the filter on the input's grid, 2⁻ʳ after the
            filter itself has been subsampled by 2ʳ.
        size : samples of the periodic grid per axis; it only matters for ``l1`` filters wider than it.

        Returns
        -------
        array, shape (len(freqs[0]), …, len(freqs[-1])), float64.
        """
        hat = self._unnormalised(freqs, period)
        hat *= self.gain / self._norm(size)
        return hat

    def _unnormalised(
        self, freqs: Sequence[NDArray[np.float64]], period: float | Sequence[float]
    ) -> NDArray[np.float64]:
        return self._gaussian(freqs, self.xi, period)

    def _norm(self, size: Sequence[int] | None) -> float:
        if not self.l1:
            return 1.0
        if not any(self.xi):  # positive, so its l1 norm is its mean
            return float(self._gaussian([np.zeros(1)] * self.ndim, self.xi, 1.0).ravel()[0])
        values = self.space()
        if size is None or size[0] >= len(values):
            return float(np.abs(values).sum())
        # Wider than the grid: periods that overlap nearly cancel in space, nothing does in frequency.
        hat = self._unnormalised([np.asarray(np.fft.fftfreq(size[0]), np.float64)], 1.0)
        return float(np.abs(np.fft.ifft(hat)).sum()) or 1.0

    def space(self) -> NDArray[np.complex128]:
        """Samples in space for |t| up to the filter's reach, before normalisation, 1-D only."""
        (sigma,), (xi,) = self.sigma, self.xi
        radius = math.ceil(REACH / (2 * math.pi * sigma))
        t = np.arange(-radius, radius + 1)
        return np.asarray(self._envelope(t) * self._carrier(t, xi))

    def _envelope(self, t: NDArray[np.int64]) -> NDArray[np.float64]:
        sigma = self.sigma[0]
        return np.asarray(math.sqrt(2 * math.pi) * sigma * np.exp(-2 * (math.pi * sigma * t) ** 2))

    def _carrier(self, t: NDArray[np.int64], xi: float) -> NDArray[np.complex128]:
        return np.asarray(np.exp(2j * math.pi * xi * t))

    def _gaussian(
        self,
        freqs: Sequence[NDArray[np.float64]],
        centre: Sequence[float],
        period: float | Sequence[float],
        weight: float = 1.0,
    ) -> NDArray[np.float64]:
        """weight·Σ_m exp(−½ (f + m·period − centre)ᵀ C⁻¹ (…)), each term evaluated only where it counts."""
        periods = np.broadcast_to(np.asarray(period, float), (self.ndim,))
        reach = math.sqrt(max(0.0, REACH**2 + 2 * math.log(weight))) * self.deviation
        out = np.zeros([len(f) for f in freqs])
        pieces: list[list[tuple[slice, NDArray[np.float64]]]] = []
        for f, c, r, p in zip(freqs, centre, reach, periods, strict=True):
            shifts = range(math.ceil((c - r - f.max()) / p), math.floor((c + r - f.min()) / p) + 1)
            distances = [f + m * p - c for m in shifts]
            pieces.append([(run, d[run]) for d in distances for run in _runs(np.abs(d) <= r)])
        for boxes in itertools.product(*pieces):
            inside = tuple(run for run, _ in boxes)
            _add_gaussian(out[inside], self._precision, [near for _, near in boxes])
        return out if weight == 1 else weight * out


@dataclass(frozen=True)
class Morlet(Gabor):
    """A Gabor filter made zero-mean: ψ̂ = ĝ_ξ − K ĝ_0 with K = ĝ_ξ(0)/ĝ_0(0), so ψ̂(0) = 0 exactly.

    >>> psi = Morlet(xi=(0.35,), sigma=(0.1,))
    >>> float(psi.hat([np.zeros(1)])[0])
    0.0
    """

    @cached_property
    def correction(self) -> float:
        """K, from the aliased (sampled) Gaussians: the continuous ratio would leave a small mean."""
        zero: list[NDArray[np.float64]] = [np.zeros(1)] * self.ndim
        origin = (0.0,) * self.ndim
        at_xi, at_zero = self._gaussian(zero, self.xi, 1.0), self._gaussian(zero, origin, 1.0)
        return float(at_xi.ravel()[0] / at_zero.ravel()[0])

    def support(self, eps: float) -> tuple[tuple[float, float], ...]:
        around_xi = super().support(eps)
        if self.correction <= eps:
            return around_xi
        reach = self.deviation * math.sqrt(2 * math.log(self.correction / eps))
        return tuple((min(lo, -r), max(hi, r)) for (lo, hi), r in zip(around_xi, reach, strict=True))

    def _unnormalised(
        self, freqs: Sequence[NDArray[np.float64]], period: float | Sequence[float]
    ) -> NDArray[np.float64]:
        hat = self._gaussian(freqs, self.xi, period)
        if self.correction > 0:
            hat -= self._gaussian(freqs, (0.0,) * self.ndim, period, self.correction)
        return hat

    def _carrier(self, t: NDArray[np.int64], xi: float) -> NDArray[np.complex128]:
        return np.asarray(super()._carrier(t, xi) - self.correction)


def _runs(mask: NDArray[np.bool_]) -> list[slice]:
    """The runs of True in a mask, as slices: views are cheaper than index arrays."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]])))
    return [slice(int(lo), int(hi)) for lo, hi in edges.reshape(-1, 2)]


def _add_gaussian(
    out: NDArray[np.float64], precision: NDArray[np.float64], x: Sequence[NDArray[np.float64]]
) -> None:
    """out += exp(−½ xᵀ P x) on the grid spanned by the 1-D arrays x, a cache-sized slab at a time."""
    d = len(x)
    rows = max(1, BLOCK // max(1, out[0].size))
    half = -0.5 * precision
    for start in range(0, len(x[0]), rows):
        slab = slice(start, start + rows)
        grid = [v[slab] if axis == 0 else v for axis, v in enumerate(x)]
        grid = [v.reshape([-1 if k == axis else 1 for k in range(d)]) for axis, v in enumerate(grid)]
        exponent = np.zeros(out[slab].shape)
        for i in range(d):
            linear = 2 * sum(half[i, k] * grid[k] for k in range(i)) if i else 0.0
            exponent += (half[i, i] * grid[i] + linear) * grid[i]
        out[slab] += np.exp(exponent, out=exponent)
