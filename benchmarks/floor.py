"""The Fourier transforms a plan cannot do without, and nothing else: what the rest is measured against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from groupscat.plan.harmonic import HarmonicBlock, HarmonicModulus
from groupscat.plan.ops import Bandpass, Spectrum
from groupscat.plan.plan import Plan

#: Bytes of one transform's result that stay in the cache: batches are split to that size.
CACHE = 2 << 20


@dataclass(frozen=True)
class Transform:
    """A batch of equal transforms: ``shape`` of the complex array (of the real one for "rfft", "irfft")."""

    name: str
    rows: int
    shape: tuple[int, ...]


def transforms(plan: Plan, batch: int) -> list[Transform]:
    """The transforms of a plan: forward for every spectrum, inverse for every block of wavelets."""
    found = []
    for op in plan.ops:
        channels, *sizes = plan.register[op.dst].space.shape
        if isinstance(op, Spectrum):
            source = plan.register[op.srcs[0]]
            name = "fft" if source.is_complex else "rfft"
            found.append(Transform(name, batch * channels, source.space.shape[1:]))
        elif isinstance(op, Bandpass):
            found.append(Transform("ifft", batch * channels // op.rho.phases, tuple(sizes)))
        elif isinstance(op, HarmonicModulus):
            block = dict(plan.constants)[op.srcs[1]]
            assert isinstance(block, HarmonicBlock)
            rows = batch * (1 if op.paired else block.filter.count)
            found.append(Transform("ifft" if op.size is None else "irfft", rows, tuple(sizes)))
    return found


def fft_floor(plan: Plan, batch: int) -> Callable[[], None]:
    """A function that performs the plan's transforms with torch.fft on arrays made beforehand.

    Forward transforms of real arrays are half-size ones, although the plan may prefer full ones.
    """
    import torch

    calls: list[tuple[Callable[..., Any], Any, dict[str, Any], int]] = []
    for t in transforms(plan, batch):
        d = len(t.shape)
        dims = tuple(range(-d, 0))
        half = (*t.shape[:-1], t.shape[-1] // 2 + 1)
        shape = half if t.name == "irfft" else t.shape
        dtype = torch.float32 if t.name == "rfft" else torch.complex64
        width = 8 * torch.Size(t.shape).numel()
        step = min(t.rows, max(1, CACHE // width))
        array = torch.randn(step, *shape, dtype=dtype)
        function = getattr(torch.fft, f"{t.name}n")
        options: dict[str, Any] = {"dim": dims}
        if t.name == "irfft":
            options["s"] = t.shape
        calls.append((function, array, options, t.rows))

    def run() -> None:
        with torch.no_grad():
            for function, array, options, rows in calls:
                for start in range(0, rows, len(array)):
                    function(array[: min(len(array), rows - start)], **options)

    return run
