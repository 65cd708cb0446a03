"""Group convolution: lifting, convolving and pooling signals on R^d ⋊ H."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from groupscat.backend import Array, Backend
from groupscat.checks import choice, integer
from groupscat.convolution.arguments import (
    axes_of,
    check_groups,
    known_sizes,
    per_axis,
    same_framework,
)
from groupscat.convolution.convnd import compute
from groupscat.convolution.sampling import check_equivariance
from groupscat.errors import ArgumentError, DtypeError, ShapeError
from groupscat.groups import Group
from groupscat.plan.group_conv import GroupConvShape, group_conv_plan, pool_plan
from groupscat.plan.strategy import check_strategy
from groupscat.wavelets.basis import Basis, Pixels
from groupscat.wavelets.steering import steering_taps

Filters = Array | tuple[Array, Array]


def lift(
    x: Array,
    w: Filters,
    group: Group,
    *,
    basis: Basis | None = None,
    stride: int | Sequence[int] = 1,
    dilation: int | Sequence[int] = 1,
    padding: str | Sequence[str] = "zero",
    groups: int = 1,
    approximate: bool = False,
    strategy: str | None = None,
) -> Array:
    """From a signal on the base to one on the group: every filter is moved by every h.

    y_o(u, h) = Σ_c Σ_{u'} x_c(u') w_{o,c}(A_h⁻¹(u' − u)) / |det A_h|

    Parameters
    ----------
    x : array, shape (batch, channels, N_1, …, N_d), real or complex, of any framework.
    w : array, shape (channels out, channels / groups, *basis.shape): the coefficients of the filters. A pair
        (mix, w) of shapes (channels out, channels / groups), (channels out, *basis.shape) is a separable
        filter: channels are mixed first, then each is convolved by a filter of its own.
    group : R^d ⋊ H, or H itself; H = ``group.point_group`` has |H| elements.
    basis, stride, dilation, padding, groups, approximate, strategy : as for :func:`group_conv`.

    Returns
    -------
    array, shape (batch, channels out, |H|, M_1, …, M_d).

    Raises, warns
    -------------
    As :func:`group_conv`.

    Source: Mallat 2016, eq. 27, from G_0 = R^d to R^d ⋊ H.

    >>> import numpy as np
    >>> from groupscat.groups import SE2
    >>> lift(np.ones((1, 3, 9, 9)), np.ones((5, 3, 3, 3)), SE2(4)).shape
    (1, 5, 4, 9, 9)
    """
    return _convolve(x, w, group, True, basis, stride, dilation, padding, groups, approximate, strategy)


def group_conv(
    x: Array,
    w: Filters,
    group: Group,
    *,
    basis: Basis | None = None,
    stride: int | Sequence[int] = 1,
    dilation: int | Sequence[int] = 1,
    padding: str | Sequence[str] = "zero",
    groups: int = 1,
    approximate: bool = False,
    strategy: str | None = None,
) -> Array:
    """Convolution on a group, of a signal on the group.

    y_o(u, h) = Σ_c Σ_{u', h'} x_c(u', h') w_{o,c}(A_h⁻¹(u' − u), h⁻¹h') / |det A_h|

    It commutes with the group: y moves when x does. On a truncated group (scales) x is 0 outside of its
    window, so the outputs near the border of the window see fewer inputs, as with zero padding.

    Parameters
    ----------
    x : array, shape (batch, channels, |H|, N_1, …, N_d), real or complex, of any framework; h in the order of
        ``group.point_group.elements()``.
    w : array, shape (channels out, channels / groups, |H|, *basis.shape), of the same framework, device and
        precision: the coefficients of the filters. A pair (mix, w), of shapes (channels out,
        channels / groups, |H|) and (channels out, *basis.shape), is a separable filter
        mix(h⁻¹h') w(A_h⁻¹(u' − u)).
    group : R^d ⋊ H, or H itself.
    basis : what filters are sums of, :class:`groupscat.wavelets.Pixels` or
        :class:`groupscat.wavelets.GaussianRings`; None: pixels, as many as w has.
    stride, dilation, padding, strategy : as for :func:`groupscat.convnd`, of the base axes.
    groups : outputs of a group see the channels of the same group; as many as channels: depthwise.
    approximate : consent to a convolution that commutes with the group only about.

    Returns
    -------
    array, shape (batch, channels out, |H|, M_1, …, M_d).

    Raises
    ------
    ShapeError : filters whose axes do not match the signal or the group.
    ArgumentError : strides that break equivariance, without ``approximate``; a group that is not R^d ⋊ H.
    DtypeError, DeviceError : x and w do not fit together.

    Warns
    -----
    ApproximationWarning : the group does not map the grid to itself, without ``approximate``.

    Source: Mallat 2016, eq. 27.

    >>> import numpy as np
    >>> from groupscat.groups import SE2
    >>> from groupscat.wavelets import GaussianRings
    >>> x, rings = np.ones((1, 3, 8, 9, 9)), GaussianRings(5)
    >>> w = np.ones((5, 3, 8, rings.size))
    >>> group_conv(x, w, SE2(8), basis=rings, approximate=True).shape
    (1, 5, 8, 9, 9)
    """
    return _convolve(x, w, group, False, basis, stride, dilation, padding, groups, approximate, strategy)


def group_pool(
    x: Array,
    group: Group,
    *,
    reduce: Literal["max", "mean"] = "max",
    window: int | Sequence[int] | None = None,
) -> Array:
    """The most, or the mean, over H: what no h changes; or over windows of the base axes.

    Parameters
    ----------
    x : array, shape (batch, channels, |H|, N_1, …, N_d).
    window : samples of a window, for all base axes or one each; windows lie side by side. None: over H.

    Returns
    -------
    array, shape (batch, channels, N_1, …, N_d), or with windows (batch, channels, |H|, N_1/k_1, …, N_d/k_d).

    Raises
    ------
    ShapeError : x is not on the group, or windows do not cover its axes: then pooling commutes with nothing.

    >>> import numpy as np
    >>> from groupscat.groups import SE2
    >>> x = np.ones((1, 3, 4, 8, 8))
    >>> group_pool(x, SE2(4)).shape, group_pool(x, SE2(4), window=2).shape
    ((1, 3, 8, 8), (1, 3, 4, 4, 4))
    """
    choice("reduce", reduce, ("max", "mean"))
    backend = same_framework(x)
    with backend.scope(x):
        channels, order, *sizes = on_group(x, group, backend)
        windows = windows_of(window, sizes)
        if backend.is_complex(x):
            if reduce == "max":
                raise DtypeError('Complex numbers have no maximum: pass reduce="mean", or the modulus of x.')
            parts = [backend.real(x), backend.imag(x)]
            return backend.complex(*(group_pool(p, group, reduce=reduce, window=window) for p in parts))
        plan = pool_plan(channels, (order,), tuple(sizes), windows, reduce)
        return compute(plan, x, {}, backend)


def windows_of(window: int | Sequence[int] | None, sizes: Sequence[int]) -> tuple[int, ...]:
    """The samples of a window along each axis; 0 where none is given.

    Raises
    ------
    ArgumentError : a window without samples, or not one per axis. ShapeError : windows do not cover the axes.
    """
    if window is None:
        return (0,) * len(sizes)
    windows = tuple(integer("window", k, 1) for k in per_axis("window", window, len(sizes)))
    if any(n % k for n, k in zip(sizes, windows, strict=True)):
        raise ShapeError(
            f"Windows of {windows} samples do not cover axes of {tuple(sizes)}, and what is left over would "
            "break equivariance. Choose windows that divide the sizes."
        )
    return windows


def filter_shape(
    group: Group,
    basis: Basis,
    channels: int,
    outputs: int,
    sizes: Sequence[int],
    *,
    stride: Any = 1,
    dilation: Any = 1,
    padding: Any = "zero",
    groups: int = 1,
    lift: bool = False,
    separable: bool = False,
) -> GroupConvShape:
    """The shape of a group convolution on axes of the given sizes, its arguments checked.

    Raises
    ------
    ArgumentError, ShapeError : as :func:`group_conv`.
    """
    check_group(group)
    axes = axes_of(sizes, steering_taps(group, basis), stride, dilation, padding)
    return GroupConvShape(group, basis, channels, outputs, axes, groups, lift, separable)


def check_basis(basis: Any) -> Basis:
    """``basis`` if it is one, by an ArgumentError."""
    if not isinstance(basis, Basis):
        raise ArgumentError(f"basis={basis!r}: expected one of groupscat.wavelets, such as GaussianRings(5).")
    return basis


def check_group(group: Any) -> Group:
    """``group`` if it is R^d ⋊ H, with every translation of its axes, or a finite H that stands for it.

    Raises
    ------
    ArgumentError : it is no group, or has translations along some axes only.
    """
    if not isinstance(group, Group):
        raise ArgumentError(f"group={group!r}: expected one of groupscat.groups, such as SE2(8).")
    H = group.point_group
    translations = math.prod(group.element_shape) - math.prod(H.element_shape)
    if translations not in (0, group.ndim) or not H.finite:
        raise ArgumentError(
            f"{group!r} is not of the form R^d ⋊ H, with H finite and translations along every axis. "
            f"Write Translation({group.ndim}) @ H, or pass H alone."
        )
    return group


def on_group(x: Array, group: Group, backend: Backend) -> tuple[int, ...]:
    """(channels, |H|, N_1, …, N_d) of a signal on the group.

    Raises
    ------
    ShapeError : x has other axes.
    """
    check_group(group)
    order, d = int(group.point_group.order), group.ndim
    shape = tuple(backend.shape(x))
    if len(shape) != d + 3 or shape[2] != order:
        axes = ", ".join(f"N_{k}" for k in range(1, d + 1))
        raise ShapeError(
            f"A signal on {group!r} has shape (batch, channels, {order}, {axes}), got {shape}. "
            "A signal on the base is lifted first: groupscat.lift."
        )
    sizes = known_sizes(x, backend)
    if 0 in sizes:
        raise ShapeError(f"x has shape {shape}; only the batch may be empty.")
    return sizes


def _on_base(x: Array, group: Group, backend: Backend) -> tuple[int, ...]:
    check_group(group)
    shape = tuple(backend.shape(x))
    if len(shape) != group.ndim + 2:
        axes = ", ".join(f"N_{k}" for k in range(1, group.ndim + 1))
        raise ShapeError(
            f"A signal on the base of {group!r} has shape (batch, channels, {axes}), got {shape}. "
            "For a signal on the group use groupscat.group_conv."
        )
    return known_sizes(x, backend)


def _convolve(
    x: Array,
    w: Filters,
    group: Group,
    lifting: bool,
    basis: Basis | None,
    stride: Any,
    dilation: Any,
    padding: Any,
    groups: int,
    approximate: bool,
    strategy: str | None,
) -> Array:
    separable = isinstance(w, list | tuple)
    if separable and len(w) != 2:
        raise ArgumentError(f"w is a {type(w).__name__} of {len(w)}: expected one array, or a pair (mix, w).")
    mix, taps = w if separable else (None, w)
    check_strategy(strategy)
    backend = same_framework(x, **({"w": taps} if mix is None else {"mix": mix, "w": taps}))
    with backend.scope(x):
        channels, *rest = (_on_base if lifting else on_group)(x, group, backend)
        over, sizes = ([], rest) if lifting else ([rest[0]], rest[1:])
        kernel = known_sizes(taps, backend, 0)
        lead = 1 if separable else 2 + len(over)
        basis = _basis_of(kernel, lead, group) if basis is None else check_basis(basis)
        outputs = kernel[0] if kernel else 0
        mixing = kernel[1:lead] if mix is None else known_sizes(mix, backend, 0)[1:]
        depth = mixing[0] if mixing else 0
        wanted = (outputs, *([] if separable else [depth, *over]), *basis.shape)
        mixed = (outputs, depth, *over)
        if kernel != wanted or (mix is not None and known_sizes(mix, backend, 0) != mixed):
            raise ShapeError(_mismatch(kernel, mix, backend, basis, over, separable, group))
        groups = check_groups(groups, channels, outputs, depth)
        shape = filter_shape(
            group, basis, channels, outputs, sizes, stride=stride, dilation=dilation, padding=padding,
            groups=groups, lift=lifting, separable=separable,
        )  # fmt: skip
        check_equivariance(group, basis, shape.axes, approximate)
        plan = group_conv_plan(shape, strategy)
        parameters = {"w": taps} if mix is None else {"mix": mix, "w": taps}
        return _bilinear(plan, x, parameters, backend)


def _bilinear(plan: Any, x: Array, parameters: dict[str, Array], backend: Backend) -> Array:
    """The plan, which is real and linear in all it is given, on complex arrays: part by part."""
    for name, w in parameters.items():
        if backend.is_complex(w):
            re, im = (
                _bilinear(plan, x, {**parameters, name: part}, backend)
                for part in (backend.real(w), backend.imag(w))
            )
            return _plus_i_times(re, im, backend)
    if backend.is_complex(x):
        re, im = (compute(plan, part, parameters, backend) for part in (backend.real(x), backend.imag(x)))
        return backend.complex(re, im)
    return compute(plan, x, parameters, backend)


def _plus_i_times(a: Array, b: Array, backend: Backend) -> Array:
    """a + i·b, both real or both complex."""
    if not backend.is_complex(a):
        return backend.complex(a, b)
    return backend.complex(backend.real(a) - backend.imag(b), backend.imag(a) + backend.real(b))


def _basis_of(kernel: tuple[int, ...], lead: int, group: Group) -> Basis:
    """Pixels, as many as the filters have."""
    taps = kernel[lead:]
    if len(taps) != group.ndim or 0 in taps:
        raise ShapeError(
            f"Filters of shape {kernel} have taps {taps} after their first {lead} axes, and {group!r} acts "
            f"on {group.ndim} axes. Pass as many taps, or basis= for filters that are not given by pixels."
        )
    return Pixels(*taps)


def _mismatch(
    kernel: tuple[int, ...],
    mix: Array | None,
    backend: Backend,
    basis: Basis,
    over: list[int],
    separable: bool,
    group: Group,
) -> str:
    shape = ", ".join(map(str, (*over, *basis.shape)))
    if not separable:
        return (
            f"Filters on {group!r} in {basis!r} have shape (channels out, channels / groups, {shape}), got "
            f"{kernel}."
        )
    elements = "".join(f", {n}" for n in over)
    return (
        f"Separable filters on {group!r} in {basis!r} are a pair of shapes (channels out, channels / groups"
        f"{elements}) and (channels out, {', '.join(map(str, basis.shape))}), got "
        f"{tuple(backend.shape(mix))} and {kernel}."
    )
