"""The kernels on NumPy arrays: checked, cut into parts for threads, and called.

Every function writes into arrays that it is given and says by its result whether it could: False where a length
has a prime factor above 61, or where there are more than three axes. Arrays must be contiguous.
"""

from __future__ import annotations

import ctypes
import itertools
import math
from collections import deque
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.backend.base import Segments
from groupscat_native.library import load
from groupscat_native.threads import share

MODULI, RESPONSES = 0, 1
#: Complex numbers transformed below which threads cost more than they give.
ENOUGH = 1 << 15


class Shape:
    """How arrays of some shape are transformed; freed with its last user."""

    def __init__(self, sizes: tuple[int, ...], dtype: str) -> None:
        self._library, _ = load()
        assert self._library is not None
        self._dtype = dtype
        self.pointer = self._library["shape_new", dtype](len(sizes), np.array(sizes, np.int64).ctypes.data)
        #: All axes but the last, as the kernels see them: a signal is a matrix.
        self.rows: int = self._library["shape_rows", dtype](self.pointer) if self.pointer else 0

    def __del__(self) -> None:
        if self._library is not None and self.pointer:
            self._library["shape_free", self._dtype](self.pointer)


@lru_cache(maxsize=512)
def shape(sizes: tuple[int, ...], dtype: str) -> Shape | None:
    """The shape, or None where the kernels do not know it."""
    if not 1 <= len(sizes) <= 3 or 0 in sizes or load()[0] is None:
        return None
    found = Shape(sizes, dtype)
    return found if found.pointer else None


@lru_cache(maxsize=1024)
def window(
    full: tuple[int, ...], sizes: tuple[int, ...], segments: tuple[Segments, ...], fold: tuple[int, ...]
):
    axes = np.array([full, sizes, fold], np.int64).T.copy()
    bins = [
        np.arange(n, dtype=np.int32)
        if parts is None
        else np.concatenate([np.arange(lo, hi, dtype=np.int32) for lo, hi in parts])
        for n, parts in zip(full, segments, strict=True)
    ]
    return axes, np.concatenate(bins)


def real_of(dtype: np.dtype[Any]) -> str:
    """The type of the parts."""
    return {"complex64": "float32", "complex128": "float64"}.get(dtype.name, dtype.name)


