"""A strict stand-in for CuPy where there is no GPU: NumPy inside, CuPy's refusals outside.

It has what the backend uses and nothing else. What CuPy refuses it refuses: implicit copies to the host,
arrays of NumPy in operations, work on a device that is not current. New memory is full of NaN and has NaN
around it. Kernels are compiled by the host's C++ compiler and really run, thread by thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import operator
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.fft as scipy_fft
from numpy.lib.stride_tricks import sliding_window_view

COMPILER = next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)
#: Bytes of NaN before and after each array.
MARGIN = 1 << 14
NAN_BYTE = 0xFF
#: Everything the backend may import of CuPy; an attribute that is not given below is an AttributeError.
MODULES = ("cupy", "cupy.cuda", "cupy.cuda.runtime", "cupy.fft", "cupy.fft.config", "cupy.lib")
MODULES += ("cupy.lib.stride_tricks", "cupyx", "cupyx.scipy", "cupyx.scipy.fft")

#: What happened, for tests: waits for the device (copies to the host among them), FFT plans made, launches.
counts = SimpleNamespace(waits=0, plans=0, launches=0)
_devices = SimpleNamespace(count=2)
_local = threading.local()


class CUDARuntimeError(RuntimeError):
    """What CUDA reports."""


# -------------------------------------------------------------------------------------------- devices


def _current() -> int:
    return int(getattr(_local, "device", 0))


class Device:
    """A device; entering it makes it current."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, device: int | None = None) -> None:
        self.id = _current() if device is None else device

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and self.id == other.id

    def __enter__(self) -> Device:
        if not 0 <= self.id < _devices.count:
            raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")
        _local.stack = [*getattr(_local, "stack", []), _current()]
        _local.device = self.id
        return self

    def __exit__(self, *_: object) -> None:
        *_local.stack, _local.device = _local.stack


def getDeviceCount() -> int:
    if not _devices.count:
        raise CUDARuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")
    return int(_devices.count)


def getDeviceProperties(device: int) -> dict[str, Any]:
    return {"name": f"Stand-in {device}".encode()}


# --------------------------------------------------------------------------------------------- arrays


def _memory(shape: tuple[int, ...], dtype: Any) -> tuple[Any, Any]:
    """An array full of NaN (or −1), and the buffer around it."""
    dtype = np.dtype(dtype)
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    buffer = np.full(size + 2 * MARGIN, NAN_BYTE, np.uint8)
    return buffer[MARGIN : MARGIN + size].view(dtype).reshape(shape), buffer


class ndarray:
    """An array on a device."""

    def __init__(self, values: Any, device: int, buffer: Any, base: ndarray | None = None) -> None:
        self._values, self._device, self._buffer, self.base = values, device, buffer, base

    def _view(self, values: Any) -> ndarray:
        return ndarray(values, self._device, self._buffer, self)

    shape = property(lambda self: self._values.shape)
    strides = property(lambda self: self._values.strides)
    dtype = property(lambda self: self._values.dtype)
    ndim = property(lambda self: self._values.ndim)
    size = property(lambda self: self._values.size)
    itemsize = property(lambda self: self._values.itemsize)
    nbytes = property(lambda self: self._values.nbytes)
    device = property(lambda self: Device(self._device))
    T = property(lambda self: self._view(self._values.T))

    @property
    def real(self) -> ndarray:
        return self._view(self._values.real)

    @real.setter
    def real(self, value: Any) -> None:
        self._values.real = _operand(value)

    @property
    def imag(self) -> ndarray:
        return self._view(self._values.imag)

    @imag.setter
    def imag(self, value: Any) -> None:
        self._values.imag = _operand(value)

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, key: Any) -> ndarray:
        parts = key if isinstance(key, tuple) else (key,)
        for part in parts:
            if not (part is None or part is Ellipsis or isinstance(part, int | slice)):
                raise TypeError(f"index of type {type(part)}: the protocol promises basic indexing only")
        return self._view(np.asarray(self._values[key]))

    def __setitem__(self, key: Any, value: Any) -> None:
        self._values[key] = _operand(value)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. Use .get() to do so explicitly."
        )

    def __array_ufunc__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")

    def __array_function__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("This function of NumPy does not take CuPy's arrays")

    def get(self) -> Any:
        counts.waits += 1
        return self._values.copy()

    def __bool__(self) -> bool:
        counts.waits += 1
        return bool(_operand(self))

    def copy(self) -> ndarray:
        return _new(self._values)  # onto the current device, as CuPy does

    def astype(self, dtype: Any, order: str = "K", copy: bool = True) -> ndarray:
        values = _operand(self)
        if not copy and values.dtype == dtype and order == "K":
            return self
        return _new(values.astype(dtype, order=order))

    def view(self, dtype: Any) -> ndarray:
        return self._view(self._values.view(dtype))

    def reshape(self, *shape: Any) -> ndarray:
        values = self._values.reshape(*shape)
        if np.shares_memory(values, self._values) or not values.size:
            return self._view(values)
        _operand(self)  # a copy is made by a kernel
        return _new(values)

    def sum(self, axis: Any = None) -> ndarray:
        return _new(_operand(self).sum(axis))

    def max(self, axis: Any = None) -> ndarray:
        return _new(_operand(self).max(axis))

    def transpose(self, *axes: Any) -> ndarray:
        return self._view(self._values.transpose(*axes))

    def all(self) -> ndarray:
        return _new(_operand(self).all())

    def __abs__(self) -> ndarray:
        return _new(abs(_operand(self)))

    def __neg__(self) -> ndarray:
        return _new(-_operand(self))

    def __invert__(self) -> ndarray:
        return _new(~_operand(self))

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, self._device

    def __dlpack__(self, **_: Any) -> Any:
        raise BufferError("The memory is on a CUDA device")

    __hash__ = None  # type: ignore[assignment]


