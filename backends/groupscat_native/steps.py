"""From operations of a plan to steps of a program: one rule for each."""

from __future__ import annotations

import math
from functools import singledispatch

from groupscat.plan.along import LowModulus, Planar, SpinModulus, Unfold
from groupscat.plan.angular import AngularModulus, Mix
from groupscat.plan.harmonic import HarmonicModulus, SignedPower
from groupscat.plan.ops import Bandpass, Concat, Crop, Lowpass, Op, Pad, Power, Spectrum, Take
from groupscat.plan.recompute import Part, Pullback, Sum
from groupscat.plan.rho import Linear, Modulus
from groupscat_native.along_channels import combinations
from groupscat_native.gradients import back
from groupscat_native.kernels import MODULI, RESPONSES
from groupscat_native.library import library
from groupscat_native.parameters import (
    along,
    angular,
    averages,
    block,
    cropped,
    described,
    gather,
    harmonics,
    mix,
    padded,
    power,
    taken,
)
from groupscat_native.program import Steps, Unknown, View

# ------------------------------------------------------------------------------------------- placing


@singledispatch
def place(op: Op, to: Steps) -> None:
    """Let the sources of an operation be made where it wants them, so that it has nothing to do."""


def _place_at(name: str, view: View, to: Steps) -> None:
    if name not in to.views:
        to.views[name] = view


@place.register
def _(op: Concat, to: Steps) -> None:
    if len({to.is_complex(name) for name in op.srcs}) > 1 or op.dst in to.plan.inputs:
        return
    out = to.result(op.dst)
    at = out.at
    for name in op.srcs:
        _place_at(name, View(out.storage, at, out.apart), to)
        at += to.numbers(name)


@place.register
def _(op: Unfold, to: Steps) -> None:
    _place_at(op.srcs[0], to.result(op.dst), to)


@place.register
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
    gather("pad", padded(op, op.srcs[0], to), op.srcs[0], op.dst, to)


@step.register
def _(op: Crop, to: Steps) -> None:
    gather("pad", cropped(op), op.srcs[0], op.dst, to)


@step.register
def _(op: Spectrum, to: Steps) -> None:
    (src,), out = op.srcs, to.view_of_result(op.dst)
    channels, *sizes = to.shape(src)
    form, cost = to.form(sizes), to.numbers(op.dst) / 2
    if to.is_complex(src):
        to.add("transform", channels, cost, [to.view(src), out], shape=form)
        return
    units = -(-channels // 2) if len(sizes) == 1 else channels
    to.add("spectrum", units, cost, [to.view(src), out], shape=form, numbers=(channels, to.bins(op.dst)))


@step.register
def _(op: Bandpass, to: Steps) -> None:
    result = MODULI if type(op.rho) is Modulus else RESPONSES if type(op.rho) is Linear else None
    if result is None:
        raise Unknown
    spectrum, filters = op.srcs
    out = to.result(op.dst)
    pairs, *sizes = to.shape(op.dst)
    describe = block(op, to.shape(spectrum), sizes, filters, out, to)
    cost = pairs * math.prod(sizes)
    to.add("bandpass", pairs, cost, [to.view(spectrum), out], numbers=(result,), describe=describe)


@step.register
def _(op: Lowpass, to: Steps) -> None:
    src, inner = op.srcs[0], to.fused.get(op.srcs[0])
    describe = averages(op, to.shape(src)[1:], to)
    kind = "lowpass"
    if isinstance(inner, Power | SignedPower):
        of_power, of_average = power(inner, to), describe
        src, kind = inner.srcs[0], "power_lowpass"

        def describe(program: int, k: int, add: bool) -> None:
            of_power(program, k, add)
            of_average(program, k, add)

    operands = [to.view(src), to.view_of_result(op.dst)]
    to.add(kind, to.shape(src)[0], to.numbers(src) / 2, operands, describe=describe)


@step.register
def _(op: LowModulus, to: Steps) -> None:
    _modulus_along(op, (0,), op.dst, to)


@step.register
def _(op: SpinModulus, to: Steps) -> None:
    _modulus_along(op, op.spins, op.dst, to)


def _modulus_along(op: Op, spins: tuple[int, ...], dst: str, to: Steps) -> None:
    units, cost, describe = along(op, spins, to.shape(dst), to)
    to.add("along", units, cost, [to.view(op.srcs[0]), to.view_of_result(dst)], describe=describe)


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
    if isinstance(to.reader(op.dst), AngularModulus):
        to.fused[op.dst] = op
    else:
        taken(op.srcs[0], op.srcs[1], op.dst, back=False, to=to)


@step.register
def _(op: AngularModulus, to: Steps) -> None:
    reader = to.reader(op.dst)
    if isinstance(reader, Mix):
        to.fused[op.dst] = op
    else:
        _angular(op, None, op.dst, to)


def _angular(op: AngularModulus, mean: Mix | None, dst: str, to: Steps) -> None:
    src, order = op.srcs[0], None
    if src in to.fused:
        src, order = to.fused[src].srcs
    units, cost, describe = angular(op, mean, order, src, to)
    to.add("angular", units, cost, [to.view(src), to.view_of_result(dst)], describe=describe)


@step.register
def _(op: Mix, to: Steps) -> None:
    inner = to.fused.get(op.srcs[0])
    if isinstance(inner, AngularModulus):
        _angular(inner, op, op.dst, to)
        return
    units, cost, describe = mix(to.table(combinations, op.srcs[1]), op.srcs[0], op.dst, to)
    to.add("mix", units, cost, [to.view(op.srcs[0]), to.view_of_result(op.dst)], describe=describe)


@step.register
def _(op: HarmonicModulus, to: Steps) -> None:
    spectrum = op.srcs[0]
    found, form = harmonics(op, to)
    kept = None
    if any(isinstance(each, Pullback) and each.op == op for each in to.plan.ops):
        each = library()["harmonic_kept", to.dtype](form.pointer, *found.addresses[:2])
        kept = to.responses[op.dst] = View(to.storage(each * to.shape(op.dst)[0]))
    describe = described(found, form, spectrum, 0, to)
    cost = to.numbers(op.dst) * len(found.kinds) / 2
    out = to.view_of_result(op.dst)
    to.add("harmonic", to.shape(op.dst)[0], cost, [to.view(spectrum), kept, out], describe=describe)


@step.register
def _(op: Power, to: Steps) -> None:
    _power(op, to)


@step.register
def _(op: SignedPower, to: Steps) -> None:
    _power(op, to)


def _power(op: Power | SignedPower, to: Steps) -> None:
    size, reader = to.numbers(op.dst), to.reader(op.dst)
    if to.is_complex(op.srcs[0]):
        raise Unknown
    if isinstance(reader, Lowpass) and reader.counts[0] == 1:
        to.fused[op.dst] = op
        return
    operands = [to.view(op.srcs[0]), to.view_of_result(op.dst)]
    to.add("power", size, size / 8, operands, describe=power(op, to))


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
