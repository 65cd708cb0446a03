"""Rotations and reflections of the plane: the groups that turn one wavelet into a bank."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from groupscat.checks import integer
from groupscat.errors import ArgumentError
from groupscat.groups.group import TOLERANCE, Array, Group


@dataclass(frozen=True)
class Cyclic(Group):
    """C_n acting on R² by rotations; elements are the integers 0 … n−1, the angle is 2π·h/n.

    >>> G = Cyclic(8)
    >>> [int(g) for g in (G.mul(3, 6), G.inv(3), G.index(9))]
    [1, 5, 1]
    >>> np.allclose(G.act(2) @ [1, 0], [0, 1])
    True
    >>> int(G.at(90))
    2
    """

    n: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "n", integer("Cyclic(n): n", self.n, 1))

    @property
    def ndim(self) -> int:
        return 2

    @property
    def order(self) -> int:
        return self.n

    def mul(self, g: ArrayLike, h: ArrayLike) -> Array:
        """The product g·h."""
        return np.asarray((self.coerce(g) + self.coerce(h)) % self.n)

    def inv(self, g: ArrayLike) -> Array:
        """The inverse g⁻¹."""
        return np.asarray(-self.coerce(g) % self.n)

    def coerce(self, g: ArrayLike) -> Array:
        """Elements as an array: any integers, taken modulo n."""
        return np.asarray(self.integers(g) % self.n)

    def angle(self, g: ArrayLike) -> Array:
        """Rotation angle in radians, in [0, 2π)."""
        return 2 * np.pi * self.coerce(g) / self.n

    def at(self, degrees: float) -> Array:
        """The rotation by an angle in degrees.

        Raises
        ------
        ArgumentError : the group has no such rotation, as a quarter turn for odd n/2.
        """
        g = degrees * self.n / 360
        if abs(g - round(g)) > TOLERANCE:
            wanted = self.n
            while wanted < 64 * self.n and abs(degrees * wanted / 360 % 1) > TOLERANCE:
                wanted += self.n
            way_out = f": Cyclic({wanted}) has it" if abs(degrees * wanted / 360 % 1) <= TOLERANCE else ""
            raise ArgumentError(
                f"Cyclic({self.n}) has rotations by multiples of {360 / self.n:g}°, not by {degrees:g}°. "
                f"Take a multiple of the angle, or n such that n·{degrees:g}/360 is whole{way_out}. "
                "(L angles in [0, π) are Cyclic(2 L): quarter turns need L even.)"
            )
        return self.coerce(round(g))

    def act(self, g: ArrayLike) -> Array:
        """The 2×2 rotation matrix by which g moves a point of the plane (first axis, second axis)."""
        c, s = np.cos(self.angle(g)), np.sin(self.angle(g))
        return np.stack([np.stack([c, -s], axis=-1), np.stack([s, c], axis=-1)], axis=-2)


@dataclass(frozen=True)
class Dihedral(Group):
    """D_n acting on R²: the rotations 0 … n−1 of C_n, then n … 2n−1: a reflection of the second axis first.

    >>> G = Dihedral(4)
    >>> G.act(4)
    array([[ 1.,  0.],
           [ 0., -1.]])
    >>> [int(g) for g in (G.mul(1, 4), G.mul(4, 1), G.inv(6))]
    [5, 7, 6]
    """

    n: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "n", integer("Dihedral(n): n", self.n, 1))

    @property
    def ndim(self) -> int:
        return 2

    @property
    def order(self) -> int:
        return 2 * self.n

    def mul(self, g: ArrayLike, h: ArrayLike) -> Array:
        (s, r), (q, p) = self._parts(g), self._parts(h)
        return np.asarray((s + q) % 2 * self.n + (r + (1 - 2 * s) * p) % self.n)

    def inv(self, g: ArrayLike) -> Array:
        s, r = self._parts(g)
        return np.asarray(s * self.n + (2 * s - 1) * r % self.n)

    def act(self, g: ArrayLike) -> Array:
        """The 2×2 orthogonal matrix by which g moves a point of the plane (first axis, second axis)."""
        s, r = self._parts(g)
        flip = np.stack([np.ones(s.shape), 1.0 - 2 * s], axis=-1)
        return Cyclic(self.n).act(r) * flip[..., None, :]

    def _parts(self, g: ArrayLike) -> tuple[Array, Array]:
        """Whether reflected (0 or 1), and the rotation."""
        g = self.coerce(g)
        return g // self.n, g % self.n
