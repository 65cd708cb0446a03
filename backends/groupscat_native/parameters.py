"""What steps are told beside their arrays: windows, averages, matrices, where samples come from."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.plan.angular import AngularModulus, Mix
from groupscat.plan.harmonic import HarmonicModulus, SignedPower
from groupscat.plan.ops import Bandpass, Crop, Lowpass, Op, Pad, Power
from groupscat.plan.recompute import Pullback, Sum
from groupscat_native import along_channels, kernels, shapes
from groupscat_native.bands import Rows, band, live_rows, rows, seen
from groupscat_native.kernels import SPINS, TILE
from groupscat_native.library import library
from groupscat_native.program import Steps, Unknown, View
from groupscat_native.shapes import MOST, Shape
from groupscat_native.solid import Solid, solid

#: What gradients of solid harmonics do with a spectrum: add to it; leave the bins above n/2.
ADD, HALF = 1, 2


def padded(op: Pad, src: str, to: Steps) -> list[NDArray[np.int32]]:
    """By axis, where each sample of the result comes from."""
    index = [np.ascontiguousarray(to.constants[name], np.int32) for name in op.srcs[1:]]
    for each, size in zip(index, to.shape(src)[1:], strict=True):
        if each.min(initial=0) < -1 or each.max(initial=0) >= size:
            raise Unknown
    return index


def cropped(op: Crop) -> list[NDArray[np.int32]]:
    """The same of a part of the samples."""
    return [np.arange(*each, dtype=np.int32) for each in op.slices]


def gather(kind: str, index: list[NDArray[np.int32]], src: str, dst: str, to: Steps) -> None:
    """Samples of ``src`` become those of ``dst``; in the adjoint gradients ``src`` go to ``dst``."""
    whole, part = (dst, src) if kind == "pad_vjp" else (src, dst)
    channels, *sizes = to.shape(whole)
    if len(sizes) > 3 or tuple(map(len, index)) != to.shape(part)[1:]:
        raise Unknown
    arguments = len(sizes), to.pointers.numbers(sizes), to.pointers.numbers(to.shape(part)[1:])
    table, per = to.pointers.list(index), 2 if to.is_complex(whole) else 1
    call = library()["program_padding", to.dtype]
    to.add(
        kind, channels, to.numbers(part) / 8, [to.view(src), to.view_of_result(dst)],
        describe=lambda program, k, add: call(program, k, *arguments, table, per),
    )  # fmt: skip


def block(
    op: Bandpass, full: tuple[int, ...], sizes: list[int], name: str, responses: View, to: Steps
) -> Any:
    """The description of a block of wavelets that filters spectra of shape ``full``."""
    filters = to.real(name)
    whole = filters.shape[1]
    if op.part is not None:
        filters = filters[:, slice(*op.part)]
    form, found = to.form(sizes), shapes.window(full[1:], tuple(sizes), tuple(op.segments), tuple(op.fold))
    if found is None or filters.shape[-1] != 1 or len(filters) != math.prod(op.fold):
        raise Unknown
    if filters.shape[2:-1] != tuple(sizes):
        raise Unknown
    axes, bins = to.pointers.data(found[0]), to.pointers.data(found[1])
    live = to.pointers.data(live_rows(filters, form.rows))
    to.pointers.keep(filters)
    arguments = form.pointer, len(sizes), axes, bins, live, filters.ctypes.data, filters.shape[1], whole
    call = library()["program_block", to.dtype]

    def describe(program: int, k: int, add: bool) -> None:
        if not call(program, k, *arguments, responses.apart, add):
            raise MemoryError("No memory for the tables of a plan.")

    return describe


def averages(op: Lowpass, sizes: tuple[int, ...], to: Steps, adjoint: bool = False) -> Any:
    """The description of averages of arrays of some sizes, or of their adjoint."""
    if to.is_complex(op.dst) or len(sizes) > 3:
        raise Unknown
    bands = [
        to.table(band, name, frames, n, count)
        for name, frames, n, count in zip(
            [name for name in op.srcs if name in to.constants], op.frames, sizes, op.counts, strict=True
        )
    ]
    if max(max(each.axis) for each in bands) > MOST:
        raise Unknown
    arguments = to.pointers.bands(bands, adjoint and len(bands) > 1)
    call = library()["program_bands", to.dtype]
    return lambda program, k, add: call(program, k, *arguments)


def along(op: Op, spins: tuple[int, ...], result: tuple[int, ...], to: Steps) -> tuple[int, float, Any]:
    """Units, cost and description of moduli along rows, with a result of some shape."""
    src, psi, *average = op.srcs
    parts, count, samples = to.shape(src)
    found = to.table(rows, psi, 2 if any(spins) else 1)
    mean = to.table(rows, average[0]) if average else None
    filters = len(found.live)
    outputs = filters if mean is None else len(mean.live)
    wanted = len(spins) * outputs, samples
    fits = mean is None or mean.matrix.shape[1] == filters
    if spins not in SPINS or found.matrix.shape[1] != count or not fits or result != wanted:
        raise Unknown
    found = found if mean is None else seen(found, mean)
    to.pointers.keep((found, mean))
    sizes = to.pointers.numbers((parts, count, samples, filters, any(spins), outputs, len(spins), spins[0]))
    arguments = sizes, *found.addresses, *(mean.addresses if mean else (None, None))
    call = library()["program_along", to.dtype]
    units = -(-samples // (TILE // np.dtype(to.dtype).itemsize))
    cost = samples * filters * max(1, count // 16)
    return units, cost, lambda program, k, add: call(program, k, *arguments, add)


def taken(src: str, order: str, dst: str, back: bool, to: Steps) -> None:
    """Channels in some order; ``back``: to where they are from, and zero where none is."""
    index = np.ascontiguousarray(to.constants[order], np.int32)
    many, few = (dst, src) if back else (src, dst)
    channels = to.shape(many)[0]
    if len(index) != to.shape(few)[0] or index.min(initial=0) < 0 or index.max(initial=0) >= channels:
        raise Unknown
    out = to.view_of_result(dst)
    if back:
        if len(set(index.tolist())) < len(index):
            raise Unknown
        if len(index) < channels:
            to.add("clear", to.numbers(dst), to.numbers(dst) / 8, [out])
    each = to.numbers(many) // channels
    operands = [to.view(src), out]
    to.add("take", len(index), to.numbers(few) / 8, operands, index=index, numbers=(each, back))


def angular(
    op: AngularModulus, mean: Mix | None, order: str | None, src: str, to: Steps
) -> tuple[int, float, Any]:
    """Units, cost and description of filters along channels, their order and what is made of the moduli."""
    matrix = to.real(op.srcs[1])
    channels, *sizes = to.shape(src)
    parts, positions = 2 if to.is_complex(src) else 1, math.prod(sizes)
    index = None if order is None else np.ascontiguousarray(to.constants[order], np.int32)
    used = channels if index is None else len(index)
    groups = used // op.inputs
    fits = matrix.ndim == 3 and matrix.shape[0] in (1, groups) and matrix.shape[2] == parts * op.inputs
    if not fits or groups * op.inputs != used:
        raise Unknown
    if index is not None and (index.min() < 0 or index.max() >= channels):
        raise Unknown
    found = to.table(along_channels.channels, op.srcs[1], parts)
    average = None if mean is None else to.table(along_channels.combinations, mean.srcs[1])
    if average is not None and average.matrix.shape[1] != found.samples:
        raise Unknown
    results = found.samples if average is None else len(average.matrix)
    to.pointers.keep((found, average))
    sizes_ = to.pointers.numbers(along_channels.numbers_of(found, groups, positions, channels, results))
    arguments = sizes_, found.matrix.ctypes.data, to.pointers.data(found.table)
    more = average.addresses if average else (None, None)
    at = None if index is None else to.pointers.data(index)
    call = library()["program_angular", to.dtype]
    units = groups * along_channels.tiles(positions, np.dtype(to.dtype).itemsize)
    cost = groups * positions * len(found.table) * max(1, parts * op.inputs // 8)
    return units, cost, lambda program, k, add: call(program, k, *arguments, *more, at)


def mix(matrix: Rows, src: str, dst: str, to: Steps) -> tuple[int, float, Any]:
    """Units, cost and description of combinations of channels."""
    outputs, inputs = matrix.matrix.shape
    channels, *sizes = to.shape(src)
    groups, positions = channels // inputs, math.prod(sizes)
    if groups * inputs != channels or to.shape(dst) != (groups * outputs, *sizes) or to.is_complex(src):
        raise Unknown
    to.pointers.keep(matrix)
    arguments = to.pointers.numbers((groups, inputs, outputs, positions)), *matrix.addresses
    call = library()["program_mix", to.dtype]
    units = groups * along_channels.tiles(positions, np.dtype(to.dtype).itemsize)
    cost = max(to.numbers(src), to.numbers(dst)) / 8
    return units, cost, lambda program, k, add: call(program, k, *arguments)


def harmonics(op: HarmonicModulus, to: Steps) -> tuple[Solid, Shape]:
    """The tables of a degree and the shape of its arrays."""
    filters, sizes = to.real(op.srcs[1]), to.shape(op.dst)[1:]
    if filters.shape[1:] != (*sizes, 2):
        raise Unknown
    form = to.form((1,) * (3 - len(sizes)) + sizes)
    found = to.table(solid, op.srcs[1], kernels.lanes(to.dtype))
    to.pointers.keep(found)
    return found, form


def halves(to: Steps) -> frozenset[str]:
    """Spectra, and gradients by them, of which solid harmonics read and write one half."""
    readers: dict[str, list[Op]] = {}
    for op in to.plan.ops:
        inner = op.op if isinstance(op, Pullback) else op
        readers.setdefault(inner.srcs[0], []).append(inner)

    def is_half(name: str) -> bool:
        register, of = to.plan.register[name], readers.get(name, [])
        if not register.is_complex or len(register.space.shape) != 4 or not of:
            return False
        return all(isinstance(op, HarmonicModulus) for op in of)

    found = set(filter(is_half, to.plan.register))
    for op in to.plan.ops:
        harmonic = isinstance(op, Pullback) and isinstance(op.op, HarmonicModulus)
        source = op.op.srcs[0] if isinstance(op, Pullback) and harmonic else op.srcs[0]
        if source in found and (harmonic or isinstance(op, Sum)):
            found.add(op.dst)
    return frozenset(found)


def described(found: Solid, form: Shape, spectrum: str, mode: int, to: Steps) -> Any:
    """What a step of solid harmonics is told; ``mode``: what a gradient does with its spectrum."""
    call = library()["program_solid", to.dtype]
    arguments = *(form.pointer, *found.addresses), to.bins(spectrum)
    return lambda program, k, add: call(program, k, *arguments, mode | (ADD if add else 0))


def power(op: Power | SignedPower, to: Steps) -> Any:
    """The description of a power."""
    call = library()["program_power", to.dtype]
    return lambda program, k, add: call(program, k, op.q, isinstance(op, SignedPower))
