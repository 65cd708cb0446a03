"""Gaussians on the grid of a few 1-D arrays: sums over aliases, in frequency or by waves."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

#: Elements of a grid evaluated at a time: the temporaries of one slab stay in the cache.
BLOCK = 1 << 15

#: Multiplications of a matrix product up to which BLAS computes alone: to wake its threads costs more.
ALONE = 1 << 18
#: Multiplications above which its threads pay.
SHARED = 1 << 23

#: Distances along one axis, and the runs (first, last, shift) in which they lie side by side in the
#: spectrum, ``shift`` further on: the frequencies of a transform wrap around.
Near = tuple[NDArray[np.float64], list[tuple[int, int, int]]]


def aliases(f: NDArray[np.float64], centre: float, reach: float, period: float) -> list[Near]:
    """The distances f + m·period − centre within reach, for each m that may have some."""
    first = math.ceil((centre - reach - f.max()) / period)
    last = math.floor((centre + reach - f.min()) / period)
    found = []
    for m in range(first, last + 1):
        distance = f + m * period - centre if m else f - centre
        (inside,) = np.nonzero(np.abs(distance) <= reach)
        cuts = np.flatnonzero(inside[1:] - inside[:-1] != 1) + 1
        edges = [0, *cuts.tolist(), len(inside)]
        runs = [(lo, hi, int(inside[lo]) - lo) for lo, hi in itertools.pairwise(edges) if hi > lo]
        found.append((distance[inside], runs))
    return found


def add_gaussian(
    out: NDArray[np.float64], precision: NDArray[np.float64], box: Sequence[Near], weight: float
) -> None:
    """out += weight·exp(−½ xᵀ P x) for the distances x of a box, a cache-sized slab at a time."""
    (x, rows), *rest = box
    most = max(1, BLOCK // max(1, math.prod(len(d) for d, _ in rest)))
    for first, last, shift in [(k, min(k + most, b), s) for a, b, s in rows for k in range(a, b, most)]:
        near = quadratic(-0.5 * precision, [x[first:last], *(d for d, _ in rest)])
        np.exp(near, out=near)
        if weight != 1:
            near *= weight
        for runs in itertools.product(*(runs for _, runs in rest)):
            there = (slice(first + shift, last + shift), *(slice(a + s, b + s) for a, b, s in runs))
            out[there] += near[(slice(None), *(slice(a, b) for a, b, _ in runs))]


def quadratic(p: NDArray[np.float64], x: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """xᵀ P x on the grid spanned by the 1-D arrays x."""
    grid = np.ix_(*x)
    total: NDArray[np.float64] | float = 0.0
    for i, v in enumerate(grid):
        linear = 2 * sum(p[i, k] * grid[k] for k in range(i)) if i else 0.0
        term = p[i, i] * v + linear
        term *= v
        term += total
        total = term
    return np.asarray(total)


def product(left: NDArray[np.float64], right: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """out ← left @ right; where threads do not pay, as products of so few rows that BLAS starts none."""
    rows = len(left)
    most = rows if rows * right.size > SHARED else max(1, ALONE // right.size)
    for k in range(0, rows, most):
        np.matmul(left[k : k + most], right, out=out[k : k + most])


def transformed(
    re: NDArray[np.float64], im: NDArray[np.float64], freqs: NDArray[np.float64], period: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Σ_t g(t) exp(−2πi f t) along the second axis, which becomes the last; t as in :func:`waves`."""
    lines = np.moveaxis(np.stack([re, im]), 2, -1)
    table = waves(freqs.tobytes(), period, lines.shape[-1] // 2)
    sums = np.empty((*lines.shape[:-1], table.shape[1]))
    product(lines.reshape(-1, lines.shape[-1]), table, sums.reshape(-1, table.shape[1]))
    (rr, ri), (ir, ii) = (np.split(part, 2, axis=-1) for part in sums)
    return rr - ii, ri + ir


@lru_cache(maxsize=3)
def half_waves(freqs: bytes, period: float, radius: int) -> NDArray[np.float64]:
    """Real and imaginary parts of the waves of t ≥ 0, below one another."""
    table = np.concatenate(np.split(waves(freqs, period, radius)[radius:], 2, axis=1))
    table.setflags(write=False)
    return table


@lru_cache(maxsize=3)
def waves(freqs: bytes, period: float, radius: int) -> NDArray[np.float64]:
    """exp(−2πi f t) for t = −radius/period … radius/period, real parts and then imaginary ones of all f.

    Shared by the filters of one scale.
    """
    angle = -2 * math.pi * np.multiply.outer(np.arange(radius + 1) / period, np.frombuffer(freqs))
    re, im = np.cos(angle), np.sin(angle)
    table = np.block([[re[:0:-1], -im[:0:-1]], [re, im]])
    table.setflags(write=False)
    return table
