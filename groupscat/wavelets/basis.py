"""The functions that learned filters are sums of: w(x) = Σ_b w_b ψ_b(x), in closed form at any point."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groupscat.errors import ArgumentError, ShapeError

Floats = NDArray[np.float64]


class Basis(ABC):
    """Functions ψ_b of R^d, b = 0 … size−1; frozen, hashable, printable, no data.

    A basis of one's own is a frozen dataclass with ``taps``, ``shape`` and ``evaluate``. ``basis * other`` is
    the tensor product, each factor on axes of its own.
    """

    @property
    @abstractmethod
    def taps(self) -> tuple[int, ...]:
        """Samples of a filter along each axis, before a group moves it."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Trailing shape of a filter's coefficients w."""

    @abstractmethod
    def evaluate(self, points: Floats) -> Floats:
        """ψ_b at checked points (..., d), shape (..., size)."""

    @property
    def ndim(self) -> int:
        """d, the number of axes."""
        return len(self.taps)

    @property
    def size(self) -> int:
        """Number of functions, Π shape; b runs through ``shape`` with the last axis fastest."""
        return math.prod(self.shape)

    def __call__(self, points: ArrayLike) -> Floats:
        """ψ_b(x) at real points.

        Parameters
        ----------
        points : array, shape (..., d), in samples from the centre of the filter: the middle (k−1)/2 of its
            taps, between two of them where k is even.

        Returns
        -------
        array, shape (..., size), float64.

        Raises
        ------
        ShapeError : the points do not have d coordinates.
        """
        points = np.asarray(points, np.float64)
        if points.ndim < 1 or points.shape[-1] != self.ndim:
            raise ShapeError(
                f"{self!r} is evaluated at points of shape (..., {self.ndim}), got shape {points.shape}. "
                "Put the coordinates last."
            )
        return self.evaluate(points)

    def __mul__(self, other: Basis) -> Basis:
        """The tensor product: ψ_b(x) ψ'_c(y), the axes of ``other`` after those of ``self``."""
        return TensorProduct(self, other) if isinstance(other, Basis) else NotImplemented


@dataclass(frozen=True, init=False, repr=False)
class Pixels(Basis):
    """One function per tap: the n-linear hat ψ_b(x) = Π_i max(0, 1 − |x_i − b_i|) at tap b.

    On the grid it is 1 at its tap and 0 at the others, so the coefficients are the samples of the filter;
    elsewhere w(x) interpolates them linearly. Right for groups that map the grid to itself; see
    :class:`GaussianRings` for the others.

    Parameters
    ----------
    *k : taps along each axis, ≥ 1.

    Raises
    ------
    ArgumentError : no axis, or a number of taps that is not a positive integer.

    >>> basis = Pixels(3, 3)
    >>> basis, basis.shape, basis.size
    (Pixels(3, 3), (3, 3), 9)
    >>> basis([0.0, 0.5]).reshape(3, 3)            # half-way between the centre and the next tap
    array([[0. , 0. , 0. ],
           [0. , 0.5, 0.5],
           [0. , 0. , 0. ]])
    """

    k: tuple[int, ...]

    def __init__(self, *k: int) -> None:
        if not k or any(not isinstance(n, Integral) or isinstance(n, bool) or n < 1 for n in k):
            raise ArgumentError(
                f"Pixels(k1, …, kd) needs a positive number of taps for each axis, got Pixels{k}. "
                "For a filter of 3×3 samples write Pixels(3, 3)."
            )
        object.__setattr__(self, "k", tuple(map(int, k)))

    def __repr__(self) -> str:
        return f"Pixels({', '.join(map(str, self.k))})"

    @property
    def taps(self) -> tuple[int, ...]:
        return self.k

    @property
    def shape(self) -> tuple[int, ...]:
        return self.k

    def evaluate(self, points: Floats) -> Floats:
        values = np.ones((*points.shape[:-1], 1))
        for i, k in enumerate(self.k):
            offset = points[..., i, None] - line(k)
            values = _outer(values, np.maximum(0, 1 - np.abs(offset)))
        return values


@dataclass(frozen=True, repr=False)
class TensorProduct(Basis):
    """ψ_b(x) ψ'_c(y) on the axes of both factors, as made by ``first * second``.

    >>> basis = Pixels(3, 3) * Pixels(5)
    >>> basis, basis.ndim, basis.shape
    (Pixels(3, 3) * Pixels(5), 3, (3, 3, 5))
    """

    first: Basis
    second: Basis

    def __repr__(self) -> str:
        second = f"({self.second!r})" if isinstance(self.second, TensorProduct) else repr(self.second)
        return f"{self.first!r} * {second}"

    @property
    def taps(self) -> tuple[int, ...]:
        return self.first.taps + self.second.taps

    @property
    def shape(self) -> tuple[int, ...]:
        return self.first.shape + self.second.shape

    def evaluate(self, points: Floats) -> Floats:
        d = self.first.ndim
        return _outer(self.first.evaluate(points[..., :d]), self.second.evaluate(points[..., d:]))


def line(k: int) -> Floats:
    """The k taps of one axis in samples from their middle: −(k−1)/2 … (k−1)/2.

    >>> line(3).tolist(), line(2).tolist()
    ([-1.0, 0.0, 1.0], [-0.5, 0.5])
    """
    return np.arange(k, dtype=np.float64) - (k - 1) / 2


def tap_grid(taps: tuple[int, ...]) -> Floats:
    """The points of a grid of taps in samples from its centre, shape (Π taps, d), the last axis fastest.

    >>> tap_grid((1, 3)).tolist()
    [[0.0, -1.0], [0.0, 0.0], [0.0, 1.0]]
    """
    axes = np.meshgrid(*map(line, taps), indexing="ij")
    return np.stack(axes, axis=-1).reshape(math.prod(taps), len(taps))


def _outer(a: Floats, b: Floats) -> Floats:
    """Products of the last axes of two arrays of the same batch, flattened, the second fastest."""
    product = a[..., :, None] * b[..., None, :]
    return product.reshape(*a.shape[:-1], a.shape[-1] * b.shape[-1])
