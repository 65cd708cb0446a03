"""Gaussian rings × angular harmonics: filters that stay the same functions under every rotation."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from groupscat.errors import ArgumentError
from groupscat.wavelets.basis import Basis, Floats, tap_grid
from groupscat.wavelets.harmonic import _harmonic


@dataclass(frozen=True)
class GaussianRings(Basis):
    """Rings of radius r = 0 … (k−1)/2 times the harmonics of degree m ≤ r: ψ = c e^{−(|x|−r)²/2σ²} Y_m(x).

    Y_m are 1, cos mφ and sin mφ in the plane (φ from the first axis), 1 and sign x on the line, and the
    2m+1 real spherical harmonics in space. A rotation mixes the harmonics of one ring and degree among
    themselves, by a rotation matrix: turned filters are filters of the same basis. They share the factor c,
    which gives them a mean squared norm of 1 over the taps.

    Inside the unit ball the harmonics of degree m are damped by |x|^m, where they would jump from one side
    of the centre to the other; isometries put no tap there but the centre, where they are 0 for m > 0.

    Parameters
    ----------
    k : taps along each axis, odd.
    ndim : 1, 2 or 3 axes.
    sigma, last : width σ of a ring, and that of the last one, in samples.

    Raises
    ------
    ArgumentError : k is even, the dimension is not 1, 2 or 3, or a width is not positive.

    Source: Weiler & Cesa 2019, "General E(2)-equivariant steerable CNNs", Gaussian radial profiles.

    >>> basis = GaussianRings(5)
    >>> basis.size, basis.shape, basis.taps
    (9, (9,), (5, 5))
    >>> basis.harmonics
    ((0, 0), (1, 0), (1, 1), (1, 1), (2, 0), (2, 1), (2, 1), (2, 2), (2, 2))
    >>> basis([0.0, 0.0]).round(3).tolist()        # 0 at the centre for degrees m > 0
    [0.889, 0.095, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """

    k: int
    ndim: int = 2
    sigma: float = 0.6
    last: float = 0.4

    def __post_init__(self) -> None:
        if not _whole(self.k) or self.k < 1 or self.k % 2 == 0:
            raise ArgumentError(
                f"GaussianRings(k) are rings about the middle tap and need an odd k ≥ 1, got k={self.k!r}. "
                "Take k = 3, 5, 7, …, or Pixels for a filter with an even number of taps."
            )
        if not _whole(self.ndim) or self.ndim not in (1, 2, 3):
            raise ArgumentError(
                f"GaussianRings have 1, 2 or 3 axes, got ndim={self.ndim!r}. Multiply by a basis for the "
                "other axes: GaussianRings(5) * Pixels(3)."
            )
        if not all(isinstance(width, Real) and 0 < width < math.inf for width in (self.sigma, self.last)):
            raise ArgumentError(
                f"The widths of GaussianRings are positive, got sigma={self.sigma!r}, last={self.last!r}. "
                "Below .4 samples, turned filters are no longer well sampled."
            )
        for name in ("k", "ndim"):
            object.__setattr__(self, name, int(getattr(self, name)))

    @property
    def taps(self) -> tuple[int, ...]:
        return (self.k,) * self.ndim

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.harmonics),)

    @property
    def harmonics(self) -> tuple[tuple[int, int], ...]:
        """The radius r and degree m of each function."""
        return tuple((r, m) for r, m in self._degrees() for _ in range(self._count(m)))

    def evaluate(self, points: Floats) -> Floats:
        grid = tap_grid(self.taps)
        values = np.empty((*points.shape[:-1], self.size))
        first = 0
        for r, m in self._degrees():
            after = first + self._count(m)
            energy = np.sum(self._ring(grid, r, m) ** 2) / (after - first)
            values[..., first:after] = self._ring(points, r, m) / math.sqrt(energy)
            first = after
        return values

    def _degrees(self) -> Iterator[tuple[int, int]]:
        """Each ring with each of its degrees; the line has the degrees 0 (even) and 1 (odd) only."""
        for r in range(self.k // 2 + 1):
            for m in range((min(r, 1) if self.ndim == 1 else r) + 1):
                yield r, m

    def _count(self, m: int) -> int:
        """Number of harmonics of degree m."""
        return 1 if m == 0 or self.ndim == 1 else 2 if self.ndim == 2 else 2 * m + 1

    def _ring(self, points: Floats, r: int, m: int) -> Floats:
        sigma = self.last if r == self.k // 2 else self.sigma
        radius = np.linalg.norm(points, axis=-1, keepdims=True)
        profile = np.exp(-0.5 * ((radius - r) / sigma) ** 2)
        return np.asarray(profile * _harmonics(points / np.maximum(radius, 1), m))


def _whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _harmonics(x: Floats, m: int) -> Floats:
    """The real harmonic polynomials of degree m, |x|^m Y_m(x), shape (..., count)."""
    d = x.shape[-1]
    if m == 0:
        return np.ones((*x.shape[:-1], 1))
    if d == 1:
        return x
    if d == 2:
        z = (x[..., 0] + 1j * x[..., 1]) ** m
        return np.stack([z.real, z.imag], axis=-1)
    coordinates = (x[..., 0], x[..., 1], x[..., 2], np.sum(x**2, axis=-1))
    axial, *others = (math.prod(_harmonic(m, n, *coordinates)) for n in range(m + 1))
    pairs = [part * math.sqrt(2) for y in others for part in (y.real, y.imag)]
    return np.stack([axial.real, *pairs], axis=-1)
