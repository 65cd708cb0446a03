"""The JAX backend: the protocol on jax.Array, in ``jax.jit``, ``jax.vmap`` and ``jax.grad`` too."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from groupscat.backend.base import Array, Arrays, Backend
from groupscat.backend.derivatives import Function, Gradient
from groupscat.errors import DeviceError, DtypeError

#: Element types that exist only after ``jax.config.update("jax_enable_x64", True)``.
WIDE = ("float64", "complex128", "int64", "uint64")
#: Names of platforms as users of other frameworks write them.
PLATFORMS = {"cuda": "gpu", "rocm": "gpu"}


class JAXBackend(Backend):
    """JAX arrays; composites are left generic, because XLA fuses them."""

    name = "jax"
    mutable = False
    compiles_plans = True  # one by one, every new slice and shape is compiled: seconds instead of tenths

    # ---------------------------------------------------------------- primitives: arrays and types

    def owns(self, x: object) -> bool:
        return isinstance(x, jax.Array)  # tracers of jit, vmap and grad are instances, too

    def asarray(self, x: object, dtype: str | None = None, like: Array | None = None) -> Array:
        if dtype is None and isinstance(x, np.ndarray | np.generic):
            dtype = x.dtype.name
        # A constant made while a function is traced must outlive the trace.
        with jax.ensure_compile_time_eval():
            # JAX may keep the memory of a NumPy array, which its owner may write to later.
            host = np.array(x) if isinstance(x, np.ndarray) else x
            array = jnp.asarray(host, dtype=None if dtype is None else _known(dtype))
            where = None if like is None else self.device(like)
            return array if where is None else jax.device_put(array, where)

    def put(self, x: NDArray[Any], dtype: str, device: str | None = None) -> Array:
        array = self.asarray(x, dtype)
        if device is None:
            return array
        platform, _, index = device.partition(":")
        try:
            found = jax.devices(PLATFORMS.get(platform, platform))[int(index or 0)]
        except (RuntimeError, ValueError, IndexError) as error:
            raise DeviceError(
                f"device={device!r} cannot be used by jax ({str(error).splitlines()[0]}); "
                f"here: {', '.join(self.devices())}."
            ) from error
        return jax.device_put(array, found)

    def devices(self) -> tuple[str, ...]:
        return tuple(
            "cpu" if d.platform == "cpu" else f"{d.platform}:{d.id} ({d.device_kind})" for d in jax.devices()
        )

    def to_numpy(self, x: Array) -> NDArray[Any]:
        if x.dtype == jnp.bfloat16:
            raise DtypeError("NumPy has no bfloat16: convert x first, for example with x.astype('float32').")
        return np.asarray(x)

    def from_dlpack(self, x: Any) -> Array:
        try:
            return jnp.from_dlpack(x)
        except (RuntimeError, TypeError, ValueError) as error:
            raise BufferError(str(error)) from error

    def to_dlpack(self, x: Array) -> Any:
        return x

    def shape(self, x: Array) -> tuple[Any, ...]:
        return tuple(x.shape)

    def dtype(self, x: Array) -> str:
        return str(x.dtype)

    def device(self, x: Array) -> Hashable:
        # While a function is traced nobody knows where it will run: XLA moves the constants there.
        return None if self.is_tracing(x) else x.sharding

    def cast(self, x: Array, dtype: str) -> Array:
        return x.astype(_known(dtype))

    def is_tracing(self, x: Array) -> bool:
        return isinstance(x, jax.core.Tracer)

    def all_finite(self, x: Array) -> bool:
        return bool(jnp.isfinite(x).all())

    def zeros(self, shape: Sequence[int], dtype: str, like: Array) -> Array:
        return jnp.zeros(tuple(shape), _known(dtype), device=self.device(like))

    # ------------------------------------------------------------------- primitives: rearrangement

    def reshape(self, x: Array, shape: Sequence[int]) -> Array:
        return jnp.reshape(x, tuple(shape))

    def moveaxis(self, x: Array, source: int, destination: int) -> Array:
        return jnp.moveaxis(x, source, destination)

    def concat(self, xs: Sequence[Array], axis: int) -> Array:
        return jnp.concatenate(xs, axis)

    def take(self, x: Array, index: Array, axis: int) -> Array:
        return jnp.take(x, index, axis, mode="clip")  # positions are valid: no need to check

    def where(self, condition: Array, x: Array, otherwise: float) -> Array:
        return jnp.where(condition, x, otherwise)

    # ----------------------------------------------------------------------- primitives: arithmetic

    def linear(self, x: Array, matrix: Array) -> Array:
        return jnp.matmul(x, matrix.T, precision="highest")  # no TF32, no bfloat16 passes

    def matmul(self, x: Array, y: Array) -> Array:
        return jnp.matmul(x, y, precision="highest")

    def sum(self, x: Array, axes: tuple[int, ...]) -> Array:
        return x.sum(axes)

    def max(self, x: Array, axes: tuple[int, ...]) -> Array:
        return x.max(axes)

    def relu(self, x: Array) -> Array:
        return jnp.maximum(x, 0)

    def exp(self, x: Array) -> Array:
        return jnp.exp(x)

    def log(self, x: Array) -> Array:
        return jnp.log(x)

    def real(self, x: Array) -> Array:
        return jnp.real(x)

    def imag(self, x: Array) -> Array:
        return jnp.imag(x)

    def complex(self, re: Array, im: Array) -> Array:
        return jax.lax.complex(re, im)

    def modulus(self, z: Array, axis: int | None = None) -> Array:
        if not self.is_complex(z):
            # JAX's own abs has the derivative 1 at 0.
            return z * jnp.sign(z) if axis is None else self.power((z * z).sum(axis), 0.5)
        squares = z.real**2 + z.imag**2
        return self.power(squares if axis is None else squares.sum(axis), 0.5)

    def power(self, x: Array, q: float) -> Array:
        if q >= 1:
            return x if q == 1 else x * x if q == 2 else x**q
        # The derivative is unbounded at 0; the inner where keeps 0 out of what is differentiated.
        zero = x == 0
        safe = jnp.where(zero, 1, x)
        return jnp.where(zero, 0, jnp.sqrt(safe) if q == 0.5 else safe**q)

    def fft(self, x: Array, axes: tuple[int, ...]) -> Array:
        return jnp.fft.fftn(x, axes=axes)

    def backward_fft(self, x: Array, axes: tuple[int, ...]) -> Array:
        return jnp.fft.ifftn(x, axes=axes, norm="forward")

    def recompute(
        self,
        function: Function,
        gradient: Gradient,
        data: Mapping[str, Array],
        constants: Mapping[str, Array],
    ) -> tuple[Array, ...]:
        # JAX differentiates forward, too, which a gradient of our own would not allow. Under an outer jit XLA
        # finds what is computed twice, and plans memory itself: elsewhere nothing is kept.
        call = jax.checkpoint(lambda arrays: function({**arrays, **constants}), prevent_cse=False)
        results: tuple[Array, ...] = call(dict(data))
        return results

    def pullback(self, function: Callable[[Array], Array], x: Array, gradient: Array) -> Array:
        # JAX's gradient by a complex array is the conjugate of that of the protocol.
        _, back = jax.vjp(function, x)
        return jnp.conj(back(jnp.conj(gradient))[0])

    def filterbank(self, x: Array, kernels: Array, stride: int) -> Array:
        # The generic body slices once per tap, which takes XLA seconds to compile.
        channels, *sizes = x.shape[1:]
        x = self.wrap(x, [t // 2 for t in kernels.shape[1:]])
        y = jax.lax.conv_general_dilated(
            x.reshape(-1, 1, *x.shape[2:]),
            kernels[:, None],
            [stride] * len(sizes),
            "VALID",
            precision="highest",
        )
        return y.reshape(-1, channels, *y.shape[1:])

    def permute(self, x: Array, order: Sequence[int]) -> Array:
        return jnp.transpose(x, tuple(order))

    def conv(
        self,
        x: Array,
        w: Array,
        stride: Sequence[int],
        dilation: Sequence[int],
        margin: Sequence[tuple[int, int]],
        groups: int,
    ) -> Array:
        return jax.lax.conv_general_dilated(
            x,
            w,
            tuple(stride),
            [tuple(pair) for pair in margin],
            rhs_dilation=tuple(dilation),
            feature_group_count=groups,
            precision="highest",
        )

    def compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return jax.jit(function)

    def gradients(
        self, function: Callable[[Arrays], tuple[Array, Arrays]], xs: Arrays
    ) -> tuple[Array, Arrays, Arrays]:
        (value, others), found = jax.value_and_grad(function, has_aux=True)(xs)
        # For complex x JAX returns the conjugate.
        return value, others, {name: jnp.conj(gradient) for name, gradient in found.items()}


def _known(dtype: str) -> str:
    """The element type, if JAX has it: without x64 it would silently take half the bits instead."""
    if dtype in WIDE and not jax.config.jax_enable_x64:
        raise DtypeError(
            f"JAX computes in 32 bits, but {dtype} is asked for; set JAX_ENABLE_X64=1 or call "
            'jax.config.update("jax_enable_x64", True) first, or convert to 32 bits yourself.'
        )
    return dtype
