"""Group convolution, lowered through two constant tables to one convolution of the base axes.

y(u, h) = Σ_{u', h'} x(u', h') w(A_h⁻¹(u' − u), h⁻¹h') is a convolution along u whose filter from channel h'
to channel h is w(·, h⁻¹h') moved by h: the quotient table says which, the steering table how it is moved.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from groupscat.backend.base import ConstantKind
from groupscat.groups import Group
from groupscat.plan.conv_axis import ConvAxis
from groupscat.plan.conv_ops import Apply, Gather, Rearrange, Reduce
from groupscat.plan.convnd import ConvShape, lower_convolution, space_of
from groupscat.plan.paths import Paths
from groupscat.plan.plan import Plan, PlanBuilder
from groupscat.wavelets.basis import Basis
from groupscat.wavelets.steering import steering_table, steering_taps


@dataclass(frozen=True)
class Steering:
    """The functions of a basis at every tap, moved by every h: shape (functions, |H|·taps)."""

    group: Group
    basis: Basis
    kind: ClassVar[ConstantKind] = "matrix"

    @property
    def size(self) -> int:
        taps = math.prod(steering_taps(self.group, self.basis))
        return self.basis.size * taps * int(self.group.point_group.order)

    def build(self) -> NDArray[np.float64]:
        table = steering_table(self.group, self.basis)
        return np.moveaxis(table, -1, 0).reshape(self.basis.size, -1)


@dataclass(frozen=True)
class Quotient:
    """Where h, h' find their filter among the (h⁻¹h', h) that steering has made: |H|² places, −1 for none.

    ``steered``: whether every filter was moved by every h, as (k, h); else there are the k alone.
    """

    group: Group
    steered: bool
    kind: ClassVar[ConstantKind] = "index"

    @property
    def size(self) -> int:
        return int(self.group.point_group.order) ** 2

    def build(self) -> NDArray[np.int64]:
        table = self.group.point_group.quotient_table().astype(np.int64)
        if self.steered:
            h = np.arange(len(table))[:, None]
            table = np.where(table < 0, -1, table * len(table) + h)
        return table.reshape(-1)


@dataclass(frozen=True)
class GroupConvShape:
    """A convolution on R^d ⋊ H of signals on the base (``lift``) or on the group.

    ``axes`` have the taps of the steered filters. ``separable``: h' and channels are mixed at every u first,
    by a filter on H, then every channel is convolved along u by a filter of its own.
    """

    group: Group
    basis: Basis
    channels: int
    outputs: int
    axes: tuple[ConvAxis, ...]
    groups: int = 1
    lift: bool = False
    separable: bool = False

    @property
    def order(self) -> int:
        return int(self.group.point_group.order)

    @property
    def depth(self) -> int:
        return self.channels // self.groups


@lru_cache(maxsize=1024)
def group_conv_plan(shape: GroupConvShape, strategy: str | None = None) -> Plan:
    """Input "x" (B, channels, |H|, *sizes), without |H| for a lift; output (B, outputs, |H|, *results).

    Parameter "w" (outputs, depth, |H|, *basis.shape), without |H| for a lift; separable: "mix" (outputs,
    depth, |H|) and "w" (outputs, *basis.shape).
    """
    b, h = PlanBuilder(), shape.order
    sizes = [axis.size for axis in shape.axes]
    over = [] if shape.lift else [h]
    x = b.input("x", space_of(shape.channels, *over, *sizes))
    kernel = [shape.outputs, *shape.basis.shape]
    if shape.separable:
        mix = b.parameter("mix", space_of(shape.outputs, shape.depth, *over))
    else:
        kernel[1:1] = [shape.depth, *over]
    w = b.parameter("w", space_of(*kernel))
    if not shape.lift:
        flat = [shape.channels * h, *sizes]
        x = b.emit(
            _rearranged(x, "x_flat", [-1, shape.channels, h, *sizes], None, [-1, *flat]), space_of(*flat)
        )
    if shape.separable:
        x = _mix(b, x, mix, shape, strategy)
        axes = ConvShape(shape.outputs * h, shape.outputs * h, shape.axes, shape.outputs * h)
    else:
        axes = ConvShape(math.prod([shape.channels, *over]), shape.outputs * h, shape.axes, shape.groups)
    y = lower_convolution(b, x, lower_filters(b, w, shape), axes, strategy)
    results = [shape.outputs, h, *axes.results]
    done = _rearranged(y, "y", [-1, shape.outputs * h, *axes.results], None, [-1, *results])
    return b.build([(b.emit(done, space_of(*results)), ())], Paths(()))


@lru_cache(maxsize=256)
def filters_plan(shape: GroupConvShape) -> Plan:
    """The filters of the ordinary convolution that a group convolution is: what :func:`lower_filters` makes.

    Parameter "w" alone, no data.
    """
    b = PlanBuilder()
    over = [] if shape.lift or shape.separable else [shape.order]
    depth = [] if shape.separable else [shape.depth]
    w = b.parameter("w", space_of(shape.outputs, *depth, *over, *shape.basis.shape))
    return b.build([(lower_filters(b, w, shape), ())], Paths(()))


def lower_filters(b: PlanBuilder, w: str, shape: GroupConvShape) -> str:
    """The filters between all (h', channel) and (h, channel): (outputs·|H|, depth·|H|, *taps)."""
    h, O, D = shape.order, shape.outputs, 1 if shape.separable else shape.depth
    onto = 1 if shape.lift or shape.separable else h
    taps = [axis.taps for axis in shape.axes]
    T = math.prod(taps)
    steering = b.constant(Steering(shape.group, shape.basis))
    rows = [O * D * onto, shape.basis.size]
    w = b.emit(_rearranged(w, "w_rows", None, None, rows), space_of(*rows), batched=False)
    w = b.emit(Apply((w, steering), "w_steered"), space_of(O * D * onto, h * T), batched=False)
    if onto == h and h > 1:
        every = [O * D, h * h, T]
        w = b.emit(_rearranged(w, "w_pairs", None, None, every), space_of(*every), batched=False)
        quotient = b.constant(Quotient(shape.group, steered=True))
        w = b.emit(Gather((w, quotient), "w_quotients", (-2,)), space_of(*every), batched=False)
    after = [O * h, D * onto, *taps]
    last = _rearranged(w, "w_filters", [O, D, h, onto, T], [0, 2, 1, 3, 4], after)
    return b.emit(last, space_of(*after), batched=False)


def _mix(b: PlanBuilder, x: str, mix: str, shape: GroupConvShape, strategy: str | None) -> str:
    """Channels and elements of the group mixed at every point: (B, outputs·|H|, *sizes)."""
    h, O, D = shape.order, shape.outputs, shape.depth
    onto = 1 if shape.lift else h
    sizes = [axis.size for axis in shape.axes]
    points = ConvAxis(math.prod(sizes), 1)
    if shape.lift:  # nothing to mix but channels; every h sees the same
        every = [O, D, 1]
        mix = b.emit(_rearranged(mix, "mix_rows", None, None, every), space_of(*every), batched=False)
        zeros = b.constant(Repeated(h))
        mix = b.emit(Gather((mix, zeros), "mix_repeated", (-1,)), space_of(O, D, h), batched=False)
    else:
        quotient = b.constant(Quotient(shape.group, steered=False))
        mix = b.emit(Gather((mix, quotient), "mix_quotients", (-1,)), space_of(O, D, h * h), batched=False)
    after = [O * h, D * onto, 1]
    last = _rearranged(mix, "mix_filters", [O, D, h, onto], [0, 2, 1, 3], after)
    mix = b.emit(last, space_of(*after), batched=False)
    channels = shape.channels * onto
    line = [channels, points.size]
    x = b.emit(_rearranged(x, "x_line", [-1, channels, *sizes], None, [-1, *line]), space_of(*line))
    y = lower_convolution(b, x, mix, ConvShape(channels, O * h, (points,), shape.groups), "native")
    grid = [O * h, *sizes]
    return b.emit(_rearranged(y, "x_mixed", [-1, O * h, points.size], None, [-1, *grid]), space_of(*grid))


@dataclass(frozen=True)
class Repeated:
    """Position 0, ``size`` times."""

    size: int
    kind: ClassVar[ConstantKind] = "index"

    def build(self) -> NDArray[np.int64]:
        return np.zeros(self.size, np.int64)


@lru_cache(maxsize=1024)
def pool_plan(
    channels: int, over: tuple[int, ...], sizes: tuple[int, ...], windows: tuple[int, ...], how: str
) -> Plan:
    """Input "x" (B, channels, *over, *sizes): the most or the mean of ``over``, or of windows of the sizes.

    Windows of 0 stand for pooling ``over``.
    """
    b = PlanBuilder()
    x = b.input("x", space_of(channels, *over, *sizes))
    if not any(windows):
        op = Reduce((x,), "y", tuple(range(2, 2 + len(over))), how, math.prod(over))
        return b.build([(b.emit(op, space_of(channels, *sizes)), ())], Paths(()))
    grid = [n for size, k in zip(sizes, windows, strict=True) for n in (size // k, k)]
    cut = [channels * math.prod(over), *grid]
    x = b.emit(_rearranged(x, "x_cut", None, None, [-1, *cut]), space_of(*cut))
    after = [n // k for n, k in zip(sizes, windows, strict=True)]
    op = Reduce((x,), "x_pooled", tuple(range(3, 3 + 2 * len(sizes), 2)), how, math.prod(windows))
    x = b.emit(op, space_of(cut[0], *after))
    last = [channels, *over, *after]
    return b.build([(b.emit(_rearranged(x, "y", None, None, [-1, *last]), space_of(*last)), ())], Paths(()))


def _rearranged(
    x: str, name: str, before: list[int] | None, order: list[int] | None, after: list[int]
) -> Rearrange:
    """Reshape, permute, reshape; without ``order`` one reshape."""
    if order is None or before is None:
        return Rearrange((x,), name, tuple(after), tuple(range(len(after))), tuple(after))
    return Rearrange((x,), name, tuple(before), tuple(order), tuple(after))
