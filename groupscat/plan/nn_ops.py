"""The operations of learned layers beside convolutions. Channels are axis 1; parameters have no batch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from groupscat.backend.base import Array, Backend, ConstantKind
from groupscat.plan.ops import Op


class Pointwise(Protocol):
    """A function of single numbers: frozen, so that operations that hold it are data."""

    def __call__(self, xp: Backend, x: Array) -> Array: ...


@dataclass(frozen=True)
class Numbers:
    """Given numbers, one per channel."""

    values: tuple[float, ...]
    kind: ClassVar[ConstantKind] = "matrix"

    @property
    def size(self) -> int:
        return len(self.values)

    def build(self) -> NDArray[np.float64]:
        return np.array(self.values)


@dataclass(frozen=True)
class Activate(Op):
    """ρ(x)."""

    rho: Pointwise

    def __call__(self, xp: Backend, *args: Array) -> Array:
        return self.rho(xp, args[0])


@dataclass(frozen=True)
class Add(Op):
    """The sum of two arrays of one shape."""

    def __call__(self, xp: Backend, *args: Array) -> Array:
        x, y = args
        return x + y


@dataclass(frozen=True)
class Multiply(Op):
    """The product of two arrays of one shape, and of a number."""

    factor: float

    def __call__(self, xp: Backend, *args: Array) -> Array:
        x, y = args
        return x * (y * self.factor)


@dataclass(frozen=True)
class Shift(Op):
    """x plus a number per channel, srcs[1]."""

    def __call__(self, xp: Backend, *args: Array) -> Array:
        x, bias = args
        return x + _per_channel(xp, bias, x)


@dataclass(frozen=True)
class CentreScale(Op):
    """(x − centre) · scale of (x, centre, scale), a number per channel each."""

    def __call__(self, xp: Backend, *args: Array) -> Array:
        x, centre, scale = args
        return (x - _per_channel(xp, centre, x)) * _per_channel(xp, scale, x)


@dataclass(frozen=True)
class ChannelMean(Op):
    """(B, C, …) → (C,): over the batch and all other axes."""

    def __call__(self, xp: Backend, *args: Array) -> Array:
        return channel_mean(xp, args[0])


@dataclass(frozen=True)
class ChannelVariance(Op):
    """(B, C, …) → (C,): the mean square of what is left of x without its mean, srcs[1]."""

    def __call__(self, xp: Backend, *args: Array) -> Array:
        x, mean = args
        return channel_mean(xp, xp.squared_difference(x, _per_channel(xp, mean, x)))


@dataclass(frozen=True)
class Normalise(Op):
    """(x − mean) / √(variance + eps) · weight + bias of (x, mean, variance), or with weight and bias.

    ``own``: mean and variance are those of x.
    """

    eps: float
    own: bool = False

    def __call__(self, xp: Backend, *args: Array) -> Array:
        x, mean, variance, *affine = args
        return xp.batch_norm(x, mean, variance, affine, self.eps, self.own)


@dataclass(frozen=True)
class MovingAverage(Op):
    """(1 − momentum) · old + momentum · new."""

    momentum: float

    def __call__(self, xp: Backend, *args: Array) -> Array:
        old, new = args
        return old * (1 - self.momentum) + new * self.momentum


@dataclass(frozen=True)
class MatrixVector(Op):
    """(B, n) → (B, m) by the matrix srcs[1] (m, n)."""

    def __call__(self, xp: Backend, *args: Array) -> Array:
        return xp.linear(*args)


@dataclass(frozen=True)
class MixChannels(Op):
    """(B, C, P) → (B, O, P) by the matrix srcs[1] (O, C); ``transposed``: it is (C, O)."""

    transposed: bool = False

    def __call__(self, xp: Backend, *args: Array) -> Array:
        x, w = args
        return xp.matmul(xp.moveaxis(w, 0, 1) if self.transposed else w, x)


@dataclass(frozen=True)
class DivideByNeighbours(Op):
    """x / (constant + scale · Σ x²)^exponent, summed over a window of every axis but the batch.

    ``windows``: how many samples each window has, an odd number, centred, with zeros outside of the axis;
    None: the whole axis.
    """

    windows: tuple[int | None, ...]
    constant: float
    scale: float
    exponent: float

    def __call__(self, xp: Backend, *args: Array) -> Array:
        (x,) = args
        total = x * x
        for axis, window in zip(range(-len(self.windows), 0), self.windows, strict=True):
            if window != 1:
                total = _summed(xp, total, axis, window)
        return x * xp.power(total * self.scale + self.constant, -self.exponent)


def _summed(xp: Backend, x: Array, axis: int, window: int | None) -> Array:
    """Sums over a window of one (negative) axis."""
    shape = list(xp.shape(x))
    size, shape[axis] = shape[axis], 1
    if window is None:
        return xp.reshape(xp.sum(x, (axis,)), (-1, *shape[1:]))
    reach = min(window // 2, size - 1)
    x = xp.surround(x, ((reach, reach), *((0, 0),) * (-1 - axis)))
    rest = (slice(None),) * (-1 - axis)
    parts = [x[(..., slice(t, t + size), *rest)] for t in range(2 * reach + 1)]
    return sum(parts[1:], parts[0])


@dataclass(frozen=True)
class Surround(Op):
    """Zeros (before, after) around the trailing axes."""

    margin: tuple[tuple[int, int], ...]

    def __call__(self, xp: Backend, *args: Array) -> Array:
        return xp.surround(args[0], self.margin)


def _per_channel(xp: Backend, numbers: Array, x: Array) -> Array:
    return xp.reshape(numbers, (1, -1) + (1,) * (len(xp.shape(x)) - 2))


def channel_mean(xp: Backend, x: Array) -> Array:
    """(B, C, …) → (C,): over all axes but 1; the length of the first may be unknown."""
    batch, _, *rest = xp.shape(x)
    axes = (0, *range(2, 2 + len(rest)))
    total = xp.sum(x, axes)
    if isinstance(batch, int):
        return total * (1 / (batch * math.prod(rest)))
    ones = xp.where(x > math.inf, x, 1.0)
    return total * xp.power(xp.sum(ones, axes), -1.0)
