"""The NumPy backend with compiled kernels: what is registered as "numpy" where they could be compiled."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.backend.base import Array, Backend
from groupscat.backend.numpy import NumPyBackend
from groupscat_native.library import load
from groupscat_native.verbs import NativeVerbs


def numpy_backend() -> Backend:
    """The backend for NumPy arrays: with kernels where there are any."""
    return with_kernels(NativeNumPyBackend, NumPyBackend)


def with_kernels(native: type[NativeVerbs], plain: type[Backend]) -> Backend:
    """The backend with kernels, or the plain one where there are none; its ``details`` say which and why."""
    library, which = load()
    backend = plain() if library is None else native()
    backend.details = f"compiled kernels: {which}" if library else f"compiled kernels: none, {which}"
    return backend


class NativeNumPyBackend(NativeVerbs, NumPyBackend):
    """NumPy arrays; transforms, wavelets and averages by kernels that never leave the cache."""

    def views(self, *xs: Array) -> list[NDArray[Any]] | None:
        known = all(type(x) is np.ndarray and x.dtype.isnative and x.flags.aligned for x in xs)
        return list(xs) if known else None

    def fresh(self, shape: Sequence[int], dtype: str) -> Array:
        return np.empty(shape, dtype)

    def identity(self, x: Array) -> Hashable:
        return x.ctypes.data, x.strides

    def versions(self, xs: Sequence[Array]) -> Hashable:
        return ()  # NumPy does not tell: constants are not written to

    @property
    def workers(self) -> int:
        return self._workers
