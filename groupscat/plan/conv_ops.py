"""The operations of convolutions. Registers hold any axes; parameters have no batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from groupscat.backend.base import Array, Backend
from groupscat.plan.ops import Op


@dataclass(frozen=True)
class Rearrange(Op):
    """Reshape, permute, reshape again. Shapes start with −1 where the batch leads."""

    before: tuple[int, ...]
    order: tuple[int, ...]
    after: tuple[int, ...]

    def __call__(self, xp: Backend, *args: Array) -> Array:
        x = xp.reshape(args[0], self.before)
        if self.order != tuple(range(len(self.order))):
            x = xp.permute(x, self.order)
        return x if self.after == self.before else xp.reshape(x, self.after)


@dataclass(frozen=True)
class Subsample(Op):
    """Every ``strides``-th sample along the last axes, from the first one on."""

    strides: tuple[int, ...]

    def __call__(self, xp: Backend, *args: Array) -> Array:
        return args[0][(..., *(slice(None, None, stride) for stride in self.strides))]


@dataclass(frozen=True)
class Gather(Op):
    """Axes ``axes`` (negative) of srcs[0] at the positions srcs[1:], −1 being a zero."""

    axes: tuple[int, ...]

    def __call__(self, xp: Backend, *args: Array) -> Array:
        x, *indices = args
        found: dict[int, Array] = dict(zip(self.axes, indices, strict=True))
        return xp.pad(x, [found.get(axis) for axis in range(min(self.axes), 0)], True)


@dataclass(frozen=True)
class Analyse(Op):
    """(…, R, n) → (…, F, R): srcs[1] (F, n) applied to the last axis."""

    def __call__(self, xp: Backend, *args: Array) -> Array:
        x, matrix = args
        return xp.matmul(matrix, xp.moveaxis(x, -1, -2))


@dataclass(frozen=True)
class Synthesise(Op):
    """(…, F, R) → (…, R, m): srcs[1] (F, m) applied to the axis before the last."""

    def __call__(self, xp: Backend, *args: Array) -> Array:
        x, matrix = args
        return xp.matmul(xp.moveaxis(x, -1, -2), matrix)


@dataclass(frozen=True)
class Conv(Op):
    """Cross-correlation of srcs[0] with srcs[1]; ``margin`` zeros around."""

    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    margin: tuple[tuple[int, int], ...]
    groups: int

    def __call__(self, xp: Backend, *args: Array) -> Array:
        x, w = args
        return xp.conv(x, w, self.stride, self.dilation, self.margin, self.groups)


@dataclass(frozen=True)
class BandedConv(Op):
    """:class:`Conv` in parts: each of srcs[1:] on some of the channels, the results one after the other.

    ``bands``: the channels [first, last) that each kernel reads.
    """

    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    margin: tuple[tuple[int, int], ...]
    bands: tuple[tuple[int, int], ...]

    def __call__(self, xp: Backend, *args: Array) -> Array:
        x, *kernels = args
        everything = (slice(None),) * (len(xp.shape(x)) - 2)
        parts = [
            xp.conv(
                x[(slice(None), slice(*band), *everything)], w, self.stride, self.dilation, self.margin, 1
            )
            for band, w in zip(self.bands, kernels, strict=True)
        ]
        return xp.concat(parts, 1)


@dataclass(frozen=True)
class ComplexBlocks(Op):
    """(…, 2, O, C, taps), re and im of a kernel, → (…, 2, O, 2, C, taps): [[re, −im], [im, re]].

    The real matrix by which a complex number multiplies (re, im).
    """

    def __call__(self, xp: Backend, *args: Array) -> Array:
        (w,) = args
        everything = (slice(None),) * 3
        re, im = (w[(..., part, *everything)] for part in (slice(0, 1), slice(1, 2)))
        re, im = (xp.reshape(p, _split(xp, p)) for p in (re, im))
        return xp.concat([xp.concat([re, im * -1.0], -3), xp.concat([im, re], -3)], -5)


def _split(xp: Backend, part: Array) -> Sequence[int]:
    """(…, 1, O, C, taps) → (…, 1, O, 1, C, taps)."""
    shape = xp.shape(part)
    return (*shape[:-2], 1, *shape[-2:])


@dataclass(frozen=True)
class Parts(Op):
    """Real and imaginary parts, joined along an axis of length 1 of ``shape``; ``twice``: of a real array."""

    shape: tuple[int, ...]
    axis: int
    after: tuple[int, ...]
    twice: bool = False

    def __call__(self, xp: Backend, *args: Array) -> Array:
        (z,) = args
        parts = (z, z) if self.twice else (xp.real(z), xp.imag(z))
        return xp.reshape(xp.concat([xp.reshape(p, self.shape) for p in parts], self.axis), self.after)


@dataclass(frozen=True)
class Complex(Op):
    """The inverse of :class:`Parts` on data: (−1, groups, 2, channels, …) → complex ``after``."""

    shape: tuple[int, ...]
    after: tuple[int, ...]

    def __call__(self, xp: Backend, *args: Array) -> Array:
        x = xp.reshape(args[0], self.shape)
        re, im = (x[:, :, k, ...] for k in (0, 1))
        return xp.reshape(xp.complex(re, im), self.after)


@dataclass(frozen=True)
class Apply(Op):
    """(R, n) → (R, m): rows of srcs[0] times the matrix srcs[1] (n, m)."""

    def __call__(self, xp: Backend, *args: Array) -> Array:
        return xp.matmul(*args)


@dataclass(frozen=True)
class Reduce(Op):
    """The "max" or the "mean" over ``count`` elements of some axes."""

    axes: tuple[int, ...]
    how: str
    count: int

    def __call__(self, xp: Backend, *args: Array) -> Array:
        (x,) = args
        return xp.max(x, self.axes) if self.how == "max" else xp.sum(x, self.axes) * (1 / self.count)
