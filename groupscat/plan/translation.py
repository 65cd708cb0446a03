"""Lowering of translation scattering, any order, any dimension: a tree of wavelet modulus layers.

U_m = ρ(U_{m−1} ⋆ ψ_m) for every wavelet coarser than the last one, S_m = U_m ⋆ φ_J. All wavelets of
one scale form one operation, and all paths that end at one scale are the channels of one register.
Source: Mallat 2016, eq. 16 and 19; Bruna & Mallat 2013, eq. 11.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from groupscat.backend.base import Frames
from groupscat.plan.constants import (
    AveragingMatrix,
    FilterBlock,
    MeanMatrix,
    Order,
    PadIndex,
    Window,
    averaging,
)
from groupscat.plan.geometry import AxisGeometry, Padding
from groupscat.plan.ops import Bandpass, Concat, Crop, Lowpass, Op, Pad, Spectrum, Take
from groupscat.plan.paths import Path, Paths
from groupscat.plan.plan import Plan, PlanBuilder
from groupscat.plan.rho import Rho
from groupscat.space import Axis, Space, signal_axes
from groupscat.wavelets.bank import Bank
from groupscat.wavelets.morlet import Gabor, Morlet

#: A filter is taken to be zero where its spectrum is below this fraction of its maximum.
NEGLIGIBLE = 1e-12
#: Complex samples of the largest response computed at a time, per signal of the batch. Long rows are
#: transformed in passes that reuse the cache worse, so that fewer, larger calls pay there.
LARGEST = {1: 1 << 18, 2: 1 << 17, 3: 1 << 17}


@dataclass(frozen=True)
class Output:
    """What is done to each |…|: averaged locally, averaged globally (mean or integral), or nothing.

    ``stride`` is None where each path keeps its own sampling.
    """

    mode: Literal["local", "mean", "integral", "none"]
    stride: int | None

    @property
    def log2_cap(self) -> int | None:
        """log2 of the coarsest intermediate stride from which the outputs can still be had."""
        return None if self.stride is None else self.stride.bit_length() - 1


@dataclass(frozen=True)
class Node:
    """A register whose channels are ``paths``, subsampled by 2^log2[k] on axis k; ``j``: last scale."""

    register: str
    paths: tuple[Path, ...]
    log2: tuple[int, ...]
    j: int


@dataclass
class Lowering:
    """Operations that every scattering family shares: pad, transform, average, collect."""

    axes: tuple[AxisGeometry, ...]
    phi: Gabor
    alias: str
    output: Output

    def __post_init__(self) -> None:
        self.builder = PlanBuilder()
        self.outputs: list[tuple[str, tuple[Path, ...]]] = []

    @property
    def ndim(self) -> int:
        return len(self.axes)

    def sizes(self, log2: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(a.padded >> k for a, k in zip(self.axes, log2, strict=True))

    def space(self, channels: int, sizes: tuple[int, ...], steps: tuple[int, ...]) -> Space:
        return Space((Axis("path", channels, kind="fiber"), *signal_axes(sizes, steps)))

    def name(self, stem: str) -> str:
        return f"{stem}.{len(self.builder.ops)}"

    def emit(self, op: Op, channels: int, log2: tuple[int, ...], is_complex: bool = False) -> str:
        """Append an operation whose result lives on the padded grid subsampled by 2^log2."""
        steps = tuple(2**k for k in log2)
        return self.builder.emit(op, self.space(channels, self.sizes(log2), steps), is_complex)

    def pad_input(self, padding: Padding, is_complex: bool) -> Node:
        """The data input ``x`` (batch, 1, *sizes), padded."""
        full = (0,) * self.ndim
        sizes = tuple(a.size for a in self.axes)
        x = self.builder.input("x", self.space(1, sizes, (1,) * self.ndim), is_complex)
        if sizes != self.sizes(full):
            indices = tuple(self.builder.constant(PadIndex(a, padding)) for a in self.axes)
            op = Pad((x, *indices), self.name("pad"), zero=padding == "zero")
            x = self.emit(op, 1, full, is_complex)
        return Node(x, (Path(),), full, j=-1)

    def spectrum(self, node: Node) -> str:
        op = Spectrum((node.register,), self.name("F"), self.ndim)
        return self.emit(op, len(node.paths), node.log2, True)

    def collect(self, node: Node, is_complex: bool = False) -> None:
        """Turn U into S: average (or only trim) the node and make it an output."""
        self.outputs.append((self.average(node, is_complex), node.paths))

    def average(self, node: Node, is_complex: bool = False) -> str:
        """The node averaged, or only trimmed, on the grid of the outputs."""
        strides = tuple(self.output.stride or 2**k for k in node.log2)
        if self.output.mode in ("mean", "integral"):
            strides = tuple(a.padded for a in self.axes)
            counts: tuple[int, ...] = (1,) * self.ndim
        else:
            counts = tuple(a.count(s) for a, s in zip(self.axes, strides, strict=True))
        space = self.space(len(node.paths), counts, strides)
        op = self._crop(node, strides, counts) if self.output.mode == "none" else self._lowpass(node, counts)
        return self.builder.emit(op, space, is_complex)

    def _crop(self, node: Node, strides: tuple[int, ...], counts: tuple[int, ...]) -> Op:
        slices = []
        for axis, log2, stride, count in zip(self.axes, node.log2, strides, counts, strict=True):
            step = stride >> log2
            start = axis.start(stride) * step
            slices.append((start, start + (count - 1) * step + 1, step))
        copy = node.register in self.builder.inputs
        return Crop((node.register,), self.name("U"), tuple(slices), copy)

    def _lowpass(self, node: Node, counts: tuple[int, ...]) -> Op:
        matrices: list[str] = []
        frames: list[Frames | None] = []
        for axis, log2 in zip(self.axes, node.log2, strict=True):
            if self.output.mode != "local":
                total = self.output.mode == "integral"
                matrices.append(self.builder.constant(MeanMatrix(axis, log2, total)))
                frames.append(None)
                continue
            assert self.output.stride is not None
            a = averaging(self.phi, axis, log2, self.output.stride, self.alias)
            matrices.append(self.builder.constant(AveragingMatrix(a)))
            frames.append(a.layout)
        return Lowpass((node.register, *matrices), self.name("S"), tuple(frames), counts)

    def finish(self, rate: float | None, is_complex: bool = False) -> Plan:
        """Sort the paths; join all outputs in one register if they share a grid."""
        found = [path for _, paths in self.outputs for path in paths]
        order = sorted(range(len(found)), key=lambda k: found[k].rank)
        row = {k: i for i, k in enumerate(order)}
        rows = {found[k].identity: i for k, i in row.items()}
        table = Paths(tuple(found[k].located(rows, rate) for k in order))
        grids = {self.builder.registers[name].space.axes[1:] for name, _ in self.outputs}
        if len(grids) > 1:
            outputs, at = [], 0
            for name, paths in self.outputs:
                outputs.append((name, tuple(row[at + k] for k in range(len(paths)))))
                at += len(paths)
            return self.builder.build(outputs, table)
        space = Space((Axis("path", len(found), kind="fiber"), *next(iter(grids))))
        result = self.outputs[0][0]
        if len(self.outputs) > 1:
            op = Concat(tuple(name for name, _ in self.outputs), self.name("S"))
            result = self.builder.emit(op, space, is_complex)
        if order != list(range(len(order))):
            index = self.builder.constant(Order(tuple(order)))
            result = self.builder.emit(Take((result, index), self.name("S")), space, is_complex)
        return self.builder.build([(result, tuple(range(len(found))))], table)


def translation_plan(
    bank: Bank,
    axes: tuple[AxisGeometry, ...],
    *,
    padding: Padding,
    max_order: int,
    rho: Rho,
    output: Output,
    oversampling: int = 0,
    complex_input: bool = False,
    rate: float | None = None,
) -> Plan:
    """The plan of a scattering transform with the wavelets of ``bank``.

    Parameters
    ----------
    axes : how each axis is padded. max_order : number of wavelet layers m ≥ 0.
    oversampling : log2 of how much more finely than needed the intermediate layers are sampled.
    rate : sampling rate in Hz, for the table of paths.
    """
    low = Lowering(axes, bank.phi, bank.alias, output)

    def visit(node: Node, order: int, is_complex: bool) -> None:
        low.collect(node, is_complex)
        blocks = [b for b in bank.by_scale(order + 1) if b[0].j > node.j] if order < max_order else []
        if not blocks:
            return
        spectrum = low.spectrum(node)
        for block in blocks:
            log2 = sampling(low, node, block[0].j - oversampling, output.log2_cap)
            for part in split(len(block), len(node.paths) * math.prod(low.sizes(log2)), LARGEST[low.ndim]):
                child = bandpass(low, spectrum, node, block, part, rho, log2)
                visit(child, order + 1, rho.is_complex)

    visit(low.pad_input(padding, complex_input), 0, complex_input)
    return low.finish(rate, complex_input or rho.is_complex)


def sampling(low: Lowering, node: Node, finest: int, cap: int | None) -> tuple[int, ...]:
    """log2 of the subsampling of a child: at most ``finest`` and ``cap``, a divisor of the period."""
    target = max(0, finest if cap is None else min(finest, cap))
    return tuple(max(r, min(target, a.log2_divisor)) for r, a in zip(node.log2, low.axes, strict=True))


def split(wavelets: int, samples: int, largest: int) -> list[tuple[int, int]]:
    """Part the wavelets of a scale so that the response to one part, of ``samples`` each, is not too large.

    On large signals this keeps intermediate results in the cache and, as parts are worked off depth first,
    memory small.
    """
    count = max(1, largest // samples)
    return [(k, min(k + count, wavelets)) for k in range(0, wavelets, count)]


def bandpass(
    low: Lowering,
    spectrum: str,
    node: Node,
    block: tuple[Morlet, ...],
    part: tuple[int, int],
    rho: Rho,
    log2: tuple[int, ...],
) -> Node:
    """ρ(x ⋆ ψ) for a part of the wavelets of one scale, from the spectrum of x, subsampled to 2^log2."""
    sizes, small = low.sizes(node.log2), low.sizes(log2)
    windows = tuple(
        _window(block, k, axis.padded, size, out)
        for k, (axis, size, out) in enumerate(zip(low.axes, sizes, small, strict=True))
    )
    fold = tuple(w.width // n for w, n in zip(windows, small, strict=True))
    filters = FilterBlock(
        filters=block,
        sizes=tuple(a.padded for a in low.axes),
        windows=windows,
        alias=low.alias,
        fold=fold,
    )
    op = Bandpass(
        (spectrum, low.builder.constant(filters)),
        low.name("U"),
        segments=tuple(w.segments() for w in windows),
        fold=fold,
        part=None if part == (0, len(block)) else part,
        rho=rho,
    )
    paths = tuple(
        path.extended(psi, phase)
        for path in node.paths
        for psi in block[slice(*part)]
        for phase in range(rho.phases)
    )
    return Node(low.emit(op, len(paths), log2, rho.is_complex), paths, log2, block[0].j)


def _window(block: tuple[Morlet, ...], axis: int, padded: int, size: int, out: int) -> Window:
    """The shortest window, in multiples of ``out``, that holds every filter of the block."""
    lo, hi = (f * padded for f in _band(block)[axis])
    width = max(1, math.ceil((hi - lo + 1) / out)) * out
    if width >= size:
        return Window(0, size, size)
    return Window(round((lo + hi - width) / 2), width, size)


@lru_cache(maxsize=64)
def _band(block: tuple[Morlet, ...]) -> tuple[tuple[float, float], ...]:
    """Per axis the lowest and the highest frequency of the block, which many nodes are filtered by."""
    axes = zip(*(psi.support(NEGLIGIBLE) for psi in block), strict=True)
    return tuple((min(lo for lo, _ in intervals), max(hi for _, hi in intervals)) for intervals in axes)
