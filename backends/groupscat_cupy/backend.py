"""The CuPy backend: the protocol on plain CuPy arrays, on the device and the stream that are in use."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import cupy
from numpy.typing import NDArray

from groupscat.backend.base import Array, Backend, Segments
from groupscat.errors import DeviceError
from groupscat_cupy import kernels as cuda

#: Bytes of a large intermediate array. Launches cost more than a cache saves; this bounds the memory.
DEVICE_CHUNK_BYTES = 1 << 28
#: FFT plans that CuPy keeps per thread and device by default, and with us. It drops the one that was used
#: longest ago: with more of them than it keeps, an operator would make all anew at every call.
DEFAULT_PLANS, PLANS = 16, 128
ON_THE_CPU = "On the CPU the numpy and torch backends compute."
#: Device types of DLPack whose memory CUDA kernels can address: device and managed.
CUDA_MEMORY = (2, 13)


class CuPyBackend(Backend):
    """CuPy arrays. Work goes to the device of the array and to its current stream; nothing waits for it."""

    name = "cupy"
    chunk_bytes = DEVICE_CHUNK_BYTES

    # ---------------------------------------------------------------- primitives: arrays and types

    def owns(self, x: object) -> bool:
        return isinstance(x, cupy.ndarray)

    def asarray(self, x: Any, dtype: str | None = None, like: Array | None = None) -> Array:
        if like is None:
            like = x if self.owns(x) else None
        with self._current() if like is None else self.scope(like):
            if self.owns(x) and self.device(x) != self.device(like):
                x = x.copy()  # onto the current device
            return cupy.asarray(x, dtype=dtype)

    def put(self, x: NDArray[Any], dtype: str, device: str | None = None) -> Array:
        with self._current() if device is None else self._named(device):
            return cupy.asarray(x, dtype=dtype)

    def devices(self) -> tuple[str, ...]:
        count, _ = _device_count()
        names = (cupy.cuda.runtime.getDeviceProperties(k)["name"].decode() for k in range(count))
        return tuple(f"cuda:{k} ({name})" for k, name in enumerate(names))

    def _current(self) -> AbstractContextManager[Any]:
        """The current device, entered."""
        count, reason = _device_count()
        if not count:
            raise DeviceError(f"There is no CUDA device for cupy ({reason}). {ON_THE_CPU}")
        return cupy.cuda.Device()

    def _named(self, device: str) -> AbstractContextManager[Any]:
        """The device called "cuda" (the current one) or "cuda:k"."""
        current = self._current()
        if device == "cuda":
            return current
        kind, _, number = device.partition(":")
        if kind != "cuda" or not number.isdecimal() or int(number) >= _device_count()[0]:
            raise DeviceError(
                f"device={device!r} cannot be used by cupy; here: {', '.join(self.devices())}. {ON_THE_CPU}"
            )
        return cupy.cuda.Device(int(number))

    def to_numpy(self, x: Array) -> NDArray[Any]:
        with self.scope(x):
            return x.get()

    def from_dlpack(self, x: Any) -> Array:
        kind, _ = x.__dlpack_device__()
        if int(kind) not in CUDA_MEMORY:
            raise BufferError("The memory is not on a CUDA device.")
        try:
            return cupy.from_dlpack(x)
        except (RuntimeError, TypeError, ValueError) as error:  # an element type CuPy does not have, say
            raise BufferError(str(error)) from error

    def to_dlpack(self, x: Array) -> Any:
        return x

    def scope(self, x: Array) -> AbstractContextManager[Any]:
        return cupy.cuda.Device(x.device.id)

    def shape(self, x: Array) -> tuple[Any, ...]:
        return tuple(x.shape)

    def dtype(self, x: Array) -> str:
        return str(x.dtype.name)

    def device(self, x: Array) -> Hashable:
        return f"cuda:{x.device.id}"  # CuPy's own devices have no hash

    def cast(self, x: Array, dtype: str) -> Array:
        return x.astype(dtype, copy=False)

    def is_tracing(self, x: Array) -> bool:
        return False

    def all_finite(self, x: Array) -> bool:
        return bool(cupy.isfinite(x).all())

    def zeros(self, shape: Sequence[int], dtype: str, like: Array) -> Array:
        with self.scope(like):
            return cupy.zeros(tuple(shape), dtype)

    # ------------------------------------------------------------------- primitives: rearrangement

    def reshape(self, x: Array, shape: Sequence[int]) -> Array:
        return x.reshape(tuple(shape))

    def moveaxis(self, x: Array, source: int, destination: int) -> Array:
        return cupy.moveaxis(x, source, destination)

    def concat(self, xs: Sequence[Array], axis: int) -> Array:
        return cupy.concatenate(tuple(xs), axis)

    def take(self, x: Array, index: Array, axis: int) -> Array:
        return cupy.take(x, index, axis)

    def where(self, condition: Array, x: Array, otherwise: float) -> Array:
        return cupy.where(condition, x, x.dtype.type(otherwise))

    # ----------------------------------------------------------------------- primitives: arithmetic

    def linear(self, x: Array, matrix: Array) -> Array:
        return x @ matrix.T  # in full precision: CuPy uses TF32 only where CUPY_TF32 asks for it

    def matmul(self, x: Array, y: Array) -> Array:
        return x @ y

    def sum(self, x: Array, axes: tuple[int, ...]) -> Array:
        return x.sum(axes)

    def max(self, x: Array, axes: tuple[int, ...]) -> Array:
        return x.max(axes)

    def relu(self, x: Array) -> Array:
        return cupy.maximum(x, 0)

    def exp(self, x: Array) -> Array:
        return cupy.exp(x)

    def log(self, x: Array) -> Array:
        return cupy.log(x)

    def real(self, x: Array) -> Array:
        return x.real

    def imag(self, x: Array) -> Array:
        return x.imag

    def complex(self, re: Array, im: Array) -> Array:
        z = cupy.empty(re.shape, cuda.COMPLEX[re.dtype.name])
        z.real, z.imag = re, im
        return z

    def modulus(self, z: Array, axis: int | None = None) -> Array:
        if z.dtype.kind == "c":  # CuPy's abs of complex numbers guards against overflow, slowly
            return cuda.modulus(z, axis)
        return abs(z) if axis is None else cupy.sqrt((z * z).sum(axis))

    def power(self, x: Array, q: float) -> Array:
        if q == 1:
            return x
        return cupy.sqrt(x) if q == 0.5 else x * x if q == 2 else x**q

    def fft(self, x: Array, axes: tuple[int, ...]) -> Array:
        return _transform("fftn", x, axes)

    def backward_fft(self, x: Array, axes: tuple[int, ...]) -> Array:
        return _transform("ifftn", x, axes)

    # --------------------------------------------------------------------------- composites

    def scale(self, z: Array, filters: Array) -> Array:
        return z * filters[..., 0]  # one pass: the filter becomes complex in registers only

    def multiply(self, z: Array, filters: Array) -> Array:
        return z * filters.view(cuda.COMPLEX[filters.dtype.name])[..., 0]

    def pad(self, x: Array, indices: Sequence[Array | None], zero: bool) -> Array:
        every = [index for index in indices if index is not None]
        y = cuda.pad(x, every) if len(every) == len(indices) else None
        return super().pad(x, indices, zero) if y is None else y

    def bandpass(
        self, spectrum: Array, filters: Array, segments: Sequence[Segments], fold: Sequence[int]
    ) -> Array:
        product = cuda.bandpass(spectrum, filters, segments, fold)
        if product is None:
            return super().bandpass(spectrum, filters, segments, fold)
        return _transform("ifftn", product, tuple(range(-len(fold), 0)), overwrite=True)

    def harmonic_modulus(self, spectrum: Array, filters: Array) -> Array:
        axes = tuple(range(2 - filters.ndim, 0))
        out = cupy.empty(spectrum.shape, filters.dtype)
        # All harmonics at once, of as many signals as the bound on memory allows.
        size = max(1, DEVICE_CHUNK_BYTES // filters.nbytes)
        for start in range(0, len(out), size):
            part = slice(start, start + size)
            z = _transform("ifftn", cuda.multiply(spectrum[part], filters), axes, overwrite=True)
            cuda.modulus(z, 2, out[part])
        return out

    def hypot(self, re: Array, im: Array) -> Array:
        return cupy.hypot(re, im)

    def permute(self, x: Array, order: Sequence[int]) -> Array:
        return x.transpose(tuple(order))

    def frame(self, x: Array, width: int, hop: int) -> Array:
        return cupy.lib.stride_tricks.sliding_window_view(x, width, axis=-1)[..., ::hop, :]

    def filterbank(self, x: Array, kernels: Array, stride: int) -> Array:
        y = cuda.filterbank(x, kernels, stride)
        return super().filterbank(x, kernels, stride) if y is None else y


def _transform(name: str, x: Array, axes: tuple[int, ...], overwrite: bool = False) -> Array:
    """The FFT called ``name``, without a factor, as one batched transform of contiguous trailing axes."""
    from cupyx.scipy import fft  # needs a GPU's libraries in some versions of CuPy

    if x.dtype.kind == "c":
        x = cupy.ascontiguousarray(x)
    else:
        x, overwrite = x.astype(cuda.COMPLEX[x.dtype.name], order="C"), True
    if x.size == 0:
        return x
    plans = cupy.fft.config.get_plan_cache()
    if plans.get_size() == DEFAULT_PLANS:  # another size is someone's choice
        plans.set_size(PLANS)
    norm = "forward" if name == "ifftn" else "backward"  # the direction that the factor is left out of
    return getattr(fft, name)(x, axes=axes, norm=norm, overwrite_x=overwrite)


def _device_count() -> tuple[int, str]:
    """How many CUDA devices there are, and why there are none."""
    try:
        return cupy.cuda.runtime.getDeviceCount(), "none is visible"
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return 0, str(error)
