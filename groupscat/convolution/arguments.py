"""Checks of what a convolution is given: each error names the value, what was expected and the way out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from groupscat.backend import Array, Backend, backend_of
from groupscat.checks import choice, integer
from groupscat.errors import ArgumentError, DeviceError, DtypeError, ShapeError
from groupscat.plan.conv_axis import BOUNDARIES, ConvAxis

#: Element types that are computed with as they are; half precision is computed in float32.
PRECISION = {
    "float32": "float32",
    "float64": "float64",
    "complex64": "float32",
    "complex128": "float64",
    "float16": "float32",
    "bfloat16": "float32",
}
HALF = ("float16", "bfloat16")


def same_framework(x: Array, **others: Array) -> Backend:
    """The backend of x, if the other arrays share its framework, device and precision.

    Raises
    ------
    DtypeError, DeviceError : they do not.
    """
    backend = backend_of(x)
    dtype = backend.dtype(x)
    if dtype not in PRECISION:
        raise DtypeError(f"x has dtype {dtype}; expected one of {', '.join(PRECISION)}. Convert x first.")
    for name, y in others.items():
        if not backend.owns(y):
            raise DtypeError(
                f"x is an array of {backend.name}, {name} is {type(y).__module__}.{type(y).__qualname__}. "
                f"Convert one of them: groupscat.convert({name}, {backend.name!r})."
            )
        theirs = backend.dtype(y)
        if theirs not in PRECISION or _bits(theirs) != _bits(dtype):
            raise DtypeError(
                f"x is {dtype} and {name} is {theirs}: expected the same precision. Convert one of them."
            )
        if not backend.is_tracing(x) and not backend.is_tracing(y) and backend.device(y) != backend.device(x):
            raise DeviceError(
                f"x is on {backend.device(x)} and {name} on {backend.device(y)}; move one of them."
            )
    return backend


def _bits(dtype: str) -> str:
    return {"complex64": "float32", "complex128": "float64"}.get(dtype, dtype)


def known_sizes(x: Array, backend: Backend, first: int = 1) -> tuple[int, ...]:
    """The lengths of x from axis ``first`` on; those before may be unknown while a framework traces."""
    sizes = tuple(backend.shape(x)[first:])
    if not all(isinstance(n, int) for n in sizes):
        raise ShapeError(
            f"x has the unknown lengths {sizes} while its framework traces; a plan needs all but the batch. "
            "Fix them there (in TensorFlow by tf.ensure_shape)."
        )
    return sizes


def axes_of(
    sizes: Sequence[int],
    taps: Sequence[int],
    stride: Any = 1,
    dilation: Any = 1,
    padding: Any = "zero",
) -> tuple[ConvAxis, ...]:
    """The axes of a convolution from arguments that hold for all axes, or one each.

    Raises
    ------
    ArgumentError : a value that no axis can have, or not one per axis.
    ShapeError : without padding, fewer samples than the filter spans; an axis without samples or taps.
    """
    d = len(sizes)
    strides = [integer("stride", s, 1) for s in per_axis("stride", stride, d)]
    dilations = [integer("dilation", s, 1) for s in per_axis("dilation", dilation, d)]
    paddings = [choice("padding", p, BOUNDARIES) for p in per_axis("padding", padding, d)]
    axes = []
    for k, (n, t) in enumerate(zip(sizes, taps, strict=True)):
        if n < 1 or t < 1:
            raise ShapeError(f"Axis {k} has {n} samples and {t} taps; expected at least one of each.")
        axis = ConvAxis(n, t, strides[k], dilations[k], paddings[k])
        if axis.padding == "none" and axis.span > n:
            raise ShapeError(
                f"Axis {k} has {n} samples, fewer than the {axis.span} that {t} taps span, and "
                'padding="none" leaves no output. Pass padding="zero" or "circular" (for this axis alone: '
                "one per axis), or take fewer taps."
            )
        axes.append(axis)
    return tuple(axes)


def operands(x: Array, w: Array, backend: Backend) -> tuple[int, tuple[int, ...], int, int, tuple[int, ...]]:
    """The channels and axes of x; the outputs, the depth and the taps of w.

    Raises
    ------
    ShapeError : x has no axes, or w taps of other axes.
    """
    if len(backend.shape(x)) < 3:
        raise ShapeError(
            f"x has shape {tuple(backend.shape(x))}; expected (batch, channels, *axes). Add the axes "
            "that are missing, for example x[None, None]."
        )
    channels, *sizes = known_sizes(x, backend)
    kernel = known_sizes(w, backend, 0)
    if len(kernel) != len(sizes) + 2:
        raise ShapeError(
            f"x has shape {tuple(backend.shape(x))} and w {kernel}: expected as many axes, x (batch, "
            "channels, *axes) and w (channels out, channels / groups, *taps)."
        )
    outputs, depth, *taps = kernel
    return channels, tuple(sizes), outputs, depth, tuple(taps)


def per_axis(name: str, value: Any, d: int) -> tuple[Any, ...]:
    """One value for all of d axes, or a sequence of one each."""
    value = value.tolist() if isinstance(value, np.ndarray) else value
    if isinstance(value, str) or not isinstance(value, Sequence):
        return (value,) * d
    if len(value) != d:
        raise ArgumentError(
            f"{name}={value!r} has {len(value)} values for {d} axes; pass one for all, or one each."
        )
    return tuple(value)


def check_groups(groups: int, channels: int, outputs: int, depth: int) -> int:
    """``groups`` if it divides the channels and the filters see as many as a group has.

    Raises
    ------
    ArgumentError : it divides one of them not. ShapeError : the filters are for other channels, or none.
    """
    groups = integer("groups", groups, 1)
    if channels < 1 or outputs < 1:
        raise ShapeError(
            f"x has {channels} channels and the filters make {outputs}; expected at least one of each."
        )
    if channels % groups or outputs % groups:
        raise ArgumentError(
            f"groups={groups} must divide the {channels} channels of x and the {outputs} of the output."
        )
    if depth != channels // groups:
        of = f" in {groups} groups" if groups > 1 else ""
        raise ShapeError(
            f"The filters see {depth} channels, but x has {channels}{of}: expected {channels // groups}. "
            "w.shape == (channels out, channels in / groups, …)."
        )
    return groups
