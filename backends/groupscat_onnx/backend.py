"""The backend whose arrays are expressions: a plan that runs on it leaves the graph that computes it."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx.helper import np_dtype_to_tensor_dtype

from groupscat.backend.base import Array, Backend
from groupscat.errors import BackendError
from groupscat_onnx.tensor import (
    Complex,
    Tensor,
    broadcast,
    constant,
    integers,
    node,
    reshape,
    transpose,
)

#: Element types of real and imaginary parts.
PART = {"complex64": "float32", "complex128": "float64"}
#: Longer axes are transformed in steps, where their length has factors.
RADIX = 64


class ONNXBackend(Backend):
    """Expressions of operation set 18. Fourier transforms are matrix products.

    ONNX has a DFT, but not every runtime; that of onnxruntime is slower than a matrix below 256 samples, and
    off by up to 1e-4 at lengths that are no power of 2.
    """

    name = "onnx"
    mutable = False

    # ---------------------------------------------------------------- primitives: arrays and types

    def owns(self, x: object) -> bool:
        return isinstance(x, Tensor | Complex)

    def asarray(self, x: object, dtype: str | None = None, like: Array | None = None) -> Array:
        if self.owns(x):
            return x if dtype is None else self.cast(x, dtype)
        values = np.asarray(x, dtype)
        if np.iscomplexobj(values):
            return Complex(constant(values.real), constant(values.imag))
        return constant(values)

    def to_numpy(self, x: Array) -> NDArray[Any]:
        if isinstance(x, Complex):
            return self.to_numpy(x.re) + 1j * self.to_numpy(x.im)
        if x.value is None:
            raise BackendError("The graph has no values yet: they are known when it runs.")
        return np.asarray(x.value)

    def shape(self, x: Array) -> tuple[Any, ...]:
        return tuple(x.shape)

    def dtype(self, x: Array) -> str:
        return str(x.dtype)

    def device(self, x: Array) -> Hashable:
        return self.name

    def cast(self, x: Array, dtype: str) -> Array:
        if x.dtype == dtype:
            return x
        if dtype in PART:
            re, im = self.real(x), self.imag(x)
            return Complex(self.cast(re, PART[dtype]), self.cast(im, PART[dtype]))
        if isinstance(x, Complex):
            raise TypeError(f"{x.dtype} becomes {dtype}: take real or imag first")
        return node("Cast", x, shape=x.shape, dtype=dtype, to=np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def is_tracing(self, x: Array) -> bool:
        return True

    def all_finite(self, x: Array) -> bool:
        return bool(np.isfinite(self.to_numpy(x)).all())

    def zeros(self, shape: Sequence[int | None], dtype: str, like: Array) -> Array:
        if dtype in PART:
            return Complex(*[self.zeros(shape, PART[dtype], like)] * 2)
        zero = constant(np.zeros((1,) * len(shape), dtype))
        sizes = integers(1 if n is None else n for n in shape)
        if None in shape:  # of ones, broadcast against the batch
            batch = node("Shape", self.real(like), shape=(1,), dtype="int64", start=0, end=1)
            sizes = node("Concat", batch, integers(n or 0 for n in shape[1:]), shape=(len(shape),), axis=0)
        return node("Expand", zero, sizes, shape=shape)

    # ------------------------------------------------------------------- primitives: rearrangement

    def reshape(self, x: Array, shape: Sequence[int]) -> Array:
        return _each(lambda part: reshape(part, shape), x)

    def moveaxis(self, x: Array, source: int, destination: int) -> Array:
        order = list(range(len(x.shape)))
        axis = order.pop(source)
        order.insert(destination % len(x.shape), axis)
        return _each(lambda part: transpose(part, order), x)

    def permute(self, x: Array, order: Sequence[int]) -> Array:
        return _each(lambda part: transpose(part, order), x)

    def concat(self, xs: Sequence[Array], axis: int) -> Array:
        return _each(lambda *parts: _joined(parts, axis), *xs)

    def take(self, x: Array, index: Array, axis: int) -> Array:
        axis %= len(x.shape)
        shape = (*x.shape[:axis], *index.shape, *x.shape[axis + 1 :])
        return _each(lambda part: node("Gather", part, index, shape=shape, axis=axis), x)

    def where(self, condition: Array, x: Array, otherwise: float) -> Array:
        if isinstance(x, Complex):
            return Complex(self.where(condition, x.re, otherwise), self.where(condition, x.im, 0.0))
        value = constant(np.asarray(otherwise, x.dtype))
        return node("Where", condition, x, value, shape=broadcast(condition.shape, x.shape), dtype=x.dtype)

    # ----------------------------------------------------------------------- primitives: arithmetic

    def linear(self, x: Array, matrix: Array) -> Array:
        return node("Gemm", x, matrix, shape=(x.shape[0], matrix.shape[0]), transB=1)

    def matmul(self, x: Array, y: Array) -> Array:
        lead = broadcast(x.shape[:-2], y.shape[:-2])
        return node("MatMul", x, y, shape=(*lead, *x.shape[-2:-1], y.shape[-1]))

    def sum(self, x: Array, axes: tuple[int, ...]) -> Array:
        return _each(lambda part: _reduced("ReduceSum", part, axes), x)

    def max(self, x: Array, axes: tuple[int, ...]) -> Array:
        return _reduced("ReduceMax", x, axes)

    def relu(self, x: Array) -> Array:
        return _pointwise("Relu", x)

    def exp(self, x: Array) -> Array:
        return _pointwise("Exp", x)

    def log(self, x: Array) -> Array:
        return _pointwise("Log", x)

    def real(self, x: Array) -> Array:
        return x.re if isinstance(x, Complex) else x

    def imag(self, x: Array) -> Array:
        return x.im if isinstance(x, Complex) else self.zeros(x.shape, x.dtype, x)

    def complex(self, re: Array, im: Array) -> Array:
        return Complex(re, im)

    def modulus(self, z: Array, axis: int | None = None) -> Array:
        if axis is None and isinstance(z, Tensor):
            return _pointwise("Abs", z)
        squares = z.re * z.re + z.im * z.im if isinstance(z, Complex) else z * z
        return self.power(squares if axis is None else self.sum(squares, (axis,)), 0.5)

    def power(self, x: Array, q: float) -> Array:
        if q == 1:
            return x
        if q == 2:
            return x * x
        return (
            _pointwise("Sqrt", x)
            if q == 0.5
            else node("Pow", x, constant(np.asarray(q, x.dtype)), shape=x.shape)
        )

    def fft(self, x: Array, axes: tuple[int, ...]) -> Array:
        return self._transform(x, axes, -1)

    def backward_fft(self, x: Array, axes: tuple[int, ...]) -> Array:
        return self._transform(x, axes, 1)

    def _transform(self, x: Array, axes: tuple[int, ...], sign: int) -> Array:
        for axis in reversed(axes):
            if axis == -2 and x.shape[-2] <= RADIX:
                x = self._times(_waves(x.shape[-2], sign, x.dtype), x)
            else:
                x = self.moveaxis(self._transformed(self.moveaxis(x, axis, -1), sign), -1, axis)
        return x

    def _transformed(self, x: Array, sign: int) -> Array:
        """The transform of the last axis: by a matrix, or of N = a·b samples as a times b of them.

        X(k₁ + a·k₂) is the transform over t₂ of e^{±2πi k₁t₂/N} times that over t₁ of x(b·t₁ + t₂).

        Source: Cooley & Tukey 1965.
        """
        *lead, n = x.shape
        a = max(d for d in range(1, math.isqrt(n) + 1) if n % d == 0)
        if n <= RADIX or a == 1:
            return self._times(x, _waves(n, sign, x.dtype))
        x = self.reshape(x, (*lead, a, n // a))
        x = self._times(_waves(a, sign, x.dtype), x) * _twiddles(a, n // a, sign, x.dtype)
        return self.reshape(self.moveaxis(self._transformed(x, sign), -1, -2), (*lead, n))

    def _times(self, x: Array, y: Array) -> Complex:
        """The matrix product of which one is complex and the other may be."""
        if isinstance(x, Tensor):
            return Complex(self.matmul(x, y.re), self.matmul(x, y.im))
        if isinstance(y, Tensor):
            return Complex(self.matmul(x.re, y), self.matmul(x.im, y))
        re = self.matmul(x.re, y.re) - self.matmul(x.im, y.im)
        return Complex(re, self.matmul(x.re, y.im) + self.matmul(x.im, y.re))

    # --------------------------------------------------------------------------- composites

    def surround(self, x: Array, margin: Sequence[tuple[int, int]]) -> Array:
        pairs = [(0, 0)] * (len(x.shape) - len(margin)) + list(margin)
        shape = [n and n + sum(pair) for n, pair in zip(x.shape, pairs, strict=True)]
        pads = integers(pair[side] for side in (0, 1) for pair in pairs)
        return _each(lambda part: node("Pad", part, pads, shape=shape), x)

    def conv(
        self,
        x: Array,
        w: Array,
        stride: Sequence[int],
        dilation: Sequence[int],
        margin: Sequence[tuple[int, int]],
        groups: int,
    ) -> Array:
        if x.dtype != "float32":  # onnxruntime has no other convolutions
            return super().conv(x, w, stride, dilation, margin, groups)
        sizes, taps = x.shape[2:], w.shape[2:]
        each = zip(sizes, taps, stride, dilation, margin, strict=True)
        out = [(sum(pair) + n - (k - 1) * d - 1) // s + 1 for n, k, s, d, pair in each]
        return node(
            "Conv",
            x,
            w,
            shape=(x.shape[0], w.shape[0], *out),
            strides=list(stride),
            dilations=list(dilation),
            pads=[pair[side] for side in (0, 1) for pair in margin],
            group=groups,
        )


def _each(function: Callable[..., Tensor], *xs: Array) -> Array:
    """A real function that acts on real and imaginary parts alike."""
    if not isinstance(xs[0], Complex):
        return function(*xs)
    return Complex(function(*(x.re for x in xs)), function(*(x.im for x in xs)))


def _pointwise(op: str, x: Tensor) -> Tensor:
    if isinstance(x, Complex):
        raise TypeError(f"{op} of a complex array")
    return node(op, x, shape=x.shape)


def _reduced(op: str, x: Tensor, axes: tuple[int, ...]) -> Tensor:
    gone = sorted(axis % len(x.shape) for axis in axes)
    shape = [n for k, n in enumerate(x.shape) if k not in gone]
    return node(op, x, integers(gone), shape=shape, keepdims=0)


def _joined(parts: Sequence[Tensor], axis: int) -> Tensor:
    if len(parts) == 1:
        return parts[0]
    axis %= len(parts[0].shape)
    shape: list[int | None] = list(parts[0].shape)
    shape[axis] = sum(part.shape[axis] or 0 for part in parts)
    return node("Concat", *parts, shape=shape, axis=axis)


@lru_cache(maxsize=64)
def _waves(n: int, sign: int, dtype: str) -> Complex:
    """e^{±2πi jk/n}, a symmetric matrix."""
    return _exponentials(np.outer(np.arange(n), np.arange(n)), n, sign, dtype)


@lru_cache(maxsize=64)
def _twiddles(a: int, b: int, sign: int, dtype: str) -> Complex:
    return _exponentials(np.outer(np.arange(a), np.arange(b)), a * b, sign, dtype)


def _exponentials(turns: NDArray[Any], n: int, sign: int, dtype: str) -> Complex:
    """e^{±2πi turns/n}; reduced first, so that large numbers of turns cost no precision."""
    z = np.exp(sign * 2j * math.pi * (turns % n) / n)
    part = PART.get(dtype, dtype)
    return Complex(constant(z.real, part), constant(z.imag, part))
