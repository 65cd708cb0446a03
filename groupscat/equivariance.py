"""How far a layer is from equivariance, L(g·x) = g·L(x): any callable, of any framework."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.action import WORKING, act, act_on_elements, check_space, grid_of
from groupscat.backend import Array, backend_of, default_backend
from groupscat.checks import integer, positive
from groupscat.errors import ArgumentError, ShapeError
from groupscat.groups import Element, Group, Semidirect, Translation, preserves_grid
from groupscat.groups.signal import Origin, source_indices
from groupscat.space import ELEMENTS, Axis, Space, signal_axes, signal_space

#: Splines for outputs on a grid that an element does not preserve; inputs are never interpolated.
OUTPUT_ORDER = 5


@dataclass(frozen=True)
class PlaneWaves:
    """Random signals known at every point, so that every rotation of them is exact.

    A sum of ``count`` waves Σ a cos(k·u + φ) for each of the leading axes, a normal, φ uniform, the vectors k
    uniform in the ball |k| ≤ kmax.

    Parameters
    ----------
    shape : (..., N_1, …, N_d), of the arrays.
    kmax : largest frequency, in radians per input sample; π is the highest that a grid holds.
    ndim : d.

    Raises
    ------
    ArgumentError : a frequency that is not positive, no waves, or a shape that is none.

    >>> from groupscat.groups import SE2
    >>> waves = PlaneWaves((1, 3, 16, 16))
    >>> waves().shape
    (1, 3, 16, 16)
    >>> np.allclose(waves(SE2(8)([0, 0, 2])), np.rot90(waves(), axes=(2, 3)))
    True
    """

    shape: tuple[int, ...]
    kmax: float = math.pi / 2
    count: int = 16
    seed: int = 0
    ndim: int = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(integer("shape", n, 0) for n in self.shape))
        positive("kmax", self.kmax)
        integer("count", self.count, 1)
        integer("ndim", self.ndim, 1)

    def __call__(
        self, g: Element | None = None, space: Space | None = None, *, origin: Origin = None
    ) -> NDArray[np.float64]:
        """The signals moved by g, as :func:`groupscat.action.act` moves them but without a grid in between.

        Raises
        ------
        ShapeError : the shape is not one of the space.
        """
        d = self.ndim
        space = signal_space(self.shape[-d:]) if space is None else space
        trailing = list(space.base) == list(range(-d, 0))
        if not trailing or self.shape[-len(space.axes) :] != space.shape:
            raise ShapeError(
                f"{self!r} has its last {d} axes on R^{d}, which does not fit the space {space}. Give both "
                "the same trailing shape, and ndim= the number of base axes."
            )
        grid = grid_of(space)
        still = Translation(d)(np.zeros(d))
        points = grid.start + np.array(grid.step) * source_indices(g or still, grid, origin)
        rng = np.random.default_rng(self.seed)
        lead = self.shape[:-d]
        direction = rng.normal(size=(*lead, self.count, d))
        radius = self.kmax * rng.uniform(size=(*lead, self.count, 1)) ** (1 / d)
        k = radius * direction / np.linalg.norm(direction, axis=-1, keepdims=True)
        amplitude = rng.normal(size=(*lead, 1, self.count))
        phase = rng.uniform(0, 2 * np.pi, (*lead, self.count, 1))
        x = (amplitude @ np.cos(k @ points.T + phase)).reshape(self.shape)
        return x if g is None else np.asarray(act_on_elements(g, x, space))


@dataclass(frozen=True)
class Equivariance:
    """‖L(g·x) − g·L(x)‖ / ‖L(x)‖ for every element; ``float()`` is the largest, ``print`` shows all."""

    group: Group
    elements: tuple[tuple[float, ...], ...]
    errors: tuple[float, ...]

    @property
    def maximum(self) -> float:
        return float(np.max(self.errors))

    @property
    def mean(self) -> float:
        return float(np.mean(self.errors))

    def __float__(self) -> float:
        return self.maximum

    def __str__(self) -> str:
        names = [", ".join(f"{number:g}" for number in row) for row in self.elements]
        rows = [*zip(names, self.errors, strict=True), ("maximum", self.maximum), ("mean", self.mean)]
        width = max(len(name) for name, _ in rows)
        lines = [f"{name:<{width}}  {error:.2e}" for name, error in rows]
        return "\n".join([f"equivariance error under {self.group!r}", *lines])


def equivariance_error(
    layer: Callable[[Any], Any],
    group: Group,
    x: Array | tuple[int, ...] | PlaneWaves,
    *,
    space: Space | None = None,
    out_space: Space | None = None,
    elements: Element | None = None,
    translations: bool | None = None,
    origin: Origin = None,
    order: int | None = None,
    margin: float | None = None,
    like: Array | None = None,
    seed: int = 0,
) -> Equivariance:
    """Measure ‖L(g·x) − g·L(x)‖ / ‖L(x)‖ of any layer: a function, a module, a network.

    Parameters
    ----------
    layer : callable from an array to an array. Switch dropout off and batch statistics to evaluation first.
    group : its point group moves the signals.
    x : the input; or the shape of white noise; or :class:`PlaneWaves`, for elements between the samples.
    space : the space of x, as in :func:`groupscat.action.act`; of an x on the group
        ``signal_space(shape, group)``, without which its axis of |H| counts as one of channels.
    out_space : the space of L(x). Default: what ``layer.output_space(space)`` returns. Without that method
        it is read off the shape: fewer axes than a signal on R^d has are an invariant; one more, of |H| and
        before the base axes, a signal on the group; all else is a signal on R^d. Its steps are N_in/N_out,
        rounded. A space without base axes is an invariant, too.
    elements : a batch of elements of a group with that point group; default all elements but the identity.
    translations : also by one output sample along every axis; default only where no other elements are.
    origin : of the action. A space read off a shape has an origin of its own ("middle": of both grids);
        otherwise it is one point, of the input.
    order : of the splines for outputs that g moves between samples; 5 for plane waves, else refused.
    margin : compare only on the disc (the ball) about the origin that ends ``margin`` input samples before
        the nearest side of the input: within reach of a side no padding is equivariant.
    like : an array whose framework, device and element type the generated input has, as a parameter of the
        layer does. Default: the default backend, float64.
    seed : of the noise.

    Returns
    -------
    An :class:`Equivariance`.

    Raises
    ------
    ArgumentError : an element does not map a grid to itself, and the values between samples are not known.
    ShapeError : the space of the output cannot be told from its shape.

    >>> from groupscat.groups import SE2
    >>> def edges(x):
    ...     steps = (1, -2), (1, -1), (-1, -2), (-1, -1)        # in the order of the angles
    ...     return np.stack([np.roll(x, step, axis) - x for step, axis in steps], -3)
    >>> P = signal_space((8, 8), periodic=True)
    >>> float(equivariance_error(edges, SE2(4), (2, 8, 8), space=P))
    0.0
    >>> float(equivariance_error(lambda x: x[..., ::-1], SE2(4), (2, 8, 8))) > 1
    True
    """
    _check(layer, group, space, out_space, elements)
    x = tuple(x) if isinstance(x, list) else x
    d, H = group.ndim, group.point_group
    make = _source(x, like, seed)
    space = space or signal_space(tuple(_shape(x)[-d:]))
    point = grid_of(space).point(origin)
    start = make(None, space, point)
    y = layer(start)
    if out_space is None and callable(getattr(layer, "output_space", None)):
        out_space = layer.output_space(space)  # type: ignore[attr-defined]
    out, out_origin = out_space, point
    if out is None:
        out = _inferred(space, _shape(start), _shape(y), H)
        out_origin = point if out is None else grid_of(out).point(origin)
    if out is not None and not out.base:
        out = None
    if elements is None:
        steps = np.diag(grid_of(space if out is None else out).step)
        elements = _default(d, H, translations, steps)
    if order is None and isinstance(x, PlaneWaves):
        order = OUTPUT_ORDER
    mask = _disc(space, point, out, out_origin, margin)
    scale = np.linalg.norm(_host(y) * mask)
    errors = []
    rows = elements.value.reshape(-1, *elements.group.element_shape)
    for row in rows:
        g = elements.group(row)
        found = layer(make(g, space, point))
        wanted = y if out is None else act(g, y, out, origin=out_origin, order=order)
        gap = np.linalg.norm((_host(found) - _host(wanted)) * mask)
        errors.append(float(gap / scale) if scale else math.inf if gap else 0.0)
    named = tuple(tuple(float(number) for number in np.atleast_1d(row)) for row in rows)
    return Equivariance(elements.group, named, tuple(errors))


def _check(layer: Any, group: Any, space: Any, out_space: Any, elements: Any) -> None:
    """Refuse arguments of other kinds by an ArgumentError."""
    if not callable(layer):
        raise ArgumentError(f"layer={layer!r}: expected a function, a module or a layer that can be called.")
    if not isinstance(group, Group):
        raise ArgumentError(f"group={group!r}: expected one of groupscat.groups, such as SE2(8).")
    for given in (space, out_space):
        if given is not None:
            check_space(given)
    if elements is not None and (not isinstance(elements, Element) or elements.group.ndim != group.ndim):
        raise ArgumentError(
            f"elements={elements!r}: expected elements that know their group and act on {group.ndim} axes, "
            "as group([[…], […]]) makes them."
        )


Source = Callable[[Element | None, Space, Origin], Array]


def _source(x: Array | tuple[int, ...] | PlaneWaves, like: Array | None, seed: int) -> Source:
    """The input moved by an element (None: as it is)."""

    def put(values: NDArray[np.float64]) -> Array:
        if like is None:
            return default_backend().put(values, "float64")
        backend = backend_of(like)
        return backend.asarray(values, dtype=backend.dtype(like), like=like)

    if isinstance(x, PlaneWaves):
        return lambda g, space, origin: put(x(g, space, origin=origin))
    given = put(np.random.default_rng(seed).standard_normal(x)) if isinstance(x, tuple) else x

    def moved(g: Element | None, space: Space, origin: Origin) -> Array:
        if g is None:
            return given
        if not preserves_grid(g, grid_of(space), origin):
            raise ArgumentError(
                f"{g!r} does not map the grid of the input, {space}, to itself, and interpolation would be "
                "measured with the layer. Pass x=PlaneWaves(shape), which are known between the samples."
            )
        return act(g, given, space, origin=origin)

    return moved


def _inferred(space: Space, given: tuple[int, ...], found: tuple[int, ...], H: Group) -> Space | None:
    """Where an output of shape ``found`` lives, from its shape; None for an invariant."""
    d = len(space.base)
    plain = len(given) - len(space.elements)  # axes of a signal on R^d with as many batch and fiber axes
    if list(space.base) != list(range(-d, 0)):
        raise ShapeError(
            f"The base axes of the input's space {space} are not the last ones, so the space of an output of "
            f"shape {found} cannot be told from its shape. Pass out_space=."
        )
    if len(found) < plain:
        return None
    sizes = found[-d:]
    if 0 in sizes:
        raise ShapeError(f"The output has shape {found}, and nothing to compare. Use a larger input.")
    base = space.base.values()
    steps = tuple(a.step * max(1, round(a.size / n)) for a, n in zip(base, sizes, strict=True))
    periodic = any(a.periodic for a in base)
    axes = signal_axes(sizes, steps, tuple(a.start for a in base), periodic)
    on_group = len(found) > plain and found[-d - 1] == H.order
    return Space((Axis(ELEMENTS, found[-d - 1]), *axes) if on_group else axes)


def _default(d: int, H: Group, translations: bool | None, steps: NDArray[np.int64]) -> Element:
    """All linear elements but the identity, and translations."""
    G = Semidirect(Translation(d), H)
    linear = H.elements()[1:]
    rows = [G.join(np.zeros(d), linear)]
    if translations or (translations is None and len(linear) == 0):
        rows.append(G.join(steps, H.elements()[0]))
    return G(np.concatenate(rows))


def _disc(
    space: Space, point: Any, out: Space | None, out_point: Any, margin: float | None
) -> NDArray[np.bool_]:
    """Which samples of the output are compared, with the axes of its space."""
    if margin is None:
        return np.array(True)
    if out is None:
        raise ArgumentError(f"margin={margin} picks a disc of the output, and this one has no base axes.")
    first = np.array([a.start for a in space.base.values()])
    last = np.array([a.start + a.step * (a.size - 1) for a in space.base.values()])
    radius = min((point - first).min(), (last - point).min()) - margin
    grid = grid_of(out)
    shape = [out.axes[k].size if k in out.base else 1 for k in range(-len(out.axes), 0)]
    u = np.indices(grid.shape).reshape(len(grid.shape), -1).T * grid.step + grid.start
    disc = np.linalg.norm(u - out_point, axis=-1) <= radius
    if not disc.any():
        raise ArgumentError(
            f"margin={margin} leaves a disc of radius {radius:g} about {np.asarray(point).tolist()}, without "
            "a sample. Use a larger input or a smaller margin."
        )
    return np.asarray(disc.reshape(shape))


def _shape(x: Array | tuple[int, ...] | PlaneWaves) -> tuple[int, ...]:
    if isinstance(x, tuple):
        return x
    return x.shape if isinstance(x, PlaneWaves) else tuple(backend_of(x).shape(x))


def _host(y: Array) -> NDArray[Any]:
    """The values in float64 or complex128, and halves that NumPy does not have."""
    backend = backend_of(y)
    dtype = backend.dtype(y)
    values = backend.to_numpy(backend.cast(y, WORKING.get(dtype, dtype)))
    return values.astype(np.result_type(values.dtype, np.float64))
