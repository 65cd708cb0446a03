"""Addresses of arrays for the kernels, and what keeps alive that they point at."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from groupscat_native.bands import Band


class Memory(NamedTuple):
    """An array as a kernel reads or writes it: numbers side by side, whoever they belong to."""

    address: int
    shape: tuple[int, ...]
    dtype: str
    owner: Any

    @classmethod
    def of(cls, x: NDArray[Any]) -> Memory:
        """Of an array; a copy where its numbers are not side by side.

        >>> Memory.of(np.zeros((2, 3))).shape
        (2, 3)
        """
        x = np.ascontiguousarray(x).reshape(x.shape)
        return cls(x.ctypes.data, x.shape, x.dtype.name, x)


def fits(x: Memory, shape: tuple[int, ...], dtype: str) -> bool:
    """Whether a kernel reads or writes exactly this array: nothing it does tests an end."""
    return x.shape == shape and x.dtype == dtype


class Pointers:
    """Gives addresses, and keeps everything alive that they point at."""

    def __init__(self) -> None:
        self._kept: list[Any] = []

    def keep(self, x: Any) -> None:
        """Keep something alive."""
        self._kept.append(x)

    def data(self, x: NDArray[Any]) -> int:
        """The address of the numbers of a contiguous array."""
        self._kept.append(x)
        return int(x.ctypes.data)

    def numbers(self, values: Sequence[int]) -> int:
        """The address of whole numbers."""
        return self.data(np.array(values, np.int64))

    def list(self, arrays: Sequence[NDArray[Any] | None]) -> Any:
        """A list of addresses of contiguous arrays."""
        self._kept.append(arrays)
        return addresses([None if a is None else a.ctypes.data for a in arrays])

    def bands(self, bands: Sequence[Band], adjoint: bool = False) -> tuple[Any, ...]:
        """What kernels are told of averages, or of their adjoint: how many axes, their numbers and tables."""
        back = [band.adjoint if adjoint else None for band in bands]
        axes = [
            (*band.axis, 0 if each is None else each.into.shape[1])
            for band, each in zip(bands, back, strict=True)
        ]
        tables: list[NDArray[Any] | None] = []
        for band, each in zip(bands, back, strict=True):
            tables += [band.start, band.weights]
            tables += [None, None] if each is None else [each.into, each.shares]
        return len(bands), self.data(np.array(axes, np.int64)), self.list(tables)


def addresses(values: Sequence[int | None]) -> Any:
    """A list of addresses; it must outlive the call that it is given to."""
    return (ctypes.c_void_p * len(values))(*values)
