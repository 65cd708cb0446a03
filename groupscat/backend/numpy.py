"""The NumPy backend: the reference that every other backend is held to."""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.backend.base import Array, Backend, ConstantKind, Segments


class NumPyBackend(Backend):
    """NumPy arrays, with scipy.fft (float32 stays float32 there, and it uses every core)."""

    name = "numpy"
    chunk_bytes = 15 << 18

    def __init__(self) -> None:
        self._workers = (
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        )

    def owns(self, x: object) -> bool:
        # A masked array is none: its mask would be lost.
        return isinstance(x, np.ndarray | np.generic) and not isinstance(x, np.ma.MaskedArray)

    def asarray(self, x: object, dtype: str | None = None, like: Array | None = None) -> Array:
        return np.asarray(x, dtype=dtype)

    def to_numpy(self, x: Array) -> NDArray[Any]:
        return np.asarray(x)

    def from_dlpack(self, x: Any) -> Array:
        try:
            return np.from_dlpack(x)
        except (RuntimeError, TypeError) as error:  # another device, an element type NumPy does not have
            raise BufferError(str(error)) from error

    def to_dlpack(self, x: Array) -> Any:
        if not x.flags.writeable or min(x.strides, default=0) < 0:
            # Frameworks let one write to read-only memory, and abort the process on negative strides.
            raise BufferError("The array is read-only or reversed.")
        return x

    def shape(self, x: Array) -> tuple[Any, ...]:
        return tuple(x.shape)

    def dtype(self, x: Array) -> str:
        return str(x.dtype.name)

    def device(self, x: Array) -> Hashable:
        return "cpu"

    def cast(self, x: Array, dtype: str) -> Array:
        return np.asarray(x).astype(dtype, copy=False)  # asarray: a matrix would keep two axes for ever

    def is_tracing(self, x: Array) -> bool:
        return False

    def all_finite(self, x: Array) -> bool:
        return bool(np.isfinite(x).all())

    def zeros(self, shape: Sequence[int], dtype: str, like: Array) -> Array:
        return np.zeros(shape, dtype)

    def reshape(self, x: Array, shape: Sequence[int]) -> Array:
        return x.reshape(tuple(shape))

    def moveaxis(self, x: Array, source: int, destination: int) -> Array:
        return np.moveaxis(x, source, destination)

    def concat(self, xs: Sequence[Array], axis: int) -> Array:
        return np.concatenate(xs, axis)

    def take(self, x: Array, index: Array, axis: int) -> Array:
        return np.take(x, index, axis)

    def where(self, condition: Array, x: Array, otherwise: float) -> Array:
        return np.where(condition, x, x.dtype.type(otherwise))

    def linear(self, x: Array, matrix: Array) -> Array:
        return x @ matrix.T

    def matmul(self, x: Array, y: Array) -> Array:
        return x @ y

    def sum(self, x: Array, axes: tuple[int, ...]) -> Array:
        return x.sum(axes)

    def max(self, x: Array, axes: tuple[int, ...]) -> Array:
        return x.max(axes)

    def relu(self, x: Array) -> Array:
        return np.maximum(x, 0)

    def exp(self, x: Array) -> Array:
        return np.exp(x)

    def log(self, x: Array) -> Array:
        return np.log(x)

    def real(self, x: Array) -> Array:
        return x.real

    def imag(self, x: Array) -> Array:
        return x.imag

    def complex(self, re: Array, im: Array) -> Array:
        z = np.empty(re.shape, np.result_type(re.dtype, np.complex64))
        z.real, z.imag = re, im
        return z

    def modulus(self, z: Array, axis: int | None = None) -> Array:
        if axis is None:
            return np.abs(z)
        squares = z.real**2 + z.imag**2 if np.iscomplexobj(z) else z**2
        return np.sqrt(squares.sum(axis))

    def power(self, x: Array, q: float) -> Array:
        if q == 1:
            return x
        return np.sqrt(x) if q == 0.5 else x * x if q == 2 else x**q

    # SciPy is imported where it is used: that takes longer than all of groupscat, and kernels do without.

    def fft(self, x: Array, axes: tuple[int, ...]) -> Array:
        import scipy.fft

        return scipy.fft.fftn(x, axes=axes, workers=self._workers)

    def backward_fft(self, x: Array, axes: tuple[int, ...]) -> Array:
        return self._backward(x, axes)

    def _backward(self, x: Array, axes: tuple[int, ...], overwrite: bool = False) -> Array:
        import scipy.fft

        return scipy.fft.ifftn(x, axes=axes, norm="forward", overwrite_x=overwrite, workers=self._workers)

    # A complex array times a real filter: NumPy would first convert the filter to complex. With each
    # filter sample stored twice, the product is one pass of real multiplications over (re, im) pairs.

    def scale(self, z: Array, filters: Array) -> Array:
        return _complex(_pairs(z) * filters)

    def multiply(self, z: Array, filters: Array) -> Array:
        return z * _complex(filters)

    def prepare(self, constant: NDArray[Any], kind: ConstantKind) -> NDArray[Any]:
        if kind == "filter":
            return np.repeat(constant[..., None], 2, axis=-1)
        return super().prepare(constant, kind)

    def bandpass(
        self, spectrum: Array, filters: Array, segments: Sequence[Segments], fold: Sequence[int]
    ) -> Array:
        total: NDArray[Any] | None = None
        for block, psi in zip(self.blocks(self.window(spectrum, segments), fold), filters, strict=True):
            term = _pairs(block)[:, :, None] * psi
            total = term if total is None else np.add(total, term, out=total)
        assert total is not None
        z = _complex(total)
        z = z.reshape(len(z), -1, *z.shape[3:])
        return self._backward(z, tuple(range(-len(fold), 0)), overwrite=True)

    def harmonic_modulus(self, spectrum: Array, filters: Array) -> Array:
        # One harmonic at a time: its response is in the cache when it is squared.
        axes = tuple(range(2 - filters.ndim, 0))
        total: NDArray[Any] | None = None
        for psi in _complex(filters):
            z = self._backward(spectrum * psi, axes, overwrite=True)
            square = z.real**2 + z.imag**2
            total = square if total is None else np.add(total, square, out=total)
        assert total is not None
        return np.sqrt(total)

    def hypot(self, re: Array, im: Array) -> Array:
        total = re * re
        total += im * im
        return np.sqrt(total, out=total)

    def permute(self, x: Array, order: Sequence[int]) -> Array:
        return x.transpose(tuple(order))

    def frame(self, x: Array, width: int, hop: int) -> Array:
        return np.lib.stride_tricks.sliding_window_view(x, width, axis=-1)[..., ::hop, :]


def _pairs(z: NDArray[Any]) -> NDArray[Any]:
    """(re, im) as a last axis of length 2: a view where z is contiguous."""
    z = np.ascontiguousarray(z)
    return z.view(z.real.dtype).reshape(*z.shape, 2)


def _complex(pairs: NDArray[Any]) -> NDArray[Any]:
    """The inverse of :func:`_pairs`, a view."""
    return pairs.view(np.result_type(pairs.dtype, np.complex64))[..., 0]
