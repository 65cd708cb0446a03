"""Averages as short sums: the samples of a periodic axis that an output is made of, and their weights."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.backend.base import Frames

#: What is below this fraction of a rounding of the sum, or of the largest number, is left out.
NEGLIGIBLE = 0.5
#: Weights come in multiples of this many: those of the longest vector.
TOGETHER = 8


@dataclass(frozen=True)
class Shares:
    """A band by samples, which go to outputs ``into`` with weights ``shares``, some 0; both (n, most)."""

    into: NDArray[np.int32]
    shares: NDArray[Any]


@dataclass(frozen=True)
class Band:
    """``count`` outputs of ``taps`` samples each of an axis of ``n``; axis: (n, count, taps, step)."""

    axis: tuple[int, int, int, int]
    start: NDArray[np.int32]
    weights: NDArray[Any]

    @cached_property
    def adjoint(self) -> Shares:
        """What gradients of samples are summed from."""
        n, _, taps, _ = self.axis
        sample = (self.start[:, None] + np.arange(taps)) % n
        weights = np.broadcast_to(self.weights, sample.shape)
        output, tap = np.nonzero(weights)
        sample, weights = sample[output, tap], weights[output, tap]
        order = np.argsort(sample, kind="stable")
        sample, output, weights = sample[order], output[order], weights[order]
        uses = np.bincount(sample, minlength=n)
        place = np.arange(len(sample)) - np.repeat(np.cumsum(uses) - uses, uses)
        shape = n, max(1, int(uses.max(initial=0)))
        into, shares = np.zeros(shape, np.int32), np.zeros(shape, self.weights.dtype)
        into[sample, place], shares[sample, place] = output, weights
        return Shares(into, shares)


def band(matrix: NDArray[Any], frames: Frames | None, n: int, count: int) -> Band:
    """The band of a matrix (outputs, width) applied to an axis of n samples, or to frames of it."""
    outputs, width = matrix.shape
    lo, hi = _support(matrix, circular=frames is None)
    taps = int((hi - lo).max())
    taps = min(-(-taps // TOGETHER) * TOGETHER, -(-width // TOGETHER) * TOGETHER)
    which = np.arange(count) % outputs
    first = lo[which]
    if frames is not None:
        begin = frames.segments[0][0] if frames.segments else 0
        first = first + begin + np.arange(count) // outputs * frames.hop
    at = lo[:, None] + np.arange(taps)
    inside = np.arange(taps) < (hi - lo)[:, None]
    rows = np.where(inside, np.take_along_axis(matrix, at % width, 1), 0).astype(matrix.dtype)
    alike = bool((rows == rows[:1]).all())
    weights = np.ascontiguousarray(rows[:1] if alike else rows[which])
    return Band((n, count, taps, 0 if alike else taps), (first % n).astype(np.int32), weights)


def _support(matrix: NDArray[Any], circular: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and behind the last column of each row that matter; over the end where ``circular``."""
    size = np.abs(matrix)
    width = matrix.shape[1]
    shift = np.zeros(len(matrix), np.int64)
    if circular:  # begin where the row is weakest, opposite to its centre
        angle = np.exp(2j * np.pi * np.arange(width) / width)
        # Not a product of matrices: BLAS would wake its threads, which then spin beside those of the kernels.
        centre = np.angle((size * angle).sum(1)) / (2 * np.pi) * width
        shift = np.rint(centre + width / 2).astype(np.int64) % width
        size = np.take_along_axis(size, (shift[:, None] + np.arange(width)) % width, 1)
    least = NEGLIGIBLE * np.finfo(matrix.dtype).eps * size.sum(1, keepdims=True)
    before, after = np.cumsum(size, 1), np.cumsum(size[:, ::-1], 1)
    lo = (before <= least / 2).sum(1)
    hi = width - (after <= least / 2).sum(1)
    return shift + lo, shift + np.maximum(hi, lo + 1)


@dataclass(frozen=True)
class Rows:
    """A matrix whose rows are used from the first column that matters to the last; live: (rows, 2)."""

    matrix: NDArray[Any]
    live: NDArray[np.int32]

    @property
    def addresses(self) -> tuple[int, int]:
        return self.matrix.ctypes.data, self.live.ctypes.data


def rows(matrix: NDArray[Any], parts: int = 1) -> Rows:
    """The rows of a matrix; ``parts``: matrices below each other, of which the same columns are used."""
    size = np.abs(matrix).reshape(parts, -1, matrix.shape[1]).max(0)
    return Rows(matrix, live(size, NEGLIGIBLE * np.finfo(matrix.dtype).eps * size.max(initial=0)))


def seen(found: Rows, mean: Rows) -> Rows:
    """Rows of filters, of which an average hardly sees some: what is negligible there is left out, too."""
    weight = np.abs(mean.matrix).max(0)
    size = np.abs(found.matrix).reshape(-1, len(weight), found.matrix.shape[1]).max(0) * weight[:, None]
    least = NEGLIGIBLE * np.finfo(found.matrix.dtype).eps * size.max(initial=0)
    return Rows(found.matrix, live(size, least))


def live(size: NDArray[Any], least: Any) -> NDArray[np.int32]:
    """Along the last axis the first number above ``least`` and the place behind the last: (…, 2)."""
    matters = size > least
    some = matters.any(-1)
    lo = np.where(some, matters.argmax(-1), 0)
    hi = np.where(some, size.shape[-1] - matters[..., ::-1].argmax(-1), 0)
    return np.ascontiguousarray(np.stack([lo, hi], -1), np.int32)


def live_rows(filters: NDArray[Any], rows: int) -> NDArray[np.int32]:
    """The first row that matters and the one behind, by filter and alias; filters: (K, P, n_1, …, 1).

    A filter is left out of the rows where it is below a fraction of the precision.
    """
    size = np.abs(filters).reshape(*filters.shape[:2], rows, -1).max(-1)
    least = NEGLIGIBLE * np.finfo(filters.dtype).eps * size.max((0, 2), keepdims=True)
    return np.ascontiguousarray(live(size, least).transpose(1, 0, 2))


#: How many matrices :class:`Kept` remembers, and of how many bytes together; it keeps their memory too.
REMEMBERED, BYTES = 1024, 1 << 28


class Kept:
    """What follows from matrices that live elsewhere, made once for each of those that were used last."""

    def __init__(self, identity: Callable[[Any], Hashable]) -> None:
        self._identity = identity
        self._kept: OrderedDict[Any, tuple[int, Any, Any]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def of(self, make: Callable[..., Any], array: Any, matrix: NDArray[Any], *rest: Any) -> Any:
        """``make(matrix, *rest)``, found again by the identity of the array that ``matrix`` shows."""
        key = make, self._identity(array), matrix.shape, matrix.dtype, rest
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][2]
        found = make(matrix, *rest)
        with self._lock:
            if key not in self._kept:
                self._bytes += matrix.nbytes
            # As long as the array is kept, nobody else has its memory.
            self._kept[key] = matrix.nbytes, array, found
            while len(self._kept) > REMEMBERED or (self._bytes > BYTES and len(self._kept) > 1):
                self._bytes -= self._kept.popitem(last=False)[1][0]
        return found
