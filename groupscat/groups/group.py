"""What every group has: a product, inverses, a linear action, and what follows from them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groupscat.errors import ArgumentError, ShapeError
from groupscat.groups.metric import affine_norm

if TYPE_CHECKING:
    from groupscat.groups.element import Element

Array = NDArray[Any]

#: Matrices closer than this are the same element.
TOLERANCE = 1e-9


class Group(ABC):
    """A group of affine maps u ↦ A u + t of R^d; it carries no data, is frozen, hashable and printable.

    Elements are plain arrays of shape (..., *element_shape): one integer each for a finite group, one row of
    numbers for translations and products. The identity is 0. Leading axes are a batch everywhere.

    A group of one's own is a frozen dataclass with ``ndim``, ``order``, ``mul``, ``inv`` and ``act``; the
    rest follows for elements numbered from 0. A *truncated* group is a window on an infinite one: its
    products and inverses are exact, ``elements()`` lists the window and ``index`` is -1 outside.

    Source: Mallat 2016, "Understanding deep convolutional networks", sections 3 and 7.
    """

    @property
    @abstractmethod
    def ndim(self) -> int:
        """d, the number of axes that the group acts on."""

    @property
    @abstractmethod
    def order(self) -> float:
        """Number of elements (of the window, where truncated); ``math.inf`` for translations."""

    @abstractmethod
    def mul(self, g: ArrayLike, h: ArrayLike) -> Array:
        """The products g·h, first h, then g; shape of the broadcast batches, then ``element_shape``."""

    @abstractmethod
    def inv(self, g: ArrayLike) -> Array:
        """The inverses g⁻¹."""

    @abstractmethod
    def act(self, g: ArrayLike) -> Array:
        """The linear parts A of the maps u ↦ A u + t, shape (..., d, d)."""

    @property
    def element_shape(self) -> tuple[int, ...]:
        """Shape of one element: () for an integer, (k,) for a row."""
        return ()

    @property
    def identity(self) -> Array:
        return np.zeros(self.element_shape, dtype=np.int64)

    @property
    def finite(self) -> bool:
        """Whether ``elements()`` can list it (finite and truncated groups)."""
        return self.order < math.inf

    def elements(self) -> Array:
        """All elements, shape (order, *element_shape)."""
        if not self.finite:
            raise ArgumentError(
                f"{self!r} is infinite and has no list of elements. Use its point_group, which is finite, "
                "or Translation(d).grid(shape)."
            )
        return np.arange(int(self.order))

    def index(self, g: ArrayLike) -> Array:
        """Positions of elements in ``elements()``, shape (...), -1 outside of a truncated group."""
        if not self.finite:
            self.elements()
        return self.coerce(g)

    def coerce(self, g: ArrayLike) -> Array:
        """Elements as an array, checked: integers 0 … order−1 here.

        Raises
        ------
        ArgumentError : not whole numbers, or not in that range.
        """
        g = self.integers(g)
        if np.any((g < 0) | (g >= self.order)):
            raise ArgumentError(
                f"Elements of {self!r} are 0 … {self.order - 1}, got {np.array2string(g, threshold=6)}. "
                "Is this an element of another group?"
            )
        return g

    def integers(self, g: ArrayLike) -> Array:
        """Whole numbers as int64; an ArgumentError for others."""
        array = np.asarray(g)
        whole = np.rint(array) if array.dtype.kind == "f" else array
        if array.dtype.kind not in "iufb" or not np.all(np.abs(whole - array) <= TOLERANCE):
            raise ArgumentError(
                f"Elements of {self!r} are integers, got {np.array2string(array, threshold=6)}. "
                "Take them from elements()."
            )
        return whole.astype(np.int64)

    def rows(self, g: ArrayLike) -> Array:
        """Elements of a group whose elements are rows, with their last axis checked.

        Raises
        ------
        ShapeError : the last axis is not that of an element, as with elements of another group.
        """
        array = np.asarray(g)
        if array.ndim < 1 or array.shape[-1:] != self.element_shape:
            raise ShapeError(
                f"Elements of {self!r} have trailing shape {self.element_shape}, got shape {array.shape}; "
                "is this an element of another group?"
            )
        return array

    def shift(self, g: ArrayLike) -> Array:
        """The translations t of the maps u ↦ A u + t, shape (..., d): 0 for a linear group."""
        return np.zeros(self.act(g).shape[:-1])

    def move(self, g: ArrayLike, u: ArrayLike) -> Array:
        """Points g·u = A u + t. Batch of g against the leading axes of u (..., d); the unit is that of u.

        Raises
        ------
        ShapeError : the points do not have d coordinates.
        """
        u = np.asarray(u)
        if u.ndim < 1 or u.shape[-1] != self.ndim:
            raise ShapeError(
                f"{self!r} moves points of shape (..., {self.ndim}), got shape {u.shape}. "
                "Put the coordinates last."
            )
        moved: Array = (self.act(g) @ u[..., None])[..., 0] + self.shift(g)
        return moved

    @property
    def linear(self) -> bool:
        """Whether the origin stays where it is: no translation among the elements."""
        return True

    @property
    def point_group(self) -> Group:
        """The linear group H of R^d ⋊ H; the group itself where it is linear."""
        return self

    def project(self, g: ArrayLike) -> Array:
        """The homomorphism onto ``point_group`` that forgets translations."""
        return self.coerce(g)

    def quotient_table(self) -> NDArray[np.int32]:
        """T[h, h'] = index(h⁻¹h'), shape (order, order): how a convolution on the group gathers its filter.

        Row h is also where a signal on the group comes from when h moves it. -1 (a zero of the filter) where
        h⁻¹h' lies outside of a truncated group.

        Raises
        ------
        ArgumentError : the group is infinite.
        """
        h = self.elements()
        table = self.index(self.mul(self.inv(h)[:, None], h[None]))
        return table.astype(np.int32)

    def twist(self, A: Array, g: ArrayLike) -> Array:
        """The elements A g A⁻¹ for matrices A (..., d, d) that map the group to itself.

        Raises
        ------
        ArgumentError : an A g A⁻¹ is not in the group.
        """
        members = self.elements()
        wanted = A @ self.act(g) @ np.linalg.inv(A)
        gap = np.abs(wanted[..., None, :, :] - self.act(members)).max(axis=(-2, -1))
        if gap.size and gap.min(axis=-1).max() > TOLERANCE:
            raise ArgumentError(
                f"A matrix turns elements of {self!r} into maps outside of it, so it has no semidirect "
                "product with a group that holds that matrix. Take a larger group, for example one of twice "
                "the angles."
            )
        return np.asarray(members[gap.argmin(axis=-1)])

    def weight(self, g: ArrayLike) -> Array:
        """Density of the left Haar measure at g, shape (...): against counting × Lebesgue. 1 if discrete."""
        return np.ones(self.act(g).shape[:-2])

    def dilation(self, A: Array) -> Array:
        """By how much g ↦ A g A⁻¹ expands the measure of the group, shape (...). 1 if discrete."""
        return np.ones(A.shape[:-2])

    @property
    def dilates(self) -> bool:
        """Whether some element changes volumes."""
        return self.finite and not np.allclose(np.abs(np.linalg.det(self.act(self.elements()))), 1)

    def norm(self, g: ArrayLike) -> Array:
        """The metric |g|_G, distance from g to the identity, shape (...).

        √(distance² + angle²): the length of the translation (in the unit of u), and the largest angle between
        a direction and its image, in radians. With dilations u ↦ s Q u + t, the distance is that of the
        hyperbolic half-space, |log s| without translation. Symmetric and subadditive.

        Raises
        ------
        ArgumentError : a linear part is not a similarity.
        """
        return affine_norm(self.act(g), self.shift(g), self.dilates)

    def distance(self, g: ArrayLike, h: ArrayLike) -> Array:
        """|g⁻¹h|_G, the same for kg and kh."""
        return self.norm(self.mul(self.inv(g), h))

    def __call__(self, g: ArrayLike) -> Element:
        """An element, or a batch of them, that knows its group: ``g @ h``, ``~g``, ``g @ points``."""
        from groupscat.groups.element import Element

        return Element(self, g)

    def __mul__(self, other: Group) -> Group:
        """The direct product; each factor acts on axes of its own."""
        from groupscat.groups.product import Product

        return Product(self, other) if isinstance(other, Group) else NotImplemented

    def __matmul__(self, other: Group) -> Group:
        """The semidirect product by a linear group; both act on the same axes."""
        from groupscat.groups.product import Semidirect

        return Semidirect(self, other) if isinstance(other, Group) else NotImplemented
