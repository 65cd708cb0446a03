"""The Fourier transforms a plan cannot do without, and nothing else: what the rest is measured against."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from groupscat.plan.harmonic import HarmonicModulus
from groupscat.plan.ops import Bandpass, Spectrum
from groupscat.plan.plan import Plan

#: Bytes of one transform's result that stay in the cache: batches are split to that size.
CACHE = 2 << 20


@dataclass(frozen=True)
class Transform:
    """A batch of equal transforms, each of ``shape``; "rfft": of real arrays."""

    name: Literal["fft", "rfft", "ifft"]
    rows: int
    shape: tuple[int, ...]


def transforms(plan: Plan, batch: int) -> list[Transform]:
    """The transforms of a plan: forward for every spectrum, inverse for every block of wavelets."""
    constants = dict(plan.constants)
    found = []
    for op in plan.ops:
        channels, *sizes = plan.register[op.dst].space.shape
        if isinstance(op, Spectrum):
            source = plan.register[op.srcs[0]]
            found.append(
                Transform("fft" if source.is_complex else "rfft", batch * channels, source.space.shape[1:])
            )
        elif isinstance(op, Bandpass):
            found.append(Transform("ifft", batch * channels // op.rho.phases, tuple(sizes)))
        elif isinstance(op, HarmonicModulus):
            recipe = constants[op.srcs[1]]
            reals = 2 if recipe.kind == "complex_filter" else 1
            filters = recipe.size // (reals * math.prod(sizes))
            found.append(Transform("ifft", batch * channels * filters, tuple(sizes)))
    return found


def fft_floor(plan: Plan, batch: int) -> Callable[[], None]:
    """A function that performs the plan's transforms with torch.fft on arrays made beforehand.

    Forward transforms of real arrays are half-size ones, although the plan may prefer full ones.
    """
    import torch

    calls: list[tuple[Callable[..., Any], Any, tuple[int, ...], int]] = []
    for t in transforms(plan, batch):
        d = len(t.shape)
        dims = tuple(range(-d, 0))
        dtype = torch.float32 if t.name == "rfft" else torch.complex64
        width = 8 * torch.Size(t.shape).numel()
        step = min(t.rows, max(1, CACHE // width))
        array = torch.randn(step, *t.shape, dtype=dtype)
        function = getattr(torch.fft, f"{t.name}n")
        calls.append((function, array, dims, t.rows))

    def run() -> None:
        with torch.no_grad():
            for function, array, dims, rows in calls:
                for start in range(0, rows, len(array)):
                    function(array[: min(len(array), rows - start)], dim=dims)

    return run
