"""Convolution along the rows of a scalogram: real matrices, in which padding and strides cost nothing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from groupscat.backend.base import Array, Backend, ConstantKind
from groupscat.plan.ops import Op
from groupscat.wavelets.bank import fft_frequencies
from groupscat.wavelets.morlet import Gabor

#: A filter along the rows is taken to be zero where it is below this fraction of its maximum.
NEGLIGIBLE = 1e-13


@dataclass(frozen=True)
class AlongMatrix:
    """The matrix of y(o) = gain·Σ_v f(o − v) x(v), periodic, for rows v of ``inputs`` and o of ``outputs``.

    Shape (outputs, inputs); ``planar``: (2·outputs, inputs), the real parts first. A filter None is the mean
    over the period. Rows that are missing from the inputs are zero: so an axis is padded.
    """

    filter: Gabor | None
    period: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    gain: float = 1
    planar: bool = False
    kind: ClassVar[ConstantKind] = "matrix"

    @property
    def size(self) -> int:
        return len(self.inputs) * len(self.outputs) * (2 if self.planar else 1)

    def build(self) -> NDArray[np.float64]:
        if self.filter is None:
            return np.full((len(self.outputs), len(self.inputs)), self.gain / self.period)
        hat = self.filter.hat(fft_frequencies((self.period,)), size=(self.period,))
        lag = np.array(self.outputs)[:, None] - np.array(self.inputs)
        matrix: NDArray[np.complex128] = self.gain * np.fft.ifft(hat)[np.mod(lag, self.period)]
        return np.concatenate([matrix.real, matrix.imag]) if self.planar else np.asarray(matrix.real)


def reached(psi: Gabor, rows: int, period: int, step: int) -> tuple[int, ...]:
    """The rows 0, step, 2·step … of a period where the response to the first ``rows`` of them is not zero.

    >>> reached(Gabor(xi=(0.25,), sigma=(0.5,)), rows=2, period=16, step=1)
    (0, 1, 2, 3, 4, 13, 14, 15)
    """
    reach = math.ceil(math.sqrt(2 * math.log(1 / NEGLIGIBLE)) / (2 * math.pi * psi.sigma[0]))
    return tuple(o for o in range(0, period, step) if o < rows + reach or o >= period - reach)


@dataclass(frozen=True)
class Planar(Op):
    """The channels of all srcs as rows: (B, parts, rows, t), real; parts are re, im of complex srcs."""

    def __call__(self, xp: Backend, *args: Array) -> Array:
        parts = [xp.real, xp.imag] if xp.is_complex(args[0]) else [lambda x: x]
        y = xp.concat([part(x) for part in parts for x in args], 1)
        channels, samples = xp.shape(y)[1:]
        return xp.reshape(y, (-1, len(parts), channels // len(parts), samples))


@dataclass(frozen=True)
class LowModulus(Op):
    """|x ⋆ φ| along the rows: (B, parts, rows, t) → (B, outputs, t); srcs[1] is the matrix of φ.

    A further source is the matrix of an average of the modulus.
    """

    def __call__(self, xp: Backend, *args: Array) -> Array:
        x, low, *average = args

        def part(x: Array) -> Array:
            y = xp.modulus(xp.matmul(low, x), 1)
            return xp.matmul(average[0], y) if average else y

        return in_blocks(xp, part, (x,), xp.shape(low)[0])


@dataclass(frozen=True)
class SpinModulus(Op):
    """|x ⋆ ψ| along the rows for wavelets of the given spins, (B, parts, rows, t) → (B, spins·outputs, t).

    srcs[1] is the planar matrix of ψ with spin 1. The wavelet of spin −1 is its conjugate, so that the four
    products of re, im of x and ψ give both. A further source is the matrix of an average of the modulus.
    """

    spins: tuple[int, ...]

    def __call__(self, xp: Backend, *args: Array) -> Array:
        x, psi, *average = args
        rows = xp.shape(psi)[0] // 2

        def part(x: Array) -> Array:
            y = xp.matmul(psi, x)
            moduli = [xp.hypot(*spun(y, rows, spin, xp.shape(y)[1] == 2)) for spin in self.spins]
            return xp.concat([xp.matmul(average[0], u) for u in moduli] if average else moduli, 1)

        return in_blocks(xp, part, (x,), 2 * rows)


@dataclass(frozen=True)
class Unfold(Op):
    """Channels (path, row) as two axes: (B, paths·rows, t) → (B, paths, rows, t)."""

    rows: int

    def __call__(self, xp: Backend, *args: Array) -> Array:
        channels, samples = xp.shape(args[0])[1:]
        return xp.reshape(args[0], (-1, channels // self.rows, self.rows, samples))


def spun(y: Array, rows: int, spin: int, is_complex: bool) -> tuple[Array, Array]:
    """Re and im of (re x + i im x) ⋆ (A + i·spin·B), from the rows of A ⋆ x, then of B ⋆ x, of each part."""
    re, im = y[:, 0, :rows, ...], y[:, 0, rows:, ...]
    if is_complex:
        a, b = y[:, 1, :rows, ...], y[:, 1, rows:, ...]
        re, im = (re - b, im + a) if spin > 0 else (re + b, a - im)
    return re, im


def unspun(
    xp: Backend, found: Sequence[tuple[Array, Array]], spins: Sequence[int], is_complex: bool
) -> Array:
    """The adjoint of :func:`spun`, summed over spins: re, im (B, rows, t) of each → (B, parts, 2·rows, t)."""
    (re, im), *rest = found
    if not is_complex:
        return xp.concat([re, im], 1)[:, None, ...]
    a, b = (im, re * -1.0) if spins[0] > 0 else (im * -1.0, re)
    for (x, y), spin in zip(rest, spins[1:], strict=True):
        re, im = re + x, im + y
        a, b = (a + y, b - x) if spin > 0 else (a - y, b + x)
    rows, samples = xp.shape(re)[1:]
    return xp.reshape(xp.concat([re, a, im, b], 1), (-1, 2, 2 * rows, samples))


def in_blocks(xp: Backend, function: Callable[..., Array], arrays: tuple[Array, ...], rows: int) -> Array:
    """``function`` of runs of the last axis; ``rows`` of each part of arrays[0] then stay in the cache."""
    x = arrays[0]
    limit = xp.chunk(x)
    parts, _, samples = xp.shape(x)[1:]
    if limit is None or xp.is_tracing(x):
        return function(*arrays)
    itemsize = 8 if xp.dtype(x) == "float64" else 4
    width = max(1, limit // 2 // (xp.shape(x)[0] * parts * rows * itemsize))
    blocks = math.ceil(samples / width)
    cuts = [k * samples // blocks for k in range(blocks + 1)]
    results = [function(*(array[..., lo:hi] for array in arrays)) for lo, hi in itertools.pairwise(cuts)]
    return results[0] if blocks == 1 else xp.concat(results, -1)
