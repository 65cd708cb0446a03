"""Groups acting on signals and features: the definition, the laws, every framework, planted faults."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

import groupscat as gs
from groupscat.action import act, grid_of
from groupscat.groups import (
    E2,
    SE2,
    Cyclic,
    Element,
    Group,
    Hierarchy,
    Scaling,
    SE3Octahedral,
    Similitude2,
    TimeFrequency,
    Translation,
    preserves_grid,
    spline,
)
from groupscat.space import Axis, Space, signal_space
from tests import cupy_stand_in
from tests.frameworks import missing, needs

if not missing("jax"):
    import jax

    jax.config.update("jax_enable_x64", True)

Array = np.ndarray[Any, Any]
FRAMEWORKS = [pytest.param(name, marks=needs(name)) for name in ("torch", "tensorflow", "jax")]
GROUPS = [SE2(4), E2(4), E2(2), SE2(8), SE3Octahedral(), TimeFrequency(), Hierarchy(SE2(4), 1)]
GROUPS += [Similitude2(4, 3), Translation(1), Cyclic(4)]


# ---------------------------------------------------------------------------------------- definition


def by_definition(g: Element, x: Array, space: Space, origin: Array) -> Array:
    """x(g⁻¹·(u, h)), one sample at a time, through the product and the action of the group itself."""
    G, H = g.group, g.group.point_group
    base, (h_axis, *_) = space.base, [*space.elements.values(), None]
    y = np.zeros_like(x)
    for place in np.ndindex(space.shape):
        u = np.array([a.start + a.step * place[k] for k, a in base.items()])
        v = G.move(G.inv(g.value), u - origin) + origin
        source = list(place)
        inside = True
        for (k, axis), position in zip(base.items(), v, strict=True):
            j = (position - axis.start) / axis.step
            assert abs(j - round(j)) < 1e-6
            source[k] = round(j) % axis.size if axis.periodic else round(j)
            inside &= 0 <= source[k] < axis.size
        if h_axis is not None:
            (k,) = space.elements
            h = H.elements()[place[k]]
            source[k] = int(H.index(H.mul(H.inv(G.project(g.value)), h)))
            inside &= source[k] >= 0
        if inside:
            y[(..., *place)] = x[(..., *source)]
    return y


@st.composite
def cases(draw: st.DrawFn, periodic: bool | None = None) -> tuple[Group, Space, Any, int]:
    """A group, a space that it acts on, an origin and a seed."""
    G = draw(st.sampled_from(GROUPS))
    side = draw(st.integers(1, 4 if G.ndim == 3 else 5))
    step = draw(st.sampled_from([1, 1, 2, 4]))
    start = draw(st.sampled_from([0, 0, 0.5, -1, 3]))
    wraps = draw(st.booleans()) if periodic is None else periodic
    space = signal_space(
        (side,) * G.ndim,
        G if draw(st.booleans()) else None,
        step=step,
        start=start,
        periodic=wraps,
    )
    axes = list(space.axes)
    axes.insert(draw(st.integers(0, len(axes))), Axis("path", 2, kind="fiber"))
    origin = draw(st.sampled_from([None, "middle", "sample"]))
    return G, Space(tuple(axes)), origin, draw(st.integers(0, 99))


def elements(G: Group, space: Space, rng: np.random.Generator, shifts: bool = True) -> Element:
    """An element that may preserve the grid: any linear part, shifts by whole steps."""
    H = G.point_group
    k = H.elements()[rng.integers(int(H.order))]
    if H == G:
        return G(k)
    step = grid_of(space).step[0]
    t = step * rng.integers(-3, 4, G.ndim) if shifts else np.zeros(G.ndim)
    embedded = Translation(G.ndim) @ H
    return embedded(embedded.join(t, k))


def check_definition(acting: Callable[..., Array], case: tuple[Group, Space, Any, int]) -> None:
    G, space, origin, seed = case
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2, *space.shape))
    for _ in range(3):
        g = elements(G, space, rng)
        if preserves_grid(g, grid_of(space), origin):
            wanted = by_definition(g, x, space, grid_of(space).point(origin))
            np.testing.assert_array_equal(acting(g, x, space, origin=origin), wanted)


@given(cases())
def test_action_is_its_definition(case: tuple[Group, Space, Any, int]) -> None:
    check_definition(act, case)


def faulty(fault: str) -> Callable[..., Array]:
    """The action with one mistake."""

    def acting(g: Element, x: Array, space: Space, *, origin: Any = None) -> Array:
        H = g.group.point_group
        if fault == "inverse":  # clockwise instead of counter-clockwise
            return act(~g, x, space, origin=origin)
        if fault == "origin":
            return act(g, x, space, origin="middle" if origin != "middle" else "sample")
        if fault == "shift":  # t in samples of the features
            return act(g, x, Space(tuple(Axis(a.name, a.size, 1, a.kind) for a in space.axes)))
        for place, axis in space.elements.items():
            k = g.group.project(g.value)
            if fault == "forgotten":
                h = H.index(H.mul(k, H.elements()))
            else:  # the roll of the wrong sign
                h = H.index(H.mul(k, H.index(H.mul(k, H.elements()))))
            x = np.take(x, h[: axis.size], place)
        return act(g, x, space, origin=origin)

    return acting


@pytest.mark.parametrize("fault", ["inverse", "origin", "shift", "forgotten", "sign"])
def test_planted_faults_are_found(fault: str) -> None:
    case = SE2(4), signal_space((4, 4), SE2(4), step=2, periodic=True), "sample", 0
    check_definition(act, case)
    with pytest.raises((AssertionError, gs.ArgumentError)):
        check_definition(faulty(fault), case)


# ---------------------------------------------------------------------------------------------- laws


@given(cases(periodic=True))
def test_homomorphism_on_periodic_grids(case: tuple[Group, Space, Any, int]) -> None:
    G, space, origin, seed = case
    rng = np.random.default_rng(seed)
    x = rng.normal(size=space.shape)
    g, h = elements(G, space, rng), elements(G, space, rng)
    grid = grid_of(space)
    if preserves_grid(g, grid, origin) and preserves_grid(h, grid, origin):
        once = act(g @ h, x, space, origin=origin)
        np.testing.assert_array_equal(act(g, act(h, x, space, origin=origin), space, origin=origin), once)


@given(cases(periodic=False))
def test_homomorphism_of_linear_elements(case: tuple[Group, Space, Any, int]) -> None:
    """Without translations nothing leaves a square, about its middle."""
    G, space, _, seed = case
    rng = np.random.default_rng(seed)
    x = rng.normal(size=space.shape)
    g, h = elements(G, space, rng, shifts=False), elements(G, space, rng, shifts=False)
    grid = grid_of(space)
    if preserves_grid(g, grid) and preserves_grid(h, grid):
        np.testing.assert_array_equal(act(g, act(h, x, space), space), act(g @ h, x, space))
        np.testing.assert_array_equal(act(~g, act(g, x, space), space), x)


def test_translations_move_features_of_any_group() -> None:
    y = np.random.default_rng(0).normal(size=(4, 3, 3))
    space = signal_space((3, 3), SE2(4), periodic=True)
    np.testing.assert_array_equal(act(Translation(2)([1, 0]), y, space), np.roll(y, 1, 1))
    np.testing.assert_array_equal(act(SE2(4)([1, 0, 0]), y, space), np.roll(y, 1, 1))


@pytest.mark.parametrize("n", [1, 2, 7, 8, 501])
def test_quarter_turn_of_a_square_is_rot90(n: int) -> None:
    x = np.arange(2 * n * n).reshape(2, n, n)
    for k in range(4):
        np.testing.assert_array_equal(act(SE2(4)([0, 0, k]), x), np.rot90(x, k, axes=(1, 2)))


def test_rounding_of_elements_does_not_matter() -> None:
    """Cosines of quarter turns are 2e-16: not after 400 products, and not about a far origin."""
    G = SE2(4)
    g = once = G([3, -1, 3])
    for _ in range(399):
        g = g @ once
    assert not np.array_equal(g.value, np.rint(g.value))
    x = np.random.default_rng(0).normal(size=(6, 6))
    np.testing.assert_array_equal(act(g, x), x)
    torus = signal_space((6, 6), periodic=True)
    far = act(once, x, torus, origin=(6 * 10**9 + 1, 2))
    np.testing.assert_array_equal(far, act(once, x, torus, origin=(1, 2)))


def test_features_and_their_input_share_an_origin() -> None:
    """Subsampling commutes with what moves the coarse grid to itself, about a point of it."""
    x = np.random.default_rng(0).normal(size=(16, 16))
    fine, coarse = signal_space((16, 16), periodic=True), signal_space((4, 4), step=4, periodic=True)
    for row in itertools.product([0, 4, -8], [0, 12], range(4)):
        g = SE2(4)(row)
        np.testing.assert_array_equal(act(g, x, fine)[::4, ::4], act(g, x[::4, ::4], coarse))
    odd, odd_coarse = signal_space((9, 9)), signal_space((3, 3), step=4)
    x = x[:9, :9]
    np.testing.assert_array_equal(
        act(SE2(4)([0, 0, 1]), x, odd)[::4, ::4], act(SE2(4)([0, 0, 1]), x[::4, ::4], odd_coarse)
    )


def test_every_second_element() -> None:
    """Features subsampled along the angles move by those that are left."""
    space = Space((Axis("h", 4, step=2), *signal_space((3, 3)).axes))
    y = np.random.default_rng(0).normal(size=(4, 3, 3))
    quarter = SE2(8)([0, 0, 2])
    np.testing.assert_array_equal(act(quarter, y, space), np.rot90(np.roll(y, 1, 0), axes=(1, 2)))
    with pytest.raises(gs.ArgumentError, match="every 2-th element"):
        act(SE2(8)([0, 0, 1]), y, space, order=1)


def test_zeros_come_from_outside() -> None:
    x = np.ones((3, 4), dtype=bool)
    assert act(Translation(2)([1, -2]), x).tolist() == [[False] * 4] + [[True, True, False, False]] * 2
    y = np.full((3, 4, 4), np.nan)
    moved = act(Similitude2(1, 3)([0, 0, 0, 1]), y, signal_space((4, 4), Similitude2(1, 3)), order=0)
    assert not moved[0].any()
    assert act(Translation(2)([9, 0]), np.full((3, 4), np.inf)).any() == np.False_


# ---------------------------------------------------------------------------------------- frameworks


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int64", "uint8", "bool", "complex64"])
def test_every_framework_moves_the_same_bits(framework: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    space = signal_space((4, 4), SE2(4), step=2)
    x = rng.integers(0, 100, (2, 3, *space.shape)).astype(dtype)
    if x.dtype.kind in "fc":
        x = (x * np.float32(0.123)).astype(dtype)
    for row in ([0, 0, 1], [2, -4, 3]):
        g = SE2(4)(row)
        found = act(g, gs.convert(x, framework), space)
        assert gs.backend_of(found).name == framework
        assert gs.backend_of(found).dtype(found) == dtype
        np.testing.assert_array_equal(gs.backend_of(found).to_numpy(found), act(g, x, space))


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("order", range(6))
def test_every_framework_has_the_same_splines(framework: str, order: int) -> None:
    rng = np.random.default_rng(order)
    space = Space((Axis("u1", 7), Axis("u2", 7, periodic=True)))
    g = Translation(2)([0.3, -1.6])
    for dtype, tolerance in (("float64", 1e-12), ("complex128", 1e-12), ("float32", 1e-5)):
        x = rng.normal(size=(3, 7, 7)).astype(dtype)
        x = x * np.exp(1j * rng.normal(size=x.shape)) if dtype == "complex128" else x
        found = act(g, gs.convert(x, framework), space, order=order)
        assert gs.backend_of(found).dtype(found) == dtype
        np.testing.assert_allclose(
            gs.backend_of(found).to_numpy(found), act(g, x, space, order=order), atol=tolerance
        )


def test_cupy_stays_on_its_device() -> None:
    with cupy_stand_in.installed():
        xp = gs.get_backend("cupy")
        space, x = signal_space((4, 4), SE2(8)), np.random.default_rng(0).normal(size=(2, 8, 4, 4))
        for row, order in (([1, 0, 2], None), ([0.5, 0, 1], 3)):
            found = act(SE2(8)(row), xp.put(x, "float64"), space, order=order)
            assert xp.owns(found)
            np.testing.assert_allclose(
                xp.to_numpy(found), act(SE2(8)(row), x, space, order=order), atol=1e-13
            )


def test_torch_gradients() -> None:
    torch = pytest.importorskip("torch", reason='pip install "groupscat[torch]"')
    space = signal_space((3, 3), SE2(8))
    x = torch.randn(2, *space.shape, dtype=torch.float64, requires_grad=True)
    for g, order in ((SE2(8)([1, 0, 2]), None), (SE2(8)([0.5, 0, 1]), 3)):
        assert torch.autograd.gradcheck(lambda x, g=g, order=order: act(g, x, space, order=order), x)
    assert act(SE2(8)([0, 0, 2]), x.bfloat16(), space).dtype == torch.bfloat16


def test_tensorflow_traces_a_batch_of_unknown_length() -> None:
    if missing("tensorflow"):
        pytest.skip('pip install "groupscat[tensorflow]"')
    import tensorflow as tf

    space, g = signal_space((4, 4), SE2(4)), SE2(4)([1, 0, 1])
    moved = tf.function(lambda x: act(g, x, space), input_signature=[tf.TensorSpec((None, *space.shape))])
    x = np.random.default_rng(0).normal(size=(3, *space.shape)).astype("float32")
    np.testing.assert_array_equal(moved(x).numpy(), act(g, x, space))


def test_jax_transforms() -> None:
    if missing("jax"):
        pytest.skip('pip install "groupscat[jax]"')
    space, g = signal_space((4, 4), SE2(8)), SE2(8)([0.5, 0, 1])
    x = jax.random.normal(jax.random.key(0), (3, *space.shape))
    moved = jax.jit(jax.vmap(lambda x: act(g, x, space, order=3)))
    np.testing.assert_allclose(moved(x), act(g, np.asarray(x), space, order=3), atol=1e-6)


# ----------------------------------------------------------------------------------- interpolation


@pytest.mark.parametrize("order", range(6))
@pytest.mark.parametrize("periodic", [True, False])
def test_splines_are_those_of_scipy(order: int, periodic: bool) -> None:
    x = np.random.default_rng(0).normal(size=(9, 12))
    t = np.array([0.3, -1.7])
    at = np.indices(x.shape) - t[:, None, None]
    wanted = map_coordinates(x, at, order=order, mode="grid-wrap" if periodic else "grid-constant")
    found = act(Translation(2)(t), x, signal_space(x.shape, periodic=periodic), order=order)
    # SciPy cuts the coefficients 12 samples after the ends of a signal, where they are 1e-8 of it.
    np.testing.assert_allclose(found, wanted, atol=1e-12 if periodic or order < 4 else 1e-7)


@pytest.mark.parametrize("order", range(6))
def test_basis_is_a_partition_of_unity(order: int) -> None:
    v = np.linspace(-0.5, 0.5, 11)[:, None] + np.arange(-4, 5)
    np.testing.assert_allclose(spline.basis(order, v).sum(1), 1, atol=1e-13)
    np.testing.assert_allclose(spline.gain(order, 4)[0], 1, atol=1e-13)


def test_one_axis_wraps_and_the_other_ends() -> None:
    u = 2 * np.pi * np.arange(16) / 16
    bump = np.exp(-((np.arange(41) - 20) ** 2) / 18)
    x = np.cos(u) * bump[:, None]
    space = Space((Axis("u1", 41), Axis("u2", 16, periodic=True)))
    found = act(Translation(2)([0.5, 0.25]), x, space, order=5)
    wanted = np.cos(u - 0.25 * u[1]) * np.exp(-((np.arange(41) - 20.5) ** 2) / 18)[:, None]
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_element_types_of_interpolation() -> None:
    g = Translation(1)([0.5])
    kinds = {"float16": "float16", "uint8": "float32", "bool": "float32", "int64": "float64"}
    for dtype, wanted in kinds.items():
        y = act(g, np.ones(4, dtype=dtype), order=1)
        assert y.dtype == wanted
        assert y.tolist() == [0.5, 1, 1, 1]


# -------------------------------------------------------------------------------------- bad input


def test_errors_name_the_way_out() -> None:
    quarter, x = SE2(4)([0, 0, 1]), np.ones((4, 4))
    coarse = signal_space((4, 4), step=2)
    mixed = Space((Axis("u1", 4), Axis("u2", 4, periodic=True)))
    uneven = Space((Axis("u1", 4), Axis("u2", 4, step=2)))
    cases: list[tuple[Callable[[], Any], type[Exception], str]] = [
        (lambda: act(1, x), gs.ArgumentError, r"SE2\(4\).*got 1"),  # type: ignore[arg-type]
        (lambda: act(SE2(4)([[0, 0, 1]]), x), gs.ArgumentError, r"batch of shape \(1, 3\)"),
        (lambda: act(quarter, [[1.0]]), gs.DtypeError, "builtins.list"),
        (lambda: act(quarter, np.ones(4)), gs.ShapeError, r"last 2 axes, got x of shape \(4,\)"),
        (
            lambda: act(quarter, np.ones((2, 4, 6))),
            gs.ArgumentError,
            "sides of different lengths; crop or pad",
        ),
        (lambda: act(quarter, np.ones((0, 0))), gs.ShapeError, r"\(0, 0\)"),
        (lambda: act(quarter, x, mixed), gs.ArgumentError, "periodic axis and one that is not"),
        (lambda: act(quarter, x, uneven), gs.ArgumentError, "not a permutation of samples.*order=3"),
        (lambda: act(SE2(8)([0, 0, 1]), x), gs.ArgumentError, "order=3"),
        (lambda: act(SE2(4)([1, 0, 0]), x, coarse), gs.ArgumentError, r"multiples of \(2, 2\)"),
        (lambda: act(SE2(4)([0.5, 0, 1]), x), gs.ArgumentError, r"shifts by \[0.5, 0.0\]"),
        (lambda: act(quarter, x, origin=(1, 1.5)), gs.ArgumentError, r"origin \[1.0, 1.5\].*'middle'"),
        (lambda: act(quarter, x, origin=(1, 2, 3)), gs.ArgumentError, r"each of 2 axes"),
        (lambda: act(quarter, x, origin="centre"), gs.ArgumentError, "got 'centre'"),  # type: ignore[arg-type]
        (lambda: act(quarter, x, signal_space((4,))), gs.ShapeError, "u1:4 has 1 of.*'fiber'"),
        (lambda: act(quarter, x, signal_space((4, 4), SE2(4))), gs.ShapeError, "h:4.*got x of shape"),
        (
            lambda: act(quarter, np.ones((8, 4, 4)), signal_space((4, 4), SE2(8))),
            gs.ShapeError,
            "h:8 does not sample the 4 elements",
        ),
        (lambda: act(SE2(8)([0, 0, 1]), x, order=6), gs.ArgumentError, "order=6"),
        (lambda: act(quarter, x, order=6), gs.ArgumentError, "order=6"),
        (lambda: act(quarter, x, (4, 4)), gs.ArgumentError, r"space=\(4, 4\).*signal_space"),  # type: ignore[arg-type]
        (lambda: act(Scaling(2, 2)(1), x), gs.ArgumentError, "order=3"),
    ]
    for call, kind, message in cases:
        with pytest.raises(kind, match=f"(?s){message}"):
            call()


def test_half_a_turn_needs_no_square() -> None:
    x = np.arange(12).reshape(3, 4)
    np.testing.assert_array_equal(act(SE2(2)([0, 0, 1]), x), x[::-1, ::-1])
    assert math.isclose(abs(SE2(2)([0, 0, 1])), math.pi)
