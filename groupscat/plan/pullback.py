"""How gradients go back through each operation; one without a rule is differentiated by its framework."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch

from groupscat.backend.base import Array, Backend
from groupscat.plan.along import LowModulus, Planar, SpinModulus, Unfold, in_blocks, spun, unspun
from groupscat.plan.angular import AngularModulus, Mix
from groupscat.plan.cascade import FilterBank, LowChannel
from groupscat.plan.harmonic import HarmonicModulus
from groupscat.plan.ops import Bandpass, Concat, Crop, Lowpass, Op, Pad, Spectrum, Take
from groupscat.plan.rho import Linear, Modulus

#: Operations that are linear in their data: no derivative depends on the values of these.
LINEAR = (Concat, Crop, FilterBank, LowChannel, Lowpass, Mix, Pad, Planar, Spectrum, Take, Unfold)


def is_linear(op: Op) -> bool:
    """Whether an operation is linear in its data.

    >>> is_linear(Spectrum(("x",), "F", ndim=1))
    True
    """
    return isinstance(op, LINEAR) or (isinstance(op, Bandpass) and isinstance(op.rho, Linear))


def pullback(op: Op, xp: Backend, values: Sequence[Array], by: int, gradient: Array) -> Array:
    """The gradient by source ``by`` of an operation, from that of its result.

    Parameters
    ----------
    values : of all sources. Of the data of a linear operation only shape and field are used.
    """
    chosen = rule.dispatch(type(op) if by < data(op) else Op)
    return chosen(op, xp, values, by, gradient)


def data(op: Op) -> int:
    """How many of the first sources are data; the others are constants, or learned."""
    return len(op.srcs) if isinstance(op, Concat | Planar) else 1


@singledispatch
def rule(op: Op, xp: Backend, values: Sequence[Array], by: int, gradient: Array) -> Array:
    """The gradient by data; by default, and by constants, what the framework differentiates."""

    def function(x: Array) -> Array:
        return op(xp, *values[:by], x, *values[by + 1 :])

    return xp.pullback(function, values[by], gradient)


@rule.register
def _spectrum(op: Spectrum, xp: Backend, values: Sequence[Array], by: int, gradient: Array) -> Array:
    y = xp.backward_fft(gradient, tuple(range(-op.ndim, 0)))
    return y if xp.is_complex(values[0]) else xp.real(y)


@rule.register
def _bandpass(op: Bandpass, xp: Backend, values: Sequence[Array], by: int, gradient: Array) -> Array:
    spectrum, filters = values
    if op.part is not None:
        filters = filters[:, slice(*op.part), ...]
    if isinstance(op.rho, Modulus):
        return xp.bandpass_modulus_gradient(spectrum, filters, op.segments, op.fold, gradient)
    if not isinstance(op.rho, Linear):
        z = xp.bandpass(spectrum, filters, op.segments, op.fold)
        gradient = xp.pullback(lambda z: op.rho(xp, z), z, gradient)
    return xp.bandpass_adjoint(gradient, filters, op.segments, op.fold, xp.shape(spectrum)[2:])


@rule.register
def _harmonic(op: HarmonicModulus, xp: Backend, values: Sequence[Array], by: int, gradient: Array) -> Array:
    spectrum, filters = values
    return xp.harmonic_modulus_gradient(spectrum, filters, gradient)


@rule.register
def _angular(op: AngularModulus, xp: Backend, values: Sequence[Array], by: int, gradient: Array) -> Array:
    z, matrix = values
    return xp.channel_modulus_gradient(z, matrix, op.inputs, gradient)


@rule.register
def _mix(op: Mix, xp: Backend, values: Sequence[Array], by: int, gradient: Array) -> Array:
    return xp.mix_channels_adjoint(gradient, values[1], op.inputs)


@rule.register
def _lowpass(op: Lowpass, xp: Backend, values: Sequence[Array], by: int, gradient: Array) -> Array:
    x, *matrices = values
    return xp.lowpass_adjoint(gradient, matrices, op.frames, xp.shape(x)[2:])


@rule.register
def _unfold(op: Unfold, xp: Backend, values: Sequence[Array], by: int, gradient: Array) -> Array:
    return xp.reshape(gradient, (-1, *xp.shape(values[0])[1:]))


@rule.register
def _low_modulus(op: LowModulus, xp: Backend, values: Sequence[Array], by: int, gradient: Array) -> Array:
    x, low, *average = values

    def part(x: Array, gradient: Array) -> Array:
        y = xp.pullback(lambda y: xp.modulus(y, 1), xp.matmul(low, x), _averaged_back(xp, average, gradient))
        return xp.matmul(xp.moveaxis(low, 0, 1), y)

    return in_blocks(xp, part, (x, gradient), 2 * xp.shape(low)[0])


@rule.register
def _spin_modulus(op: SpinModulus, xp: Backend, values: Sequence[Array], by: int, gradient: Array) -> Array:
    x, psi, *average = values
    rows, is_complex = xp.shape(psi)[0] // 2, xp.shape(x)[1] == 2
    outputs = xp.shape(gradient)[1] // len(op.spins)

    def part(x: Array, gradient: Array) -> Array:
        y = xp.matmul(psi, x)
        found = []
        for k, spin in enumerate(op.spins):
            slope = _averaged_back(xp, average, gradient[:, k * outputs : (k + 1) * outputs, ...])
            found.append(xp.hypot_gradient(*spun(y, rows, spin, is_complex), slope))
        return xp.matmul(xp.moveaxis(psi, 0, 1), unspun(xp, found, op.spins, is_complex))

    return in_blocks(xp, part, (x, gradient), 2 * rows)


def _averaged_back(xp: Backend, average: Sequence[Array], gradient: Array) -> Array:
    return xp.matmul(xp.moveaxis(average[0], 0, 1), gradient) if average else gradient


def _part(xp: Backend, op: Op, values: Sequence[Array], by: int) -> slice:
    """The channels of a result that source ``by`` became, one after the other."""
    start = sum(xp.shape(x)[1] for x in values[:by])
    return slice(start, start + xp.shape(values[by])[1])


@rule.register
def _concat(op: Concat, xp: Backend, values: Sequence[Array], by: int, gradient: Array) -> Array:
    part = gradient[:, _part(xp, op, values, by), ...]
    return xp.real(part) if xp.is_complex(part) and not xp.is_complex(values[by]) else part


@rule.register
def _planar(op: Planar, xp: Backend, values: Sequence[Array], by: int, gradient: Array) -> Array:
    part = gradient[:, :, _part(xp, op, values, by), ...]
    return xp.complex(part[:, 0, ...], part[:, 1, ...]) if xp.is_complex(values[by]) else part[:, 0, ...]