def _operand(x: Any) -> Any:
    """The values of an operand, if CuPy would take it on the current device."""
    if isinstance(x, ndarray):
        if x._device != _current():
            raise ValueError(
                "Array device must be same as the current device: "
                f"array device = {x._device} while current = {_current()}"
            )
        return x._values
    if isinstance(x, bool | int | float | complex | np.generic):
        return x
    raise TypeError(f"Unsupported type {type(x)}")


def _new(values: Any) -> ndarray:
    """A new array on the current device; Fortran order is kept, as CuPy keeps it."""
    values = np.asarray(values)
    if values.ndim > 1 and values.flags.f_contiguous and not values.flags.c_contiguous:
        flat, buffer = _memory(values.T.shape, values.dtype)
        flat[...] = values.T
        return ndarray(flat.T, _current(), buffer)
    inner, buffer = _memory(values.shape, values.dtype)
    inner[...] = values
    return ndarray(inner, _current(), buffer)


def _binary(name: str) -> Callable[[Any, Any], ndarray]:
    function = getattr(operator, name)

    def method(self: Any, other: Any) -> ndarray:
        return _new(function(_operand(self), _operand(other)))

    return method


def _reflected(name: str) -> Callable[[Any, Any], ndarray]:
    function = getattr(operator, name)

    def method(self: Any, other: Any) -> ndarray:
        return _new(function(_operand(other), _operand(self)))

    return method


for _name in ("add", "sub", "mul", "truediv", "pow", "matmul", "lt", "le", "gt", "ge", "eq", "ne"):
    setattr(ndarray, f"__{_name}__", _binary(_name))
for _name in ("add", "sub", "mul", "truediv"):
    setattr(ndarray, f"__r{_name}__", _reflected(_name))


# ------------------------------------------------------------------------------------------ functions


def asarray(a: Any, dtype: Any = None) -> ndarray:
    if isinstance(a, ndarray):
        values = _operand(a)
        return a if dtype is None or values.dtype == dtype else _new(values.astype(dtype))
    getDeviceCount()
    return _new(np.asarray(a, dtype=dtype))


def ascontiguousarray(a: ndarray, dtype: Any = None) -> ndarray:
    return a if a._values.flags.c_contiguous else _new(np.ascontiguousarray(_operand(a)))


def empty(shape: Any, dtype: Any = float) -> ndarray:
    values, buffer = _memory(tuple(shape), dtype)
    return ndarray(values, _current(), buffer)


def zeros(shape: Any, dtype: Any = float) -> ndarray:
    return _new(np.zeros(shape, dtype))


def moveaxis(a: ndarray, source: int, destination: int) -> ndarray:
    return a._view(np.moveaxis(a._values, source, destination))


def concatenate(tup: Any, axis: int = 0) -> ndarray:
    return _new(np.concatenate([_operand(a) for a in tup], axis))


def take(a: ndarray, indices: ndarray, axis: int | None = None) -> ndarray:
    if not isinstance(indices, ndarray):
        raise TypeError("take by an index on the host")
    return _new(np.take(_operand(a), _operand(indices), axis, mode="wrap"))


def where(condition: ndarray, x: Any = None, y: Any = None) -> ndarray:
    return _new(np.where(_operand(condition), _operand(x), _operand(y)))


def maximum(x1: Any, x2: Any) -> ndarray:
    return _new(np.maximum(_operand(x1), _operand(x2)))


def hypot(x1: ndarray, x2: ndarray) -> ndarray:
    return _new(np.hypot(_operand(x1), _operand(x2)))


def sqrt(x: ndarray) -> ndarray:
    return _new(np.sqrt(_operand(x)))


def exp(x: ndarray) -> ndarray:
    return _new(np.exp(_operand(x)))


def log(x: ndarray) -> ndarray:
    return _new(np.log(_operand(x)))


