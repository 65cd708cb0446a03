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

    def bands(self, bands: Sequence[Band]) -> tuple[Any, ...]:
        """What kernels are told of averages: how many axes, their numbers, starts and weights."""
        axes = self.data(np.array([band.axis for band in bands], np.int64))
        return (
            len(bands),
            axes,
            self.list([band.start for band in bands]),
            self.list([band.weights for band in bands]),
        )
