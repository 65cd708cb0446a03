"""Shapes, windows of spectra and types of arrays that the kernels know."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.backend.base import Segments
from groupscat_native.library import library

#: Samples of an array: more do not fit the 32 bits of an index.
MOST = 2**31 - 1
#: Aliases in one sample: as many as ``ALIASES`` in the source of the kernels.
ALIASES = 4096


class Shape:
    """How arrays of some shape are transformed; freed with its last user."""

    def __init__(self, sizes: tuple[int, ...], dtype: str) -> None:
        self._library, self._dtype = library(), dtype
        numbers = np.array(sizes, np.int64)  # has a name: it must outlive the call
        self.pointer = self._library["shape_new", dtype](len(sizes), numbers.ctypes.data)
        #: All axes but the last, as the kernels see them: a signal is a matrix.
        self.rows: int = self._library["shape_rows", dtype](self.pointer) if self.pointer else 0

    def __del__(self) -> None:
        if self.pointer:
            self._library["shape_free", self._dtype](self.pointer)


@lru_cache(maxsize=512)
def shape(sizes: tuple[int, ...], dtype: str) -> Shape | None:
    """The shape, or None where the kernels do not know it."""
    if not 1 <= len(sizes) <= 3 or not 0 < math.prod(sizes) <= MOST:
        return None
    found = Shape(sizes, dtype)
    return found if found.pointer else None


@lru_cache(maxsize=1024)
def window(
    full: tuple[int, ...], sizes: tuple[int, ...], segments: tuple[Segments, ...], fold: tuple[int, ...]
) -> tuple[NDArray[np.int64], NDArray[np.int32]] | None:
    """(full, size, fold) by axis, and the bins of all axes behind each other; None: the kernels cannot."""
    if not len(full) == len(sizes) == len(segments) == len(fold):
        return None
    if math.prod(fold) > ALIASES or max(math.prod(full), math.prod(sizes) * math.prod(fold)) > MOST:
        return None
    bins = [
        np.concatenate([np.arange(lo, hi, dtype=np.int32) for lo, hi in parts or ((0, n),)])
        for n, parts in zip(full, segments, strict=True)
    ]
    for n, each, size, aliases in zip(full, bins, sizes, fold, strict=True):
        if len(each) != size * aliases or each.min(initial=0) < 0 or each.max(initial=0) >= n:
            return None
    same = _bins(np.concatenate(bins).tobytes(), tuple(map(len, bins)))
    return np.array([full, sizes, fold], np.int64).T.copy(), same


@lru_cache(maxsize=1024)
def _bins(bins: bytes, lengths: tuple[int, ...]) -> NDArray[np.int32]:
    """One array of the bins of all windows that are alike: kernels tell by the address."""
    return np.frombuffer(bins, np.int32)


#: The type of complex numbers by that of their parts.
COMPLEX = {"float32": "complex64", "float64": "complex128"}


def real_of(dtype: np.dtype[Any]) -> str:
    """The type of the parts."""
    return {"complex64": "float32", "complex128": "float64"}.get(dtype.name, dtype.name)


def fits(x: NDArray[Any] | None, shape: tuple[int, ...], dtype: str | None) -> bool:
    """Whether a kernel reads or writes exactly this array: nothing it does tests an end. None is no array."""
    return x is None or (x.shape == shape and x.dtype == dtype and x.flags.c_contiguous)
