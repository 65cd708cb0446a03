"""CUDA kernels for what would otherwise be several passes over memory: their launches.

All arrays live on the current device; launches go to the current stream.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

import cupy
import numpy as np

from groupscat.backend.base import Array, Segments
from groupscat_cupy.sources import C_TYPES, FILTERS, FLAT, ROWS, source

#: Threads of a block.
THREADS = 128
#: Blocks of a grid along y: CUDA allows no more, and loops do the rest.
MOST_BLOCKS = 65535
#: Below this many threads a launch does not fill a GPU, so the filters are split among blocks as well.
FEW = 1 << 17
#: Slices of an axis that a window may consist of.
SEGMENTS = 4
#: Axes that the kernels are written for.
MOST_AXES = 3
#: Samples of one signal that an int can count.
MOST_SAMPLES = (1 << 31) - 1

COMPLEX = {"float32": "complex64", "float64": "complex128"}
REAL = {"complex64": "float32", "complex128": "float64"}


@cache
def kernel(name: str, d: int, precision: str, is_complex: bool = False) -> Any:
    """The compiled kernel; CuPy compiles it at its first launch on a device and keeps it on disk."""
    entry = name if name in FLAT else f"{name}_{d}"
    return cupy.RawKernel(source(name, d, precision, is_complex), entry)


# ------------------------------------------------------------------------------------------- launches


def bandpass(
    spectrum: Array, filters: Array, segments: Sequence[Segments], fold: Sequence[int]
) -> Array | None:
    """:meth:`groupscat.Backend.bandpass` before its inverse FFT: the folded product, (B, C·P, n_1, …, n_d).

    None where the kernel does not apply: more axes, longer signals or more segments than it is written for.
    """
    d = len(fold)
    count, *sizes = filters.shape[1 : 2 + d]
    within = all(s is None or len(s) <= SEGMENTS for s in segments)
    if d > MOST_AXES or not within or math.prod(spectrum.shape[2:]) > MOST_SAMPLES:
        return None
    spectrum, filters = cupy.ascontiguousarray(spectrum), _contiguous_blocks(filters)
    batch, channels = spectrum.shape[:2]
    out = cupy.empty((batch, channels * count, *sizes), spectrum.dtype)
    rows, samples = batch * channels, math.prod(sizes)
    if out.size == 0:
        return out
    grid, block = _grid(samples, -(-rows // ROWS), -(-count // FILTERS))
    stride = filters.strides[0] // filters.itemsize
    axes = _window(spectrum.shape[2:], tuple(segments), tuple(fold))
    arguments = (spectrum, filters, out, np.int64(rows), np.int32(count), np.int64(stride), *axes)
    kernel("bandpass", d, REAL[spectrum.dtype.name])(grid, block, arguments)
    return out


def multiply(spectrum: Array, filters: Array) -> Array:
    """spectrum (B, 1, *sizes) times complex filters (M, *sizes, 2): (B, 1, M, *sizes)."""
    spectrum, filters = cupy.ascontiguousarray(spectrum), cupy.ascontiguousarray(filters)
    rows, count, samples = spectrum.shape[0], filters.shape[0], math.prod(spectrum.shape[2:])
    out = cupy.empty((rows, 1, count, *spectrum.shape[2:]), spectrum.dtype)
    if out.size == 0:
        return out
    grid, block = _grid(samples, rows, count)
    arguments = (spectrum, filters, out, np.int64(rows), np.int32(count), np.int64(samples))
    kernel("multiply", 0, REAL[spectrum.dtype.name])(grid, block, arguments)
    return out


def modulus(z: Array, axis: int | None = None, out: Array | None = None) -> Array:
    """|z| of complex z, or √Σ|z|² over ``axis``; into ``out``, contiguous, where it is given."""
    z = cupy.ascontiguousarray(z)
    shape, outer, count, inner = z.shape, 1, 1, z.size
    if axis is not None:
        axis %= z.ndim
        shape = z.shape[:axis] + z.shape[axis + 1 :]
        outer, count, inner = math.prod(z.shape[:axis]), z.shape[axis], math.prod(z.shape[axis + 1 :])
    real = REAL[z.dtype.name]
    if out is None:
        out = cupy.empty(shape, real)
    if out.size == 0:
        return out
    grid, block = _grid(inner, outer)
    arguments = (z, out, np.int64(outer), np.int32(count), np.int64(inner))
    kernel("modulus", 0, real)(grid, block, arguments)
    return out


def pad(x: Array, indices: Sequence[Array]) -> Array | None:
    """x (B, C, *sizes) gathered at the int32 positions of each axis, 0 at negative ones.

    None where the kernel does not apply: more axes, longer signals or other element types.
    """
    d, sizes = len(indices), tuple(index.shape[0] for index in indices)
    precision = REAL.get(x.dtype.name, x.dtype.name)
    if d > MOST_AXES or precision not in C_TYPES or math.prod(sizes) > MOST_SAMPLES:
        return None
    x = cupy.ascontiguousarray(x)
    lead = x.shape[:-d]
    out = cupy.empty((*lead, *sizes), x.dtype)
    if out.size == 0:
        return out
    rows = math.prod(lead)
    grid, block = _grid(math.prod(sizes), rows)
    axes = [
        argument
        for index, size, n in zip(indices, x.shape[-d:], sizes, strict=True)
        for argument in (cupy.ascontiguousarray(index), np.int32(size), np.int32(n))
    ]
    run = kernel("pad", d, precision, is_complex=precision != x.dtype.name)
    run(grid, block, (x, out, np.int64(rows), *axes))
    return out


def filterbank(x: Array, kernels: Array, stride: int) -> Array | None:
    """Small periodic filters, see :meth:`groupscat.Backend.filterbank`: (B, C, K, n_1/stride, …).

    None where the kernel does not apply: more axes or longer signals.
    """
    count, *taps = kernels.shape
    d, sizes = len(taps), x.shape[2:]
    if d > MOST_AXES or math.prod(sizes) > MOST_SAMPLES:
        return None
    x, kernels = cupy.ascontiguousarray(x), cupy.ascontiguousarray(kernels)
    lengths = [n // stride for n in sizes]
    out = cupy.empty((*x.shape[:2], count, *lengths), x.dtype)
    if out.size == 0:
        return out
    rows = x.shape[0] * x.shape[1]
    grid, block = _grid(math.prod(lengths), rows, -(-count // FILTERS))
    axes = [np.int32(v) for axis in zip(sizes, lengths, taps, strict=True) for v in axis]
    arguments = (x, kernels, out, np.int64(rows), np.int32(count), np.int32(stride), *axes)
    kernel("filterbank", d, x.dtype.name)(grid, block, arguments)
    return out


def _grid(samples: int, rows: int, parts: int = 1) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Grid and block: threads along samples (x) and rows (y), ``parts`` in blocks of their own where
    that would leave the GPU idle (z)."""
    x = min(THREADS, 1 << (samples - 1).bit_length())
    y = THREADS // x
    split = min(parts, MOST_BLOCKS) if samples * rows < FEW else 1
    blocks = min(-(-samples // x), MOST_SAMPLES // THREADS)
    return (blocks, min(-(-rows // y), MOST_BLOCKS), split), (x, y, 1)


@lru_cache(maxsize=1024)
def _window(
    sizes: tuple[int, ...], segments: tuple[Segments, ...], fold: tuple[int, ...]
) -> tuple[np.int32, ...]:
    """Per axis: its length, that of a folded block, the number of blocks, then where each segment ends in
    the window (but the last) and by how much its samples are shifted in the spectrum."""
    arguments: list[int] = []
    for size, parts, k in zip(sizes, segments, fold, strict=True):
        ends, shifts, width = [], [], 0
        for lo, hi in parts or ((0, size),):
            shifts.append(lo - width)
            width += hi - lo
            ends.append(width)
        spare = SEGMENTS - len(ends)
        ends += ends[-1:] * spare
        shifts += shifts[-1:] * spare
        arguments += [size, width // k, k, *ends[:-1], *shifts]
    return tuple(np.int32(v) for v in arguments)


def _contiguous_blocks(filters: Array) -> Array:
    """Filters (K, P, …) whose blocks are contiguous each: some of the P need no copy."""
    inner, wanted = 1, []
    for n in reversed(filters.shape[1:]):
        wanted.append(inner * filters.itemsize)
        inner *= n
    strides = zip(filters.shape[1:], filters.strides[1:], reversed(wanted), strict=True)
    if all(n == 1 or stride == needed for n, stride, needed in strides):
        return filters
    return cupy.ascontiguousarray(filters)
