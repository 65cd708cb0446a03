"""The backward pass of plans that computes values again: autograd keeps their inputs only."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from groupscat.backend.base import Backend, Segments
from groupscat.backend.derivatives import Function, Gradient

#: Products of up to so many numbers stay in the cache until they are summed; of more, each is added at once.
SMALL = 1 << 16


class Recomputing(Backend):
    """The derivatives of the protocol. They run where autograd does not record, so that all that is their own
    is overwritten; what is to be differentiated again goes through autograd from the start.
    """

    def recompute(
        self,
        function: Function,
        gradient: Gradient,
        data: Mapping[str, Tensor],
        constants: Mapping[str, Tensor],
    ) -> tuple[Tensor, ...]:
        arrays = {**data, **constants}
        recorded = torch.is_grad_enabled() and any(x.requires_grad for x in arrays.values())
        traced = forward_ad._current_level >= 0 or any(map(self.is_tracing, data.values()))
        if traced or not recorded:
            return function(arrays)
        results: tuple[Tensor, ...] = Recompute.apply(function, gradient, tuple(arrays), *arrays.values())
        return results

    def pullback(self, function: Callable[[Tensor], Tensor], x: Tensor, gradient: Tensor) -> Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            (found,) = torch.autograd.grad(function(x), x, gradient)
        return found

    def blank(self, shape: Sequence[int], dtype: str, like: Tensor) -> Tensor:
        return torch.zeros((), dtype=getattr(torch, dtype), device=like.device).expand(tuple(shape))

    def accumulate(self, total: Tensor, x: Tensor) -> Tensor:
        return total.add_(x)

    def unwindow(self, x: Tensor, segments: Sequence[Segments], sizes: Sequence[int]) -> Tensor:
        for axis, parts, size in zip(range(-len(sizes), 0), segments, sizes, strict=True):
            if parts is None:
                continue
            shape = list(x.shape)
            shape[axis] = size
            total, start = x.new_zeros(shape), 0
            for lo, hi in parts:
                total.narrow(axis, lo, hi - lo).add_(x.narrow(axis, start, hi - lo))
                start += hi - lo
            x = total
        return x

    def bandpass_adjoint(
        self,
        y: Tensor,
        filters: Tensor,
        segments: Sequence[Segments],
        fold: Sequence[int],
        sizes: Sequence[int],
    ) -> Tensor:
        count, *small = filters.shape[1:-1]
        z = torch.fft.fftn(y, dim=tuple(range(-len(fold), 0))).unflatten(1, (-1, count))
        batch, channels = z.shape[:2]
        window = z.new_empty((batch, channels, *(k * n for k, n in zip(fold, small, strict=True))))
        pairs = torch.view_as_real(z)
        for block, psi in zip(self.blocks(window, fold), filters, strict=True):
            total = torch.view_as_real(block)
            if count > 1 and pairs.numel() < SMALL:
                torch.sum(pairs * psi, 2, out=total)
                continue
            torch.mul(pairs[:, :, 0], psi[0], out=total)
            for p in range(1, count):
                total.addcmul_(pairs[:, :, p], psi[p])
        return self.unwindow(window, segments, sizes)

    def bandpass_modulus_gradient(
        self,
        spectrum: Tensor,
        filters: Tensor,
        segments: Sequence[Segments],
        fold: Sequence[int],
        gradient: Tensor,
    ) -> Tensor:
        z = self.bandpass(spectrum, filters, segments, fold)
        re, im = torch.view_as_real(z).unbind(-1)
        slope = _slope(re, im).mul_(gradient)
        re.mul_(slope)
        im.mul_(slope)
        return self.bandpass_adjoint(z, filters, segments, fold, spectrum.shape[2:])

    def harmonic_modulus_gradient(self, spectrum: Tensor, filters: Tensor, gradient: Tensor) -> Tensor:
        axes = tuple(range(2 - filters.ndim, 0))
        harmonics = torch.view_as_complex(filters).unbind()
        responses = [self.backward_fft(spectrum * psi, axes) for psi in harmonics]
        squares = torch.zeros_like(gradient)
        for z in responses:
            re, im = torch.view_as_real(z).unbind(-1)
            squares.addcmul_(re, re).addcmul_(im, im)
        slope = _inverse_root(squares).mul_(gradient)
        total = torch.zeros_like(spectrum)
        for psi in harmonics:
            z = responses.pop(0)
            torch.view_as_real(z).mul_(slope[..., None])
            total.addcmul_(torch.fft.fftn(z, dim=axes), psi.conj())
        return total

    def hypot_gradient(self, re: Tensor, im: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
        slope = _slope(re, im).mul_(gradient)
        return re * slope, im * slope


def _slope(re: Tensor, im: Tensor) -> Tensor:
    """1/√(re² + im²), 0 where both are 0."""
    return _inverse_root((re * re).addcmul_(im, im))


def _inverse_root(squares: Tensor) -> Tensor:
    """1/√x in the place of x ≥ 0; 0 where x = 0."""
    return squares.rsqrt_().nan_to_num_(nan=math.nan, posinf=0.0)


class Recompute(torch.autograd.Function):
    """``function`` of named tensors with ``gradient`` for its backward."""

    @staticmethod
    def forward(
        ctx: Any, function: Function, gradient: Gradient, names: tuple[str, ...], *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors)
        ctx.function, ctx.gradient, ctx.names = function, gradient, names
        return function({name: x.detach() for name, x in zip(names, tensors, strict=True)})

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        arrays = dict(zip(ctx.names, ctx.saved_tensors, strict=True))
        by = tuple(n for n, needed in zip(ctx.names, ctx.needs_input_grad[3:], strict=True) if needed)
        # Autograd knows how to differentiate again, and torch.func what it wraps.
        again = torch.is_grad_enabled() or any(map(_wrapped, gradients))
        if again:
            found = _recorded(ctx.function)(arrays, by, gradients)
        else:
            found = ctx.gradient({name: x.detach() for name, x in arrays.items()}, by, gradients)
        return None, None, None, *(found.get(name) for name in ctx.names)


def _recorded(function: Function) -> Gradient:
    """The gradient of a function by autograd, which keeps what it computes."""

    def gradient(
        arrays: dict[str, Tensor], by: tuple[str, ...], gradients: tuple[Tensor | None, ...]
    ) -> dict[str, Tensor]:
        twice = torch.is_grad_enabled()
        with torch.enable_grad():
            results = function(arrays)
            pairs = [(y, g) for y, g in zip(results, gradients, strict=True) if g is not None]
            ys, gs = zip(*pairs, strict=True)
            found = torch.autograd.grad(
                ys, [arrays[n] for n in by], gs, create_graph=twice, allow_unused=True
            )
        return {name: g for name, g in zip(by, found, strict=True) if g is not None}

    return gradient


def _wrapped(x: Tensor | None) -> bool:
    """Whether several gradients are in one tensor, by torch.func or by autograd itself."""
    if x is None:
        return False
    functorch = torch._C._functorch
    return functorch.is_functorch_wrapped_tensor(x) or functorch.is_legacy_batchedtensor(x)
