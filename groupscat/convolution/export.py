"""A trained layer as ordinary convolutions, which every framework has: their filters and where they read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from groupscat.backend import Array, Backend
from groupscat.checks import integer
from groupscat.convolution.arguments import PRECISION, per_axis
from groupscat.convolution.convnd import CONSTANTS
from groupscat.convolution.group_layer import GroupConvSpec
from groupscat.convolution.layer import ConvSpec
from groupscat.convolution.sampling import check_places
from groupscat.errors import ArgumentError
from groupscat.execute import run
from groupscat.plan.conv_axis import ConvAxis
from groupscat.plan.group_conv import Quotient, filters_plan

#: Axes that frameworks have convolutions of.
MOST_AXES = 3


@dataclass(frozen=True, eq=False)
class PlainConv:
    """A cross-correlation along ``axes`` with filters (channels out, channels / groups, *taps)."""

    weight: Array
    axes: tuple[ConvAxis, ...]
    groups: int


def plain_convolutions(
    spec: ConvSpec, parameters: Mapping[str, Array], shape: Sequence[int] | None, backend: Backend
) -> list[PlainConv]:
    """The convolutions that a layer is, one after the other: one, or two if it is separable.

    Their channels are those of the layer times |H|, h fastest: (batch, channels·|H|, N_1, …, N_d). The bias
    is to be added after the last, that of a channel to all h.

    Parameters
    ----------
    parameters : of the layer, by name, float32 or float64.
    shape : (N_1, …, N_d) of the input; None where nothing depends on it.

    Raises
    ------
    ArgumentError : more than three axes; no shape, though the padding depends on it; a shape that the layer
        refuses.
    """
    if spec.ndim > MOST_AXES:
        raise ArgumentError(
            f"{spec!r} convolves along {spec.ndim} axes, and frameworks have convolutions along at most "
            f"{MOST_AXES}. Keep the layer, or run it by groupscat in the other framework."
        )
    axes = _axes(spec, shape)
    weight = parameters["weight"]
    if not isinstance(spec, GroupConvSpec):
        return [PlainConv(weight, axes, spec.groups)]
    plan = filters_plan(spec.shape([axis.size for axis in axes]))
    constants = CONSTANTS.of(plan, backend, PRECISION[backend.dtype(weight)], weight)
    (filters,) = run(plan, {"w": weight, **constants}, backend)
    if not spec.separable:
        return [PlainConv(filters, axes, spec.groups)]
    points = tuple(ConvAxis(axis.size, 1) for axis in axes)
    mix = PlainConv(_mixing(spec, parameters["mix"], backend), points, spec.groups)
    return [mix, PlainConv(filters, axes, spec.out_channels * spec.order)]


def _axes(spec: ConvSpec, shape: Sequence[int] | None) -> tuple[ConvAxis, ...]:
    if shape is not None:
        if not isinstance(shape, Iterable) or len(tuple(shape)) != spec.ndim:
            raise ArgumentError(
                f"shape={shape!r}: expected the {spec.ndim} lengths of the base axes, without batch and "
                "channels."
            )
        axes = spec.axes([integer("shape", n, 1) for n in shape])
        if isinstance(spec, GroupConvSpec) and not spec.approximate:
            check_places(spec.group, axes)
        return axes
    dilations = per_axis("dilation", spec.dilation, spec.ndim)
    axes = spec.axes([(k - 1) * step + 1 for k, step in zip(spec.taps, dilations, strict=True)])
    if any(axis.stride > 1 and axis.padding != "none" for axis in axes):
        raise ArgumentError(
            f"{spec!r} pads by what the size of x and the stride leave over: say for which size, for example "
            f"export(shape={(28,) * spec.ndim})."
        )
    return axes


def _mixing(spec: GroupConvSpec, mix: Array, backend: Backend) -> Array:
    """The mix between all (h', channel) and (h, channel): (outputs·|H|, depth·|H|, 1, …, 1)."""
    O, D, h = spec.out_channels, spec.depth, spec.order
    if spec.lift:
        positions, onto = np.zeros(h, np.int64), 1
        mix = backend.reshape(mix, (O, D, 1))
    else:
        positions, onto = Quotient(spec.group, steered=False).build(), h
    index = backend.asarray(positions.astype(np.int32), dtype="int32", like=mix)
    pairs = backend.reshape(backend.pad(mix, [index], True), (O, D, h, onto))
    return backend.reshape(backend.permute(pairs, (0, 2, 1, 3)), (O * h, D * onto, *(1,) * spec.ndim))
