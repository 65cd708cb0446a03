"""Dilations by the powers of a factor: an infinite group seen through a window of scales."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike

from groupscat.checks import integer
from groupscat.errors import ArgumentError
from groupscat.groups.group import Array, Group


@dataclass(frozen=True)
class Scaling(Group):
    """Dilations u ↦ factor^j u of R^d, truncated: elements are the integers j, the window is 0 … count−1.

    Products and inverses are those of the infinite group; ``index`` is -1 outside of the window, where a
    signal on the group is taken to be 0. Not unimodular together with translations: see ``Group.weight``.

    >>> G = Scaling(2, 3)
    >>> [int(G.mul(1, j)) for j in G.elements()], G.index([-1, 0, 2, 3]).tolist()
    ([1, 2, 3], [-1, 0, 2, -1])
    >>> G.quotient_table()
    array([[ 0,  1,  2],
           [-1,  0,  1],
           [-1, -1,  0]], dtype=int32)
    """

    factor: float
    count: int
    d: int = 2

    def __post_init__(self) -> None:
        if not (isinstance(self.factor, Real) and 0 < self.factor < math.inf and self.factor != 1):
            raise ArgumentError(
                f"Scaling(factor, count) needs a positive factor other than 1, got factor={self.factor!r}."
            )
        for name in ("count", "d"):
            value = integer(f"Scaling(factor, count, d): {name}", getattr(self, name), 1)
            object.__setattr__(self, name, value)

    @property
    def ndim(self) -> int:
        return self.d

    @property
    def order(self) -> int:
        return self.count

    def coerce(self, g: ArrayLike) -> Array:
        """Elements as an array: any integers."""
        return self.integers(g)

    def index(self, g: ArrayLike) -> Array:
        g = self.coerce(g)
        return np.where((g >= 0) & (g < self.count), g, -1)

    def mul(self, g: ArrayLike, h: ArrayLike) -> Array:
        return np.asarray(self.coerce(g) + self.coerce(h))

    def inv(self, g: ArrayLike) -> Array:
        return np.asarray(-self.coerce(g))

    def act(self, g: ArrayLike) -> Array:
        """factor^j times the identity."""
        return np.asarray(float(self.factor) ** self.coerce(g)[..., None, None] * np.eye(self.d))

    def twist(self, A: Array, g: ArrayLike) -> Array:
        """Dilations commute with every linear map."""
        return np.broadcast_to(self.coerce(g), np.broadcast_shapes(A.shape[:-2], np.shape(g)))

    @property
    def dilates(self) -> bool:
        return True
