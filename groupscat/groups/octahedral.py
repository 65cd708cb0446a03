"""Rotations of the cube: the largest group of rotations that maps a cubic grid to itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import permutations, product

import numpy as np
from numpy.typing import ArrayLike

from groupscat.groups.group import Array, Group


@dataclass(frozen=True)
class Octahedral(Group):
    """The 24 rotations of the cube acting on R³; elements are the integers 0 … 23.

    They are the signed permutation matrices of determinant 1, by permutation, then by signs.

    >>> G = Octahedral()
    >>> G.act(1).astype(int).tolist()          # a half turn about the first axis
    [[1, 0, 0], [0, -1, 0], [0, 0, -1]]
    >>> int(G.mul(1, 1)), G.order
    (0, 24)
    """

    @property
    def ndim(self) -> int:
        return 3

    @property
    def order(self) -> int:
        return 24

    def mul(self, g: ArrayLike, h: ArrayLike) -> Array:
        _, table = _tables()
        return np.asarray(table[self.coerce(g), self.coerce(h)])

    def inv(self, g: ArrayLike) -> Array:
        _, table = _tables()
        return np.asarray((table == 0).argmax(axis=1)[self.coerce(g)])

    def act(self, g: ArrayLike) -> Array:
        """The 3×3 rotation matrices."""
        matrices, _ = _tables()
        return np.asarray(matrices[self.coerce(g)])


@cache
def _tables() -> tuple[Array, Array]:
    """The matrices, shape (24, 3, 3), identity first, and the table of products, shape (24, 24)."""
    signed = (
        np.eye(3)[list(p)] * np.array(signs)[:, None]
        for p in permutations(range(3))
        for signs in product((1.0, -1.0), repeat=3)
    )
    matrices = np.array([m for m in signed if np.linalg.det(m) > 0])
    products = matrices[:, None] @ matrices[None]
    table = (products[:, :, None] == matrices).all(axis=(-2, -1)).argmax(axis=-1)
    for constant in (matrices, table):
        constant.setflags(write=False)
    return matrices, table