def parts(cost: int, workers: int) -> int:
    """In how many threads work pays that transforms ``cost`` complex numbers."""
    return min(workers, max(1, cost // ENOUGH))


def run(call: Callable[[int, int, int], int], total: int, cost: int, workers: int) -> bool:
    """``call(stack, first, stop)`` for parts of range(total) in threads; ``cost``: complex numbers of all."""
    count = min(total, parts(cost, workers))
    edges = [total * k // count for k in range(count + 1)]
    if not all(share([partial(_with_stack, call, a, b) for a, b in itertools.pairwise(edges)])):
        raise MemoryError("The kernels got no memory for intermediate arrays.")
    return True


#: Stacks of memory that no call uses.
_stacks: deque[int] = deque()


def _with_stack(call: Callable[[int, int, int], int], first: int, stop: int) -> int:
    library, _ = load()
    assert library is not None
    try:
        stack = _stacks.pop()
    except IndexError:
        stack = library.stack_new()
        if not stack:
            return 0
    try:
        return call(stack, first, stop)
    finally:
        _stacks.append(stack)


def forget() -> None:
    """Give the memory that calls keep for the next ones back to the system."""
    library, _ = load()
    while library is not None and _stacks:
        library.stack_free(_stacks.pop())


def bandpass(
    spectrum: NDArray[Any],
    filters: NDArray[Any],
    segments: Sequence[Segments],
    fold: Sequence[int],
    out: NDArray[Any],
    workers: int,
) -> bool:
    """``Backend.bandpass``, or ``bandpass_modulus`` where ``out`` is real. filters: real, (K, P, n_1, …, 1)."""
    found = _block(spectrum, filters, segments, fold)
    if found is None:
        return False
    dtype, head = found
    call = load()[0]["bandpass", dtype]
    kind = RESPONSES if np.iscomplexobj(out) else MODULI
    x, y = spectrum.ctypes.data, out.ctypes.data
    pairs = spectrum.shape[0] * spectrum.shape[1] * filters.shape[1]
    return run(lambda s, a, b: call(s, *head, x, y, kind, a, b), pairs, out.size, workers)


def bandpass_vjp(
    spectrum: NDArray[Any],
    filters: NDArray[Any],
    segments: Sequence[Segments],
    fold: Sequence[int],
    gradient: NDArray[Any],
    out: NDArray[Any],
    workers: int,
) -> bool:
    """The gradient by the spectrum, from that by the result of :func:`bandpass`; responses are computed again."""
    found = _block(spectrum, filters, segments, fold)
    if found is None:
        return False
    dtype, head = found
    call = load()[0]["bandpass_vjp", dtype]
    kind = RESPONSES if np.iscomplexobj(gradient) else MODULI
    x, g, y = spectrum.ctypes.data, gradient.ctypes.data, out.ctypes.data
    rows = spectrum.shape[0] * spectrum.shape[1]
    return run(lambda s, a, b: call(s, *head, x, g, y, kind, a, b), rows, gradient.size, workers)


def _block(
    spectrum: NDArray[Any], filters: NDArray[Any], segments: Sequence[Segments], fold: Sequence[int]
) -> tuple[str, tuple[Any, ...]] | None:
    dtype = real_of(spectrum.dtype)
    sizes = filters.shape[2:-1]
    known = shape(sizes, dtype)
    if known is None:
        return None
    axes, bins = window(spectrum.shape[2:], sizes, tuple(segments), tuple(fold))
    apart = filters.strides[0] // (filters.itemsize * math.prod(sizes)) if len(filters) > 1 else 0
    return dtype, (
        known.pointer, len(sizes), axes.ctypes.data, bins.ctypes.data, filters.ctypes.data, filters.shape[1], apart
    )  # fmt: skip


def spectrum(x: NDArray[Any], ndim: int, out: NDArray[Any], workers: int) -> bool:
    """The Fourier transform of real or complex x over its last axes."""
    return transform(x, ndim, out, False, workers)


def transform(x: NDArray[Any], ndim: int, out: NDArray[Any], back: bool, workers: int) -> bool:
    """A Fourier transform over the last axes, not normalised; of real x only forward."""
    sizes = x.shape[x.ndim - ndim :]
    dtype = real_of(x.dtype)
    known = shape(sizes, dtype)
    if known is None:
        return False
    arrays = x.size // math.prod(sizes)
    library, _ = load()
    a, b = x.ctypes.data, out.ctypes.data
    if np.iscomplexobj(x):
        call = library["transform", dtype]
        return run(lambda s, lo, hi: call(s, known.pointer, a, b, int(back), lo, hi), arrays, x.size, workers)
    call = library["spectrum", dtype]
    # Pairs of signals are transformed together: parts begin at even ones.
    return run(
        lambda s, lo, hi: call(s, known.pointer, a, b, 2 * lo, min(2 * hi, arrays)),
        -(-arrays // 2),
        x.size // 2,
        workers,
    )


def lowpass(
    x: NDArray[Any], bands: Sequence[Any], out: NDArray[Any], workers: int, adjoint: bool = False
) -> bool:
    """Averages along the last axes; ``adjoint``: from gradients of averages to those of what was averaged."""
    dtype = x.dtype.name
    if load()[0] is None or not 1 <= len(bands) <= 3:
        return False
    call = load()[0]["lowpass_vjp" if adjoint else "lowpass", dtype]
    axes = np.array([band.axis for band in bands], np.int64)
    starts = (ctypes.c_void_p * len(bands))(*(band.start.ctypes.data for band in bands))
    weights = (ctypes.c_void_p * len(bands))(*(band.weights.ctypes.data for band in bands))
    a, b, d = x.ctypes.data, out.ctypes.data, len(bands)
    size = max(x.size, out.size)
    return run(
        lambda s, lo, hi: call(s, d, axes.ctypes.data, starts, weights, a, b, lo, hi),
        math.prod(x.shape[: x.ndim - d]),
        size // 2,
        workers,
    )


def harmonic(
    spectrum: NDArray[Any],
    filters: NDArray[Any],
    out: NDArray[Any],
    workers: int,
    gradient: NDArray[Any] | None = None,
) -> bool:
    """``Backend.harmonic_modulus``, or, of a gradient by it, the one by the spectrum.

    filters: complex numbers as pairs, (M, n_1, …, 2).
    """
    sizes = filters.shape[1:-1]
    dtype = filters.dtype.name
    library, _ = load()
    known = shape(sizes, dtype)
    if known is None or library is None:
        return False
    call = library["harmonic" if gradient is None else "harmonic_vjp", dtype]
    rows = spectrum.size // math.prod(sizes)
    head = known.pointer, filters.ctypes.data, len(filters), spectrum.ctypes.data
    given = [] if gradient is None else [gradient.ctypes.data]
    y = out.ctypes.data
    cost = spectrum.size * len(filters)
    return run(lambda s, a, b: call(s, *head, *given, y, a, b), rows, cost, workers)


def along(
    x: NDArray[Any],
    psi: NDArray[Any],
    psi_live: NDArray[Any],
    average: NDArray[Any] | None,
    average_live: NDArray[Any] | None,
    spins: Sequence[int],
    out: NDArray[Any],
    workers: int,
    gradient: NDArray[Any] | None = None,
) -> bool:
    """Moduli of responses along rows, averaged along them; or, of a gradient by those, the one by x.

    x: (B, parts, rows, t). psi: (filters, rows), for spins both parts below each other.
    """
    library, _ = load()
    if library is None:
        return False
    batch, parts, rows, samples = x.shape
    filters = len(psi) // (2 if any(spins) else 1)
    outputs = filters if average is None else len(average)
    sizes = np.array([parts, rows, samples, filters, any(spins), outputs, len(spins), spins[0]], np.int64)
    tables = sizes.ctypes.data, psi.ctypes.data, psi_live.ctypes.data
    tables += (None, None) if average is None else (average.ctypes.data, average_live.ctypes.data)
    given = [x.ctypes.data] if gradient is None else [x.ctypes.data, gradient.ctypes.data]
    call = library["along" if gradient is None else "along_vjp", x.dtype.name]
    y = out.ctypes.data
    tiles = batch * -(-samples // (64 if x.dtype.name == "float32" else 32))
    cost = batch * samples * filters * max(1, rows // 16)
    return run(lambda s, a, b: call(s, *tables, *given, y, a, b), tiles, cost, workers)
