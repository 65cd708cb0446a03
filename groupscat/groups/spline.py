"""Cardinal B-splines: between the samples of a signal, in closed form.

y(v) = Σ_m c(m) β(v − m) with Σ_m c(m) β(n − m) = x(n).
Source: Unser, Aldroubi, Eden 1993, "B-spline signal processing".
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import ArrayLike

from groupscat.groups.group import Array
from groupscat.groups.signal import Grid

#: Coefficients beyond the ends of an axis, outside of which they are less than 1e-14 of the largest sample.
MARGIN = 40


def basis(order: int, v: ArrayLike) -> Array:
    """β(v), the centred B-spline of an order 0 … 5.

    >>> basis(3, [-1, 0, 1]) * 6
    array([1., 4., 1.])
    """
    v = np.asarray(v, dtype=float)[..., None] + (order + 1) / 2 - np.arange(order + 2)
    signs = np.array([(-1) ** k * math.comb(order + 1, k) for k in range(order + 2)])
    powers = np.where(v >= 0, np.abs(v) ** order, 0)
    return np.asarray((powers * signs).sum(-1) / math.factorial(order))


def margin(order: int, periodic: bool) -> int:
    """How many coefficients there are before the first and after the last sample."""
    return 0 if periodic or order < 2 else MARGIN


def gain(order: int, size: int) -> Array:
    """The factor, shape (size,), from the spectrum of samples to that of their coefficients."""
    m = np.arange(-(order // 2), order // 2 + 1)
    waves = np.cos(2 * np.pi * np.outer(np.arange(size), m) / size)
    return np.asarray(1 / (waves @ basis(order, m)))


def taps(order: int, at: Array, grid: Grid) -> Iterator[tuple[Array, Array]]:
    """The terms of the sum: (order + 1)^d times places (n,) of coefficients, -1 for none, and weights (n,).

    at : shape (n, d), sample numbers. Places are those in the flat array of all coefficients.
    """
    margins = [margin(order, periodic) for periodic in grid.periodic]
    sizes = [n + 2 * m for n, m in zip(grid.shape, margins, strict=True)]
    first = np.floor(at - (order - 1) / 2).astype(np.int64)
    for tap in product(range(order + 1), repeat=len(sizes)):
        m = first + tap
        weight = basis(order, at - m).prod(axis=-1)
        place = np.where(grid.periodic, m % np.array(grid.shape), m + np.array(margins))
        inside = np.all((place >= 0) & (place < np.array(sizes)), axis=-1)
        flat = np.ravel_multi_index(tuple(np.where(inside, place.T, 0)), tuple(sizes))
        yield np.where(inside, flat, -1), weight
