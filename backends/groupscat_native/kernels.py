"""The kernels on NumPy arrays: checked, cut into parts for threads, and called.

Every function writes into arrays that it is given and says by its result whether it could: False where a
length has a prime factor above 61, where there are more than three axes or more than 2³¹ samples, and where
shapes do not belong together, which those who come next can tell better. Arrays must be contiguous.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.backend.base import Segments
from groupscat_native.bands import Band
from groupscat_native.library import library
from groupscat_native.pointers import Pointers
from groupscat_native.shapes import COMPLEX, MOST, fits, real_of, shape, window
from groupscat_native.solid import Solid
from groupscat_native.threads import share

MODULI, RESPONSES = 0, 1
#: Complex numbers transformed below which threads cost more than they give.
ENOUGH = 1 << 17
#: Bytes of a tile of samples: as many as ``TILE`` in the source of :func:`along`.
TILE = 256
#: What :func:`along` knows: real filters, wavelets of one direction, or of both.
SPINS = ((0,), (1,), (-1,), (1, -1), (-1, 1))


def parts(cost: int, workers: int) -> int:
    """In how many threads work pays that transforms ``cost`` complex numbers."""
    return min(workers, max(1, cost // ENOUGH))


def run(
    call: Callable[[int, int, int], int], total: int, cost: int, workers: int, held: Sequence[Any]
) -> bool:
    """``call(stack, first, stop)`` for parts of range(total) in threads; ``cost``: complex numbers of all.

    ``held``: the arrays and shapes that the call points at; they live until the last thread is done.
    """
    if total == 0:
        return True
    count = min(total, parts(cost, workers))
    if count == 1:
        done = [_with_stack(call, held, 0, total)]
    else:
        edges = [total * k // count for k in range(count + 1)]
        done = share([partial(_with_stack, call, held, a, b) for a, b in itertools.pairwise(edges)])
    if not all(done):
        raise MemoryError("The kernels got no memory for intermediate arrays.")
    return True


def together(call: Callable[[int, int, bool], int], count: int, held: Sequence[Any]) -> bool:
    """``call(stack, team, leads)`` in ``count`` threads, which share the steps of one work.

    One of them leads; ``held``: as :func:`run` takes it.
    """
    places = Pointers()
    team = places.data(np.zeros(library().team_bytes, np.uint8))
    library().team_start(team)
    return run(lambda s, k, _: call(s, team, k == 0), count, count * ENOUGH, count, (places, *held))


#: Stacks of memory that no call uses, and the bytes that each may keep.
_stacks: deque[int] = deque()
KEPT = 1 << 27


def _with_stack(call: Callable[[int, int, int], int], held: Sequence[Any], first: int, stop: int) -> int:
    try:
        stack = _stacks.pop()
    except IndexError:
        stack = library().stack_new()
        if not stack:
            return 0
    try:
        return call(stack, first, stop)
    finally:
        library().stack_trim(stack, KEPT)
        _stacks.append(stack)


def forget() -> None:
    """Give the memory that calls keep for the next ones back to the system.

    >>> forget()
    """
    while _stacks:
        library().stack_free(_stacks.pop())


def bandpass(
    spectrum: NDArray[Any],
    filters: NDArray[Any],
    segments: Sequence[Segments],
    fold: Sequence[int],
    out: NDArray[Any],
    workers: int,
) -> bool:
    """``Backend.bandpass``, or ``bandpass_modulus`` where ``out`` is real; filters: (K, P, n_1, …, 1)."""
    block = _block(spectrum, filters, segments, fold, out)
    if block is None:
        return False
    call, head = library()["bandpass", block.dtype], block.head
    kind = RESPONSES if np.iscomplexobj(out) else MODULI
    x, y = spectrum.ctypes.data, out.ctypes.data
    pairs = spectrum.shape[0] * spectrum.shape[1] * filters.shape[1]
    held = block, spectrum, filters, out
    return run(lambda s, a, b: call(s, *head, x, y, kind, a, b), pairs, out.size, workers, held)


def bandpass_vjp(
    spectrum: NDArray[Any],
    filters: NDArray[Any],
    segments: Sequence[Segments],
    fold: Sequence[int],
    gradient: NDArray[Any],
    out: NDArray[Any],
    workers: int,
) -> bool:
    """The gradient by the spectrum, from that by the result of :func:`bandpass`.

    Responses are computed again.
    """
    block = _block(spectrum, filters, segments, fold, gradient)
    if block is None or not fits(out, spectrum.shape, COMPLEX[block.dtype]):
        return False
    call, head = library()["bandpass_vjp", block.dtype], block.head
    kind = RESPONSES if np.iscomplexobj(gradient) else MODULI
    x, g, y = spectrum.ctypes.data, gradient.ctypes.data, out.ctypes.data
    rows = spectrum.shape[0] * spectrum.shape[1]
    held = block, spectrum, filters, gradient, out
    return run(lambda s, a, b: call(s, *head, x, g, y, kind, a, b), rows, gradient.size, workers, held)


@dataclass(frozen=True)
class _Block:
    """A block of wavelets as the kernels take it, and what it points at."""

    dtype: str
    head: tuple[Any, ...]
    held: tuple[Any, ...]


def _block(
    spectrum: NDArray[Any],
    filters: NDArray[Any],
    segments: Sequence[Segments],
    fold: Sequence[int],
    responses: NDArray[Any],
) -> _Block | None:
    dtype = real_of(spectrum.dtype)
    sizes = filters.shape[2:-1]
    known = shape(sizes, dtype)
    found = window(spectrum.shape[2:], sizes, tuple(segments), tuple(fold))
    wanted = spectrum.shape[0], spectrum.shape[1] * filters.shape[1], *sizes
    if known is None or found is None or len(filters) != math.prod(fold) or filters.dtype != dtype:
        return None
    kind = COMPLEX[dtype] if np.iscomplexobj(responses) else dtype
    if not fits(spectrum, spectrum.shape, COMPLEX[dtype]) or not fits(responses, wanted, kind):
        return None
    axes, bins = found
    apart = filters.strides[0] // (filters.itemsize * math.prod(sizes)) if len(filters) > 1 else 0
    head = known.pointer, len(sizes), axes.ctypes.data, bins.ctypes.data, filters.ctypes.data
    return _Block(dtype, (*head, filters.shape[1], apart), (known, axes, bins))


def transform(x: NDArray[Any], ndim: int, out: NDArray[Any], back: bool, workers: int) -> bool:
    """A Fourier transform over the last axes, not normalised; of real x only forward."""
    sizes = x.shape[x.ndim - ndim :]
    dtype = real_of(x.dtype)
    known = shape(sizes, dtype)
    if known is None or not fits(x, x.shape, x.dtype.name) or not fits(out, x.shape, COMPLEX[dtype]):
        return False
    if back and not np.iscomplexobj(x):
        return False
    arrays = x.size // math.prod(sizes)
    shape_, a, b, held = known.pointer, x.ctypes.data, out.ctypes.data, (known, x, out)
    if np.iscomplexobj(x):
        call = library()["transform", dtype]
        return run(lambda s, lo, hi: call(s, shape_, a, b, int(back), lo, hi), arrays, x.size, workers, held)
    call = library()["spectrum", dtype]
    if ndim > 1:
        return run(lambda s, lo, hi: call(s, shape_, a, b, 0, lo, hi), arrays, x.size // 2, workers, held)
    # Channels of one signal are transformed in pairs.
    together = x.shape[-2] if x.ndim > 1 else 1
    pairs = arrays // max(1, together) * -(-together // 2)
    return run(lambda s, lo, hi: call(s, shape_, a, b, together, lo, hi), pairs, x.size // 2, workers, held)


def lowpass(
    x: NDArray[Any], bands: Sequence[Band], out: NDArray[Any], workers: int, adjoint: bool = False
) -> bool:
    """Averages along the last axes; ``adjoint``: from gradients of averages to those of what was averaged."""
    dtype = x.dtype.name
    if not 1 <= len(bands) <= 3 or max(max(band.axis) for band in bands) > MOST:
        return False
    lead, whole = x.shape[: x.ndim - len(bands)], tuple(band.axis[0] for band in bands)
    given, made = (*lead, *whole), (*lead, *(band.axis[1] for band in bands))
    if adjoint:
        given, made = made, given
    if not (
        fits(x, given, dtype) and fits(out, made, dtype) and all(b.weights.dtype == dtype for b in bands)
    ):
        return False
    call = library()["lowpass_vjp" if adjoint else "lowpass", dtype]
    held = Pointers()
    told = held.bands(bands, adjoint and len(bands) > 1)
    a, b, d = x.ctypes.data, out.ctypes.data, len(bands)
    size = max(x.size, out.size)
    return run(
        lambda s, lo, hi: call(s, *told, a, b, lo, hi),
        math.prod(x.shape[: x.ndim - d]),
        size // 2,
        workers,
        (x, out, held),
    )


def lanes(dtype: str) -> int:
    """Numbers of a type in a vector."""
    return int(library()["lanes", dtype]())


def harmonic(
    spectrum: NDArray[Any],
    solid: Solid,
    out: NDArray[Any],
    workers: int,
    gradient: NDArray[Any] | None = None,
) -> bool:
    """``Backend.harmonic_modulus``, or, of a gradient by it, the one by the spectrum.

    ``solid`` must be made for :func:`lanes`.
    """
    dtype, sizes = solid.filters.dtype.name, solid.sizes
    known = shape((1,) * (3 - len(sizes)) + sizes, dtype)
    if known is None or spectrum.shape[-len(sizes) :] != sizes or solid.lanes != lanes(dtype):
        return False
    made = dtype if gradient is None else COMPLEX[dtype]
    if not fits(spectrum, spectrum.shape, COMPLEX[dtype]) or not fits(gradient, spectrum.shape, dtype):
        return False
    if not fits(out, spectrum.shape, made):
        return False
    call = library()["harmonic" if gradient is None else "harmonic_vjp", dtype]
    head = known.pointer, *solid.addresses, spectrum.ctypes.data
    given = [] if gradient is None else [gradient.ctypes.data]
    # Behind the arrays: where responses are kept, which nobody reads here, and no other mode.
    arrays = (*given, out.ctypes.data, None, *(0 for _ in given))
    rows, cost = spectrum.size // math.prod(sizes), spectrum.size * len(solid.kinds) // 2
    held = known, spectrum, solid, out, gradient
    return run(lambda s, a, b: call(s, *head, *arrays, a, b), rows, cost, workers, held)