def isfinite(x: ndarray) -> ndarray:
    return _new(np.isfinite(_operand(x)))


def from_dlpack(array: Any) -> ndarray:
    if not isinstance(array, ndarray):
        raise TypeError("no capsule of a CUDA device")
    return array._view(array._values)


def windows(x: ndarray, window_shape: Any, axis: Any = None) -> ndarray:
    return x._view(sliding_window_view(x._values, window_shape, axis))


# ----------------------------------------------------------------------------------------- transforms


class PlanCache:
    """The plans of one thread and device: what was used longest ago goes first."""

    def __init__(self) -> None:
        self._size, self._plans = 16, OrderedDict[Any, None]()

    def get_size(self) -> int:
        return self._size

    def set_size(self, size: int) -> None:
        self._size = size

    def use(self, key: Any) -> None:
        if key not in self._plans:
            counts.plans += 1
        self._plans[key] = self._plans.pop(key, None)
        while len(self._plans) > self._size:
            self._plans.popitem(last=False)


def get_plan_cache() -> PlanCache:
    caches = _local.__dict__.setdefault("caches", {})
    found: PlanCache = caches.setdefault(_current(), PlanCache())
    return found


def _transform(name: str) -> Callable[..., ndarray]:
    def function(
        x: ndarray, s: Any = None, axes: Any = None, norm: Any = None, overwrite_x: bool = False
    ) -> ndarray:
        values = _operand(x)
        if not isinstance(x, ndarray):
            raise TypeError("The input array a must be a cupy.ndarray")
        if values.dtype.kind != "c":
            raise TypeError("CuPy would convert real input in a pass of its own")
        if 0 in values.shape:
            raise ValueError("Invalid number of FFT data points (0) specified.")
        axes = sorted(axis % values.ndim for axis in axes)
        if axes != list(range(values.ndim - len(axes), values.ndim)) or not values.flags.c_contiguous:
            raise ValueError("not one batched transform of trailing axes: CuPy would copy or transpose")
        get_plan_cache().use((values.dtype, values.shape[axes[0] :], values.size))
        found = getattr(scipy_fft, name)(values, axes=axes, norm=norm, workers=1)
        if not overwrite_x:
            return _new(found)
        values[...] = found
        return x

    return function


# -------------------------------------------------------------------------------------------- kernels

_HOST = """
struct Index {{ unsigned x, y, z; }};
static thread_local Index threadIdx, blockIdx, blockDim, gridDim;
#define __global__
#define __device__ static
#define __forceinline__ inline
static inline float root(float x) {{ return __builtin_sqrtf(x); }}
static inline double root(double x) {{ return __builtin_sqrt(x); }}
#define sqrt root
{code}
extern "C" void launch(const unsigned* grid, const unsigned* block, {parameters})
{{
    gridDim = {{grid[0], grid[1], grid[2]}};
    blockDim = {{block[0], block[1], block[2]}};
    for (blockIdx.z = 0; blockIdx.z < grid[2]; blockIdx.z++)
    for (blockIdx.y = 0; blockIdx.y < grid[1]; blockIdx.y++)
    for (blockIdx.x = 0; blockIdx.x < grid[0]; blockIdx.x++)
    for (threadIdx.z = 0; threadIdx.z < block[2]; threadIdx.z++)
    for (threadIdx.y = 0; threadIdx.y < block[1]; threadIdx.y++)
    for (threadIdx.x = 0; threadIdx.x < block[0]; threadIdx.x++)
        {name}({arguments});
}}
"""
_SCALARS = {"int": (np.int32, ctypes.c_int), "long long": (np.int64, ctypes.c_longlong)}
_POINTERS = {
    "float": ("float32",),
    "double": ("float64",),
    "Z": ("complex64", "complex128", "float32", "float64"),  # planar filters are pairs as well
    "int": ("int32",),
}


def parameters(code: str, name: str) -> list[tuple[str, str]]:
    """Type and name of each parameter of a kernel; a pointer's type ends in ``*``."""
    found = re.search(rf'extern "C" __global__ void {name}\(([^)]*)\)', code)
    assert found, f"no kernel {name}"
    real = re.search(r"typedef (\w+) T;", code)
    assert real
    listed = []
    for text in found[1].split(","):
        kind, _, parameter = re.sub(r"const|__restrict__", "", text).strip().rpartition(" ")
        kind = kind.replace(" ", "").replace("longlong", "long long")
        listed.append((re.sub(r"\bT\b", real[1], kind), parameter))
    return listed


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="kernels-")


