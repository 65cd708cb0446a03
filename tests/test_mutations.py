"""The contract itself is tested: a backend with a fault in any primitive or composite must not keep it."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from groupscat.backend import Backend, get_backend
from groupscat.testing import BackendContract, run_contract
from tests.frameworks import missing

if missing("torch"):
    pytest.skip('pip install "groupscat[torch]"', allow_module_level=True)

import torch

Change = Callable[..., Any]


@dataclass(frozen=True)
class Mutation:
    """A fault: method of the backend, and what takes its place, called with the original first."""

    name: str
    method: str
    change: Change


def result(transform: Callable[[Any], Any]) -> Change:
    """The right result, spoilt."""
    return lambda original, self, *args, **options: transform(original(self, *args, **options))


def arguments(transform: Callable[..., tuple[Any, ...]]) -> Change:
    """The right computation, of spoilt arguments."""
    return lambda original, self, *args, **options: original(self, *transform(*args), **options)


def unguarded_power(original: Any, self: Any, x: Any, q: float) -> Any:
    return x**q


def unguarded_modulus(original: Any, self: Any, z: Any, axis: int | None = None) -> Any:
    squares = z.real**2 + z.imag**2 if z.is_complex() else z * z
    return (squares if axis is None else squares.sum(axis)).sqrt()


def rows_outermost(original: Any, self: Any, x: Any, shape: Any) -> Any:
    """Fortran's order of elements."""
    flat = x.permute(*reversed(range(x.ndim))).reshape(-1)
    size = x.numel()
    known = [math.prod(n for n in shape if n != -1)]
    sizes = [size // known[0] if n == -1 else n for n in shape]
    return flat.reshape(tuple(reversed(sizes))).permute(*reversed(range(len(sizes))))


def one_axis_less(original: Any, self: Any, x: Any, axes: tuple[int, ...]) -> Any:
    return original(self, x, axes[1:] if len(axes) > 1 else axes)


def in_single(original: Any, self: Any, x: Any, *rest: Any) -> Any:
    single = {torch.float64: torch.float32, torch.complex128: torch.complex64}.get(x.dtype, x.dtype)
    y = original(self, x.to(single), *rest)
    wide = {torch.float32: torch.float64, torch.complex64: torch.complex128}
    return y.to(wide[y.dtype]) if single != x.dtype else y


def in_double(original: Any, self: Any, x: Any, *rest: Any) -> Any:
    """Silent upcast."""
    wide = {torch.float32: torch.float64, torch.complex64: torch.complex128}.get(x.dtype, x.dtype)
    rest = tuple(r.to(torch.float64) if isinstance(r, torch.Tensor) else r for r in rest)
    return original(self, x.to(wide), *rest)


def in_place(original: Any, self: Any, x: Any, *rest: Any) -> Any:
    """The result overwrites what was given."""
    y = original(self, x, *rest)
    x.mul_(2)
    return y


def folded_with_the_mean(original: Any, self: Any, x: Any, f: Any, segments: Any, fold: Any) -> Any:
    return original(self, x, f, segments, fold) / math.prod(fold)


def first_block_only(original: Any, self: Any, x: Any, f: Any, segments: Any, fold: Any) -> Any:
    return original(self, self.window(x, segments), torch.cat([f[:1], 0 * f[1:]]), [None] * len(fold), fold)


def channels_in_the_wrong_order(original: Any, self: Any, x: Any, f: Any, segments: Any, fold: Any) -> Any:
    y = original(self, x, f, segments, fold)
    return y.unflatten(1, (x.shape[1], -1)).transpose(1, 2).flatten(1, 2)


def constant_of_another_signal(original: Any, self: Any, x: Any, *rest: Any) -> Any:
    """A value kept from the first call: wrong from the second on, and for other threads."""
    kept = self.__dict__.setdefault("_kept", {})
    return kept.setdefault((tuple(x.shape), x.dtype), original(self, x, *rest))


def taps_flipped(original: Any, self: Any, x: Any, w: Any, *rest: Any) -> Any:
    """A convolution instead of a correlation."""
    return original(self, x, w.flip(*range(2, w.ndim)), *rest)


def groups_in_reverse(original: Any, self: Any, x: Any, w: Any, *rest: Any) -> Any:
    """Outputs of the first group see the inputs of the last."""
    parts = x.chunk(rest[-1], 1)
    return original(self, torch.cat(parts[::-1], 1), w, *rest)


def outputs_interleaved(original: Any, self: Any, x: Any, w: Any, *rest: Any) -> Any:
    """Output o belongs to group o mod groups."""
    order = torch.arange(len(w)).reshape(rest[-1], -1).T.flatten()
    return original(self, x, w[order], *rest)[:, order.argsort()]


def scaled_first(
    original: Any, self: Any, x: Any, mean: Any, variance: Any, affine: Any, eps: float, own: bool
) -> Any:
    """x · scale − mean · scale: far from zero no digits are left."""
    scale, (weight, bias) = (variance + eps) ** -0.5, affine or (1.0, torch.zeros_like(mean))
    scale, shift = (
        a.reshape(1, -1, *(1,) * (x.ndim - 2)) for a in (scale * weight, bias - mean * scale * weight)
    )
    return x * scale + shift


def by_name(change: Callable[[Any], Any]) -> Any:
    """Every gradient changed."""
    return result(lambda r: (*r[:2], {name: change(g) for name, g in r[2].items()}))


def no_imaginary_part(original: Any, self: Any, x: Any, *rest: Any) -> Any:
    if not x.is_complex():
        return original(self, x, *rest)
    re = original(self, x.real, *rest)
    return torch.complex(re, torch.zeros_like(re))


T = torch
MUTATIONS = [
    # arrays and types
    Mutation("lists are taken for arrays", "owns", lambda f, self, x: isinstance(x, list) or f(self, x)),
    Mutation("its own arrays are not recognised", "owns", lambda f, self, x: False),
    Mutation("dtype of asarray ignored", "asarray", lambda f, self, x, dtype=None, like=None: f(self, x)),
    Mutation("asarray in Fortran's order", "asarray",
             lambda f, self, x, **o: f(self, np.ravel(x, "F").reshape(np.shape(x))
                                       if isinstance(x, np.ndarray) else x, **o)),
    Mutation("read-only memory shared", "asarray",
             lambda f, self, x, dtype=None, like=None:
             T.from_dlpack(_writable(x)) if isinstance(x, np.ndarray) and not x.flags.writeable
             else f(self, x, dtype, like)),
    Mutation("put ignores the element type", "put",
             lambda f, self, x, dtype, device=None: f(self, x, "float64")),
    Mutation("put ignores the device", "put", lambda f, self, x, dtype, device=None: f(self, x, dtype)),
    Mutation("no device named", "devices", result(lambda d: ())),
    Mutation("to_numpy rounds", "to_numpy",
             result(lambda x: x.astype("float32").astype(x.dtype) if x.dtype == "float64" else x)),
    Mutation("to_numpy conjugates", "to_numpy", result(np.conj)),
    Mutation("shape reversed", "shape", result(lambda s: s[::-1])),
    Mutation("dtype always double", "dtype", result(lambda d: "float64")),
    Mutation("device not hashable", "device", result(lambda d: [d])),
    Mutation("cast forgotten", "cast", lambda f, self, x, dtype: x),
    Mutation("cast through float32", "cast",
             lambda f, self, x, dtype: f(self, x.to(T.complex64 if x.is_complex() else T.float32), dtype)),
    Mutation("always tracing", "is_tracing", result(lambda t: True)),
    Mutation("infinity is finite", "all_finite", lambda f, self, x: not bool(T.isnan(x).any())),
    Mutation("ones for zeros", "zeros", result(lambda z: z + 1)),
    Mutation("zeros in double", "zeros", lambda f, self, shape, dtype, like: f(self, shape, "float64", like)),
    Mutation("complex numbers called real", "is_complex", result(lambda c: False)),
    # sharing
    Mutation("memory exported reversed", "to_dlpack", result(lambda x: x.flip(0))),
    Mutation("memory imported doubled", "from_dlpack", result(lambda x: x * 2)),
    # rearrangement
    Mutation("reshape in Fortran's order", "reshape", rows_outermost),
    Mutation("axes moved the wrong way", "moveaxis", arguments(lambda x, a, b: (x, b, a))),
    Mutation("axes swapped, not moved", "moveaxis", lambda f, self, x, a, b: x.transpose(a, b)),
    Mutation("concatenated in reverse", "concat", arguments(lambda xs, axis: (xs[::-1], axis))),
    Mutation("concatenated along the last axis", "concat", arguments(lambda xs, axis: (xs, -1))),
    Mutation("take from the end", "take", arguments(lambda x, i, axis: (x, i.flip(0), axis))),
    Mutation("take one further", "take", arguments(lambda x, i, axis: (x, (i + 1) % x.shape[axis], axis))),
    Mutation("where inverted", "where", arguments(lambda c, x, o: (~c, x, o))),
    Mutation("where multiplies", "where", lambda f, self, c, x, o: x * c),
    # arithmetic
    Mutation("matrix reversed", "linear", arguments(lambda x, m: (x, m.flip(-1)))),
    Mutation("product in single precision", "linear", in_single),
    Mutation("product in double precision", "linear", in_double),
    Mutation("mean for sum", "sum", lambda f, self, x, axes: x.mean(axes)),
    Mutation("sum of what lies in memory", "sum",
             lambda f, self, x, axes:
             f(self, x.permute(sorted(range(x.ndim), key=x.stride, reverse=True)), axes)),
    Mutation("sum along the first axis", "sum", lambda f, self, x, axes: f(self, x, (0,))),
    Mutation("right factor transposed", "matmul",
             lambda f, self, x, y: f(self, x, y.mT if y.shape[-1] == y.shape[-2] else y.flip(-1))),
    Mutation("left factor transposed", "matmul",
             lambda f, self, x, y: f(self, x.mT.contiguous().view(x.shape), y)),
    Mutation("factors exchanged", "matmul", lambda f, self, x, y: f(self, y.mT, x.mT)),
    Mutation("axes before the matrices not broadcast", "matmul",
             lambda f, self, x, y: f(self, x, y[:1]) if y.ndim > 2 else f(self, x, y)),
    Mutation("matrices in single precision", "matmul", in_single),
    Mutation("matrices in double precision", "matmul", in_double),
    Mutation("matrices detached from the gradient", "matmul", result(lambda y: y.detach())),
    Mutation("maximum over the first axis", "max",
             lambda f, self, x, axes: f(self, x.transpose(0, axes[0]), (0, *axes[1:]))
             if 0 not in axes else f(self, x, axes[:1])),
    Mutation("maximum over one axis too few", "max", one_axis_less),
    Mutation("minimum for maximum", "max", lambda f, self, x, axes: -f(self, -x, axes)),
    Mutation("maximum of nothing below zero", "max", result(lambda y: y.clamp(min=0))),
    Mutation("largest modulus", "max", lambda f, self, x, axes: f(self, x.abs(), axes)),
    Mutation("relu keeps the sign", "relu", lambda f, self, x: x.abs()),
    Mutation("leaky relu", "relu", lambda f, self, x: T.where(x > 0, x, (0.01 * x).to(x.dtype))),
    Mutation("power of two", "exp", lambda f, self, x: f(self, x * math.log(2))),
    Mutation("power of e less one", "exp", result(lambda y: y - 1)),
    Mutation("exponential in single precision", "exp", in_single),
    Mutation("exponential detached from the gradient", "exp", result(lambda y: y.detach())),
    Mutation("logarithm to base 2", "log", lambda f, self, x: f(self, x) / math.log(2)),
    Mutation("logarithm of one more", "log", lambda f, self, x: f(self, x + 1)),
    Mutation("logarithm in single precision", "log", in_single),
    Mutation("logarithm detached from the gradient", "log", result(lambda y: y.detach())),
    Mutation("real part of the conjugate's imaginary", "real", lambda f, self, x: -x.imag),
    Mutation("imaginary part negated (missing conjugate)", "imag", result(T.neg)),
    Mutation("parts swapped", "complex", arguments(lambda re, im: (im, re))),
    Mutation("modulus squared", "modulus", result(T.square)),
    Mutation("modulus of the real part", "modulus",
             lambda f, self, z, axis=None: f(self, z.real if z.is_complex() else z, axis)),
    Mutation("sum of moduli", "modulus",
             lambda f, self, z, axis=None: f(self, z) if axis is None else f(self, z).sum(axis)),
    Mutation("gradient of the modulus NaN at zero", "modulus", unguarded_modulus),
    Mutation("modulus detached from the gradient", "modulus", result(lambda y: y.detach())),
    Mutation("exponent ignored", "power", lambda f, self, x, q: x),
    Mutation("gradient of the power infinite at zero", "power", unguarded_power),
    Mutation("orthonormal transform", "fft",
             lambda f, self, x, axes: f(self, x, axes) / math.sqrt(math.prod(x.shape[a] for a in axes))),
    Mutation("transform of the wrong sign", "fft", result(lambda z: z.conj().resolve_conj())),
    Mutation("transform of one axis too few", "fft", one_axis_less),
    Mutation("transform in single precision", "fft", in_single),
    Mutation("transform in double precision (silent upcast)", "fft", in_double),
    Mutation("transform of the real part", "fft", lambda f, self, x, axes: f(self, x.real, axes)
             if x.is_complex() else f(self, x, axes)),
    Mutation("inverse transform with 1/N", "backward_fft", lambda f, self, x, axes: T.fft.ifftn(x, dim=axes)),
    Mutation("inverse transform forward", "backward_fft", lambda f, self, x, axes: T.fft.fftn(x, dim=axes)),
    Mutation("inverse transform overwrites its input", "backward_fft",
             lambda f, self, x, axes: in_place(f, self, x, axes) if x.is_complex() else f(self, x, axes)),
    # composites
    Mutation("matrices transposed by prepare", "prepare",
             lambda f, self, c, kind: f(self, c.T if kind == "matrix" else c, kind)),
    Mutation("filters scaled by 1e-9", "prepare",
             lambda f, self, c, kind: f(self, c * (1 + 1e-9) if kind == "filter" else c, kind)),
    Mutation("filters squared", "scale", lambda f, self, z, psi: f(self, f(self, z, psi), psi)),
    Mutation("conjugate filters", "multiply",
             lambda f, self, z, psi: f(self, z, psi * T.tensor([1, -1], dtype=psi.dtype))),
    Mutation("zeros not written", "pad",
             arguments(lambda x, index, zero: (x, [i.clamp(0) for i in index], False))),
    Mutation("padded along one axis for the other", "pad",
             lambda f, self, x, index, zero: f(self, x.transpose(-1, -2), index[::-1], zero).transpose(-1, -2)
             if len(index) == 2 else f(self, x, index, zero).flip(-1)),
    Mutation("axis to be left alone cut to its first sample", "pad",
             arguments(lambda x, index, zero: (x, [T.tensor([0]) if i is None else i for i in index], zero))),
    Mutation("zeros where an axis is left alone", "pad",
             lambda f, self, x, index, zero: f(self, x, index, zero or None in index) * (None not in index)),
    Mutation("the inverse permutation", "permute",
             lambda f, self, x, order: f(self, x, tuple(np.argsort(order)))),
    Mutation("axes reversed", "permute", lambda f, self, x, order: f(self, x, tuple(order)[::-1])),
    Mutation("last two axes forgotten", "permute",
             lambda f, self, x, order: x.permute(order).transpose(-1, -2)),
    Mutation("convolution, not correlation", "conv", taps_flipped),
    Mutation("groups in reverse", "conv", groups_in_reverse),
    Mutation("outputs of groups interleaved", "conv", outputs_interleaved),
    Mutation("groups ignored", "conv",
             lambda f, self, x, w, *rest: f(self, x, T.cat([w] * rest[-1], 1), *rest[:-1], 1)),
    Mutation("margins swapped", "conv",
             lambda f, self, x, w, s, d, m, groups: f(self, x, w, s, d, [p[::-1] for p in m], groups)),
    Mutation("margins of the axes in reverse", "conv",
             lambda f, self, x, w, s, d, m, groups: f(self, x, w, s, d, m[::-1], groups)),
    Mutation("dilation ignored", "conv",
             lambda f, self, x, w, s, d, m, groups: f(self, x, w, s, [1] * len(d), m, groups)),
    Mutation("dilations of the axes in reverse", "conv",
             lambda f, self, x, w, s, d, m, groups: f(self, x, w, s, d[::-1], m, groups)),
    Mutation("stride of the first axis for all", "conv",
             lambda f, self, x, w, s, d, m, groups: f(self, x, w, s[:1] * len(s), d, m, groups)),
    Mutation("stride taken for dilation", "conv",
             lambda f, self, x, w, s, d, m, groups: f(self, x, w, d, s, m, groups)),
    Mutation("last channel dropped", "conv",
             lambda f, self, x, w, *rest: f(self, x, T.cat([w[:, :-1], 0 * w[:, -1:]], 1), *rest)),
    Mutation("filters detached from the gradient", "conv",
             arguments(lambda x, w, *rest: (x, w.detach(), *rest))),
    Mutation("convolution in single precision", "conv", in_single),
    Mutation("convolution in double precision", "conv", in_double),
    Mutation("alpha forgotten", "elu", lambda f, self, x, alpha: f(self, x, 1.0)),
    Mutation("ELU of minus x", "elu", lambda f, self, x, alpha: -f(self, -x, alpha)),
    Mutation("gradient of the ELU NaN far above zero", "elu",
             lambda f, self, x, alpha: T.where(x > 0, x, alpha * (x.exp() - 1))),
    Mutation("ELU in single precision", "elu", in_single),
    Mutation("difference not squared", "squared_difference", lambda f, self, x, y: (x - y).abs()),
    Mutation("subtrahend detached from the gradient", "squared_difference",
             arguments(lambda x, y: (x, y.detach()))),
    Mutation("differences in double precision", "squared_difference", in_double),
    Mutation("statistics detached from the gradient", "batch_norm",
             lambda f, self, x, m, v, affine, eps, own:
             f(self, x, m.detach(), v.detach(), affine, eps, False)),
    Mutation("statistics always its own", "batch_norm",
             lambda f, self, x, m, v, affine, eps, own: f(self, x, m, v, affine, eps, True)),
    Mutation("divided by the variance", "batch_norm",
             lambda f, self, x, m, v, affine, eps, own: f(self, x, m, v * v, affine, eps, False)),
    Mutation("eps forgotten", "batch_norm",
             lambda f, self, x, m, v, affine, eps, own: f(self, x, m, v, affine, 0.0, own)),
    Mutation("bias forgotten", "batch_norm",
             lambda f, self, x, m, v, affine, eps, own:
             f(self, x, m, v, [a * (1 - k) for k, a in enumerate(affine)], eps, own)),
    Mutation("scaled before it is centred", "batch_norm", scaled_first),
    Mutation("weights of the channels in reverse", "batch_norm",
             lambda f, self, x, m, v, affine, eps, own:
             f(self, x, m, v, [a.flip(0) for a in affine], eps, own)),
    Mutation("surrounded by ones", "surround",
             lambda f, self, x, m: f(self, x - 1, m) + 1),
    Mutation("surrounded after, not before", "surround", arguments(lambda x, m: (x, [p[::-1] for p in m]))),
    Mutation("surrounded along the axes in reverse", "surround", arguments(lambda x, m: (x, m[::-1]))),
    Mutation("segments out of order", "window",
             arguments(lambda x, segments: (x, [s and s[::-1] for s in segments]))),
    Mutation("window one sample late", "window",
             lambda f, self, x, segments: f(self, x.roll(-1, -1) if segments[-1] else x, segments)),
    Mutation("folded with the mean (wrong fold scale)", "bandpass", folded_with_the_mean),
    Mutation("aliases dropped", "bandpass", first_block_only),
    Mutation("channels in the wrong order", "bandpass", channels_in_the_wrong_order),
    Mutation("last wavelet repeats the one before (dropped path)", "bandpass",
             arguments(lambda x, f, s, k: (x, T.cat([f[:, :-1], f[:, -2:-1]], 1), s, k))),
    Mutation("blocks in reverse", "blocks", result(lambda parts: parts[::-1])),
    Mutation("modulus folded with the mean", "bandpass_modulus", folded_with_the_mean),
    Mutation("modulus of a kept response", "bandpass_modulus", constant_of_another_signal),
    Mutation("last m dropped", "harmonic_modulus", arguments(lambda x, f: (x, f[: max(1, len(f) - 1)]))),
    Mutation("harmonics averaged", "harmonic_modulus",
             lambda f, self, x, h: f(self, x, h) / math.sqrt(len(h))),
    Mutation("imaginary part not squared", "hypot", arguments(lambda re, im: (re, 0 * im))),
    Mutation("imaginary parts before real ones", "channel_modulus",
             lambda f, self, z, m, n: f(self, z, m.roll(n, -1) if z.is_complex() else m.flip(-1), n)),
    Mutation("the matrix of the first group for all", "channel_modulus",
             arguments(lambda z, m, n: (z, m[:1], n))),
    Mutation("modulus of groups in the wrong order", "channel_modulus",
             lambda f, self, z, m, n: f(self, z, m.flip(0), n)),
    Mutation("rows of the mixture in reverse", "mix_channels", arguments(lambda x, m, n: (x, m.flip(0), n))),
    Mutation("channels of groups interleaved", "mix_channels",
             lambda f, self, x, m, n: f(self, x.unflatten(1, (n, -1)).transpose(1, 2).flatten(1, 2), m, n)),
    Mutation("imaginary part lost by the low-pass", "lowpass_subsample", no_imaginary_part),
    Mutation("low-pass along the wrong axis", "lowpass_subsample",
             lambda f, self, x, m, frames, counts: f(self, x.roll(1, -1), m, frames, counts)),
    Mutation("frames one sample late", "frame", lambda f, self, x, w, hop: f(self, x.roll(-1, -1), w, hop)),
    Mutation("frames with hop 1", "frame",
             lambda f, self, x, w, hop: f(self, x, w, 1)[..., : (x.shape[-1] - w) // hop + 1, :]),
    Mutation("convolution for correlation", "filterbank",
             lambda f, self, x, k, stride: f(self, x, k.flip(*range(1, k.ndim)), stride)),
    Mutation("subsampled at odd samples", "filterbank",
             lambda f, self, x, k, stride: f(self, x.roll(-1, -1), k, stride)),
    Mutation("reflected, not periodic", "wrap",
             lambda f, self, x, radius: f(self, x, radius).flip(-1)),
    Mutation("gradient of half the value", "gradients", by_name(lambda g: g / 2)),
    Mutation("conjugate gradient", "gradients", by_name(lambda g: g.conj())),
    Mutation("value of another function", "gradients", result(lambda r: (r[0] + 1, *r[1:]))),
    Mutation("gradient in double precision", "gradients",
             by_name(lambda g: g.double() if g.dtype == T.float32 else g)),
    Mutation("gradients of each other", "gradients",
             result(lambda r: (*r[:2], dict(zip(r[2], reversed(r[2].values()), strict=True))))),
    Mutation("other results forgotten", "gradients", result(lambda r: (r[0], {}, r[2]))),
    Mutation("half the gradient of one array", "value_and_grad", result(lambda r: (r[0], r[1] / 2))),
    Mutation("mixed precision as precise as any", "mixed", lambda f, self, x: nullcontext()),
    Mutation("sum of processes doubled", "processes",
             result(lambda p: SimpleNamespace(
                 rank=0, count=1, same=p.same, total=lambda xs: {k: 2 * x for k, x in xs.items()}))),
    Mutation("two processes for one", "processes",
             result(lambda p: SimpleNamespace(rank=0, count=2, same=p.same, total=p.total))),
    Mutation("compiled into something else", "compile", result(lambda g: lambda *a: g(*a) * 2)),
]  # fmt: skip


def _writable(x: np.ndarray[Any, Any]) -> Any:
    """The same memory without its protection, as a careless framework would take it."""
    return np.lib.stride_tricks.as_strided(
        np.frombuffer((np.ctypeslib.ctypes.c_char * x.nbytes).from_address(x.ctypes.data), x.dtype),
        x.shape,
        x.strides,
    )


class Torch(BackendContract):
    name = "torch"
    examples = 5

    def gradient(self, function: Any, x: Any) -> Any:
        z = torch.tensor(x, requires_grad=True)
        return torch.autograd.grad(function(z), z)[0].numpy()

    def test_compile_returns_a_function_that_gives_the_same(self) -> None:
        """Without Torch's compiler, which takes seconds: what it is given and what comes back."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch, "compile", lambda function: function)
            super().test_compile_returns_a_function_that_gives_the_same()

    def test_compiled_operator_gives_the_same(self) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch, "compile", lambda function: function)
            super().test_compiled_operator_gives_the_same()


def caught_by(mutation: Mutation) -> str | None:
    """The first case of the contract that a backend with this fault fails; None: it survives."""
    backend = type(get_backend("torch"))
    original = getattr(backend, mutation.method)
    change = mutation.change
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backend, mutation.method, lambda self, *a, **o: change(original, self, *a, **o))
        failures = (o for o in run_contract(Torch, first=mutation.method) if o.failed)
        return next((outcome.case for outcome in failures), None)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.name)
def test_the_contract_catches(mutation: Mutation) -> None:
    with torch.random.fork_rng():
        case = caught_by(mutation)
    assert case is not None, f"survived: {mutation.name}"


def test_without_a_fault_the_contract_holds() -> None:
    failed = [o for o in run_contract(Torch) if o.failed]
    assert not failed, failed


def test_every_primitive_and_composite_has_a_mutation() -> None:
    methods = {name for name, value in vars(Backend).items() if callable(value) and not name.startswith("_")}
    # Where to work, how, and how much at a time are policies: no number depends on them.
    policies = {"scope", "chunk", "exact", "replayed"}
    # What these give is compared with the operations that they stand for: tests/test_native_operators.py.
    shortcuts = {"cascade", "cascade_gradient"}
    assert methods - policies - shortcuts == {mutation.method for mutation in MUTATIONS}
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS) >= 80
