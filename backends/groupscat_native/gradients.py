"""Gradients of operations as steps of a program; the plan of a gradient says which are needed."""

from __future__ import annotations

import math
from functools import singledispatch
from typing import Any

from groupscat.plan.along import LowModulus, Planar, SpinModulus, Unfold
from groupscat.plan.angular import AngularModulus, Mix
from groupscat.plan.harmonic import HarmonicModulus, SignedPower
from groupscat.plan.ops import Bandpass, Crop, Lowpass, Op, Pad, Power, Spectrum, Take
from groupscat.plan.recompute import Pullback
from groupscat.plan.rho import Linear, Modulus
from groupscat_native.along_channels import transposed
from groupscat_native.kernels import MODULI, RESPONSES
from groupscat_native.parameters import (
    HALF,
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

#: Threads that share the wavelets of one spectrum, at most.
SHARES = 4


@singledispatch
def back(op: Op, pull: Pullback, to: Steps) -> None:
    """Add what the gradient by the data of an operation takes, from the last source of ``pull``."""
    raise Unknown


@back.register
def _(op: Pad, pull: Pullback, to: Steps) -> None:
    gather("pad_vjp", padded(op, pull.dst, to), pull.srcs[-1], pull.dst, to)


@back.register
def _(op: Crop, pull: Pullback, to: Steps) -> None:
    gather("pad_vjp", cropped(op), pull.srcs[-1], pull.dst, to)


@back.register
def _(op: Spectrum, pull: Pullback, to: Steps) -> None:
    gradient = pull.srcs[-1]
    channels, *sizes = to.shape(gradient)
    operands, cost = [to.view(gradient), to.view_of_result(pull.dst)], to.numbers(gradient) / 2
    if len(sizes) == 3 and half_spectrum(op.dst, to):
        to.add("half_back", channels, cost / 2, operands, shape=to.form(sizes), numbers=(to.bins(gradient),))
    elif to.is_complex(pull.dst):
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
    describe = block(op, to.shape(pull.dst), sizes, filters, given, to)
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
    describe = averages(op, tuple(sizes), to, adjoint=True)
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
    units, cost, describe = along(op, spins, to.shape(gradient), to)
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
    taken(pull.srcs[-1], op.srcs[1], pull.dst, back=True, to=to)


@back.register
def _(op: AngularModulus, pull: Pullback, to: Steps) -> None:
    gradient = pull.srcs[-1]
    units, cost, describe = angular(op, None, None, op.srcs[0], to)
    operands = [to.view(op.srcs[0]), to.view(gradient), to.view_of_result(pull.dst)]
    to.add("angular_vjp", units, 2 * cost, operands, describe=describe)


@back.register
def _(op: Mix, pull: Pullback, to: Steps) -> None:
    gradient = pull.srcs[-1]
    units, cost, describe = mix(to.table(transposed, op.srcs[1]), gradient, pull.dst, to)
    to.add("mix", units, cost, [to.view(gradient), to.view_of_result(pull.dst)], describe=describe)


def half_spectrum(spectrum: str, to: Steps) -> bool:
    """Whether gradients by a spectrum come from solid harmonics alone, which make half of it."""
    pulled = [op.op for op in to.plan.ops if isinstance(op, Pullback) and op.op.srcs[op.by] == spectrum]
    return all(isinstance(op, HarmonicModulus) for op in pulled)


@back.register
def _(op: HarmonicModulus, pull: Pullback, to: Steps) -> None:
    spectrum, gradient = op.srcs[0], pull.srcs[-1]
    found, form = harmonics(op, to)
    describe = described(found, form, spectrum, HALF if half_spectrum(spectrum, to) else 0, to)
    cost = to.numbers(op.dst) * len(found.kinds)
    operands = [to.view(spectrum), to.view(gradient), to.responses.get(op.dst), to.view_of_result(pull.dst)]
    channels = to.shape(op.dst)[0]
    to.add("harmonic_vjp", channels, cost, operands, describe=describe, can_add=True)


@back.register
def _(op: Power, pull: Pullback, to: Steps) -> None:
    _power(op, pull, to)


@back.register
def _(op: SignedPower, pull: Pullback, to: Steps) -> None:
    _power(op, pull, to)


def _power(op: Power | SignedPower, pull: Pullback, to: Steps) -> None:
    size = to.numbers(pull.dst)
    operands = [to.view(op.srcs[0]), to.view(pull.srcs[-1]), to.view_of_result(pull.dst)]
    to.add("power_vjp", size, size / 8, operands, describe=power(op, to))
