"""Groups acting on sampled signals: exactly where they map the grid to itself, else by interpolation."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groupscat.errors import ArgumentError, ShapeError
from groupscat.groups.element import Element
from groupscat.groups.group import TOLERANCE, Array
from groupscat.groups.index_set import gather


def act_on_signal(g: Element, x: ArrayLike, *, order: int | None = None, on_group: bool = False) -> Array:
    """(g·x)(u) = x(g⁻¹·u), periodic in u, about the origin: the sample N // 2 of every axis.

    The origin is the centre of an odd side, and on an even side a sample (so that a quarter turn is
    ``np.roll(np.rot90(x), 1, axis=0)`` there).

    Parameters
    ----------
    g : one element of a group that acts on d axes; translations are in samples.
    x : array, shape (..., N_1, ..., N_d), or with ``on_group`` (..., |H|, N_1, ..., N_d), H the point group:
        a signal x(u, h), moved to x(g⁻¹u, k⁻¹h), k the linear part of g; 0 outside of a truncated H.
    order : order of the splines (0 … 5) that interpolate where g does not map the grid to itself.

    Returns
    -------
    array, the shape of x.

    Raises
    ------
    ShapeError : too few axes, or not |H| of them.
    ArgumentError : a batch of elements, or g does not map the grid to itself and no order is given.

    Source: Mallat 2016, section 3, and eq. 27 for the signal on the group.

    >>> from groupscat.groups import SE2
    >>> x = np.arange(9).reshape(3, 3)
    >>> np.array_equal(act_on_signal(SE2(4)([0, 0, 1]), x), np.rot90(x))
    True
    >>> np.array_equal(act_on_signal(SE2(4)([1, 0, 0]), x), np.roll(x, 1, axis=0))
    True
    """
    x, G = np.asarray(x), g.group
    d = G.ndim
    if g.value.shape != G.element_shape:
        raise ArgumentError(
            f"One element moves a signal, got a batch of shape {g.value.shape}. Loop over it."
        )
    if x.ndim < d + on_group or 0 in x.shape[x.ndim - d :]:
        raise ShapeError(f"{G!r} acts on the last {d} axes, got x of shape {x.shape}.")
    if on_group:
        H = G.point_group
        if x.shape[-d - 1] != H.order:
            raise ShapeError(
                f"A signal on {G!r} has {int(H.order)} samples of {H!r} before its last {d} axes, "
                f"got x of shape {x.shape}."
            )
        k = H.inv(G.project(g.value))
        x = gather(x, H.index(H.mul(k, H.elements())), axis=-d - 1)
    grid = x.shape[x.ndim - d :]
    if order is not None and not preserves_grid(g, grid):
        return _interpolated(g, x, grid, order)
    flat = x.reshape(*x.shape[: x.ndim - d], -1)
    return np.asarray(np.take(flat, grid_permutation(g, grid), axis=-1).reshape(x.shape))


def preserves_grid(g: Element, grid: tuple[int, ...]) -> bool:
    """Whether g maps the periodic grid of that shape to itself, one to one.

    >>> from groupscat.groups import SE2
    >>> preserves_grid(SE2(4)([1, 0, 1]), (8, 8)), preserves_grid(SE2(4)([0, 0, 1]), (8, 6))
    (True, False)
    """
    return _obstacle(g, grid) is None


def grid_permutation(g: Element, grid: tuple[int, ...]) -> NDArray[np.int64]:
    """Places p, shape (N_1 … N_d,), with (g·x).ravel() = x.ravel()[p]: those of g⁻¹·u for every sample u.

    Raises
    ------
    ArgumentError : g does not map the grid to itself.

    >>> from groupscat.groups import Translation
    >>> grid_permutation(Translation(1)([1]), (4,)).tolist()
    [3, 0, 1, 2]
    """
    obstacle = _obstacle(g, grid)
    if obstacle:
        raise ArgumentError(
            f"{g!r} does not map the grid of shape {grid} to itself: {obstacle}. "
            "Pass order=3 to act_on_signal to interpolate with cubic splines."
        )
    source = np.rint(_sources(g, grid)).astype(np.int64) % grid
    return np.asarray(np.ravel_multi_index(tuple(source.T), grid), dtype=np.int64)


def _obstacle(g: Element, grid: tuple[int, ...]) -> str | None:
    """Why g does not map the periodic grid to itself."""
    A, t = g.group.act(g.value), g.group.shift(g.value)
    whole = np.rint(A)
    if np.abs(A - whole).max() > TOLERANCE or abs(abs(np.linalg.det(A)) - 1) > TOLERANCE:
        return "its linear part is not a permutation of samples (quarter turns and reflections are)"
    if np.abs(t - np.rint(t)).max() > TOLERANCE:
        return f"it shifts by {t.tolist()}, not by whole samples"
    # A maps the lattice of periods, spanned by N_j e_j, to itself.
    if np.any((whole * np.array(grid)) % np.array(grid)[:, None]):
        return "it exchanges sides of different lengths"
    return None


def _sources(g: Element, grid: tuple[int, ...]) -> Array:
    """g⁻¹·u for every sample u, in samples from the corner, shape (N_1 … N_d, d)."""
    origin = np.array(grid) // 2
    u = np.indices(grid).reshape(len(grid), -1).T
    return np.asarray(g.group.move(g.group.inv(g.value), u - origin) + origin)


def _interpolated(g: Element, x: Array, grid: tuple[int, ...], order: int) -> Array:
    from scipy.ndimage import map_coordinates

    if not 0 <= order <= 5:
        raise ArgumentError(f"Splines have order 0 … 5, got order={order}.")
    at = _sources(g, grid).T.reshape(len(grid), *grid)
    kind = np.result_type(x.dtype, np.float32) if x.dtype.kind in "iub" else x.dtype
    moved = np.empty(x.shape, dtype=kind)
    for place in np.ndindex(x.shape[: x.ndim - len(grid)]):
        moved[place] = map_coordinates(x[place].astype(kind), at, order=order, mode="grid-wrap")
    return moved
