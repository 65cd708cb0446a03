"""Filters along the channels of groups, and linear combinations of channels: tables, and the kernels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat_native.bands import NEGLIGIBLE, Rows, live
from groupscat_native.kernels import TILE, run
from groupscat_native.library import library
from groupscat_native.shapes import COMPLEX, fits

#: Rows are alike up to this many roundings of the largest number of a matrix.
ROUNDINGS = 4


@dataclass(frozen=True)
class Channels:
    """A matrix (groups or 1, 2·samples, parts·inputs) by entries, of two samples each where these are alike.

    What Im V contributes to two such samples differs in sign alone: to those half a turn apart where
    V(θ+π) is V̄(θ), and to those of ψ̃ and of its conjugate.

    Parameters
    ----------
    matrix : (groups or 1, entries, parts, inputs, 2), what inputs contribute to re and im of a sample.
    table : (entries, 4), a sample, the other one or −1, the first input that matters and the one behind
        the last.
    samples : of the result.
    """

    matrix: NDArray[Any]
    table: NDArray[np.int32]
    samples: int


def channels(matrix: NDArray[Any], parts: int) -> Channels:
    """The entries of a matrix whose columns are real parts, then, of two parts, imaginary ones."""
    groups, rows, columns = matrix.shape
    samples, inputs = rows // 2, columns // parts
    by = matrix.reshape(groups, 2, samples, parts, inputs).transpose(2, 0, 3, 4, 1)
    size, eps = np.abs(by).max(initial=0), np.finfo(matrix.dtype).eps
    pairs = _pairs(by, ROUNDINGS * eps * size) if parts == 2 else [(k, -1) for k in range(samples)]
    kept = by[[first for first, _ in pairs]]
    bounds = live(np.abs(kept).max((1, 2, 4), initial=0), NEGLIGIBLE * eps * size)
    table = np.concatenate([np.array(pairs, np.int32).reshape(-1, 2), bounds], 1)
    return Channels(np.ascontiguousarray(kept.swapaxes(0, 1)), table, samples)


def _pairs(by: NDArray[Any], least: float) -> list[tuple[int, int]]:
    """Samples in pairs that are alike in all groups, or alone (−1).

    by: what every sample gets, (samples, groups, parts, inputs, re and im).
    """
    flat = np.moveaxis(by, -1, 1).reshape(*by.shape[:1], 2, by.shape[1], -1)
    turned = flat * np.repeat([1, -1], by.shape[3]).astype(by.dtype)
    left, found = list(range(len(by))), []
    while left:
        first, rest = left[0], left[1:]
        # A modulus does not notice the signs of re and im.
        apart = np.minimum(
            *(np.abs(flat[rest] - sign * turned[first]).max((2, 3), initial=0) for sign in (1, -1))
        ).max(1, initial=0)
        alike = np.flatnonzero(apart <= least)
        other = rest[alike[0]] if len(alike) else -1
        found.append((first, other))
        left = [k for k in rest if k != other]
    return found


def transposed(matrix: NDArray[Any]) -> Rows:
    """The adjoint of a matrix for :func:`mix`."""
    return combinations(matrix.T)


def combinations(matrix: NDArray[Any]) -> Rows:
    """A matrix for :func:`mix`: nothing but zeros is left out."""
    return Rows(np.ascontiguousarray(matrix), live(np.abs(matrix), 0))


def angular(
    z: NDArray[Any],
    matrix: Channels,
    out: NDArray[Any],
    workers: int,
    gradient: NDArray[Any] | None = None,
    average: Rows | None = None,
    order: NDArray[np.int32] | None = None,
) -> bool:
    """|V ⋆ ψ̃| along the channels of each group; or, of a gradient by those, the one by V.

    Parameters
    ----------
    z : complex or real, (B, groups·inputs, …); with ``order`` any number of channels.
    out : (B, groups·samples, …), or that of z; channels that ``order`` leaves out are not written then.
    average : made of the moduli of each group, which are not kept then.
    order : which channel each input of each group is. Gradients want each channel once at most.
    """
    dtype = matrix.matrix.dtype.name
    several, entries, parts, inputs, _ = matrix.matrix.shape
    batch, count, *sizes = z.shape
    groups, positions = (count if order is None else len(order)) // max(1, inputs), math.prod(sizes)
    results = matrix.samples if average is None else len(average.matrix)
    if several not in (1, groups) or groups * inputs != (count if order is None else len(order)):
        return False
    if average is not None and not fits(average.matrix, (results, matrix.samples), dtype):
        return False
    if order is not None and (
        not fits(order, order.shape, "int32") or order.min(initial=0) < 0 or order.max(initial=0) >= count
    ):
        return False
    made, kind = (batch, groups * results, *sizes), COMPLEX[dtype] if parts == 2 else dtype
    if not fits(z, z.shape, kind) or not fits(gradient, made, dtype):
        return False
    if not fits(out, *((made, dtype) if gradient is None else (z.shape, kind))):
        return False
    table = np.array(numbers_of(matrix, groups, positions, count, results), np.int64)
    head = table.ctypes.data, matrix.matrix.ctypes.data, matrix.table.ctypes.data
    tail = *(average.addresses if average else (None, None)), None if order is None else order.ctypes.data
    given = [z.ctypes.data] if gradient is None else [z.ctypes.data, gradient.ctypes.data]
    call = library()["angular" if gradient is None else "angular_vjp", dtype]
    y = out.ctypes.data
    cost = batch * groups * positions * entries * max(1, parts * inputs // 8)
    held = table, matrix, z, gradient, out, average, order
    total = batch * groups * tiles(positions, out.real.itemsize)
    return run(lambda s, a, b: call(s, *head, *tail, *given, y, a, b), total, cost, workers, held)


def numbers_of(matrix: Channels, groups: int, positions: int, count: int, results: int) -> list[int]:
    """What the kernels are told of filters along ``count`` channels, and of an average with ``results``."""
    several, entries, parts, inputs, _ = matrix.matrix.shape
    apart = entries * parts * inputs * 2 if several > 1 else 0
    numbers = [parts, groups, inputs, matrix.samples, positions, entries, apart, count]
    return [*numbers, groups, matrix.samples, results, positions]


def mix(x: NDArray[Any], matrix: Rows, out: NDArray[Any], workers: int) -> bool:
    """A matrix (outputs, inputs) on the channels of each group; x: real, (B, groups·inputs, …)."""
    dtype = matrix.matrix.dtype.name
    outputs, inputs = matrix.matrix.shape
    batch, count, *sizes = x.shape
    groups, positions = count // max(1, inputs), math.prod(sizes)
    wanted = (batch, groups * outputs, *sizes)
    if groups * inputs != count or not fits(x, x.shape, dtype) or not fits(out, wanted, dtype):
        return False
    call, y = library()["mix_channels", dtype], out.ctypes.data
    numbers = np.array([groups, inputs, outputs, positions], np.int64)
    head = numbers.ctypes.data, *matrix.addresses, x.ctypes.data
    total = batch * groups * tiles(positions, x.itemsize)
    cost = max(x.size, out.size) // 8
    return run(lambda s, a, b: call(s, *head, y, a, b), total, cost, workers, (x, matrix, out, numbers))


def tiles(positions: int, itemsize: int) -> int:
    return -(-positions // (TILE // itemsize))
