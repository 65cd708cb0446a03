"""Translations of R^d, and the group that moves nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from groupscat.checks import integer
from groupscat.errors import ArgumentError, ShapeError
from groupscat.groups.group import Array, Group


@dataclass(frozen=True)
class Translation(Group):
    """R^d acting on itself, u ↦ u + t; elements are rows t of d numbers, whole ones on a grid.

    >>> G = Translation(2)
    >>> G.move([1, 2], [0.5, 0.0])
    array([1.5, 2. ])
    >>> G.norm([3, 4])
    np.float64(5.0)
    >>> G.grid((2, 2)).tolist()
    [[0, 0], [0, 1], [1, 0], [1, 1]]
    """

    d: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "d", integer("Translation(d): d", self.d, 1))

    @property
    def ndim(self) -> int:
        return self.d

    @property
    def order(self) -> float:
        return math.inf

    @property
    def element_shape(self) -> tuple[int, ...]:
        return (self.d,)

    def coerce(self, g: ArrayLike) -> Array:
        g = self.rows(g)
        if g.dtype.kind not in "iufb":
            raise ArgumentError(f"Translations are real, got dtype {g.dtype}. Pass floats or integers.")
        return g

    def mul(self, g: ArrayLike, h: ArrayLike) -> Array:
        return np.asarray(self.coerce(g) + self.coerce(h))

    def inv(self, g: ArrayLike) -> Array:
        return np.asarray(-self.coerce(g))

    def act(self, g: ArrayLike) -> Array:
        return np.broadcast_to(np.eye(self.d), (*self.coerce(g).shape[:-1], self.d, self.d))

    def shift(self, g: ArrayLike) -> Array:
        return self.coerce(g)

    def grid(self, shape: tuple[int, ...]) -> Array:
        """The translations by whole samples of a grid, shape (N_1 … N_d, d), the last axis fastest."""
        if len(shape) != self.d:
            raise ShapeError(f"{self!r} has grids of {self.d} axes, got shape {shape}.")
        return np.indices(shape).reshape(self.d, -1).T

    @property
    def linear(self) -> bool:
        return False

    @property
    def point_group(self) -> Group:
        return Trivial(self.d)

    def project(self, g: ArrayLike) -> Array:
        return np.zeros((*self.coerce(g).shape[:-1], 0), dtype=np.int64)

    def twist(self, A: Array, g: ArrayLike) -> Array:
        """A t: a linear map carries the translation by t to the one by A t."""
        return np.asarray((A @ self.coerce(g)[..., None])[..., 0])

    def dilation(self, A: Array) -> Array:
        return np.asarray(np.abs(np.linalg.det(A)))


@dataclass(frozen=True)
class Trivial(Group):
    """The identity of R^d alone: extra axes that a product leaves as they are. Its element is an empty row.

    >>> from groupscat.groups import Cyclic
    >>> G = Cyclic(4) * Trivial(1)             # turns the plane of a volume
    >>> np.round(G.act([1]) @ [1, 0, 5], 12)
    array([0., 1., 5.])
    """

    d: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "d", integer("Trivial(d): d", self.d, 1))

    @property
    def ndim(self) -> int:
        return self.d

    @property
    def order(self) -> int:
        return 1

    @property
    def element_shape(self) -> tuple[int, ...]:
        return (0,)

    def elements(self) -> Array:
        return np.zeros((1, 0), dtype=np.int64)

    def coerce(self, g: ArrayLike) -> Array:
        return self.rows(g).astype(np.int64)

    def mul(self, g: ArrayLike, h: ArrayLike) -> Array:
        return np.asarray(self.coerce(g) + self.coerce(h))

    def inv(self, g: ArrayLike) -> Array:
        return self.coerce(g)

    def index(self, g: ArrayLike) -> Array:
        return np.zeros(self.coerce(g).shape[:-1], dtype=np.int64)

    def act(self, g: ArrayLike) -> Array:
        return np.broadcast_to(np.eye(self.d), (*self.coerce(g).shape[:-1], self.d, self.d))

    def twist(self, A: Array, g: ArrayLike) -> Array:
        batch = np.broadcast_shapes(A.shape[:-2], self.coerce(g).shape[:-1])
        return np.zeros((*batch, 0), dtype=np.int64)