@cache
def _compiled(code: str, name: str) -> Any:
    """The kernel as a host function that runs every thread of a grid, one after the other."""
    if COMPILER is None:
        pytest.skip("running kernels on the host needs a C++ compiler")
    listed = parameters(code, name)
    text = _HOST.format(
        code=code,
        name=name,
        parameters=", ".join(f"{kind.replace('*', '')}{' *' * ('*' in kind)} {p}" for kind, p in listed),
        arguments=", ".join(p for _, p in listed),
    )
    path = Path(_folder().name, hashlib.sha256(text.encode()).hexdigest() + ".cpp")
    path.write_text(text)
    flags = ["-O1", "-shared", "-fPIC", "-std=c++14", "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas"]
    library = path.with_suffix(".so")
    done = subprocess.run(
        [COMPILER, *flags, "-o", str(library), str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(str(library)).launch


class RawKernel:
    """A kernel that runs on the host, with what CUDA would not notice: arguments of a wrong type or device,
    and writing outside of an array."""

    def __init__(self, code: str, name: str) -> None:
        self.code, self.name = code, name

    def __call__(self, grid: tuple[int, ...], block: tuple[int, ...], args: tuple[Any, ...]) -> None:
        assert all(n >= 1 for n in (*grid, *block))
        assert grid[0] < 2**31
        assert max(grid[1:]) < 2**16
        assert int(np.prod(block)) <= 1024
        listed = parameters(self.code, self.name)
        if len(listed) != len(args):
            raise TypeError(f"{self.name} has {len(listed)} parameters, got {len(args)} arguments")
        values = [_argument(kind, p, a) for (kind, p), a in zip(listed, args, strict=True)]
        shapes = [(ctypes.c_uint * 3)(*shape) for shape in (grid, block)]
        _compiled(self.code, self.name)(*shapes, *values)
        counts.launches += 1
        for argument in args:
            if isinstance(argument, ndarray):
                margins = argument._buffer[:MARGIN], argument._buffer[-MARGIN:]
                if any((margin != NAN_BYTE).any() for margin in margins):
                    raise CUDARuntimeError(f"{self.name}: an illegal memory access was encountered")


def _argument(kind: str, name: str, value: Any) -> Any:
    if kind.endswith("*"):
        values = _operand(value)
        if not isinstance(value, ndarray) or values.dtype.name not in _POINTERS[kind[:-1]]:
            raise TypeError(f"{name} is {kind}, got {type(value)} of {values.dtype}")
        return ctypes.c_void_p(values.ctypes.data)
    wanted, converted = _SCALARS[kind]
    if type(value) is not wanted:  # CuPy passes the bytes of the argument as they are
        raise TypeError(f"{name} is {kind}, got {type(value)}")
    return converted(int(value))


# ----------------------------------------------------------------------------------------- installing


def modules() -> dict[str, ModuleType]:
    """The stand-in's modules by name."""
    made = {name: ModuleType(name) for name in MODULES}
    for name, module in made.items():
        parent, _, last = name.rpartition(".")
        if parent:
            setattr(made[parent], last, module)
    functions = (asarray, ascontiguousarray, concatenate, empty, from_dlpack, isfinite, maximum, moveaxis)
    functions += (exp, hypot, log, sqrt, take, where, zeros)
    vars(made["cupy"]).update({f.__name__: f for f in functions})
    vars(made["cupy"]).update(ndarray=ndarray, RawKernel=RawKernel, __version__="stand-in")
    vars(made["cupy.cuda"]).update(Device=Device)
    vars(made["cupy.cuda.runtime"]).update(
        CUDARuntimeError=CUDARuntimeError,
        getDeviceCount=getDeviceCount,
        getDeviceProperties=getDeviceProperties,
    )
    vars(made["cupy.fft.config"]).update(get_plan_cache=get_plan_cache)
    vars(made["cupy.lib.stride_tricks"]).update(sliding_window_view=windows)
    vars(made["cupyx.scipy.fft"]).update(fftn=_transform("fftn"), ifftn=_transform("ifftn"))
    return made


@contextlib.contextmanager
def installed(devices: int = 2) -> Iterator[ModuleType]:
    """The stand-in under the name ``cupy``, with so many devices; afterwards all is as it was before."""
    import groupscat
    from groupscat.backend import registry

    def ours(name: str) -> bool:
        return name.split(".")[0] in ("cupy", "cupyx", "groupscat_cupy", "cupy_backends") or (
            name == "groupscat.cupy"
        )

    before = {name: sys.modules.pop(name) for name in list(sys.modules) if ours(name)}
    door = vars(groupscat).pop("cupy", None)
    count, _devices.count = _devices.count, devices
    made = modules()
    sys.modules.update(made)
    registry._load.cache_clear()
    try:
        yield made["cupy"]
    finally:
        for name in [name for name in sys.modules if ours(name)]:
            del sys.modules[name]
        sys.modules.update(before)
        vars(groupscat).pop("cupy", None)
        if door is not None:
            vars(groupscat)["cupy"] = door
        _devices.count = count
        registry._load.cache_clear()
