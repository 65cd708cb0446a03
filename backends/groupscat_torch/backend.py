"""The Torch backend: the protocol on plain tensors, on any device, differentiable."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd import forward_ad
from torch.utils._python_dispatch import _disable_current_modes

from groupscat.backend.base import NO_PATH, Arrays, Backend, ConstantKind, Processes, Segments
from groupscat.errors import ArgumentError, DeviceError, DtypeError
from groupscat_torch import fused, graphs
from groupscat_torch.power import power
from groupscat_torch.precision import exact
from groupscat_torch.processes import started
from groupscat_torch.recompute import Recomputing

DTYPES: dict[str, torch.dtype] = {
    **{f"float{bits}": getattr(torch, f"float{bits}") for bits in (16, 32, 64)},
    **{f"{u}int{bits}": getattr(torch, f"{u}int{bits}") for u in ("", "u") for bits in (8, 16, 32, 64)},
    "bfloat16": torch.bfloat16,
    "complex64": torch.complex64,
    "complex128": torch.complex128,
    "bool": torch.bool,
}
#: On an accelerator launches cost more than a cache saves; this bounds the memory of a large batch.
DEVICE_CHUNK_BYTES = 1 << 28
#: Rows of a block shorter than this are copied together before they are used: loops over rows cost more.
SHORT = 50
CONVOLVE = {
    1: torch.nn.functional.conv1d,
    2: torch.nn.functional.conv2d,
    3: torch.nn.functional.conv3d,
}
#: Whether products may be rounded: by ``mixed`` alone, not by an autocast that somebody has put around.
_MIXED: ContextVar[bool] = ContextVar("mixed", default=False)
NAMES = {dtype: name for name, dtype in DTYPES.items()}


class TorchBackend(Recomputing, Backend):
    """Torch tensors."""

    name = "torch"
    chunk_bytes = 15 << 18

    # ---------------------------------------------------------------- primitives: arrays and types

    def owns(self, x: object) -> bool:
        return isinstance(x, Tensor)

    def asarray(self, x: object, dtype: str | None = None, like: Tensor | None = None) -> Tensor:
        device = None if like is None else like.device
        # A constant outlives this call: made in inference mode it could never be differentiated, and while an
        # exporter traces it would be a stand-in without values.
        with torch.inference_mode(False), _no_modes():
            if isinstance(x, np.ndarray):
                # from_numpy shares memory, fails for negative strides and lets one write to read-only arrays.
                x = torch.from_numpy(np.require(x, requirements=["C", "W"]))
            return torch.as_tensor(x, dtype=None if dtype is None else DTYPES[dtype], device=device)

    def put(self, x: NDArray[Any], dtype: str, device: str | None = None) -> Tensor:
        try:
            return self.asarray(x, dtype=dtype).to(device or torch.get_default_device())
        except (RuntimeError, AssertionError) as error:
            raise DeviceError(
                f"device={device!r} cannot be used by torch ({str(error).splitlines()[0]}); "
                f"here: {', '.join(self.devices())}."
            ) from error

    def devices(self) -> tuple[str, ...]:
        found = ["cpu"]
        for k in range(torch.cuda.device_count()):
            found.append(f"cuda:{k} ({torch.cuda.get_device_name(k)})")
        if torch.backends.mps.is_available():
            found.append("mps")
        return tuple(found)

    def to_numpy(self, x: Tensor) -> NDArray[Any]:
        if x.dtype == torch.bfloat16:
            raise DtypeError("NumPy has no bfloat16: convert x first, for example with x.float().")
        return x.detach().cpu().resolve_conj().resolve_neg().numpy()

    def from_dlpack(self, x: Any) -> Tensor:
        try:
            return torch.from_dlpack(x)
        except (RuntimeError, TypeError) as error:
            raise BufferError(str(error)) from error

    def to_dlpack(self, x: Tensor) -> Any:
        if _dense(x).is_quantized:
            raise DtypeError(f"x has the quantised dtype {x.dtype}: pass x.dequantize() or x.int_repr().")
        if x.requires_grad:
            raise DtypeError("A gradient cannot follow x into another framework: pass x.detach().")
        return x

    def shape(self, x: Tensor) -> tuple[Any, ...]:
        return tuple(_dense(x).shape)

    def dtype(self, x: Tensor) -> str:
        return NAMES.get(x.dtype, str(x.dtype))

    def device(self, x: Tensor) -> Hashable:
        return x.device

    def cast(self, x: Tensor, dtype: str) -> Tensor:
        wanted = DTYPES[dtype]
        return x if x.dtype is wanted else x.to(wanted)

    def is_tracing(self, x: Tensor) -> bool:
        return torch.compiler.is_compiling() or torch.jit.is_tracing() or _transformed(x)

    def chunk(self, x: Tensor) -> int:
        return self.chunk_bytes if x.device.type == "cpu" else DEVICE_CHUNK_BYTES

    def all_finite(self, x: Tensor) -> bool:
        return bool(torch.isfinite(x).all())

    def zeros(self, shape: Sequence[int], dtype: str, like: Tensor) -> Tensor:
        return torch.zeros(tuple(shape), dtype=DTYPES[dtype], device=like.device)

    # ------------------------------------------------------------------- primitives: rearrangement

    def reshape(self, x: Tensor, shape: Sequence[int]) -> Tensor:
        return x.reshape(tuple(shape))

    def moveaxis(self, x: Tensor, source: int, destination: int) -> Tensor:
        return x.movedim(source, destination)

    def concat(self, xs: Sequence[Tensor], axis: int) -> Tensor:
        return torch.cat(tuple(xs), axis)

    def take(self, x: Tensor, index: Tensor, axis: int) -> Tensor:
        return x.index_select(axis, index)

    def where(self, condition: Tensor, x: Tensor, otherwise: float) -> Tensor:
        return torch.where(condition, x, otherwise)

    # ----------------------------------------------------------------------- primitives: arithmetic

    def linear(self, x: Tensor, matrix: Tensor) -> Tensor:
        with _full_precision(x):
            return torch.nn.functional.linear(x, matrix)

    def matmul(self, x: Tensor, y: Tensor) -> Tensor:
        with _full_precision(x):
            return torch.matmul(x, y)

    def sum(self, x: Tensor, axes: tuple[int, ...]) -> Tensor:
        if x.dtype is torch.bfloat16 and _mixed():
            return x.sum(axes, dtype=torch.float32)
        if x.is_contiguous():
            return x.sum(axes)
        z, back = _along_memory(x)
        z = z.sum(tuple(back[k] for k in axes), keepdim=True).permute(back)
        return z.reshape([n for k, n in enumerate(z.shape) if k not in {a % x.ndim for a in axes}])

    def max(self, x: Tensor, axes: tuple[int, ...]) -> Tensor:
        return x.amax(axes)

    def relu(self, x: Tensor) -> Tensor:
        return x.relu()

    def exp(self, x: Tensor) -> Tensor:
        return x.exp()

    def log(self, x: Tensor) -> Tensor:
        return x.log()

    def real(self, x: Tensor) -> Tensor:
        return x.real

    def imag(self, x: Tensor) -> Tensor:
        return x.imag

    def complex(self, re: Tensor, im: Tensor) -> Tensor:
        return torch.complex(re, im)

    def modulus(self, z: Tensor, axis: int | None = None) -> Tensor:
        if not z.is_complex():
            return z.abs() if axis is None else power((z * z).sum(axis), 0.5)
        if kernels := _kernels(z):
            return kernels.modulus(z, axis)
        # Torch's abs of complex numbers costs more than the FFT before it.
        pairs = torch.view_as_real(z)
        re, im = (pairs * pairs).unbind(-1)
        squares = re + im
        return power(squares if axis is None else squares.sum(axis), 0.5)

    def power(self, x: Tensor, q: float) -> Tensor:
        if q >= 1:
            return x if q == 1 else x * x if q == 2 else x**q
        return power(x, q)

    def fft(self, x: Tensor, axes: tuple[int, ...]) -> Tensor:
        if len(axes) == 1:  # real input is transformed by half the work here, but not in fftn
            return torch.fft.fft(x, dim=axes[0])
        return torch.fft.fftn(x, dim=axes)

    def backward_fft(self, x: Tensor, axes: tuple[int, ...]) -> Tensor:
        return torch.fft.ifftn(x, dim=axes, norm="forward")

    # --------------------------------------------------------------------------- composites

    def compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return torch.compile(function)

    def gradients(
        self, function: Callable[[Arrays], tuple[Tensor, Arrays]], xs: Arrays
    ) -> tuple[Tensor, Arrays, Arrays]:
        with torch.inference_mode(False), torch.enable_grad():
            # Of its own: in inference mode x could not be differentiated.
            leaves = {
                name: (x.clone() if x.is_inference() else x.detach()).requires_grad_()
                for name, x in xs.items()
            }
            value, others = function(leaves)
            if not value.requires_grad:
                raise ArgumentError(NO_PATH.format(name=self.name))
            found = torch.autograd.grad(value, list(leaves.values()), allow_unused=True)
        if all(gradient is None for gradient in found):
            raise ArgumentError(NO_PATH.format(name=self.name))
        gradients = {
            name: torch.zeros_like(x) if gradient is None else gradient
            for (name, x), gradient in zip(xs.items(), found, strict=True)
        }
        return value.detach(), {name: x.detach() for name, x in others.items()}, gradients

    @contextmanager
    def mixed(self, x: Tensor) -> Iterator[None]:
        before = _MIXED.set(True)
        try:
            with torch.autocast(x.device.type, torch.bfloat16):
                yield
        finally:
            _MIXED.reset(before)

    def exact(self, x: Tensor) -> AbstractContextManager[Any]:
        return exact() if x.is_cuda and not torch.compiler.is_compiling() else nullcontext()

    def replayed(
        self, function: graphs.Function, key: Hashable, data: tuple[str, ...], nbytes: int
    ) -> graphs.Function:
        return partial(graphs.GRAPHS.run, function, (key, _mixed()), data, nbytes)

    def processes(self) -> Processes:
        return started()

    # Complex × real in Torch converts the filter to complex and multiplies four times; on (re, im) pairs
    # with each filter sample stored twice it is one pass, 30 times faster.

    def prepare(self, constant: NDArray[Any], kind: ConstantKind) -> NDArray[Any]:
        if kind == "filter":
            return np.repeat(constant[..., None], 2, axis=-1)
        return super().prepare(constant, kind)

    def scale(self, z: Tensor, filters: Tensor) -> Tensor:
        return torch.view_as_complex(torch.view_as_real(z) * filters)

    def multiply(self, z: Tensor, filters: Tensor) -> Tensor:
        return z * torch.view_as_complex(filters)

    def bandpass(
        self, spectrum: Tensor, filters: Tensor, segments: Sequence[Segments], fold: Sequence[int]
    ) -> Tensor:
        if (kernels := _kernels(spectrum, filters)) and kernels.fits(spectrum):
            product = kernels.multiply_fold(spectrum, filters, segments, fold)
            return self.backward_fft(product, tuple(range(-len(fold), 0)))
        total: Tensor | None = None
        filters = filters.expand(*filters.shape[:-1], 2).contiguous()  # where compiled kernels keep them once
        for block, psi in zip(self.blocks(self.window(spectrum, segments), fold), filters, strict=True):
            if block.shape[-1] < SHORT:
                block = block.contiguous()
            x = torch.view_as_real(block)[:, :, None]
            total = x * psi if total is None else _add_product(total, x, psi)
        assert total is not None
        z = torch.view_as_complex(total).flatten(1, 2)
        return self.backward_fft(z, tuple(range(-len(fold), 0)))

    def bandpass_modulus(
        self, spectrum: Tensor, filters: Tensor, segments: Sequence[Segments], fold: Sequence[int]
    ) -> Tensor:
        z = self.bandpass(spectrum, filters, segments, fold)
        if _kernels(z) or not _forgotten(z):
            return self.modulus(z)
        re, im = torch.view_as_real(z).square_().unbind(-1)  # nobody else's: squared where it lies
        return (re + im).sqrt_()

    def harmonic_modulus(self, spectrum: Tensor, filters: Tensor) -> Tensor:
        axes = tuple(range(2 - filters.ndim, 0))
        if kernels := _kernels(spectrum, filters):
            # All harmonics at once, of as many signals as the bound on memory allows.
            size, psi = max(1, DEVICE_CHUNK_BYTES // filters.nbytes), torch.view_as_complex(filters)
            parts = (self.backward_fft(part * psi, axes) for part in spectrum[:, :, None].split(size))
            return torch.cat([kernels.modulus(z, 2) for z in parts])
        # One harmonic at a time: its response is in the cache when it is squared.
        total: Tensor | None = None
        for psi in torch.view_as_complex(filters).unbind():
            re, im = torch.view_as_real(self.backward_fft(spectrum * psi, axes)).unbind(-1)
            total = re * re if total is None else _add_product(total, re, re)
            total = _add_product(total, im, im)
        assert total is not None
        return power(total, 0.5)

    def hypot(self, re: Tensor, im: Tensor) -> Tensor:
        if not (_forgotten(re) and _forgotten(im)):
            return super().hypot(re, im)
        if re.is_cuda:
            return torch.hypot(re, im)  # one pass there, several times as slow on a CPU
        return (re * re).addcmul_(im, im).sqrt_()

    def frame(self, x: Tensor, width: int, hop: int) -> Tensor:
        return x.unfold(-1, width, hop)

    def filterbank(self, x: Tensor, kernels: Tensor, stride: int) -> Tensor:
        d = kernels.ndim - 1
        if d > 3:
            return super().filterbank(x, kernels, stride)
        channels = x.shape[1]
        x = self.wrap(x, [t // 2 for t in kernels.shape[1:]]).flatten(0, 1)[:, None]
        with _full_precision(x):
            y = CONVOLVE[d](x, kernels[:, None], stride=stride)
        return y.unflatten(0, (-1, channels))

    def permute(self, x: Tensor, order: Sequence[int]) -> Tensor:
        return x.permute(tuple(order))

    def conv(
        self,
        x: Tensor,
        w: Tensor,
        stride: Sequence[int],
        dilation: Sequence[int],
        margin: Sequence[tuple[int, int]],
        groups: int,
    ) -> Tensor:
        if len(margin) > 3:
            return super().conv(x, w, stride, dilation, margin, groups)
        even = all(before == after for before, after in margin)
        if not even:
            x, margin = self.surround(x, margin), [(0, 0)] * len(margin)
        before = [b for b, _ in margin]
        with _full_precision(x):
            return CONVOLVE[len(margin)](x, w, None, tuple(stride), before, tuple(dilation), groups)

    def elu(self, x: Tensor, alpha: float) -> Tensor:
        z, back = _along_memory(x)
        return torch.nn.functional.elu(z, alpha).permute(back)

    def squared_difference(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.nn.functional.mse_loss(x, y.expand_as(x), reduction="none")

    def batch_norm(
        self, x: Tensor, mean: Tensor, variance: Tensor, affine: Sequence[Tensor], eps: float, own: bool
    ) -> Tensor:
        if not own:
            return super().batch_norm(x, mean, variance, affine, eps, own)
        weight, bias = affine or (None, None)
        # Torch does not centre before it scales. Neither values nor gradients change by a constant.
        centred = x - mean.detach().reshape(1, -1, *(1,) * (x.ndim - 2))
        z, back = _along_memory(centred)
        at = back[1]
        rows, columns = (math.prod(z.shape[k] for k in part) for part in (range(at), range(at + 1, z.ndim)))
        y = torch.batch_norm(
            z.reshape(rows, -1, columns),
            weight, bias, None, None, True, 0.0, eps, torch.backends.cudnn.enabled,
        )  # fmt: skip
        return y.reshape(z.shape).permute(back)

    def surround(self, x: Tensor, margin: Sequence[tuple[int, int]]) -> Tensor:
        return torch.nn.functional.pad(x, [n for pair in reversed(margin) for n in pair])


def _along_memory(x: Tensor) -> tuple[Tensor, tuple[int, ...]]:
    """x with its axes in the order in which they lie in memory; what permutes it back.

    Convolutions leave axes in other orders. Torch runs through a result, and the gradients that reach it, in
    the order of its axes: several times slower where that is not the order in memory.
    """
    axes = tuple(range(x.ndim))
    if not _in_place(x):  # compilers see to that themselves
        return x, axes
    order = tuple(sorted(axes, key=x.stride, reverse=True))
    return x.permute(order), tuple(map(order.index, axes))


def _add_product(total: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """total + x·y, in one pass over memory where it can be done in place."""
    return total.addcmul_(x, y) if _in_place(total) else total + x * y


def _in_place(x: Tensor) -> bool:
    """Whether fused in-place operations may be used: compilers do without, and vmap has no rule for them."""
    return not (torch.compiler.is_compiling() or _transformed(x))


def _forgotten(x: Tensor) -> bool:
    """Whether nobody differentiates or traces: what is made of x may be overwritten."""
    return not x.requires_grad and _in_place(x) and forward_ad._current_level < 0


def _kernels(*xs: Tensor) -> ModuleType | None:
    """Kernels of our own, for arrays on a GPU that nobody differentiates."""
    return fused.kernels(xs[0].device) if all(map(_forgotten, xs)) else None


def _transformed(x: Tensor) -> bool:
    """Whether torch.func (vmap, grad, jvp) is at work on x."""
    return torch._C._functorch.is_functorch_wrapped_tensor(x)


def _full_precision(x: Tensor) -> AbstractContextManager[Any]:
    """Autocast would lower the precision of a transform that is exact by contract."""
    kind = x.device.type
    if not torch.amp.is_autocast_available(kind):  # the meta device, for one
        return nullcontext()
    return nullcontext() if _mixed() else torch.autocast(kind, enabled=False)


def _mixed() -> bool:
    """Whether products are rounded, and sums of them not; Dynamo cannot look it up, and nobody asks it to."""
    return not torch.compiler.is_dynamo_compiling() and _MIXED.get()


def _no_modes() -> AbstractContextManager[Any]:
    """No fake tensors and no tracing by operations; Dynamo, which traces code instead, cannot enter this."""
    return nullcontext() if torch.compiler.is_dynamo_compiling() else _disable_current_modes()


def _dense(x: Tensor) -> Tensor:
    """x itself; other layouts are refused: later they fail with messages that name no way out."""
    if x.layout is not torch.strided or x.is_nested:
        kind = "nested" if x.is_nested else str(x.layout)
        raise DtypeError(
            f"x is a {kind} tensor; expected a dense one. Convert x first: x.to_dense(), or "
            "torch.nested.to_padded_tensor for a nested one."
        )
    return x
