"""The TensorFlow backend: the protocol on plain tensors, on any device, differentiable."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.python.autograph.core import ag_ctx

from groupscat.backend.base import NO_PATH, Arrays, Backend
from groupscat.backend.derivatives import Function, Gradient
from groupscat.errors import ArgumentError, DeviceError, ShapeError

Tensor = Any

FFT = {1: tf.signal.fft, 2: tf.signal.fft2d, 3: tf.signal.fft3d}
IFFT = {1: tf.signal.ifft, 2: tf.signal.ifft2d, 3: tf.signal.ifft3d}
#: On an accelerator launches cost more than a cache saves; this bounds the memory of a large batch.
DEVICE_CHUNK_BYTES = 1 << 28


class TensorFlowBackend(Backend):
    """TensorFlow tensors and variables."""

    name = "tensorflow"
    chunk_bytes = 1 << 24
    mutable = False
    compiles_plans = True  # a graph without Python between its operations: 2 to 10 times faster than eager

    # ---------------------------------------------------------------- primitives: arrays and types

    def owns(self, x: object) -> bool:
        return isinstance(x, tf.Tensor | tf.Variable)

    def asarray(self, x: object, dtype: str | None = None, like: Tensor | None = None) -> Tensor:
        if not isinstance(x, tf.Tensor | tf.Variable):
            x = np.asarray(x, dtype)
        # Operators keep constants from call to call: also inside tf.function they must be eager tensors.
        with tf.init_scope() if isinstance(x, np.ndarray) else nullcontext(), _device(like):
            x = tf.convert_to_tensor(x)
            return x if dtype is None else tf.cast(x, dtype)

    def put(self, x: NDArray[Any], dtype: str, device: str | None = None) -> Tensor:
        if device is None:
            return self.asarray(x, dtype)
        # TensorFlow would silently take the CPU where there is no such device.
        wanted = device.lower().removeprefix("/device:")
        for known in tf.config.list_logical_devices():
            if wanted in (_short(known.name), _short(known.name).removesuffix(":0")):
                with tf.device(known.name):
                    return self.asarray(x, dtype)
        raise DeviceError(f"device={device!r} is not known to TensorFlow; here: {', '.join(self.devices())}.")

    def devices(self) -> tuple[str, ...]:
        return tuple(_short(known.name) for known in tf.config.list_logical_devices())

    def to_numpy(self, x: Tensor) -> NDArray[Any]:
        return np.asarray(x.numpy())

    def from_dlpack(self, x: Any) -> Tensor:
        try:
            return tf.experimental.dlpack.from_dlpack(x.__dlpack__())
        except (RuntimeError, TypeError, tf.errors.OpError) as error:
            raise BufferError(str(error)) from error

    def to_dlpack(self, x: Tensor) -> Any:
        if not hasattr(x, "__dlpack__"):  # a variable, or an old TensorFlow
            raise BufferError(f"{type(x).__name__} does not export its memory.")
        return x

    def scope(self, x: Tensor) -> AbstractContextManager[Any]:
        if tf.executing_eagerly():
            return tf.device(x.device)
        # AutoGraph would rewrite every function of this library, down to the formulas of the filters.
        return ag_ctx.ControlStatusCtx(status=ag_ctx.Status.DISABLED)

    def shape(self, x: Tensor) -> tuple[Any, ...]:
        if x.shape.rank is None:
            raise ShapeError("x has an unknown number of axes while TensorFlow traces: use tf.ensure_shape.")
        if x.shape.is_fully_defined():
            return tuple(x.shape)
        lengths = tf.shape(x)
        return tuple(lengths[k] if n is None else n for k, n in enumerate(x.shape))

    def dtype(self, x: Tensor) -> str:
        return str(x.dtype.name)

    def device(self, x: Tensor) -> Hashable:
        return x.device

    def cast(self, x: Tensor, dtype: str) -> Tensor:
        wanted = tf.as_dtype(dtype)
        if not wanted.is_complex or x.dtype.is_complex:
            return tf.cast(x, wanted)
        return _complex(tf.cast(x, wanted.real_dtype))

    def is_tracing(self, x: Tensor) -> bool:
        return not tf.executing_eagerly()

    def chunk(self, x: Tensor) -> int | None:
        return self.chunk_bytes if _on_cpu(x) else DEVICE_CHUNK_BYTES

    def all_finite(self, x: Tensor) -> bool:
        parts = (tf.math.real(x), tf.math.imag(x)) if x.dtype.is_complex else (x,)
        return all(bool(tf.reduce_all(tf.math.is_finite(part))) for part in parts)

    def zeros(self, shape: Sequence[int], dtype: str, like: Tensor) -> Tensor:
        with _device(like):
            return tf.zeros(tuple(shape), dtype)

    # ------------------------------------------------------------------- primitives: rearrangement

    def reshape(self, x: Tensor, shape: Sequence[int]) -> Tensor:
        return tf.reshape(x, tuple(shape))

    def moveaxis(self, x: Tensor, source: int, destination: int) -> Tensor:
        order = list(range(x.shape.rank))
        axis = order.pop(source)
        order.insert(destination % x.shape.rank, axis)
        return tf.transpose(x, order) if order != sorted(order) else x

    def concat(self, xs: Sequence[Tensor], axis: int) -> Tensor:
        return tf.concat(list(xs), axis)

    def take(self, x: Tensor, index: Tensor, axis: int) -> Tensor:
        return tf.gather(x, index, axis=axis)

    def where(self, condition: Tensor, x: Tensor, otherwise: float) -> Tensor:
        return tf.where(condition, x, tf.constant(otherwise, x.dtype))

    # ----------------------------------------------------------------------- primitives: arithmetic

    def linear(self, x: Tensor, matrix: Tensor) -> Tensor:
        if _rounds_products(x):
            return tf.cast(self.linear(tf.cast(x, tf.float64), tf.cast(matrix, tf.float64)), tf.float32)
        return tf.linalg.matmul(x, matrix, transpose_b=True)

    def matmul(self, x: Tensor, y: Tensor) -> Tensor:
        if _rounds_products(x):
            return tf.cast(tf.linalg.matmul(tf.cast(x, tf.float64), tf.cast(y, tf.float64)), tf.float32)
        return tf.linalg.matmul(x, y)

    def sum(self, x: Tensor, axes: tuple[int, ...]) -> Tensor:
        return tf.reduce_sum(x, axes)

    def max(self, x: Tensor, axes: tuple[int, ...]) -> Tensor:
        return tf.reduce_max(x, axes)

    def relu(self, x: Tensor) -> Tensor:
        return tf.nn.relu(x)

    def exp(self, x: Tensor) -> Tensor:
        return tf.exp(x)

    def log(self, x: Tensor) -> Tensor:
        return tf.math.log(x)

    def real(self, x: Tensor) -> Tensor:
        return tf.math.real(x)

    def imag(self, x: Tensor) -> Tensor:
        return tf.math.imag(x)

    def complex(self, re: Tensor, im: Tensor) -> Tensor:
        return tf.complex(re, im)

    def modulus(self, z: Tensor, axis: int | None = None) -> Tensor:
        if axis is None and not z.dtype.is_complex:
            return tf.abs(z)
        squares = tf.math.real(z * tf.math.conj(z)) if z.dtype.is_complex else z * z
        return self.power(squares if axis is None else tf.reduce_sum(squares, axis), 0.5)

    def power(self, x: Tensor, q: float) -> Tensor:
        if q >= 1:
            return x if q == 1 else x * x if q == 2 else x**q
        return power(x, q)

    def fft(self, x: Tensor, axes: tuple[int, ...]) -> Tensor:
        return FFT[len(axes)](_complex(x))

    def backward_fft(self, x: Tensor, axes: tuple[int, ...]) -> Tensor:
        x = _complex(x)
        return IFFT[len(axes)](x) * math.prod(x.shape[k] for k in axes)

    # --------------------------------------------------------------------------- composites

    def compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        # Not jit_compile: two to three times faster again, but seconds of compiling for every batch length.
        return tf.function(function, autograph=False, reduce_retracing=True)

    def gradients(
        self, function: Callable[[Arrays], tuple[Tensor, Arrays]], xs: Arrays
    ) -> tuple[Tensor, Arrays, Arrays]:
        xs = {name: tf.convert_to_tensor(x) for name, x in xs.items()}
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(xs)
            value, others = function(xs)
        found = tape.gradient(value, xs)
        if all(gradient is None for gradient in found.values()):
            raise ArgumentError(NO_PATH.format(name=self.name))
        gradients = {name: tf.zeros_like(xs[name]) if g is None else g for name, g in found.items()}
        return value, others, gradients

    def recompute(
        self,
        function: Function,
        gradient: Gradient,
        data: Mapping[str, Tensor],
        constants: Mapping[str, Tensor],
    ) -> tuple[Tensor, ...]:
        if not tf.executing_eagerly():
            return super().recompute(function, gradient, data, constants)
        names = tuple(data)

        def call(*tensors: Tensor) -> tuple[tuple[Tensor, ...], Callable[..., list[Tensor]]]:
            # A tape that watches the data would keep what is computed from them.
            unseen = [tf.stop_gradient(x) for x in tensors]
            results = function({**dict(zip(names, unseen, strict=True)), **constants})

            def backward(*gradients: Tensor) -> list[Tensor]:
                arrays = {**dict(zip(names, tensors, strict=True)), **constants}
                found = gradient(arrays, names, gradients)
                return [found.get(name, tf.zeros_like(arrays[name])) for name in names]

            return results, backward

        return tuple(tf.custom_gradient(call)(*map(tf.convert_to_tensor, data.values())))

    def pullback(self, function: Callable[[Tensor], Tensor], x: Tensor, gradient: Tensor) -> Tensor:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            y = function(x)
        return tape.gradient(y, x, gradient)

    def filterbank(self, x: Tensor, kernels: Tensor, stride: int) -> Tensor:
        count, *taps = kernels.shape
        if len(taps) > 3 or _rounds_products(x):
            return super().filterbank(x, kernels, stride)
        channels = x.shape[1]
        x = self.wrap(x, [t // 2 for t in taps])
        # Channels last: TensorFlow has no other convolution in float64 on the CPU.
        x = tf.reshape(x, (-1, *x.shape[2:], 1))
        kernels = self.moveaxis(kernels, 0, -1)[..., None, :]
        y = self.moveaxis(tf.nn.convolution(x, kernels, strides=stride, padding="VALID"), -1, 1)
        return tf.reshape(y, (-1, channels, count, *y.shape[2:]))

    def permute(self, x: Tensor, order: Sequence[int]) -> Tensor:
        return tf.transpose(x, tuple(order)) if list(order) != sorted(order) else x

    def conv(
        self,
        x: Tensor,
        w: Tensor,
        stride: Sequence[int],
        dilation: Sequence[int],
        margin: Sequence[tuple[int, int]],
        groups: int,
    ) -> Tensor:
        d = len(margin)
        # On the CPU TensorFlow has no gradient of dilated or, in float64 or 3-D, of grouped convolutions.
        plain = groups == 1 or (d <= 2 and x.dtype == tf.float32)
        if d > 3 or not plain or max(dilation) > 1 or _rounds_products(x):
            return super().conv(x, w, stride, dilation, margin, groups)
        # Channels last: TensorFlow has no other convolution in float64 on the CPU.
        x = self.permute(self.surround(x, margin), (0, *range(2, d + 2), 1))
        w = self.permute(w, (*range(2, d + 2), 1, 0))
        y = tf.nn.convolution(x, w, strides=list(stride), padding="VALID")
        return self.permute(y, (0, d + 1, *range(1, d + 1)))

    def elu(self, x: Tensor, alpha: float) -> Tensor:
        return tf.nn.elu(x) if alpha == 1 else super().elu(x, alpha)

    def squared_difference(self, x: Tensor, y: Tensor) -> Tensor:
        return tf.math.squared_difference(x, y)

    def surround(self, x: Tensor, margin: Sequence[tuple[int, int]]) -> Tensor:
        return tf.pad(x, [(0, 0)] * (x.shape.rank - len(margin)) + list(margin))


def power(x: Tensor, q: float) -> Tensor:
    """x^q of non-negative x, 0 < q < 1, with derivative 0 at 0.

    The true one is unbounded there, and its product with 0 (NaN) would spoil every gradient.
    """
    rule = tf.custom_gradient(
        lambda x: (tf.sqrt(x) if q == 0.5 else x**q, lambda upstream: upstream * _derivative(x, q))
    )
    return rule(x)


def _derivative(x: Tensor, q: float) -> Tensor:
    """q·x^(q−1), 0 where x = 0, differentiable again: the inner where keeps 0 out of the graph."""
    zero = x == 0
    safe = tf.where(zero, tf.ones_like(x), x)
    return tf.where(zero, tf.zeros_like(x), 0.5 * tf.math.rsqrt(safe) if q == 0.5 else q * safe ** (q - 1))


def _complex(x: Tensor) -> Tensor:
    # Not tf.cast: its gradient warns each user who trains that an imaginary part is lost.
    return x if x.dtype.is_complex else tf.complex(x, tf.zeros_like(x))


def _device(x: Tensor | None) -> AbstractContextManager[Any]:
    """The device of an eager tensor made current; a symbolic one has none yet."""
    return nullcontext() if x is None or tf.is_symbolic_tensor(x) else tf.device(x.device)


def _on_cpu(x: Tensor) -> bool:
    """Whether x is computed with on the CPU; before a graph is placed, whether there is nothing else."""
    if x.device:
        return "CPU" in x.device.upper()
    return not tf.config.list_logical_devices("GPU")


def _rounds_products(x: Tensor) -> bool:
    """Whether TensorFlow would round factors to the 11 bits of TF32, its default on NVIDIA GPUs."""
    enabled = tf.config.experimental.tensor_float_32_execution_enabled
    return x.dtype == tf.float32 and not _on_cpu(x) and bool(enabled())


def _short(name: str) -> str:
    """A device's name as it is written here: gpu:1 for /job:localhost/…/device:GPU:1."""
    return name.rpartition("device:")[2].lower()
