"""Index sets P = G × B: how a group permutes the coefficients of a layer, its fibers and orbits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groupscat.errors import ArgumentError, ShapeError
from groupscat.groups.group import Array, Group


@dataclass(frozen=True)
class IndexSet:
    """P = G × B, G finite or truncated, ``fibers`` = |B|; the place of (h, b) is index(h)·|B| + b.

    The group acts by g·(h, b) = (gh, b): it moves along fibers and never from one to another.

    Source: Mallat 2016, section 7.

    >>> from groupscat.groups import Cyclic
    >>> P = IndexSet(Cyclic(3), fibers=2)
    >>> P.move(1).tolist()                       # (0, b) goes to (1, b), …
    [2, 3, 4, 5, 0, 1]
    >>> P.orbits().tolist()                      # two fibers
    [0, 1, 0, 1, 0, 1]
    >>> P.act(1, np.arange(6)).tolist()          # x(g⁻¹·v)
    [4, 5, 0, 1, 2, 3]
    """

    group: Group
    fibers: int = 1

    def __post_init__(self) -> None:
        if not self.group.finite:
            raise ArgumentError(
                f"{self.group!r} is infinite, and an index set is a list. Use its point_group for the angles "
                "and scales, and groupscat.act for the samples."
            )
        if self.fibers < 1:
            raise ArgumentError(f"IndexSet(group, fibers) needs fibers ≥ 1, got fibers={self.fibers}.")

    @property
    def shape(self) -> tuple[int, int]:
        """(|G|, |B|)."""
        return int(self.group.order), self.fibers

    @property
    def size(self) -> int:
        return int(self.group.order) * self.fibers

    def move(self, g: ArrayLike) -> NDArray[np.int32]:
        """The places of g·v for every place v, shape (..., size); -1 where g·v leaves a truncated group."""
        g = self.group.coerce(g)
        batch = g.shape[: g.ndim - len(self.group.element_shape)]
        g = g.reshape(*batch, 1, *self.group.element_shape)
        h = self.group.index(self.group.mul(g, self.group.elements()))[..., None]
        places = np.where(h < 0, -1, h * self.fibers + np.arange(self.fibers))
        return places.reshape(*batch, self.size).astype(np.int32)

    def act(self, g: ArrayLike, x: ArrayLike) -> Array:
        """Coefficients x (..., size) moved by one g: (g·x)(v) = x(g⁻¹·v), 0 where g⁻¹·v is outside of P.

        Raises
        ------
        ShapeError : the last axis of x is not P.
        """
        x = np.asarray(x)
        if x.ndim < 1 or x.shape[-1] != self.size:
            raise ShapeError(f"{self!r} holds {self.size} coefficients, got x of shape {x.shape}.")
        return gather(x, self.move(self.group.inv(g)))

    def fiber(self, v: ArrayLike) -> Array:
        """b of the places v: the class in B = P/G, which no element of the group changes."""
        return np.asarray(v) % self.fibers

    def orbits(self) -> NDArray[np.int32]:
        """For every place the number of its orbit, shape (size,), from the action itself."""
        return orbits(self.move(self.group.elements()))


def orbits(moves: NDArray[Any]) -> NDArray[np.int32]:
    """For every point the number of its orbit, shape (n,), numbered in the order of first points.

    moves : int array, shape (k, n) -- moves[i, v] is where the i-th transformation takes v, -1 for nowhere.

    >>> orbits(np.array([[1, 0, 2, 4, 3]])).tolist()
    [0, 0, 1, 2, 2]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = moves.shape[-1]
    target = moves.reshape(-1)
    source = np.tile(np.arange(n), target.size // max(1, n))
    kept = target >= 0
    graph = coo_array((np.ones(kept.sum()), (source[kept], target[kept])), shape=(n, n))
    _, label = connected_components(graph, directed=False)
    _, first, inverse = np.unique(label, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[inverse], dtype=np.int32)


def gather(x: Array, places: NDArray[Any], axis: int = -1) -> Array:
    """x at the given places of an axis, and 0 where a place is -1."""
    taken = np.take(x, np.maximum(places, 0), axis=axis)
    if np.all(places >= 0):
        return np.asarray(taken)
    mask = np.expand_dims(places >= 0, tuple(range(1, -axis)))
    return np.asarray(np.where(mask, taken, np.zeros((), dtype=taken.dtype)))
