"""Groups made of groups: the direct product G * H and the semidirect product N @ H."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from groupscat.errors import ArgumentError
from groupscat.groups.group import TOLERANCE, Array, Group
from groupscat.groups.translation import Trivial


@dataclass(frozen=True, repr=False)
class Pair(Group):
    """What both products share: an element is the row of its parts, the first part first."""

    first: Group
    second: Group

    @property
    def order(self) -> float:
        return self.first.order * self.second.order

    @property
    def element_shape(self) -> tuple[int, ...]:
        return (_width(self.first) + _width(self.second),)

    def elements(self) -> Array:
        a, b = self.first.elements(), self.second.elements()
        return self.join(np.repeat(a, len(b), axis=0), np.concatenate([b] * len(a)))

    def coerce(self, g: ArrayLike) -> Array:
        return self.join(*self.split(g))

    def split(self, g: ArrayLike) -> tuple[Array, Array]:
        """The parts of elements, in the first and in the second group."""
        g, k = self.rows(g), _width(self.first)
        a, b = g[..., :k], g[..., k:]
        return (
            self.first.coerce(a if self.first.element_shape else a[..., 0]),
            self.second.coerce(b if self.second.element_shape else b[..., 0]),
        )

    def join(self, a: ArrayLike, b: ArrayLike) -> Array:
        """Elements with the given parts; batches are broadcast."""
        a, b = np.asarray(a), np.asarray(b)
        a = a if self.first.element_shape else a[..., None]
        b = b if self.second.element_shape else b[..., None]
        batch = np.broadcast_shapes(a.shape[:-1], b.shape[:-1])
        parts = [np.broadcast_to(part, (*batch, part.shape[-1])) for part in (a, b)]
        return np.concatenate(parts, axis=-1)

    def index(self, g: ArrayLike) -> Array:
        if not self.finite:
            self.elements()
        a, b = self.split(g)
        i, j = self.first.index(a), self.second.index(b)
        return np.where((i < 0) | (j < 0), -1, i * int(self.second.order) + j)

    @property
    def linear(self) -> bool:
        return self.first.linear and self.second.linear

    @property
    def dilates(self) -> bool:
        return self.first.dilates or self.second.dilates


@dataclass(frozen=True, repr=False)
class Product(Pair):
    """The direct product G * H acting on R^(d+d'): each factor on axes of its own, the other's left alone.

    >>> from groupscat.groups import Cyclic, Translation
    >>> G = Translation(1) * Translation(1)
    >>> G.mul([1, 2], [3, 4])
    array([4, 6])
    >>> Cyclic(4) * Cyclic(2), (Cyclic(4) * Cyclic(2)).order
    (Cyclic(n=4) * Cyclic(n=2), 8)
    """

    def __repr__(self) -> str:
        return f"{self.first!r} * {_bracketed(self.second)}"

    @property
    def ndim(self) -> int:
        return self.first.ndim + self.second.ndim

    def mul(self, g: ArrayLike, h: ArrayLike) -> Array:
        (a, b), (c, e) = self.split(g), self.split(h)
        return self.join(self.first.mul(a, c), self.second.mul(b, e))

    def inv(self, g: ArrayLike) -> Array:
        a, b = self.split(g)
        return self.join(self.first.inv(a), self.second.inv(b))

    def act(self, g: ArrayLike) -> Array:
        """Block-diagonal matrices."""
        a, b = self.split(g)
        A, B = self.first.act(a), self.second.act(b)
        d = self.first.ndim
        blocks = np.zeros((*A.shape[:-2], self.ndim, self.ndim))
        blocks[..., :d, :d], blocks[..., d:, d:] = A, B
        return blocks

    def shift(self, g: ArrayLike) -> Array:
        a, b = self.split(g)
        return np.concatenate([self.first.shift(a), self.second.shift(b)], axis=-1)

    @property
    def point_group(self) -> Group:
        if self.linear:
            return self
        a, b = self.first.point_group, self.second.point_group
        if isinstance(a, Trivial) and isinstance(b, Trivial):
            return Trivial(self.ndim)
        return Product(a, b)

    def project(self, g: ArrayLike) -> Array:
        if self.linear:
            return self.coerce(g)
        a, b = self.split(g)
        parts = Product(self.first.point_group, self.second.point_group)
        return parts.join(self.first.project(a), self.second.project(b))

    def twist(self, A: Array, g: ArrayLike) -> Array:
        (a, b), (first, second) = self.split(g), self._blocks(A)
        return self.join(self.first.twist(first, a), self.second.twist(second, b))

    def weight(self, g: ArrayLike) -> Array:
        a, b = self.split(g)
        return np.asarray(self.first.weight(a) * self.second.weight(b))

    def dilation(self, A: Array) -> Array:
        first, second = self._blocks(A)
        return np.asarray(self.first.dilation(first) * self.second.dilation(second))

    def norm(self, g: ArrayLike) -> Array:
        """√(|a|² + |b|²) of the parts."""
        a, b = self.split(g)
        return np.asarray(np.hypot(self.first.norm(a), self.second.norm(b)))

    def _blocks(self, A: Array) -> tuple[Array, Array]:
        d = self.first.ndim
        if np.any(np.abs(A[..., :d, d:]) > TOLERANCE) or np.any(np.abs(A[..., d:, :d]) > TOLERANCE):
            raise ArgumentError(
                f"A matrix mixes the axes of the factors of {self!r}, so it has no semidirect product "
                "with a group that holds that matrix. Let it act on the axes of one factor."
            )
        return A[..., :d, :d], A[..., d:, d:]


@dataclass(frozen=True, repr=False)
class Semidirect(Pair):
    """The semidirect product N @ H: H linear, acting on the axes of N and mapping N to itself.

    (n, h)(n', h') = (n · h n' h⁻¹, h h'); the map of (n, h) is that of h, then that of n. For translations,
    (t, h)(t', h') = (t + A_h t', h h'). Products nest: (N @ H) @ K and N @ (H @ K) have the same rows.

    Raises
    ------
    ArgumentError : the groups act on different axes, H has translations, or H does not map N to itself.

    >>> from groupscat.groups import Cyclic, Translation
    >>> G = Translation(2) @ Cyclic(4)
    >>> G, G.point_group
    (Translation(d=2) @ Cyclic(n=4), Cyclic(n=4))
    >>> np.round(G.mul([1, 0, 1], [0, 2, 3]), 12) + 0.0
    array([-1.,  0.,  0.])
    """

    def __post_init__(self) -> None:
        N, H = self.first, self.second
        if N.ndim != H.ndim:
            raise ArgumentError(
                f"{N!r} acts on R^{N.ndim} and {H!r} on R^{H.ndim}: G @ H needs the same axes. "
                "Use G * H for axes of their own, or H * Trivial(k) to add k axes that H leaves alone."
            )
        if not H.linear:
            raise ArgumentError(
                f"N @ H needs a linear H, and {H!r} has translations. Write the translations first: "
                "Translation(d) @ Cyclic(n)."
            )
        matrices, K = H.act(H.elements()), N.point_group
        N.twist(matrices, N.identity)
        for A in matrices:
            K.twist(A, K.elements())

    def __repr__(self) -> str:
        return f"{self.first!r} @ {_bracketed(self.second)}"

    @property
    def ndim(self) -> int:
        return self.first.ndim

    def mul(self, g: ArrayLike, h: ArrayLike) -> Array:
        (a, b), (c, e) = self.split(g), self.split(h)
        turned = self.first.twist(self.second.act(b), c)
        return self.join(self.first.mul(a, turned), self.second.mul(b, e))

    def inv(self, g: ArrayLike) -> Array:
        a, b = self.split(g)
        back = self.second.inv(b)
        return self.join(self.first.twist(self.second.act(back), self.first.inv(a)), back)

    def act(self, g: ArrayLike) -> Array:
        a, b = self.split(g)
        return np.asarray(self.first.act(a) @ self.second.act(b))

    def shift(self, g: ArrayLike) -> Array:
        a, _ = self.split(g)
        return self.first.shift(a)

    @property
    def point_group(self) -> Group:
        if self.linear:
            return self
        K = self.first.point_group
        return self.second if isinstance(K, Trivial) else Semidirect(K, self.second)

    def project(self, g: ArrayLike) -> Array:
        if self.linear:
            return self.coerce(g)
        a, b = self.split(g)
        K = self.first.point_group
        return b if isinstance(K, Trivial) else Semidirect(K, self.second).join(self.first.project(a), b)

    def twist(self, A: Array, g: ArrayLike) -> Array:
        a, b = self.split(g)
        return self.join(self.first.twist(A, a), self.second.twist(A, b))

    def weight(self, g: ArrayLike) -> Array:
        """dn / δ(h), δ(h) the factor by which h expands N: dt / |det A_h| for translations. H is discrete."""
        a, b = self.split(g)
        return np.asarray(self.first.weight(a) / self.first.dilation(self.second.act(b)))

    def dilation(self, A: Array) -> Array:
        return self.first.dilation(A)


def _width(G: Group) -> int:
    return math.prod(G.element_shape)


def _bracketed(G: Group) -> str:
    return f"({G!r})" if isinstance(G, Pair) else repr(G)
