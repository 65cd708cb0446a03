"""How a group acts on signals and features, in any framework: (g·x)(u, h) = x(g⁻¹u, k⁻¹h)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.backend import Array, Backend, backend_of
from groupscat.errors import ArgumentError, ShapeError
from groupscat.groups import Element, Group, spline
from groupscat.groups.signal import Grid, Origin, grid_permutation, preserves_grid, source_indices
from groupscat.space import Axis, Space, signal_space

#: What interpolation computes in where it is not the array's own type; half precision is converted back.
WORKING = dict.fromkeys(("float16", "bfloat16", "bool", "int8", "uint8", "int16", "uint16"), "float32")
WORKING |= dict.fromkeys(("int32", "uint32", "int64", "uint64"), "float64")


def act(
    g: Element, x: Array, space: Space | None = None, *, origin: Origin = None, order: int | None = None
) -> Array:
    """The signal or the features x moved by g: (g·x)(u, h) = x(g⁻¹u, k⁻¹h), k the linear part of g.

    Where g maps the grid to itself samples move and none changes, bit for bit, in every framework. Fiber
    and batch axes stay as they are. Differentiable.

    Parameters
    ----------
    g : one element of a group that acts on d axes. Translations are in input samples: features that lie
        every s-th sample move by t/s.
    x : array of any backend, its trailing axes those of the space.
    space : None for a signal, whose last d axes are moved, all others being batch. :func:`signal_space` makes
        the space of a periodic signal, or of features on the group, (..., |H|, N_1, …, N_d).
    origin : the point that linear parts leave in place: "middle", half-way between the first sample and the
        last; "sample", the sample N // 2, which features with a step share with their input; or d numbers, in
        input samples. Default: "sample" on periodic axes, "middle" on others.
    order : order (0 … 5) of the splines that interpolate where g does not map the grid to itself. The
        same splines in every framework; integers then become floats.

    Returns
    -------
    array of the framework, the device and the shape of x. What comes from outside of an axis that is not
    periodic, or from outside of a truncated group, is 0.

    Raises
    ------
    ArgumentError : a batch of elements; or g does not map the grid to itself and no order is given.
    ShapeError : x does not have the axes of the space, or the space not those of the group.

    Source: Mallat 2016, section 3, and eq. 27 for features on the group.

    >>> from groupscat.groups import SE2
    >>> x = np.arange(16).reshape(4, 4)
    >>> quarter, down = SE2(4)([0, 0, 1]), SE2(4)([1, 0, 0])
    >>> np.array_equal(act(quarter, x), np.rot90(x))
    True
    >>> np.array_equal(act(down, x, signal_space((4, 4), periodic=True)), np.roll(x, 1, axis=0))
    True
    >>> y = np.stack([x, 0 * x, 0 * x, 0 * x])                # only the angle 0 responds: turned, the next
    >>> act(quarter, y, signal_space((4, 4), SE2(4))).any(axis=(1, 2))
    array([False,  True, False, False])
    """
    if order is not None and order not in range(6):
        raise ArgumentError(f"Splines have order 0 … 5, got order={order!r}.")
    backend = backend_of(x)
    shape = backend.shape(x)
    space = _checked(g, shape, space)
    grid = grid_of(space)
    with backend.scope(x):
        x = act_on_elements(g, x, space)
        places = list(space.base)
        in_order = places == list(range(-len(places), 0))
        if not in_order:
            for k, place in enumerate(places):
                x = backend.moveaxis(x, place - k, -1)
        moved = backend.shape(x)
        if order is None or preserves_grid(g, grid, origin):
            flat = backend.reshape(x, (-1, math.prod(grid.shape)))
            x = _gather(backend, flat, grid_permutation(g, grid, origin), -1)
        else:
            x = _interpolate(backend, x, source_indices(g, grid, origin), grid, order)
        x = backend.reshape(x, moved)
        if not in_order:
            for k, place in reversed(list(enumerate(places))):
                x = backend.moveaxis(x, -1, place - k)
        return x


def act_on_elements(g: Element, x: Array, space: Space) -> Array:
    """The part of the action along the elements of the point group: x(u, k⁻¹h)."""
    backend = backend_of(x)
    for place, axis in space.elements.items():
        x = _gather(backend, x, _element_places(g, axis), place)
    return x


def check_space(space: Any) -> Space:
    """``space`` if it is one, by an ArgumentError."""
    if not isinstance(space, Space):
        raise ArgumentError(
            f"space={space!r}: expected a groupscat.space.Space, such as signal_space((32, 32)), or "
            "signal_space((32, 32), SE2(8)) of a signal on the group."
        )
    return space


def grid_of(space: Space) -> Grid:
    """Where the samples of the base axes are."""
    axes = space.base.values()
    return Grid(
        tuple(a.size for a in axes),
        tuple(a.step for a in axes),
        tuple(a.start for a in axes),
        tuple(a.periodic for a in axes),
    )


def _checked(g: Element, shape: tuple[int, ...], space: Space | None) -> Space:
    """The space of x, after what can be wrong with g, x and the space."""
    if not isinstance(g, Element):
        raise ArgumentError(f"g is an element that knows its group, as SE2(4)([0, 0, 1]), got {g!r}.")
    G, d = g.group, g.group.ndim
    if g.value.shape != G.element_shape:
        raise ArgumentError(
            f"One element moves a signal, got a batch of shape {g.value.shape}. Loop over it."
        )
    if space is None:
        if len(shape) < d:
            raise ShapeError(f"{G!r} acts on the last {d} axes, got x of shape {shape}.")
        space = signal_space(tuple(shape[len(shape) - d :]))
    check_space(space)
    if len(space.base) != d:
        raise ShapeError(
            f"{G!r} acts on {d} axes, and the space {space} has {len(space.base)} of R^d. "
            "Give channels kind='fiber', and the elements of the group the name 'h'."
        )
    if 0 in space.shape or shape[len(shape) - len(space.axes) :] != space.shape:
        raise ShapeError(f"The space {space} has shape {space.shape}, got x of shape {shape}.")
    return space


def _element_places(g: Element, axis: Axis) -> NDArray[np.int32]:
    """For every sample h of the axis the place of k⁻¹h, -1 outside of a truncated group."""
    H: Group = g.group.point_group
    if H.order == 1:  # translations leave the elements of every group as they are
        return np.arange(axis.size, dtype=np.int32)
    numbers = axis.start + axis.step * np.arange(axis.size)
    if not _whole(numbers) or numbers.max() >= H.order:
        raise ShapeError(f"The axis {axis} does not sample the {H.order} elements of {H!r}.")
    h = H.elements()[numbers.astype(np.int64)]
    found = H.index(H.mul(H.inv(g.group.project(g.value)), h))
    places = (found - axis.start) / axis.step
    outside = (places < 0) | (places >= axis.size) | (places != np.rint(places))
    if np.any(outside & (found >= 0)):
        raise ArgumentError(
            f"{g!r} moves elements of {H!r} out of those that the axis {axis} samples. "
            f"Move by every {axis.step}-th element, or keep all of them."
        )
    return np.where(outside, -1, places).astype(np.int32)


def _whole(values: NDArray[Any]) -> bool:
    return bool(np.all(values == np.rint(values)) and values.min() >= 0)


def _gather(backend: Backend, x: Array, places: NDArray[np.int32], axis: int) -> Array:
    """x at places of an axis, and 0 where a place is -1."""
    if np.any(places < 0):
        shape = list(backend.shape(x))
        places = np.where(places < 0, shape[axis], places)
        shape[axis] = 1
        x = backend.concat([x, backend.zeros(shape, backend.dtype(x), x)], axis)
    return backend.take(x, backend.asarray(places.astype(np.int32), dtype="int32", like=x), axis)


def _interpolate(backend: Backend, x: Array, at: NDArray[np.float64], grid: Grid, order: int) -> Array:
    """The splines through x at the sample numbers ``at`` (n, d), shape (B, n)."""
    given = backend.dtype(x)
    dtype = WORKING.get(given, given)
    x = backend.cast(backend.reshape(x, (-1, *grid.shape)), dtype)
    if order >= 2:
        for axis, periodic in zip(range(-len(grid.shape), 0), grid.periodic, strict=True):
            x = backend.moveaxis(x, axis, -1)
            x = backend.moveaxis(_coefficients(backend, x, order, periodic), -1, axis)
    flat = backend.reshape(x, (-1, math.prod(backend.shape(x)[1:])))
    total: Array = None
    for places, weight in spline.taps(order, at, grid):
        term = _weighted(backend, _gather(backend, flat, places, -1), weight)
        total = term if total is None else total + term
    return backend.cast(total, given) if "float" in given else total


def _coefficients(backend: Backend, x: Array, order: int, periodic: bool) -> Array:
    """Those of the splines along the last axis."""
    size, margin = backend.shape(x)[-1], spline.margin(order, periodic)
    if margin:
        inside = np.full(margin, -1, dtype=np.int32)
        x = _gather(backend, x, np.concatenate([inside, np.arange(size), inside]), -1)
        size += 2 * margin
    spectrum = _weighted(backend, backend.fft(x, (-1,)), spline.gain(order, size) / size)
    z = backend.backward_fft(spectrum, (-1,))
    return z if backend.is_complex(x) else backend.real(z)


def _weighted(backend: Backend, x: Array, weight: NDArray[np.float64]) -> Array:
    """Real or complex x times real weights along the last axis."""
    dtype = {"complex64": "float32", "complex128": "float64"}.get(backend.dtype(x), backend.dtype(x))
    if not backend.is_complex(x):
        return x * backend.asarray(weight, dtype=dtype, like=x)
    return backend.scale(x, backend.asarray(backend.prepare(weight, "filter"), dtype=dtype, like=x))
