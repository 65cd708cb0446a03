"""x^q for 0 < q < 1 with the derivative 0 at x = 0.

The derivative is unbounded there, and what Torch computes (NaN after a product with 0) would spoil every
gradient of a modulus √(re² + im²) that vanishes somewhere.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Power(torch.autograd.Function):
    """x^q with rules for every kind of differentiation: backward (twice), forward, vmap."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, q: float) -> Tensor:
        return x.sqrt() if q == 0.5 else x**q

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: Tensor) -> None:
        x, q = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)
        ctx.q = q

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return grad * _derivative(x, ctx.q), None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Tensor:
        (x,) = ctx.saved_tensors
        return tangent * _derivative(x, ctx.q)


def _derivative(x: Tensor, q: float) -> Tensor:
    """q·x^(q−1), 0 where x = 0, differentiable again: the inner where keeps 0 out of the graph."""
    zero = x == 0
    safe = torch.where(zero, 1, x)
    return torch.where(zero, 0, 0.5 * safe.rsqrt() if q == 0.5 else q * safe ** (q - 1))


def power(x: Tensor, q: float) -> Tensor:
    """x^q of non-negative x, 0 < q < 1."""
    if torch.compiler.is_compiling():  # compilers do not trace custom functions, and fuse this by themselves
        zero = x == 0
        return torch.where(zero, 0, torch.where(zero, 1, x) ** q)
    return Power.apply(x, q)
