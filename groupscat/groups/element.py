"""Elements that know their group, so that formulas read as they are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike

from groupscat.errors import ArgumentError
from groupscat.groups.group import Array, Group


@dataclass(frozen=True, eq=False, repr=False)
class Element:
    """Elements ``value`` (..., *element_shape) of a group: ``g @ h``, ``~g``, ``g @ points``, ``abs(g)``.

    >>> from groupscat.groups import SE2
    >>> G = SE2(4)
    >>> g, h = G([1, 0, 1]), G([0, 2, 3])      # a shift by (1, 0) after a quarter turn, …
    >>> (g @ h).isclose(G([-1, 0, 0])), (g @ ~g).isclose(G(G.identity))
    (True, True)
    >>> np.round(g @ np.array([[0, 0], [1, 0]]), 12)
    array([[1., 0.],
           [1., 1.]])
    >>> abs(G([3, 4, 0]))
    np.float64(5.0)
    """

    group: Group
    value: Any

    #: Arrays leave ``array @ g`` to this class, which refuses it.
    __array_ufunc__ = None

    def __post_init__(self) -> None:
        value = self.group.coerce(self.value).copy()
        value.setflags(write=False)
        object.__setattr__(self, "value", value)

    @overload
    def __matmul__(self, other: Element) -> Element: ...
    @overload
    def __matmul__(self, other: ArrayLike) -> Array: ...
    def __matmul__(self, other: Element | ArrayLike) -> Element | Array:
        """The product with an element, or the image of points (..., d).

        Raises
        ------
        ArgumentError : the other element is one of another group.
        """
        if isinstance(other, Element):
            return Element(self.group, self.group.mul(self.value, self._same(other).value))
        return self.group.move(self.value, other)

    def __invert__(self) -> Element:
        return Element(self.group, self.group.inv(self.value))

    def __abs__(self) -> Array:
        return self.group.norm(self.value)

    def __getitem__(self, key: Any) -> Element:
        """Elements of a batch."""
        return Element(self.group, self.value[key])

    def __repr__(self) -> str:
        return f"({self.group!r})({self.value.tolist()})"

    def isclose(self, other: Element, tolerance: float = 1e-12) -> bool:
        """Whether the numbers that name both are equal up to a relative tolerance."""
        theirs = self._same(other).value
        return bool(np.allclose(self.value, theirs, rtol=tolerance, atol=tolerance))

    def _same(self, other: Element) -> Element:
        if other.group != self.group:
            raise ArgumentError(
                f"An element of {self.group!r} does not combine with one of {other.group!r}. "
                "Make both with the same group."
            )
        return other
