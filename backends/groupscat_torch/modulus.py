"""|z| that is fast on the CPU and has the gradient 0 where z = 0.

Torch's own abs of complex numbers costs more than the FFT before it, and √(re² + im²) has a NaN gradient
at 0. The forward pass here is the latter; the derivative is z/|z| with 0/0 = 0.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Modulus(torch.autograd.Function):
    """√(Σ re² + im²) of pairs (…, 2), or of real x over an axis."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, axis: int) -> Tensor:
        if x.shape[axis] == 2:
            a, b = x.unbind(axis)
            return torch.addcmul(a * a, b, b).sqrt_()
        return x.square().sum(axis).sqrt_()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
        x, axis = inputs
        ctx.save_for_backward(x, output)
        ctx.save_for_forward(x, output)
        ctx.axis = axis

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        x, y = ctx.saved_tensors
        return _direction(x, y, ctx.axis) * grad.unsqueeze(ctx.axis), None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Tensor:
        x, y = ctx.saved_tensors
        return (_direction(x, y, ctx.axis) * tangent).sum(ctx.axis)


def _direction(x: Tensor, y: Tensor, axis: int) -> Tensor:
    """x/y, 0 where y = 0, differentiable again: the inner where keeps 0/0 out of the graph."""
    y = y.unsqueeze(axis)
    zero = y == 0
    return torch.where(zero, 0, x / torch.where(zero, 1, y))


def modulus(x: Tensor, axis: int) -> Tensor:
    """√Σx² over ``axis`` of a real tensor."""
    if torch.compiler.is_compiling():  # compilers do not trace custom functions, and fuse this by themselves
        squares = x.square().sum(axis)
        zero = squares == 0
        return torch.where(zero, 0, torch.where(zero, 1, squares).sqrt())
    return Modulus.apply(x, axis)
