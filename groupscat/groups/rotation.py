"""Rotations of the plane by multiples of 2π/n: the group that turns one wavelet into a bank."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groupscat.errors import ArgumentError


@dataclass(frozen=True)
class Cyclic:
    """C_n acting on R² by rotations; elements are the integers 0 … n−1, the angle is 2π·h/n.

    >>> G = Cyclic(8)
    >>> G.mul(3, 6), G.inv(3), G.index(9)
    (1, 5, 1)
    >>> np.allclose(G.act(2) @ [1, 0], [0, 1])
    True
    """

    n: int

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ArgumentError(f"Cyclic(n) needs n ≥ 1, got n={self.n}.")

    def elements(self) -> NDArray[np.int64]:
        """All elements, shape (n,)."""
        return np.arange(self.n)

    def mul(self, g: int, h: int) -> int:
        """The product g·h."""
        return (g + h) % self.n

    def inv(self, g: int) -> int:
        """The inverse g⁻¹."""
        return -g % self.n

    def index(self, g: int) -> int:
        """Position of an element (any integer, taken modulo n) in ``elements()``."""
        return g % self.n

    def angle(self, g: int) -> float:
        """Rotation angle in radians, in [0, 2π)."""
        return 2 * np.pi * self.index(g) / self.n

    def act(self, g: int) -> NDArray[np.float64]:
        """The 2×2 rotation matrix by which g moves a point of the plane (first axis, second axis)."""
        c, s = np.cos(self.angle(g)), np.sin(self.angle(g))
        return np.array([[c, -s], [s, c]])
