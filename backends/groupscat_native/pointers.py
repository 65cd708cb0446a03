"""Addresses of arrays for the kernels, which live as long as what points at them."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat_native.bands import Band


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
        """A list of addresses."""
        self._kept.append(arrays)
        return (ctypes.c_void_p * len(arrays))(*(None if a is None else a.ctypes.data for a in arrays))

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
