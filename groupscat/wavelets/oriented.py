"""Oriented Morlet banks on R² and R³: one mother wavelet, dilated by 2^j and turned."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from groupscat.groups import Cyclic
from groupscat.wavelets.bank import Bank
from groupscat.wavelets.morlet import Gabor, Morlet

#: Kymatio's mother wavelet: width in samples and centre frequency in cycles/sample (3π/4 radians).
SIGMA = 0.8
XI = 3 / 8


def oriented_bank(ndim: int, J: int, L: int, T: float, negative: bool = False) -> Bank:
    """J scales × L orientations in ``ndim`` = 2 or 3 dimensions, with an isotropic Gaussian φ.

    In the plane, orientation t has the angle (⌊L−L/2−1⌋−t)·π/L from the first axis: half of the
    rotations C_2L, because for real input ψ and its mirror image give conjugate responses.
    In space, the L axes are spread evenly over the half sphere.

    Parameters
    ----------
    J, L : scales and orientations. T : averaging scale of φ, samples.
    negative : use the whole circle (sphere), 2L orientations, at order 1 (complex input).

    >>> bank = oriented_bank(2, J=2, L=4, T=4)
    >>> len(bank.wavelets(1)), bank.phi.sigma[0] == bank.phi.sigma[1]
    (8, True)

    Source: Bruna & Mallat 2013, section 2.1 and its parameters in Kymatio.
    """
    frames, spacing = _orientations(ndim, L, count=2 * L if negative else L)
    slant = 4 / math.pi * spacing
    first = tuple(
        _turned(j, t, frame, slant, n=j * len(frames) + t) for j in range(J) for t, frame in enumerate(frames)
    )
    above = tuple(_turned(j, t, frames[t], slant, n=j * L + t) for j in range(J) for t in range(L))
    width = 1 / (2 * math.pi * SIGMA * T / 2)
    phi = Gabor(xi=(0.0,) * ndim, sigma=(width,) * ndim, j=int(math.log2(T)))
    return Bank(phi, (first, above), alias="crop")


def _turned(j: int, t: int, frame: NDArray[np.float64], slant: float, n: int) -> Morlet:
    along = 1 / (2 * math.pi * SIGMA * 2**j)
    return Morlet(
        xi=tuple(float(v) for v in XI / 2**j * frame[0]),
        sigma=(along, *(slant * along for _ in frame[1:])),
        directions=tuple(tuple(float(v) for v in row) for row in frame),
        j=j,
        n=n,
        theta=t,
    )


def _orientations(ndim: int, L: int, count: int) -> tuple[list[NDArray[np.float64]], float]:
    """Orthonormal frames whose first row is the wave's direction, and the angle between neighbours."""
    if ndim == 2:
        G = Cyclic(2 * L)
        first = math.floor(L - L / 2 - 1)
        # Rows of the transposed rotation matrix: the turned axes.
        return [G.act(first - t).T for t in range(count)], math.pi / L
    axes = _half_sphere(L)
    axes = np.concatenate([axes, -axes])[:count]
    return [_complete(v) for v in axes], math.sqrt(2 * math.pi / L)


def _half_sphere(L: int) -> NDArray[np.float64]:
    """L unit vectors, no two opposite: the axes of symmetry of a polyhedron where it has L, else a spiral."""
    golden = (1 + math.sqrt(5)) / 2
    if L == 3:
        return np.eye(3)
    if L == 6:  # five-fold axes of the icosahedron
        v = np.array([[0, 1, golden], [0, 1, -golden]])
        return np.concatenate([np.roll(v, k, axis=1) for k in range(3)]) / math.hypot(1, golden)
    z = (np.arange(L) + 0.5) / L
    turn = 2 * math.pi * np.arange(L) / golden
    r = np.sqrt(1 - z**2)
    return np.stack([r * np.cos(turn), r * np.sin(turn), z], axis=1)


def _complete(v: NDArray[np.float64]) -> NDArray[np.float64]:
    """An orthonormal frame with first row v (the filter is isotropic across v, so any will do)."""
    a = np.eye(3)[np.argmin(np.abs(v))]
    b = np.cross(v, a)
    b /= np.linalg.norm(b)
    return np.stack([v, b, np.cross(v, b)])
