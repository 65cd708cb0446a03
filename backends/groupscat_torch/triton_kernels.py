"""Triton kernels for what would otherwise be several passes over the memory of a GPU.

A complex array is seen as one of real numbers whose last axis is twice as long: re, im, re, im … Filters hold
each sample twice, so that filtering is a product number by number, or once, as the backend prepares them.
"""

# Triton brings no types, and what it compiles is not Python's to check.
# mypy: disable-error-code="import-untyped, import-not-found, no-untyped-def, untyped-decorator"

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
import triton
import triton.language as tl
from torch import Tensor

from groupscat.backend.base import Segments

#: Numbers per program along a signal, signals, and filters: each sample that is read is used for all
#: filters, each filter for all signals. Of shorter signals a program takes more.
NUMBERS, ROWS, FILTERS = 256, 2, 4
#: Numbers of modulus per program.
MODULI = 512
#: Programs along y and z of a grid: CUDA allows no more, and loops do the rest.
MOST_PROGRAMS = 65535
#: Samples of one signal, two numbers each, that an int32 can count.
MOST_SAMPLES = (1 << 30) - 1
REAL = {torch.complex64: torch.float32, torch.complex128: torch.float64}


@triton.jit(do_not_specialize=("rows", "count", "folds"))
def _multiply_fold(
    spectrum, filters, positions, out,
    rows, count, n, size, folds, filter_step,
    ROWS: tl.constexpr, FILTERS: tl.constexpr, NUMBERS: tl.constexpr, COPIES: tl.constexpr,
):  # fmt: skip
    """out[r, p, u] = Σ_k spectrum[r, positions[k, u]] filters[k, p, u], u counting samples, not numbers."""
    e = tl.program_id(0) * NUMBERS + tl.arange(0, NUMBERS)
    inside = e < 2 * n
    u, part = e // 2, e % 2
    for r0 in range(tl.program_id(1) * ROWS, rows, tl.num_programs(1) * ROWS):
        r = r0 + tl.arange(0, ROWS)
        row = r.to(tl.int64)[:, None] * size
        there = (r < rows)[:, None] & inside[None, :]
        for p0 in range(tl.program_id(2) * FILTERS, count, tl.num_programs(2) * FILTERS):
            p = p0 + tl.arange(0, FILTERS)
            kept = (p < count)[:, None] & inside[None, :]
            total = tl.full((ROWS, FILTERS, NUMBERS), 0, out.dtype.element_ty)
            for k in range(folds):
                at = tl.load(positions + k * n + u, mask=inside, other=0)
                z = tl.load(spectrum + (row + at[None, :]) * 2 + part[None, :], mask=there, other=0.0)
                of_filter = p.to(tl.int64)[:, None] * (COPIES * n) + (e // (2 // COPIES))[None, :]
                psi = filters + k * filter_step + of_filter
                total += z[:, None, :] * tl.load(psi, mask=kept, other=0.0)[None, :, :]
            channel = r.to(tl.int64)[:, None] * count + p[None, :]
            tl.store(
                out + channel[:, :, None] * (2 * n) + e[None, None, :],
                total,
                mask=there[:, None, :] & kept[None, :, :],
            )


@triton.jit(do_not_specialize=("outer", "count"))
def _modulus(z, out, outer, count, inner, MODULI: tl.constexpr):
    """out[r, u] = √Σ_m |z[r, m, u]|²; the squares are summed in the type of z, out may be narrower."""
    u = tl.program_id(0).to(tl.int64) * MODULI + tl.arange(0, MODULI)
    inside = u < inner
    for r in range(tl.program_id(1), outer, tl.num_programs(1)):
        first = tl.cast(r, tl.int64) * count
        squares = tl.full((MODULI,), 0, z.dtype.element_ty)
        for m in range(count):
            at = z + ((first + m) * inner + u)[:, None] * 2 + tl.arange(0, 2)[None, :]
            re, im = tl.split(tl.load(at, mask=inside[:, None], other=0.0))
            squares += re * re + im * im
        tl.store(out + tl.cast(r, tl.int64) * inner + u, tl.sqrt(squares), mask=inside)


def fits(spectrum: Tensor) -> bool:
    """Whether positions in one signal can be counted."""
    return math.prod(spectrum.shape[2:]) <= MOST_SAMPLES


def multiply_fold(
    spectrum: Tensor, filters: Tensor, segments: Sequence[Segments], fold: Sequence[int]
) -> Tensor:
    """:meth:`groupscat.Backend.bandpass` before its inverse FFT: the folded product.

    Parameters
    ----------
    spectrum : complex, shape (B, C, N_1, …, N_d), Π N below 2³¹.
    filters : real, shape (K, P, n_1, …, n_d, 1 or 2), K = Π fold, each sample once or twice.
    segments, fold : as there.

    Returns
    -------
    complex, shape (B, C·P, n_1, …, n_d).
    """
    spectrum, filters = spectrum.resolve_conj().contiguous(), _contiguous_blocks(filters)
    batch, channels, *sizes = spectrum.shape
    folds, count, *lengths, copies = filters.shape
    out = spectrum.new_empty((batch, channels * count, *lengths))
    if out.numel() == 0:
        return out
    rows, n = batch * channels, math.prod(lengths)
    numbers = min(NUMBERS, triton.next_power_of_2(2 * n))
    per_row = min(ROWS * NUMBERS // numbers, triton.next_power_of_2(rows))
    per_filter = min(FILTERS, triton.next_power_of_2(count))
    grid = (
        triton.cdiv(2 * n, numbers),
        min(triton.cdiv(rows, per_row), MOST_PROGRAMS),
        min(triton.cdiv(count, per_filter), MOST_PROGRAMS),
    )
    table = positions(tuple(sizes), tuple(segments), tuple(fold), spectrum.device)
    with torch.cuda.device_of(out):
        _multiply_fold[grid](
            _numbers(spectrum), filters, table, _numbers(out),
            rows, count, n, math.prod(sizes), folds, filters.stride(0),
            ROWS=per_row, FILTERS=per_filter, NUMBERS=numbers, COPIES=copies, enable_fp_fusion=True,
        )  # fmt: skip
    return out


def modulus(z: Tensor, axis: int | None = None) -> Tensor:
    """|z| of complex z, or √Σ|z|² over ``axis``."""
    z = z.resolve_conj().contiguous()
    shape, outer, count, inner = z.shape, 1, 1, z.numel()
    if axis is not None:
        axis %= z.ndim
        shape = z.shape[:axis] + z.shape[axis + 1 :]
        outer, count, inner = math.prod(z.shape[:axis]), z.shape[axis], math.prod(z.shape[axis + 1 :])
    out = torch.empty(shape, dtype=REAL[z.dtype], device=z.device)
    if out.numel() == 0:
        return out
    grid = triton.cdiv(inner, MODULI), min(outer, MOST_PROGRAMS)
    with torch.cuda.device_of(out):
        _modulus[grid](_numbers(z), out, outer, count, inner, MODULI=MODULI, enable_fp_fusion=True)
    return out


@lru_cache(maxsize=1024)
def positions(
    sizes: tuple[int, ...], segments: tuple[Segments, ...], fold: tuple[int, ...], device: torch.device
) -> Tensor:
    """Where in a flattened spectrum the folded samples come from: int32, shape (Π fold, Π n).

    >>> positions((8,), (((6, 8), (0, 2)),), (2,), torch.device("cpu")).tolist()
    [[6, 7], [0, 1]]
    """
    table = np.zeros((1, 1), np.int64)
    for size, parts, k in zip(sizes, segments, fold, strict=True):
        axis = np.concatenate([np.arange(lo, hi) for lo, hi in parts or ((0, size),)]).reshape(k, -1)
        table = (table[:, None, :, None] * size + axis[None, :, None, :]).reshape(len(table) * k, -1)
    # Kept for later calls: made in inference mode it would be of no use to others.
    with torch.inference_mode(False):
        return torch.from_numpy(table.astype(np.int32)).to(device)


def _numbers(z: Tensor) -> Tensor:
    return torch.view_as_real(z)


def _contiguous_blocks(filters: Tensor) -> Tensor:
    """Filters (K, P, …) whose blocks are contiguous each: some of the P need no copy."""
    return filters if filters[0].is_contiguous() else filters.contiguous()
