"""Averages as short sums: the samples of a periodic axis that an output is made of, and their weights."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.backend.base import Frames

#: Weights are left out as long as they are together below this fraction of all.
NEGLIGIBLE = 0.01
#: Weights come in multiples of this many: those of the longest vector.
TOGETHER = 8


@dataclass(frozen=True)
class Band:
    """``count`` outputs of ``taps`` samples each of an axis of ``n``; axis: (n, count, taps, step)."""

    axis: tuple[int, int, int, int]
    start: NDArray[np.int32]
    weights: NDArray[Any]


def band(matrix: NDArray[Any], frames: Frames | None, n: int, count: int) -> Band:
    """The band of a matrix (outputs, width) applied to an axis of n samples, or to frames of it."""
    outputs, width = matrix.shape
    lo, hi = _support(matrix, circular=frames is None)
    taps = int((hi - lo).max())
    taps = min(-(-taps // TOGETHER) * TOGETHER, -(-width // TOGETHER) * TOGETHER)
    which = np.arange(count) % outputs
    first = lo[which]
    if frames is not None:
        assert frames.segments is not None
        first = first + frames.segments[0][0] + np.arange(count) // outputs * frames.hop
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
        centre = np.angle(size @ angle) / (2 * np.pi) * width
        shift = np.rint(centre + width / 2).astype(np.int64) % width
        size = np.take_along_axis(size, (shift[:, None] + np.arange(width)) % width, 1)
    least = NEGLIGIBLE * np.finfo(matrix.dtype).eps * size.sum(1, keepdims=True)
    before, after = np.cumsum(size, 1), np.cumsum(size[:, ::-1], 1)
    lo = (before <= least / 2).sum(1)
    hi = width - (after <= least / 2).sum(1)
    return shift + lo, shift + np.maximum(hi, lo + 1)


def live(matrix: NDArray[Any], parts: int = 1) -> NDArray[np.int32]:
    """The first column that matters and the one behind the last, by row, (rows, 2).

    ``parts``: matrices below each other, of which the same columns are used.
    """
    size = np.abs(matrix).reshape(parts, -1, matrix.shape[1]).max(0)
    matters = size > NEGLIGIBLE * np.finfo(matrix.dtype).eps * size.max(initial=0)
    some = matters.any(1)
    lo = np.where(some, matters.argmax(1), 0)
    hi = np.where(some, matrix.shape[1] - matters[:, ::-1].argmax(1), 0)
    return np.ascontiguousarray(np.stack([lo, hi], 1), np.int32)


#: How many matrices :class:`Kept` remembers; it keeps their memory too.
REMEMBERED = 1024


class Kept:
    """What follows from matrices that live elsewhere, made once for each of those that were used last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Any, tuple[NDArray[Any], Any]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, make: Callable[..., Any], matrix: NDArray[Any], *rest: Any) -> Any:
        """``make(matrix, *rest)``, found again by the memory that the matrix is."""
        key = make, matrix.ctypes.data, matrix.shape, matrix.dtype, rest
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][1]
        found = make(matrix, *rest)
        with self._lock:
            self._kept[key] = matrix, found  # as long as it is kept, nobody else has this memory
            while len(self._kept) > REMEMBERED:
                self._kept.popitem(last=False)
        return found
