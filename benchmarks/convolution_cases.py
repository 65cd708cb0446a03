"""The convolutions that are timed, and everyone who computes them.

A contestant is given a case and the taps, and returns the function of x that is timed and the arrays that
hold its copy of the taps, so that gradients of both are taken from everyone. All pad with zeros and keep
⌈n/s⌉ samples; where a stride makes the margins uneven, packages are given x with the zeros of that axis.

    python -m benchmarks.convolution_cases CASE CONTESTANT     the peak memory of one call, as JSON
"""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F

import groupscat
from benchmarks.memory import of_call
from groupscat.convolution.arguments import axes_of
from groupscat.plan.strategy import STRATEGIES, choose

Function = Callable[[Any], Any]
#: The function of x and the leaves that hold the taps.
Prepared = tuple[Function, list[Any]]

AUTOMATIC, FORCED = "groupscat", "groupscat {}"


@dataclass(frozen=True)
class Case:
    """Sizes of one convolution: the axes in space come first, then the attributes."""

    name: str
    batch: int
    channels: tuple[int, int]
    sizes: tuple[int, ...]
    taps: tuple[int, ...]
    strides: tuple[int, ...]

    def inputs(self, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
        """x and w, both asking for gradients, the same at every call."""
        random = torch.Generator().manual_seed(0)
        x = torch.randn(self.batch, self.channels[0], *self.sizes, generator=random, dtype=torch.float64)
        w = torch.randn(*reversed(self.channels), *self.taps, generator=random, dtype=torch.float64)
        w /= math.sqrt(self.channels[0] * math.prod(self.taps))
        return x.to(dtype).requires_grad_(), w.to(dtype).requires_grad_()

    @property
    def margins(self) -> tuple[tuple[int, int], ...]:
        """Zeros before and after each axis, as few as it takes."""
        steps = zip(self.sizes, self.taps, self.strides, self.result, strict=True)
        totals = [(m - 1) * s + k - n for n, k, s, m in steps]
        return tuple((t // 2, t - t // 2) for t in totals)

    @property
    def even(self) -> tuple[int, ...]:
        """Zeros on both sides of each axis, none where one side needs more than the other."""
        return tuple(before if before == after else 0 for before, after in self.margins)

    @property
    def uneven(self) -> tuple[tuple[int, int], ...]:
        """The margins that ``even`` leaves out."""
        return tuple((0, 0) if pair[0] == pair[1] else pair for pair in self.margins)

    @property
    def result(self) -> tuple[int, ...]:
        return tuple(-(-n // s) for n, s in zip(self.sizes, self.strides, strict=True))

    @property
    def chosen(self) -> str:
        """The strategy that groupscat takes by itself."""
        axes = axes_of(self.sizes, self.taps, self.strides)
        return choose(axes, *self.channels, groups=1).strategy

    @property
    def gigaflops(self) -> float:
        """Of one forward call by the definition."""
        return 2e-9 * self.batch * math.prod((*self.channels, *self.taps, *self.result))


CASES = (
    Case("3×3×7×11, attributes 8×16", 4, (1, 16), (16, 16, 8, 16), (3, 3, 7, 11), (1, 1, 1, 1)),
    Case("3⁴, attributes 8×8", 4, (8, 8), (16, 16, 8, 8), (3, 3, 3, 3), (1, 1, 1, 1)),
    Case("3⁵, attributes 8³", 1, (4, 4), (16, 16, 8, 8, 8), (3,) * 5, (1,) * 5),
    Case("3×3×7×11, attribute stride 2", 4, (1, 16), (16, 16, 8, 16), (3, 3, 7, 11), (1, 1, 2, 2)),
)


def padded(x: Any, margins: Sequence[tuple[int, int]]) -> Any:
    """x with zeros around its last axes; x itself where there are none."""
    flat = [m for pair in reversed(margins) for m in pair]
    return F.pad(x, flat) if any(flat) else x


def ours(strategy: str | None) -> Callable[[Case, Any], Prepared]:
    def prepare(case: Case, w: Any) -> Prepared:
        return lambda x: groupscat.convnd(x, w, stride=case.strides, strategy=strategy), [w]

    return prepare


def tap_loop(case: Case, w: Any) -> Prepared:
    """Sum over the taps of all but three axes; each is one conv3d of all slices at once."""
    axes = len(case.taps) - 3
    outer, inner = case.strides[:axes], case.strides[axes:]

    def apply(x: Any) -> Any:
        x = padded(x, (*case.margins[:axes], *case.uneven[axes:]))
        total = 0
        for tap in product(*map(range, case.taps[:axes])):
            cut = (slice(t, t + s * n, s) for t, s, n in zip(tap, outer, case.result, strict=False))
            part = x[(slice(None), slice(None), *cut)].movedim(1, axes + 1)
            slices = part.reshape(-1, *part.shape[axes + 1 :])
            taps = w[(slice(None), slice(None), *tap)]
            total = total + F.conv3d(slices, taps, stride=inner, padding=case.even[axes:])
        return total.unflatten(0, (-1, *case.result[:axes])).movedim(axes + 1, 1)

    return apply, [w]


def unfold(case: Case, w: Any) -> Prepared:
    """All windows laid out as a matrix, and one product with it."""
    n = len(case.taps)

    def apply(x: Any) -> Any:
        windows = padded(x, case.margins)
        for axis, (k, s) in enumerate(zip(case.taps, case.strides, strict=True)):
            windows = windows.unfold(2 + axis, k, s)
        rows = windows.movedim(1, n + 1).flatten(n + 1)
        return (rows @ w.flatten(1).T).movedim(-1, 1)

    return apply, [w]


def full_fft(case: Case, w: Any) -> Prepared:
    """Spectra along every axis, long enough that no sum wraps around; what the stride skips is cut away."""
    axes = tuple(range(2, 2 + len(case.taps)))
    before, _ = zip(*case.margins, strict=True)
    long = tuple(n + max(pair) for n, pair in zip(case.sizes, case.margins, strict=True))

    def apply(x: Any) -> Any:
        products = torch.einsum(
            "bi...,oi...->bo...",
            torch.fft.rfftn(x, long, axes),
            torch.fft.rfftn(w, long, axes).conj(),
        )
        y = torch.fft.irfftn(products, long, axes).roll(before, axes)
        cut = (slice(0, n, s) for n, s in zip(case.sizes, case.strides, strict=True))
        return y[(slice(None), slice(None), *cut)]

    return apply, [w]


# -------------------------------------------------------------------------------------- public packages


def convnd_package(case: Case, w: Any) -> Prepared:
    """convnd, which several repositories copy: a call per tap and slice of an axis, down to conv3d.

    Its own zeros are misplaced where it recurs more than once, so they are put there before.
    """
    from convnd.convNd import convNd

    axes = len(case.taps) - 3
    before, own = (*case.margins[:axes], *case.uneven[axes:]), (0,) * axes + case.even[axes:]
    module = convNd(
        *case.channels, len(case.taps), case.taps, case.strides, own,
        use_bias=False, kernel_initializer=lambda kept: kept,
    )  # fmt: skip
    module.to(w.dtype)

    def fill(layer: Any, taps: Any) -> None:
        if isinstance(layer, convNd):
            for k, part in enumerate(layer.conv_layers):
                fill(part, taps[:, :, k])
        else:
            layer.weight.data.copy_(taps)

    fill(module, w.detach())
    return lambda x: module(padded(x, before)), list(module.parameters())


def torchnd_package(case: Case, w: Any) -> Prepared:
    """torchnd.conv_nd: recursion over the taps down to conv3d."""
    from torchnd import conv_nd

    axes = tuple(range(2, 2 + len(case.taps)))
    even, uneven = case.even, case.uneven
    return lambda x: conv_nd(padded(x, uneven), w, dim=axes, stride=case.strides, padding=even), [w]


def torch_conv_nd_package(case: Case, w: Any) -> Prepared:
    """torchConvNd.convNd: windows by unfold, then a product."""
    from torchConvNd import convNd

    flat = w.detach().flatten(1).T.contiguous().requires_grad_()
    taps, strides, even = list(case.taps), list(case.strides), list(case.even)
    return lambda x: convNd(padded(x, case.uneven), flat, taps, strides, 1, even), [flat]


def einconv_package(case: Case, w: Any) -> Prepared:
    """einconv.functionals.convNd: one einsum with index patterns."""
    from einconv.functionals import convNd

    return lambda x: convNd(padded(x, case.uneven), w, stride=case.strides, padding=case.even), [w]


#: Public packages by the name they are imported under.
PACKAGES: dict[str, Callable[[Case, Any], Prepared]] = {
    "convnd": convnd_package,
    "torchnd": torchnd_package,
    "torchConvNd": torch_conv_nd_package,
    "einconv": einconv_package,
}

CONTESTANTS: dict[str, Callable[[Case, Any], Prepared]] = {
    AUTOMATIC: ours(None),
    **{FORCED.format(name): ours(name) for name in STRATEGIES},
    "tap loop of conv3d": tap_loop,
    "unfold and one product": unfold,
    "FFT along every axis": full_fft,
    **{name: prepare for name, prepare in PACKAGES.items() if importlib.util.find_spec(name)},
}


def both_ways(call: Prepared, x: Any) -> Callable[[], tuple[Any, ...]]:
    """One call with the gradients of x and of the taps of ⟨y, g⟩, g being as long as y."""
    function, leaves = call
    with torch.no_grad():
        g = torch.randn_like(function(x).contiguous())

    def run() -> tuple[Any, ...]:
        return torch.autograd.grad(function(x), [x, *leaves], g)

    return run


if __name__ == "__main__":
    case = next(case for case in CASES if case.name == sys.argv[1])
    x, w = case.inputs()
    print(json.dumps(of_call(both_ways(CONTESTANTS[sys.argv[2]](case, w), x))))
