"""Where the samples of a moved signal come from: exactly on the grid, or in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from groupscat.errors import ArgumentError
from groupscat.groups.element import Element
from groupscat.groups.group import TOLERANCE, Array

#: The point that linear parts leave in place; numbers are in input samples.
Origin = Literal["middle", "sample"] | float | Sequence[float] | Array | None


@dataclass(frozen=True)
class Grid:
    """Samples of R^d at start_k + step_k·j, 0 ≤ j < shape_k; periodic axes repeat after step_k·shape_k."""

    shape: tuple[int, ...]
    step: tuple[int, ...]
    start: tuple[float, ...]
    periodic: tuple[bool, ...]

    def point(self, origin: Origin = None) -> Array:
        """The coordinates of an origin, shape (d,).

        origin : "middle", between the first and the last sample; "sample", the sample N // 2, which grids of
            several steps share; None, "sample" of periodic axes and "middle" of others; or d numbers.
        """
        d, N, step, start = len(self.shape), *map(np.array, (self.shape, self.step, self.start))
        middle, sample = start + step * (N - 1) / 2, start + step * (N // 2)
        if origin is None:
            return np.asarray(np.where(self.periodic, sample, middle))
        if isinstance(origin, str):
            if origin not in ("middle", "sample"):
                raise ArgumentError(f"origin is 'middle', 'sample' or {d} numbers, got {origin!r}.")
            return np.asarray(middle if origin == "middle" else sample)
        point = np.asarray(origin, dtype=float)
        if point.shape not in ((), (d,)):
            raise ArgumentError(f"origin has one number for each of {d} axes, got {origin!r}.")
        return np.broadcast_to(point, d)


def periodic_grid(shape: tuple[int, ...]) -> Grid:
    """One sample everywhere, periodic."""
    d = len(shape)
    return Grid(tuple(shape), (1,) * d, (0,) * d, (True,) * d)


def preserves_grid(g: Element, grid: Grid | tuple[int, ...], origin: Origin = None) -> bool:
    """Whether g maps the grid to itself, so that samples move and none changes.

    grid : the shape of a periodic one, or any Grid.

    >>> from groupscat.groups import SE2
    >>> preserves_grid(SE2(4)([1, 0, 1]), (8, 8)), preserves_grid(SE2(4)([0, 0, 1]), (8, 6))
    (True, False)
    """
    grid = grid if isinstance(grid, Grid) else periodic_grid(grid)
    return _obstacle(g, grid, origin) is None


def grid_permutation(g: Element, grid: Grid | tuple[int, ...], origin: Origin = None) -> NDArray[np.int32]:
    """Places p, shape (N_1 … N_d,), with (g·x).ravel() = x.ravel()[p]: those of g⁻¹·u for every sample u.

    -1 where g⁻¹·u lies outside of a grid that is not periodic: there the moved signal is 0.

    Raises
    ------
    ArgumentError : g does not map the grid to itself.

    >>> from groupscat.groups import Translation
    >>> grid_permutation(Translation(1)([1]), (4,)).tolist()
    [3, 0, 1, 2]
    """
    grid = grid if isinstance(grid, Grid) else periodic_grid(grid)
    obstacle = _obstacle(g, grid, origin)
    if obstacle:
        raise ArgumentError(
            f"{g!r} does not map the grid of shape {grid.shape} to itself: {obstacle}. "
            "Or pass order=3 to interpolate with cubic splines."
        )
    M, c = _backward(g, grid, origin)
    N = np.array(grid.shape)
    source = _indices(grid) @ np.rint(M).T.astype(np.int64) + np.rint(c).astype(np.int64)
    source = np.where(grid.periodic, source % N, source)
    inside = np.all((source >= 0) & (source < N), axis=-1)
    places = np.ravel_multi_index(tuple(np.where(inside, source.T, 0)), grid.shape)
    return np.where(inside, places, -1).astype(np.int32)


def source_indices(g: Element, grid: Grid, origin: Origin = None) -> Array:
    """g⁻¹·u for every sample u, as real sample numbers of each axis, shape (N_1 … N_d, d)."""
    M, c = _backward(g, grid, origin)
    return np.asarray(_indices(grid) @ M.T + c)


def _indices(grid: Grid) -> NDArray[np.int64]:
    return np.indices(grid.shape).reshape(len(grid.shape), -1).T


def _backward(g: Element, grid: Grid, origin: Origin) -> tuple[Array, Array]:
    """M, c with g⁻¹·u at the sample number M j + c for the sample number j of u; g about the origin."""
    A, t = g.group.act(g.value), g.group.shift(g.value)
    if np.abs(A - np.rint(A)).max() <= TOLERANCE:  # the cosine of a quarter turn is 6e-17
        A = np.rint(A)
    back, step, start, o = np.linalg.inv(A), np.array(grid.step), np.array(grid.start), grid.point(origin)
    return back * step / step[:, None], (back @ (start - o - t) + o - start) / step


def _obstacle(g: Element, grid: Grid, origin: Origin) -> str | None:
    """Why g does not map the grid to itself, and what would."""
    (M, c), N, periodic = _backward(g, grid, origin), np.array(grid.shape), np.array(grid.periodic)
    whole = np.rint(M)
    if not _integers(M) or abs(abs(np.linalg.det(M)) - 1) > TOLERANCE:
        return "its linear part is not a permutation of samples (quarter turns and reflections are)"
    if np.any((whole * N) % N[:, None]):  # of the lattice of periods, spanned by N_j e_j
        return "it exchanges sides of different lengths; crop or pad the signal to a square"
    if np.any((whole != 0) & (periodic != periodic[:, None])):
        return "it exchanges a periodic axis and one that is not"
    if _integers(c):
        return None
    t = g.group.shift(g.value)
    if _integers(c + M @ (t / np.array(grid.step))):
        steps = "" if set(grid.step) == {1} else f": shift by multiples of {grid.step}"
        return f"it shifts by {t.tolist()} input samples, not by whole samples{steps}"
    point = grid.point(origin).tolist()
    return (
        f"its linear part moves samples between samples, about the origin {point}. Pass origin='middle', "
        "origin='sample', or a point of the grid"
    )


def _integers(values: Array) -> bool:
    return bool(np.abs(values - np.rint(values)).max() <= TOLERANCE)
