"""From operations of a plan to steps of a program: one rule for each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.plan.along import LowModulus, Planar, SpinModulus, Unfold
from groupscat.plan.ops import Bandpass, Concat, Crop, Lowpass, Op, Pad, Spectrum, Take
from groupscat.plan.plan import Plan
from groupscat.plan.recompute import Part, Pullback, Sum
from groupscat.plan.rho import Linear, Modulus
from groupscat_native import shapes
from groupscat_native.bands import band, live_rows, rows
from groupscat_native.kernels import MODULI, RESPONSES, SPINS, TILE
from groupscat_native.library import library
from groupscat_native.program import Steps, Unknown, View
from groupscat_native.shapes import MOST

#: Threads that share the wavelets of one spectrum, at most.
SHARES = 4


def steps(plan: Plan, constants: Mapping[str, NDArray[Any]], dtype: str, shared: bool) -> Steps:
    """The steps of a plan.

    Raises
    ------
    Unknown : the kernels do not know an operation, a length or a type.
    """
    found = Steps(plan, constants, dtype, shared)
    for op in reversed(plan.ops):
        _place(op, found)
    for op, found.dead in plan.schedule:
        step(op, found)
    return found


# ------------------------------------------------------------------------------------------- placing


@singledispatch
def _place(op: Op, to: Steps) -> None:
    """Let the sources of an operation be made where it wants them, so that it has nothing to do."""


def _place_at(name: str, view: View, to: Steps) -> None:
    if name not in to.views:
        to.views[name] = view


@_place.register
def _(op: Concat, to: Steps) -> None:
    if len({to.is_complex(name) for name in op.srcs}) > 1 or op.dst in to.plan.inputs:
        return
    out = to.result(op.dst)
    at = out.at
    for name in op.srcs:
        _place_at(name, View(out.storage, at, out.apart), to)
        at += to.numbers(name)


@_place.register
def _(op: Unfold, to: Steps) -> None:
    _place_at(op.srcs[0], to.result(op.dst), to)


@_place.register
def _(op: Planar, to: Steps) -> None:
    out, (parts, count, samples) = to.result(op.dst), to.shape(op.dst)
    at = out.at
    for name in op.srcs:
        _place_at(name, View(out.storage, at, count * samples if parts == 2 else 0), to)
        at += to.numbers(name) // parts


# --------------------------------------------------------------------------------------------- rules


@singledispatch
def step(op: Op, to: Steps) -> None:
    """Add what an operation takes."""
    raise Unknown


@step.register
def _(op: Pad, to: Steps) -> None:
    _gather("pad", _padded(op, op.srcs[0], to), op.srcs[0], op.dst, to)


@step.register
def _(op: Crop, to: Steps) -> None:
    _gather("pad", _cropped(op), op.srcs[0], op.dst, to)


def _padded(op: Pad, src: str, to: Steps) -> list[NDArray[np.int32]]:
    """By axis, where each sample of the result comes from."""
    index = [np.ascontiguousarray(to.constants[name], np.int32) for name in op.srcs[1:]]
    for each, size in zip(index, to.shape(src)[1:], strict=True):
        if each.min(initial=0) < -1 or each.max(initial=0) >= size:
            raise Unknown
    return index


def _cropped(op: Crop) -> list[NDArray[np.int32]]:
    return [np.arange(*each, dtype=np.int32) for each in op.slices]


def _gather(kind: str, index: list[NDArray[np.int32]], src: str, dst: str, to: Steps) -> None:
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


@step.register
def _(op: Spectrum, to: Steps) -> None:
    (src,), out = op.srcs, to.view_of_result(op.dst)
    channels, *sizes = to.shape(src)
    form, cost = to.form(sizes), to.numbers(op.dst) / 2
    if to.is_complex(src):
        to.add("transform", channels, cost, [to.view(src), out], shape=form)
        return
    units = -(-channels // 2) if len(sizes) == 1 else channels
    to.add("spectrum", units, cost, [to.view(src), out], shape=form, numbers=(channels,))


@step.register
def _(op: Bandpass, to: Steps) -> None:
    result = MODULI if type(op.rho) is Modulus else RESPONSES if type(op.rho) is Linear else None
    if result is None:
        raise Unknown
    spectrum, filters = op.srcs
    out = to.result(op.dst)
    pairs, *sizes = to.shape(op.dst)
    describe = _block(op, to.shape(spectrum), sizes, filters, out, to)
    cost = pairs * math.prod(sizes)
    to.add("bandpass", pairs, cost, [to.view(spectrum), out], numbers=(result,), describe=describe)


def _block(
    op: Bandpass, full: tuple[int, ...], sizes: list[int], name: str, responses: View, to: Steps
) -> Any:
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


@step.register
def _(op: Lowpass, to: Steps) -> None:
    src = op.srcs[0]
    out = to.view_of_result(op.dst)
    describe = _bands(op, to.shape(src)[1:], to)
    to.add("lowpass", to.shape(src)[0], to.numbers(src) / 2, [to.view(src), out], describe=describe)


def _bands(op: Lowpass, sizes: tuple[int, ...], to: Steps) -> Any:
    if to.is_complex(op.dst) or len(sizes) > 3:
        raise Unknown
    bands = [
        band(to.real(name), frames, n, count)
        for name, frames, n, count in zip(
            [name for name in op.srcs if name in to.constants], op.frames, sizes, op.counts, strict=True
        )
    ]
    if max(max(each.axis) for each in bands) > MOST:
        raise Unknown
    arguments = to.pointers.bands(bands)
    call = library()["program_bands", to.dtype]
    return lambda program, k, add: call(program, k, *arguments)


@step.register
def _(op: LowModulus, to: Steps) -> None:
    _along(op, (0,), op.dst, to)


@step.register
def _(op: SpinModulus, to: Steps) -> None:
    _along(op, op.spins, op.dst, to)


def _along(op: Op, spins: tuple[int, ...], dst: str, to: Steps) -> None:
    units, cost, describe = _rows(op, spins, to.shape(dst), to)
    to.add("along", units, cost, [to.view(op.srcs[0]), to.view_of_result(dst)], describe=describe)


def _rows(op: Op, spins: tuple[int, ...], result: tuple[int, ...], to: Steps) -> tuple[int, float, Any]:
    src, psi, *average = op.srcs
    parts, count, samples = to.shape(src)
    found = rows(to.real(psi), 2 if any(spins) else 1)
    mean = rows(to.real(average[0])) if average else None
    filters = len(found.live)
    outputs = filters if mean is None else len(mean.live)
    wanted = len(spins) * outputs, samples
    fits = mean is None or mean.matrix.shape[1] == filters
    if spins not in SPINS or found.matrix.shape[1] != count or not fits or result != wanted:
        raise Unknown
    to.pointers.keep((found, mean))
    sizes = to.pointers.numbers((parts, count, samples, filters, any(spins), outputs, len(spins), spins[0]))
    arguments = sizes, *found.addresses, *(mean.addresses if mean else (None, None))
    call = library()["program_along", to.dtype]
    units = -(-samples // (TILE // np.dtype(to.dtype).itemsize))
    cost = samples * filters * max(1, count // 16)
    return units, cost, lambda program, k, add: call(program, k, *arguments, add)


@step.register
def _(op: Planar, to: Steps) -> None:
    out, (parts, count, samples) = to.views[op.dst], to.shape(op.dst)
    at = out.at
    for name in op.srcs:
        place = View(out.storage, at, count * samples if parts == 2 else 0)
        if to.views[name] != place:
            to.copy(to.views[name], place, to.numbers(name))
        at += to.numbers(name) // parts


@step.register
def _(op: Concat, to: Steps) -> None:
    if len({to.is_complex(name) for name in op.srcs}) > 1:
        raise Unknown
    at = to.view(op.dst).at
    for name in op.srcs:
        place = View(to.view(op.dst).storage, at)
        if to.views[name] != place:
            to.copy(to.views[name], place, to.numbers(name))
        at += to.numbers(name)


@step.register
def _(op: Unfold, to: Steps) -> None:
    to.alias(op.dst, to.views[op.srcs[0]])


@step.register
def _(op: Take, to: Steps) -> None:
    _take(op.srcs[0], op.srcs[1], op.dst, back=False, to=to)


def _take(src: str, order: str, dst: str, back: bool, to: Steps) -> None:
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


# ----------------------------------------------------------------------------------------- gradients


@step.register
def _(op: Part, to: Steps) -> None:
    gradient = to.view(op.srcs[0])
    if to.is_complex(op.srcs[0]) != op.is_complex:
        raise Unknown
    each = to.numbers(op.srcs[0]) // to.shape(op.srcs[0])[0]
    to.alias(op.dst, View(gradient.storage, gradient.at + op.start * each))


@step.register
def _(op: Sum, to: Steps) -> None:
    total, x = op.srcs
    last = to.steps[-1] if to.steps else None
    free = total in to.owned and total in to.dead and op.dst not in to.views
    if free:
        to.views[op.dst] = to.views[total]
        to.owned.add(op.dst)
        alone = x in to.owned and x in to.dead and to.views[x] != to.views[total]
        if last is not None and last.can_add and alone and last.operands[-1] == to.views[x]:
            last.operands[-1], last.add, last.can_add = to.views[total], True, False
            return
    size = to.numbers(op.dst)
    out = to.view_of_result(op.dst)
    to.add("sum", size, size / 8, [to.view(total), to.view(x), out], numbers=(1, size))


@step.register
def _(op: Pullback, to: Steps) -> None:
    if op.by >= (len(op.op.srcs) if isinstance(op.op, Concat | Planar) else 1):
        raise Unknown
    back(op.op, op, to)


@singledispatch
def back(op: Op, pull: Pullback, to: Steps) -> None:
    """Add what the gradient by the data of an operation takes, from the last source of ``pull``."""
    raise Unknown


@back.register
def _(op: Pad, pull: Pullback, to: Steps) -> None:
    _gather("pad_vjp", _padded(op, pull.dst, to), pull.srcs[-1], pull.dst, to)


@back.register
def _(op: Crop, pull: Pullback, to: Steps) -> None:
    _gather("pad_vjp", _cropped(op), pull.srcs[-1], pull.dst, to)


@back.register
def _(op: Spectrum, pull: Pullback, to: Steps) -> None:
    gradient = pull.srcs[-1]
    channels, *sizes = to.shape(gradient)
    operands, cost = [to.view(gradient), to.view_of_result(pull.dst)], to.numbers(gradient) / 2
    if to.is_complex(pull.dst):
        to.add("transform", channels, cost, operands, shape=to.form(sizes), numbers=(1,))
    else:
        to.add("real_back", channels, cost, operands, shape=to.form(sizes))


@back.register
def _(op: Bandpass, pull: Pullback, to: Steps) -> None:
    *spectrum, filters, gradient = pull.srcs
    result = MODULI if type(op.rho) is Modulus else RESPONSES if type(op.rho) is Linear else None
    if result is None or len(spectrum) != (result == MODULI):
        raise Unknown
    channels, full = to.shape(pull.dst)[0], to.numbers(pull.dst)
    pairs, *sizes = to.shape(gradient)
    given, count = to.views[gradient], pairs // channels
    out = to.view_of_result(pull.dst)
    describe = _block(op, to.shape(pull.dst), sizes, filters, given, to)
    cost = 2.0 * pairs * math.prod(sizes)
    source = to.view(spectrum[0]) if spectrum else None
    more: dict[str, Any] = {"numbers": (result,), "describe": describe}
    if channels == 1 and count > 1 and to.shared:
        shares = min(SHARES, count)
        partial = View(to.storage(shares * full))
        to.add("bandpass_vjp_shared", shares, max(cost, shares * 2**13), [source, given, partial], **more)
        to.add("sum", full, full / 8, [None, partial, out], numbers=(shares, full))
    else:
        to.add("bandpass_vjp", channels, cost, [source, given, out], **more, can_add=True)


@back.register
def _(op: Lowpass, pull: Pullback, to: Steps) -> None:
    gradient = pull.srcs[-1]
    channels, *sizes = to.shape(pull.dst)
    if to.is_complex(gradient):
        raise Unknown
    describe = _bands(op, tuple(sizes), to)
    out = to.view_of_result(pull.dst)
    to.add("lowpass_vjp", channels, to.numbers(pull.dst) / 2, [to.view(gradient), out], describe=describe)


@back.register
def _(op: LowModulus, pull: Pullback, to: Steps) -> None:
    _along_back(op, (0,), pull, to)


@back.register
def _(op: SpinModulus, pull: Pullback, to: Steps) -> None:
    _along_back(op, op.spins, pull, to)


def _along_back(op: Op, spins: tuple[int, ...], pull: Pullback, to: Steps) -> None:
    gradient = pull.srcs[-1]
    units, cost, describe = _rows(op, spins, to.shape(gradient), to)
    operands = [to.view(op.srcs[0]), to.view(gradient), to.view_of_result(pull.dst)]
    to.add("along_vjp", units, 2 * cost, operands, describe=describe, can_add=True)


@back.register
def _(op: Planar, pull: Pullback, to: Steps) -> None:
    parts, count, samples = to.shape(pull.srcs[-1])
    gradient = to.view(pull.srcs[-1])
    before = sum(to.numbers(name) // parts for name in op.srcs[: pull.by])
    to.alias(pull.dst, View(gradient.storage, gradient.at + before, count * samples if parts == 2 else 0))


@back.register
def _(op: Unfold, pull: Pullback, to: Steps) -> None:
    to.alias(pull.dst, to.views[pull.srcs[-1]])


@back.register
def _(op: Take, pull: Pullback, to: Steps) -> None:
    _take(pull.srcs[-1], op.srcs[1], pull.dst, back=True, to=to)
