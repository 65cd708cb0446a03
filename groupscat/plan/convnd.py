"""Convolutions of any number of axes, lowered to ones that frameworks have.

Axes are *native*, left to the framework's convolution of up to three axes, or *folded* away: into
frequencies, channels or the batch. Which ones, and how, is the strategy.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from groupscat.plan.conv_axis import ConvAxis
from groupscat.plan.conv_ops import (
    Analyse,
    BandedConv,
    Complex,
    ComplexBlocks,
    Conv,
    Gather,
    Parts,
    Rearrange,
    Subsample,
    Synthesise,
)
from groupscat.plan.conv_tables import Band, Positions, TapPositions, ToeplitzTaps, bands
from groupscat.plan.fourier import ShortFourier, runs
from groupscat.plan.ops import Op
from groupscat.plan.paths import Paths
from groupscat.plan.plan import Plan, PlanBuilder
from groupscat.plan.strategy import Split, band_axis, choose
from groupscat.space import Axis, Space


@dataclass(frozen=True)
class ConvShape:
    """A real convolution of ``channels`` → ``outputs`` channels in ``groups`` groups, along ``axes``."""

    channels: int
    outputs: int
    axes: tuple[ConvAxis, ...]
    groups: int = 1

    @property
    def depth(self) -> int:
        """Input channels that one output sees."""
        return self.channels // self.groups

    @property
    def kernel(self) -> tuple[int, ...]:
        return (self.outputs, self.depth, *(axis.taps for axis in self.axes))

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(axis.size for axis in self.axes)

    @property
    def results(self) -> tuple[int, ...]:
        return tuple(axis.outputs for axis in self.axes)


@lru_cache(maxsize=1024)
def convolution_plan(
    shape: ConvShape, strategy: str | None = None, complex_x: bool = False, complex_w: bool = False
) -> Plan:
    """The plan of a convolution, inputs "x" (B, channels, *sizes) and "w" (its kernel).

    Complex ones are convolved as real ones of twice the channels: Re and Im.

    Raises
    ------
    ArgumentError : there is no such strategy.
    """
    b = PlanBuilder()
    x = b.input("x", space_of(shape.channels, *shape.sizes), complex_x)
    w = b.parameter("w", space_of(*shape.kernel), complex_w)
    if not (complex_x or complex_w):
        return b.build([(lower_convolution(b, x, w, shape, strategy), ())], Paths(()))
    G, O, C = shape.groups, shape.outputs // shape.groups, shape.depth
    P, K, Q = (math.prod(n) for n in (shape.sizes, shape.kernel[2:], shape.results))
    real = shape
    if complex_x:
        real = replace(real, channels=2 * shape.channels)
        op = Parts((x,), "x_parts", (-1, G, 1, C, P), 2, (-1, real.channels, *shape.sizes))
        x = b.emit(op, space_of(real.channels, *shape.sizes))
    real = replace(real, outputs=2 * shape.outputs)
    if complex_x and not complex_w:  # the same kernel for both parts
        real = replace(real, groups=2 * G)
    both = complex_x and complex_w
    after = (G, 2, O, C, K) if both else real.kernel
    parts = Parts((w,), "w_parts", (G, 1, O, C, K), 1, after, twice=not complex_w)
    w = b.emit(parts, space_of(*after), batched=False)
    if both:
        w = b.emit(ComplexBlocks((w,), "w_blocks"), space_of(G, 2, O, 2, C, K), batched=False)
        flat = Rearrange((w,), "w_real", (G, 2, O, 2, C, K), tuple(range(6)), real.kernel)
        w = b.emit(flat, space_of(*real.kernel), batched=False)
    y = lower_convolution(b, x, w, real, strategy)
    after = (-1, shape.outputs, *shape.results)
    y = b.emit(Complex((y,), "y_complex", (-1, G, 2, O, Q), after), space_of(*after[1:]), is_complex=True)
    return b.build([(y, ())], Paths(()))


def lower_convolution(b: PlanBuilder, x: str, w: str, shape: ConvShape, strategy: str | None = None) -> str:
    """Add the operations of a real convolution; returns the register of its result."""
    still = tuple(k for k, axis in enumerate(shape.axes) if axis.taps == 1)
    if still and len(shape.axes) > 2:
        return _around_still_axes(b, x, w, shape, still, strategy)
    split = choose(shape.axes, shape.channels, shape.outputs, shape.groups, strategy)
    return Lowering(b, shape, split).run(x, w)


def _around_still_axes(
    b: PlanBuilder, x: str, w: str, shape: ConvShape, still: tuple[int, ...], strategy: str | None
) -> str:
    """A convolution whose filter has one tap along ``still``: what it reads of them joins the batch.

    Where it has one tap along every axis they become one, and the convolution is a matrix between channels.
    """
    name = f"conv_{len(b.ops)}"
    strides = tuple(axis.stride if k in still else 1 for k, axis in enumerate(shape.axes))
    read = [axis.outputs if k in still else axis.size for k, axis in enumerate(shape.axes)]
    if max(strides) > 1:
        x = b.emit(Subsample((x,), f"{name}_read", strides), space_of(shape.channels, *read))
    moving = tuple(k for k in range(len(shape.axes)) if k not in still)
    batch = still if moving else ()
    axes = tuple(shape.axes[k] for k in moving) or (ConvAxis(math.prod(read), taps=1),)
    inner = replace(shape, axes=axes)
    copies = space_of(*(read[k] for k in batch)).axes
    order = (0, *(k + 2 for k in batch), 1, *(k + 2 for k in moving or still))
    op = Rearrange((x,), f"{name}_x", (-1, shape.channels, *read), order, (-1, shape.channels, *inner.sizes))
    x = b.emit(op, Space((*copies, *space_of(shape.channels, *inner.sizes).axes)))
    flat = Rearrange((w,), f"{name}_w", shape.kernel, tuple(range(len(shape.kernel))), inner.kernel)
    w = b.emit(flat, space_of(*inner.kernel), batched=False)
    after = space_of(shape.outputs, *inner.results)
    plan = convolution_plan(inner, strategy)
    y = b.splice(plan, {"x": x, "w": w}, name, Space((*copies, *after.axes)), copies)
    sizes = inner.results if moving else read
    before = (-1, *(read[k] for k in batch), shape.outputs, *sizes)
    places = (*batch, -1, *(moving or still))
    order = (0, *(1 + _place(k, places) for k in range(-1, len(shape.axes))))
    whole = (shape.outputs, *shape.results)
    return b.emit(Rearrange((y,), f"{name}_y", before, order, (-1, *whole)), space_of(*whole))


class Lowering:
    """Writes one convolution's operations into a builder."""

    def __init__(self, b: PlanBuilder, shape: ConvShape, split: Split) -> None:
        self.b, self.shape, self.split = b, shape, split
        self.axes = list(shape.axes)

    def run(self, x: str, w: str) -> str:
        methods = {
            "native": self.native,
            "fft": self.frequencies,
            "toeplitz": self.toeplitz,
            "taps": self.taps,
        }
        return methods[self.split.strategy](self.padded(x), w)

    # ------------------------------------------------------------------------------------- helpers

    def emit(self, op: Op, *sizes: int) -> str:
        return self.b.emit(op, space_of(*sizes))

    def name(self) -> str:
        return f"conv_{len(self.b.ops)}"

    def rearrange(
        self, x: str, before: Sequence[int], order: Sequence[int], after: Sequence[int], batch: bool = True
    ) -> str:
        """Shapes without the batch, which stays in front."""
        op = Rearrange((x,), self.name(), (-1, *before), (0, *(k + 1 for k in order)), (-1, *after))
        return self.emit(op, *after)

    def parameter(self, w: str, before: Sequence[int], order: Sequence[int], after: Sequence[int]) -> str:
        op = Rearrange((w,), self.name(), tuple(before), tuple(order), tuple(after))
        return self.b.emit(op, space_of(*after), batched=False)

    @property
    def native_axes(self) -> list[ConvAxis]:
        return [self.axes[k] for k in self.split.native]

    @property
    def folded_axes(self) -> list[ConvAxis]:
        return [self.axes[k] for k in self.split.folded]

    def padded(self, x: str) -> str:
        """The signal with the samples that neither a framework's zeros nor the period of a DFT supply."""
        shape = self.shape
        wraps = [
            k
            for k, axis in enumerate(shape.axes)
            if axis.padding in ("reflect", "edge", "circular") and any(axis.margin)
            if self.split.strategy != "fft" or k in self.split.native or axis.padding != "circular"
        ]
        if not wraps:
            return x
        d = len(shape.axes)
        index = tuple(self.b.constant(Positions(shape.axes[k])) for k in wraps)
        for k in wraps:
            self.axes[k] = shape.axes[k].after_padding()
        op = Gather((x, *index), self.name(), tuple(k - d for k in wraps))
        return self.emit(op, shape.channels, *(axis.size for axis in self.axes))

    def conv(self, x: str, w: str, axes: Sequence[ConvAxis], outputs: int, groups: int) -> str:
        """The framework's convolution along ``axes``; one of length 1 where there is none."""
        op = Conv((x, w), self.name(), *_geometry(axes), groups)
        return self.emit(op, outputs, *(axis.outputs for axis in axes))

    # ---------------------------------------------------------------------------------- strategies

    def native(self, x: str, w: str) -> str:
        return self.conv(x, w, self.axes, self.shape.outputs, self.shape.groups)

    def toeplitz(self, x: str, w: str) -> str:
        """Folded axes become channels, and the kernel a Toeplitz matrix between them.

        That matrix is zero where no tap reaches. In bands of outputs along one folded axis, which then leads
        the channels, only the samples that they read are multiplied.
        """
        shape, native, split = self.shape, self.native_axes, self.split
        folded = list(split.folded)
        if split.bands > 1:
            folded.sort(key=lambda k: k != band_axis(shape.axes, split.folded))
        axes = [self.axes[k] for k in folded]
        # Channels lead where groups of them do, else the first folded axis does.
        lead = int(split.bands > 1)
        d = len(self.axes)
        places = [*folded[:lead], -1, *folded[lead:], *split.native]
        n = shape.channels * _total(axes, "size")
        x = self.rearrange(
            x,
            [shape.channels, *_of(self.axes, "size")],
            [1 + k for k in places],
            [n, *_some(_of(native, "size"))],
        )
        last = [0, 1, *(k + 2 for k in (*split.native, *folded))]
        taps = _of(native, "taps")
        rows = shape.outputs * shape.depth * math.prod(taps)
        w = self.parameter(w, shape.kernel, last, [rows, _total(axes, "taps")])
        found = bands(axes[0], split.bands)
        kernels = [self._matrix(w, axes, band, lead) for band in found]
        m = shape.outputs * _total(axes, "outputs")
        if split.bands == 1:
            y = self.conv(x, kernels[0], native, m, shape.groups)
        else:
            each = n // axes[0].size  # channels of one sample of the first axis
            op = BandedConv(
                (x, *kernels),
                self.name(),
                *_geometry(native),
                tuple((b.first * each, b.last * each) for b in found),
            )
            y = self.emit(op, m, *(axis.outputs for axis in native))
        outputs = {-1: shape.outputs, **{k: axis.outputs for k, axis in enumerate(self.axes)}}
        back = [_place(k, places) for k in range(-1, d)]
        return self.rearrange(y, [outputs[k] for k in places], back, [shape.outputs, *shape.results])

    def _matrix(self, w: str, axes: Sequence[ConvAxis], band: Band, lead: int) -> str:
        """The kernel from the samples of a band to its outputs; ``lead``: folded axes before channels."""
        shape, taps = self.shape, _of(self.native_axes, "taps")
        rest = axes[1:]
        m, n = [band.outputs, _total(rest, "outputs")], [band.size, _total(rest, "size")]
        rows = shape.outputs * shape.depth * math.prod(taps)
        index = self.b.constant(ToeplitzTaps(tuple(axes), band))
        w = self.b.emit(
            Gather((w, index), self.name(), (-1,)), space_of(rows, math.prod(m + n)), batched=False
        )
        order = [3, 0, 4, 5, 1, 6, 2] if lead else [0, 3, 4, 1, 5, 6, 2]
        return self.parameter(
            w,
            [shape.outputs, shape.depth, math.prod(taps), *m, *n],
            order,
            [shape.outputs * math.prod(m), shape.depth * math.prod(n), *_some(taps)],
        )

    def taps(self, x: str, w: str) -> str:
        """Outputs along folded axes join the batch; the taps that each of them reads are channels."""
        shape, native, folded = self.shape, self.native_axes, self.folded_axes
        d = len(self.axes)
        index = tuple(self.b.constant(TapPositions(axis)) for axis in folded)
        sizes = [
            axis.outputs * axis.taps if k in self.split.folded else axis.size
            for k, axis in enumerate(self.axes)
        ]
        x = self.emit(
            Gather((x, *index), self.name(), tuple(k - d for k in self.split.folded)), shape.channels, *sizes
        )
        # Every folded axis is cut in two: outputs, taps.
        cut, where = [shape.channels], []
        for k, axis in enumerate(self.axes):
            where.append(len(cut))
            cut += [axis.outputs, axis.taps] if k in self.split.folded else [axis.size]
        order = [where[k] for k in self.split.folded]
        order += [0, *(where[k] + 1 for k in self.split.folded), *(where[k] for k in self.split.native)]
        m, t = _total(folded, "outputs"), _total(folded, "taps")
        after = [shape.channels * t, *_some(_of(native, "size"))]
        op = Rearrange((x,), self.name(), (-1, *cut), (0, *(k + 1 for k in order)), (-1, *after))
        x = self.emit(op, m, *after)
        first = [0, 1, *(k + 2 for k in (*self.split.folded, *self.split.native))]
        w = self.parameter(
            w, shape.kernel, first, [shape.outputs, shape.depth * t, *_some(_of(native, "taps"))]
        )
        y = self.conv(x, w, native, m * shape.outputs, shape.groups)
        grid = [*_of(folded, "outputs"), shape.outputs, *_of(native, "outputs")]
        places = (*self.split.folded, -1, *self.split.native)
        back = [places.index(-1), *(_place(k, places) for k in range(d))]
        return self.rearrange(y, grid, back, [shape.outputs, *shape.results])

    def frequencies(self, x: str, w: str) -> str:
        """Folded axes are Fourier transformed; every frequency is a group of a native convolution."""
        shape, native = self.shape, self.native_axes
        G, O, C = shape.groups, shape.outputs // shape.groups, shape.depth
        together = list(runs(self.folded_axes))
        last = [*self.split.native, *self.split.folded]
        P, K = _total(native, "size"), _total(native, "taps")
        x = self.rearrange(
            x, [shape.channels, *_of(self.axes, "size")], [0, *(k + 1 for k in last)],
            [1, 1, shape.channels * P * _total(together[:-1], "size"), _total(together[-1:], "size")],
        )  # fmt: skip
        x, F = self.analysis(x, "signal", together, shape.channels * P)
        x = self.rearrange(
            x,
            [F, 2, G, C, P],
            [0, 2, 1, 3, 4],
            [F * G * 2 * C, *_some(_of(native, "size"))],
        )
        w = self.parameter(
            w, shape.kernel, [0, 1, *(k + 2 for k in last)],
            [1, 1, 1, G * O * C * K * _total(together[:-1], "taps"), _total(together[-1:], "taps")],
        )  # fmt: skip
        w, _ = self.analysis(w, "kernel", together, G * O * C * K, batched=False)
        w = self.parameter(w, [F, 2, G, O, C, K], [0, 2, 1, 3, 4, 5], [F, G, 2, O, C, K])
        w = self.b.emit(ComplexBlocks((w,), self.name()), space_of(F, G, 2, O, 2, C, K), batched=False)
        rows = [F * G * 2 * O, 2 * C, *_some(_of(native, "taps"))]
        w = self.parameter(w, [F, G, 2, O, 2, C, K], range(7), rows)
        y = self.conv(x, w, native, F * G * 2 * O, F * G)
        Q = _total(native, "outputs")
        y = self.rearrange(y, [F, G, 2, O, Q], [0, 2, 1, 3, 4], [F, 2, G * O * Q])
        y = self.synthesis(y, together, F, G * O * Q)
        grid = [shape.outputs, *(self.axes[k].outputs for k in last)]
        back = [0, *(1 + _place(k, last) for k in range(len(last)))]
        return self.rearrange(y, grid, back, [shape.outputs, *shape.results])

    def analysis(
        self, x: str, role: Any, together: list[tuple[ConvAxis, ...]], rows: int, batched: bool = True
    ) -> tuple[str, int]:
        """(1, 1, R, n) → (F, 2, rows): the groups of axes are transformed one by one, the last one first."""
        of = "taps" if role == "kernel" else "size"
        done, field = 1, 1
        for g, axes in reversed(list(enumerate(together))):
            n, left = _total(axes, of), rows * _total(together[:g], of)
            if field == 2:
                x = self._arrange(x, [done, 2, left, n], [0, 2, 1, 3], [done, left, 2 * n], batched)
            else:
                x = self._arrange(x, [done, left, n], range(3), [done, left, n], batched)
            recipe = ShortFourier(axes, role, real=field == 1)
            op = Analyse((x, self.b.constant(recipe)), self.name())
            sizes = done, 2 * recipe.frequencies, left
            x = self.b.emit(op, space_of(*sizes) if batched else space_of(1, *sizes), batched=batched)
            done, field = done * recipe.frequencies, 2
        return x, done

    def synthesis(self, y: str, together: list[tuple[ConvAxis, ...]], done: int, rows: int) -> str:
        """(F, 2, rows) → (1, rows·m): the groups of axes are transformed back, the first one first."""
        for g, axes in enumerate(together):
            final = g == len(together) - 1
            recipe = ShortFourier(axes, "output", real=final)
            F, m = recipe.frequencies, _total(axes, "outputs")
            done //= F
            y = self._arrange(y, [done, 2 * F, rows], range(3), [done, 2 * F, rows], True)
            op = Synthesise((y, self.b.constant(recipe)), self.name())
            y = self.emit(op, done, rows, m if final else 2 * m)
            rows *= m
            if not final:
                y = self._arrange(y, [done, rows // m, 2, m], [0, 2, 1, 3], [done, 2, rows], True)
        return y

    def _arrange(
        self, x: str, before: Sequence[int], order: Sequence[int], after: Sequence[int], batched: bool
    ) -> str:
        if batched:
            return self.rearrange(x, before, order, after)
        return self.parameter(x, [1, *before], [0, *(k + 1 for k in order)], [1, *after])


def space_of(*sizes: int) -> Space:
    """A space without names, of what only passes through."""
    return Space(tuple(Axis(f"a{k}", n, kind="fiber") for k, n in enumerate(sizes)))


def _geometry(
    axes: Sequence[ConvAxis],
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[tuple[int, int], ...]]:
    """Strides, dilations and margins; of one axis of length 1 where there is none."""
    return (
        tuple(axis.stride for axis in axes) or (1,),
        tuple(axis.dilation for axis in axes) or (1,),
        tuple(axis.margin for axis in axes) or ((0, 0),),
    )


def _of(axes: Sequence[ConvAxis], what: str) -> list[int]:
    return [getattr(axis, what) for axis in axes]


def _total(axes: Sequence[Any], what: str) -> int:
    """The product of a property over axes, or over groups of them."""
    flat = itertools.chain.from_iterable([a] if isinstance(a, ConvAxis) else a for a in axes)
    return math.prod(getattr(axis, what) for axis in flat)


def _some(sizes: Sequence[int]) -> list[int]:
    """A native convolution has one axis at least."""
    return list(sizes) or [1]


def _place(k: int, places: Sequence[int]) -> int:
    return list(places).index(k)
