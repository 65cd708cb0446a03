"""Groups: the laws, for groups drawn by recursion; planted faults; actions on signals and indices."""

from __future__ import annotations

import copy
import math
import pickle
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import groupscat as gs
from groupscat import groups
from groupscat.action import act
from groupscat.groups import (
    E2,
    SE2,
    Cyclic,
    Dihedral,
    Element,
    Group,
    Hierarchy,
    IndexSet,
    Octahedral,
    Product,
    Scaling,
    SE3Octahedral,
    Semidirect,
    Similitude2,
    TimeFrequency,
    Translation,
    Trivial,
    diffeomorphism_norm,
    grid_permutation,
    orbits,
    preserves_grid,
)
from groupscat.space import signal_space

NAMED = [
    SE2(1),
    SE2(8),
    E2(4),
    SE3Octahedral(),
    TimeFrequency(),
    Similitude2(8, 3),
    Similitude2(3, 2, factor=0.7),
    Hierarchy(2, 0),
    Hierarchy(2, 2),
    Hierarchy(SE2(4), 1),
]

# ------------------------------------------------------------------------- groups drawn by recursion

finite = st.one_of(
    st.builds(Cyclic, st.integers(1, 12)),
    st.builds(Dihedral, st.integers(1, 6)),
    st.builds(Octahedral),
    st.builds(Trivial, st.integers(1, 3)),
)
scalings = st.builds(
    Scaling, st.sampled_from([0.5, 0.8, 2, 2.0, 2**0.5]), st.integers(1, 4), st.integers(1, 3)
)
leaves = st.one_of(finite, scalings, st.builds(Translation, st.integers(1, 3)), st.sampled_from(NAMED))


@st.composite
def semidirect(draw: st.DrawFn, parts: st.SearchStrategy[Group]) -> Group:
    """N @ H with N and H of one space: translations by a linear group, or any group by its dilations."""
    G = draw(parts)
    if G.linear and draw(st.booleans()):
        return Translation(G.ndim) @ G
    return G @ Scaling(draw(st.sampled_from([0.5, 3.0])), draw(st.integers(1, 3)), G.ndim)


def extended(parts: st.SearchStrategy[Group]) -> st.SearchStrategy[Group]:
    return st.one_of(st.builds(Product, parts, parts), semidirect(parts))


any_group = st.recursive(leaves, extended, max_leaves=4)
listed = st.recursive(st.one_of(finite, scalings), lambda p: st.builds(Product, p, p), max_leaves=2).filter(
    lambda G: G.order <= 100
)


def sample(G: Group, rng: np.random.Generator, count: int) -> np.ndarray[Any, Any]:
    """Elements drawn at random; those of truncated groups from in and around the window."""
    if isinstance(G, Product | Semidirect):
        return G.join(sample(G.first, rng, count), sample(G.second, rng, count))
    if isinstance(G, Translation):
        return rng.uniform(-4, 4, (count, G.d))
    if isinstance(G, Scaling):
        return rng.integers(-3, 4, count)
    return G.elements()[rng.integers(int(G.order), size=count)]


def continuous(G: Group) -> list[bool]:
    """Which numbers of an element are translations."""
    if isinstance(G, Product | Semidirect):
        return continuous(G.first) + continuous(G.second)
    return [isinstance(G, Translation)] * math.prod(G.element_shape)


def close(a: Any, b: Any) -> None:
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape
    np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11 * max(1, np.abs(b).max(initial=0)))


def check_laws(G: Group, seed: int = 0) -> None:
    """Every law that a group of this library keeps, on random elements."""
    rng = np.random.default_rng(seed)
    g, h, k = (sample(G, rng, 5) for _ in range(3))
    e = G.identity
    assert e.shape == G.element_shape
    close(G.mul(G.mul(g, h), k), G.mul(g, G.mul(h, k)))
    close(G.mul(g, e), g)
    close(G.mul(e, g), g)
    close(G.mul(g, G.inv(g)), np.broadcast_to(e, g.shape))
    close(G.mul(G.inv(g), g), np.broadcast_to(e, g.shape))
    u = rng.uniform(-3, 3, (5, G.ndim))
    close(G.move(G.mul(g, h), u), G.move(g, G.move(h, u)))
    close(G.move(e, u), u)
    close(G.act(G.mul(g, h)), G.act(g) @ G.act(h))
    close(G.move(g, u), np.einsum("nij,nj->ni", G.act(g), u) + G.shift(g))
    H = G.point_group
    assert H.linear
    assert H.ndim == G.ndim
    close(H.mul(G.project(g), G.project(h)), G.project(G.mul(g, h)))
    close(H.act(G.project(g)), G.act(g))
    check_measure(G, g, h)


def check_measure(G: Group, g: np.ndarray[Any, Any], h: np.ndarray[Any, Any]) -> None:
    """w(gh) |∂(gh)/∂h| = w(h): the left Haar measure w dh is the same after a shift by g."""
    free = np.flatnonzero(continuous(G))
    jacobian = np.zeros((len(g), free.size, free.size))
    for column, place in enumerate(free):
        moved = h.astype(float)
        moved[:, place] += 1  # products are affine in a translation: differences are derivatives
        jacobian[:, :, column] = (G.mul(g, moved) - G.mul(g, h))[:, free]
    expansion = np.abs(np.linalg.det(jacobian)) if free.size else np.ones(len(g))
    close(G.weight(G.mul(g, h)) * expansion, G.weight(h))


@given(G=any_group, seed=st.integers(0, 2**32 - 1))
def test_laws(G: Group, seed: int) -> None:
    check_laws(G, seed)


@given(G=any_group, seed=st.integers(0, 99))
def test_batches_are_broadcast(G: Group, seed: int) -> None:
    rng = np.random.default_rng(seed)
    g, h, one = sample(G, rng, 3), sample(G, rng, 2), G.element_shape
    products = G.mul(g[:, None], h)
    assert products.shape == (3, 2, *one)
    assert G.mul(g[:0], h[0]).shape == (0, *one)
    assert G.move(g[:, None], np.ones((2, G.ndim))).shape == (3, 2, G.ndim)
    for i, j in np.ndindex(3, 2):
        close(G.mul(g[i], h[j]), products[i, j])
        close(G.inv(products)[i, j], G.inv(products[i, j]))
        close(G.act(products)[i, j], G.act(products[i, j]))
        close(G.shift(products)[i, j], G.shift(products[i, j]))
        close(G.weight(products)[i, j], G.weight(products[i, j]))
        close(G.project(products)[i, j], G.project(products[i, j]))


@pytest.mark.parametrize("G", NAMED, ids=repr)
def test_laws_of_named_groups(G: Group) -> None:
    for seed in range(5):
        check_laws(G, seed)


@given(G=any_group)
def test_a_group_is_a_value(G: Group) -> None:
    for twin in (eval(repr(G), vars(groups)), copy.deepcopy(G), pickle.loads(pickle.dumps(G))):
        assert twin == G
        assert hash(twin) == hash(G)
    with pytest.raises(AttributeError):
        G.order = 3


@given(G=listed)
def test_tables_are_consistent(G: Group) -> None:
    members = G.elements()
    assert members.shape == (G.order, *G.element_shape)
    np.testing.assert_array_equal(G.index(members), np.arange(G.order))
    T = G.quotient_table()
    assert T.dtype == np.int32
    for i in range(int(G.order)):
        for j in (0, int(G.order) // 2, int(G.order) - 1):
            if T[i, j] >= 0:
                np.testing.assert_array_equal(G.mul(members[i], members[T[i, j]]), members[j])
            else:
                assert G.index(G.mul(G.inv(members[i]), members[j])) == -1
    truncated = "Scaling" in repr(G)
    if not truncated:
        for row in T:
            np.testing.assert_array_equal(np.sort(row), np.arange(G.order))


@given(G=listed, fibers=st.integers(1, 3), seed=st.integers(0, 99))
def test_action_on_index_sets(G: Group, fibers: int, seed: int) -> None:
    P = IndexSet(G, fibers)
    rng = np.random.default_rng(seed)
    g, h = G.elements()[rng.integers(int(G.order), size=2)]
    x = rng.normal(size=(2, P.size))
    if "Scaling" not in repr(G):
        np.testing.assert_array_equal(P.act(g, P.act(h, x)), P.act(G.mul(g, h), x))
        np.testing.assert_array_equal(P.move(G.mul(g, h)), P.move(g)[P.move(h)])
    there = P.move(g)
    inside = there >= 0
    np.testing.assert_array_equal(P.act(g, x)[:, there[inside]], x[:, inside])
    np.testing.assert_array_equal(P.fiber(there[inside]), P.fiber(np.flatnonzero(inside)))
    np.testing.assert_array_equal(P.orbits(), P.fiber(np.arange(P.size)))
    assert P.shape == (G.order, fibers)


def test_orbits_of_samples_under_quarter_turns() -> None:
    """Of a 5×5 grid: the centre, and six fours."""
    G = SE2(4)
    moves = np.stack([grid_permutation(G([0, 0, h]), (5, 5)) for h in range(4)])
    assert sorted(np.bincount(orbits(moves))) == [1, 4, 4, 4, 4, 4, 4]
    assert orbits(np.full((2, 3), -1)).tolist() == [0, 1, 2]


@given(n=st.integers(1, 9), scales=st.integers(1, 3), seed=st.integers(0, 99))
def test_brackets_do_not_matter(n: int, scales: int, seed: int) -> None:
    T, C, S = Translation(2), Cyclic(n), Scaling(2, scales)
    A, B = (T @ C) @ S, T @ (C @ S)
    g, h = (sample(A, np.random.default_rng(seed), 4) for _ in range(2))
    close(A.mul(g, h), B.mul(g, h))
    close(A.inv(g), B.inv(g))
    close(A.weight(g), B.weight(g))
    close(A.norm(g), B.norm(g))
    assert A.point_group == B.point_group == C @ S
    swapped = [0, 1, 3, 2]  # rotations and dilations commute
    close((T @ S @ C).norm(g[:, swapped]), A.norm(g))
    close((T @ S @ C).mul(g[:, swapped], h[:, swapped])[:, swapped], A.mul(g, h))


def test_dihedral_is_a_semidirect_product() -> None:
    """C_n ⋊ D_1 against D_n, through their matrices."""
    for n in (1, 3, 4):
        G, D = Cyclic(n) @ Dihedral(1), Dihedral(n)
        check_laws(G)
        close(G.act(G.elements()), D.act(D.elements().reshape(2, n).T.ravel()))
    check_laws(SE2(4) @ Dihedral(1))
    check_laws(Cyclic(400) @ Cyclic(3))


@dataclass(frozen=True)
class Mirrors(Group):
    """A group of one's own: the 2^d reflections of the axes of R^d."""

    d: int

    @property
    def ndim(self) -> int:
        return self.d

    @property
    def order(self) -> int:
        return 2**self.d

    def mul(self, g: Any, h: Any) -> Any:
        return self.coerce(g) ^ self.coerce(h)

    def inv(self, g: Any) -> Any:
        return self.coerce(g)

    def act(self, g: Any) -> Any:
        return (1.0 - 2 * (self.coerce(g)[..., None] >> np.arange(self.d) & 1))[..., None] * np.eye(self.d)


def test_a_group_of_ones_own() -> None:
    """Its products too: turns of order 3 exchange mirrors."""
    for G in (Mirrors(3), Mirrors(3) @ Octahedral(), Translation(3) @ Mirrors(3), Mirrors(1) * SE2(3)):
        check_laws(G)
    check_laws((Translation(3) @ Mirrors(3)) @ Octahedral())
    assert Mirrors(2).norm(np.arange(4)) == pytest.approx(np.array([0, 1, 1, 1]) * math.pi)
    assert IndexSet(Mirrors(2)).orbits().tolist() == [0, 0, 0, 0]
    with pytest.raises(gs.ArgumentError, match=r"0 … 3, got 4"):
        Mirrors(2).mul(4, 0)


def test_definitions() -> None:
    """Products against maps of the plane written out by hand."""
    t, s = np.array([1.0, 2.0]), np.array([-3.0, 0.5])
    R = np.array([[0, -1], [1, 0]])
    close(SE2(4).mul([*t, 1], [*s, 2]), [*(t + R @ s), 3])
    close(Similitude2(4, 3).mul([*t, 1, 2], [*s, 2, -1]), [*(t + 4 * R @ s), 3, 1])
    close(E2(4).mul([*t, 4], [*s, 1]), [*(t + s * [1, -1]), 7])
    close(Similitude2(4, 3).inv([4, 8, 0, 2]), [-1, -2, 0, -2])
    assert len({m.tobytes() for m in Octahedral().act(np.arange(24)).round()}) == 24
    assert np.linalg.det(Octahedral().act(np.arange(24))) == pytest.approx(np.ones(24))
    assert Hierarchy(SE2(4), 2).point_group == Cyclic(4) * Trivial(1) * Trivial(1)
    assert TimeFrequency().point_group == Trivial(2)


# ------------------------------------------------------------------------------------ measure, metric


def test_integrals_are_left_invariant_and_not_right_invariant() -> None:
    """Σ_h ∫ f(g·(t, h)) w dt of a Gaussian bump in the similitudes, by sums."""
    G = Similitude2(4, 5)
    t = np.stack(np.meshgrid(*[np.arange(-24, 24, 0.5)] * 2, indexing="ij"), -1).reshape(-1, 2)

    def f(g: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        bump = np.exp(-np.sum((g[:, :2] - [0.7, -0.3]) ** 2, axis=1) / 8)
        return bump * np.exp(-((g[:, 3] - 2) ** 2)) * (1 + g[:, 2]) * (np.abs(g[:, 3] - 2) < 2)

    def integral(g: Any, side: str) -> float:
        total = 0.0
        for h in range(4):
            for j in range(-1, 6):
                e = np.concatenate([t, np.broadcast_to([h, j], t.shape)], axis=1)
                total += np.sum(f(G.mul(g, e) if side == "left" else G.mul(e, g)) * G.weight(e)) / 4
        return total

    whole = integral(G.identity, "left")
    assert integral([2.5, -1.0, 1, 1], "left") == pytest.approx(whole, rel=1e-6)
    assert integral([0, 0, 1, 0], "right") == pytest.approx(whole, rel=1e-6)
    assert integral([0, 0, 0, 1], "right") == pytest.approx(4 * whole, rel=1e-6)


@given(G=any_group, seed=st.integers(0, 2**32 - 1))
def test_metric(G: Group, seed: int) -> None:
    rng = np.random.default_rng(seed)
    g, h, k = (sample(G, rng, 5) for _ in range(3))
    try:
        norm = G.norm(g)
    except gs.ArgumentError:  # dilations of some axes and not of others: test_errors_name_the_way_out
        return
    tolerance = 1e-9 * (1 + norm.max())
    assert G.norm(G.identity) == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(G.norm(G.inv(g)), norm, atol=tolerance, rtol=1e-9)
    assert np.all(G.norm(G.mul(g, h)) <= norm + G.norm(h) + tolerance)
    np.testing.assert_allclose(G.distance(G.mul(k, g), G.mul(k, h)), G.distance(g, h), atol=1e-7, rtol=1e-7)


def test_values_of_the_metric() -> None:
    assert Cyclic(8).norm([0, 1, 4, 7]) == pytest.approx(np.array([0, 1, 4, 1]) * math.pi / 4)
    assert Dihedral(3).norm(3) == pytest.approx(math.pi)
    assert Octahedral().norm(np.arange(24)).max() == pytest.approx(math.pi)
    assert Scaling(2, 3).norm([-1, 0, 2]) == pytest.approx(np.array([1, 0, 2]) * math.log(2))
    assert SE2(4).norm([3, 4, 1]) == pytest.approx(math.hypot(5, math.pi / 2))
    assert TimeFrequency().norm([3, 4]) == pytest.approx(5)


@given(
    a=st.floats(-0.4, 0.4), n=st.integers(4, 20), J=st.integers(0, 4), step=st.sampled_from([0.5, 1.0, 2.0])
)
def test_deformation_metric_of_a_linear_map(a: float, n: int, J: int, step: float) -> None:
    """g(u) = M u: ‖∇g‖∞ is the norm of M, ‖g‖∞ is at a corner."""
    M = np.array([[a, 0.1], [-0.2, a]])
    u = step * np.stack(np.meshgrid(np.arange(n), np.arange(n), indexing="ij"), -1)
    g = u @ M.T
    wanted = 2.0**-J * np.linalg.norm(g, axis=-1).max() + np.linalg.norm(M, 2)
    assert diffeomorphism_norm(g, J, step=step) == pytest.approx(wanted)


def test_deformation_metric_of_a_wave() -> None:
    n, amplitude = 512, 3.0
    g = amplitude * np.sin(2 * np.pi * np.arange(n) / n)[:, None]
    slope = amplitude * 2 * np.pi / n
    assert diffeomorphism_norm(g, math.inf, periodic=True) == pytest.approx(slope, rel=1e-3)
    assert diffeomorphism_norm(g + 5, math.inf, periodic=True) == pytest.approx(slope, rel=1e-3)
    assert diffeomorphism_norm(g, 3, periodic=True) == pytest.approx(amplitude / 8 + slope, rel=1e-3)
    assert diffeomorphism_norm(np.ones((1, 1)), 0) == 1


# ------------------------------------------------------------------------------------------ signals


def moved(g: Element, x: Any, *, on_group: bool = False, order: int | None = None) -> Any:
    """The action on a periodic signal, about the sample N // 2."""
    grid = x.shape[max(0, x.ndim - g.group.ndim) :]
    space = signal_space(grid, g.group if on_group else None, periodic=True)
    return act(g, x, space, order=order)


@given(n=st.integers(1, 9), seed=st.integers(0, 99))
def test_quarter_turn_is_rot90(n: int, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(2, n, n))
    wanted = np.rot90(x, axes=(1, 2))
    wanted = wanted if n % 2 else np.roll(wanted, 1, axis=1)
    np.testing.assert_array_equal(moved(SE2(4)([0, 0, 1]), x), wanted)


EXACT = [(SE2(4), (5, 5)), (SE2(4), (6, 6)), (E2(4), (4, 4)), (E2(2), (4, 6)), (SE3Octahedral(), (4, 4, 4))]
EXACT += [(SE2(8), (7, 7)), (TimeFrequency(), (4, 5)), (Hierarchy(SE2(4), 1), (4, 4, 3))]


@pytest.mark.parametrize(("G", "grid"), EXACT, ids=str)
@pytest.mark.parametrize("on_group", [False, True])
def test_action_on_signals_is_exact_and_a_homomorphism(
    G: Group, grid: tuple[int, ...], on_group: bool
) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2, *([int(G.point_group.order)] if on_group else []), *grid)) + 1j
    pairs = 0
    for _ in range(12):
        g, h = (G(np.rint(sample(G, rng, 1)[0])) for _ in range(2))
        if not (preserves_grid(g, grid) and preserves_grid(h, grid)):
            continue
        pairs += 1
        once = moved(g @ h, x, on_group=on_group)
        np.testing.assert_array_equal(moved(g, moved(h, x, on_group=on_group), on_group=on_group), once)
        np.testing.assert_array_equal(moved(~(g @ h), once, on_group=on_group), x)
        # Where g is exact, asking for splines changes nothing.
        np.testing.assert_array_equal(moved(g @ h, x, on_group=on_group, order=3), once)
    assert pairs


@pytest.mark.parametrize("G", [SE2(4), Similitude2(4, 3)], ids=repr)
def test_signal_on_a_group_by_definition(G: Group) -> None:
    """x(g⁻¹·(u, h)) through the product of the group itself, sample by sample."""
    n, H = 5, G.point_group
    x = np.random.default_rng(0).normal(size=(int(H.order), n, n))
    g = G([1, -2, 3, *([0] if Cyclic(4) != H else [])])
    y = moved(g, x, on_group=True)
    for i, h in enumerate(H.elements()):
        for u in np.ndindex(n, n):
            v = G.mul(G.inv(g.value), np.concatenate([np.array(u) - 2, np.atleast_1d(h)]))
            j = H.index(G.project(v))
            at = (np.rint(v[:2]).astype(int) + 2) % n
            assert y[i, *u] == x[j, *at]


def test_scales_leave_a_truncated_group() -> None:
    G = Similitude2(1, 3)
    x = np.ones((3, 6, 6))
    y = moved(G([0, 0, 0, 1]), x, on_group=True, order=1)
    assert y.sum(axis=(1, 2)).tolist() == [0, 36, 36]


@pytest.mark.parametrize("degrees", [45, 90, 135])
def test_interpolation_turns_a_gaussian(degrees: int) -> None:
    n = 32
    u = np.stack(np.meshgrid(*[np.arange(n) - n // 2] * 2, indexing="ij"), -1)

    def blob(a: Any) -> np.ndarray[Any, Any]:
        return np.exp(-np.sum((u - a) ** 2, axis=-1) / 8)

    G = SE2(8)
    g = G([1.5, 0, int(Cyclic(8).at(degrees))])
    x = blob([4, 1])
    wanted = blob(g @ [4, 1])
    found = moved(g, np.stack([x, 2 * x]), order=3)
    disc = np.linalg.norm(u, axis=-1) < 12  # beyond, corners come from the next period
    np.testing.assert_allclose(found[:, disc], [wanted[disc], 2 * wanted[disc]], atol=2e-3)
    assert moved(g, x.astype(np.float32), order=3).dtype == np.float32
    assert moved(g, (x > 0.5), order=1).dtype.kind == "f"


def test_interpolation_is_periodic() -> None:
    """Half a sample of a slow wave, everywhere."""
    t = 2 * np.pi * np.arange(32) / 32
    found = moved(Translation(1)([0.5]), np.exp(1j * t), order=5)
    np.testing.assert_allclose(found, np.exp(1j * (t - t[1] / 2)), atol=1e-6)


# ------------------------------------------------------------------------------------------ elements


def test_elements_read_as_formulas() -> None:
    G = SE2(8)
    g, h = G([1, 2, 3]), G([[0, 1, 2], [4, 4, 7]])
    assert isinstance(g @ h, Element)
    close((g @ h).value, G.mul(g.value, h.value))
    assert (~(g @ h)).isclose(~h @ ~g)
    close(g @ [[0.0, 0.0], [1.0, 1.0]], G.move(g.value, [[0, 0], [1, 1]]))
    close(abs(h), G.norm(h.value))
    assert h[0].isclose(G([0, 1, 2]))
    assert Cyclic(8)(9).isclose(Cyclic(8)(1))
    assert eval(repr(g), vars(groups)).isclose(g)
    with pytest.raises(ValueError, match="read-only"):
        g.value[0] = 0
    with pytest.raises(TypeError):
        np.ones(2) @ g


# -------------------------------------------------------------------------------------- bad input


def test_errors_name_the_way_out() -> None:
    uneven = Translation(2) @ (Scaling(2, 2, 1) * Trivial(1))
    cases: list[tuple[Any, type[Exception], str]] = [
        (lambda: Cyclic(6).at(90), gs.ArgumentError, r"not by 90°.*Cyclic\(12\) has it.*L even"),
        (lambda: Dihedral(0), gs.ArgumentError, "n=0"),
        (lambda: Translation(0), gs.ArgumentError, "d=0"),
        (lambda: Trivial(0), gs.ArgumentError, "d=0"),
        (lambda: Scaling(1, 3), gs.ArgumentError, "factor=1"),
        (lambda: Scaling(2, 0), gs.ArgumentError, "count=0"),
        (lambda: SE2(2.5), gs.ArgumentError, r"Cyclic\(n\): n=2\.5: expected an integer"),  # type: ignore[arg-type]
        (lambda: Similitude2(4, 2.5), gs.ArgumentError, r"count=2\.5"),  # type: ignore[arg-type]
        (lambda: Scaling("2", 2), gs.ArgumentError, "factor='2'"),  # type: ignore[arg-type]
        (lambda: Hierarchy("a", 0), gs.ArgumentError, "base='a'"),  # type: ignore[arg-type]
        (lambda: Hierarchy(2, -1), gs.ArgumentError, "layers=-1"),
        (lambda: SE2(8).elements(), gs.ArgumentError, "infinite.*point_group"),
        (lambda: SE2(8).index([0, 0, 1]), gs.ArgumentError, "infinite"),
        (lambda: SE2(8).quotient_table(), gs.ArgumentError, "infinite"),
        (lambda: IndexSet(SE2(8)), gs.ArgumentError, "infinite.*point_group"),
        (lambda: IndexSet(Cyclic(3), 0), gs.ArgumentError, "fibers=0"),
        (lambda: IndexSet(Cyclic(3)).act(1, np.ones(4)), gs.ShapeError, r"holds 3 .* \(4,\)"),
        (lambda: SE2(8).mul([0, 0, 1], [0, 1]), gs.ShapeError, "another group"),
        (lambda: SE2(8)([0, 0, 1.5]), gs.ArgumentError, "integers, got 1.5"),
        (lambda: SE2(8)([0, 0, math.nan]), gs.ArgumentError, "integers, got nan"),
        (lambda: Translation(1)([1j]), gs.ArgumentError, "complex128"),
        (lambda: Octahedral().act(24), gs.ArgumentError, "0 … 23, got 24"),
        (lambda: Dihedral(2).mul(0, -1), gs.ArgumentError, "0 … 3, got -1"),
        (lambda: Cyclic(4)(1) @ Cyclic(8)(1), gs.ArgumentError, r"Cyclic\(n=4\).*Cyclic\(n=8\).*same group"),
        (lambda: SE2(8).move([0, 0, 1], np.ones(3)), gs.ShapeError, r"\(\.\.\., 2\), got shape \(3,\)"),
        (lambda: Translation(3) @ Cyclic(4), gs.ArgumentError, r"R\^3.*R\^2.*Trivial"),
        (lambda: Cyclic(4) @ Translation(2), gs.ArgumentError, "translations first"),
        (lambda: Dihedral(3) @ Cyclic(4), gs.ArgumentError, "outside of it"),
        (lambda: TimeFrequency() @ Cyclic(4), gs.ArgumentError, "mixes the axes"),
        (lambda: Translation(2).grid((3,)), gs.ShapeError, r"2 axes, got shape \(3,\)"),
        (lambda: moved(SE2(8)([0, 0, 1]), np.ones((4, 4))), gs.ArgumentError, "order=3"),
        (lambda: grid_permutation(Similitude2(4, 2)([0, 0, 0, 1]), (4, 4)), gs.ArgumentError, "order=3"),
        (lambda: moved(SE2(4)([0, 0.5, 0]), np.ones((4, 4))), gs.ArgumentError, "whole samples"),
        (lambda: moved(SE2(4)([0, 0, 1]), np.ones((4, 6))), gs.ArgumentError, "different lengths"),
        (lambda: act(SE2(4)([0, 0, 1]), np.ones(4)), gs.ShapeError, r"last 2 axes.*\(4,\)"),
        (lambda: moved(SE2(4)([[0, 0, 1]]), np.ones((4, 4))), gs.ArgumentError, "batch"),
        (lambda: moved(SE2(8)([0, 0, 1]), np.ones((4, 4)), order=6), gs.ArgumentError, "order=6"),
        (
            lambda: moved(SE2(4)([0, 0, 1]), np.ones((3, 4, 4)), on_group=True),
            gs.ShapeError,
            r"h:4.*got x of shape \(3, 4, 4\)",
        ),
        (lambda: diffeomorphism_norm(np.ones((4, 4, 3)), 2), gs.ShapeError, r"got \(4, 4, 3\)"),
        (lambda: uneven.norm([0, 0, 1]), gs.ArgumentError, "Override norm"),
    ]
    for call, kind, message in cases:
        with pytest.raises(kind, match=f"(?s){message}"):
            call()
    for other in (3, "C4"):
        with pytest.raises(TypeError):
            Cyclic(4) @ other
        with pytest.raises(TypeError):
            Cyclic(4) * other


# ------------------------------------------------------------------------------------- planted faults


@dataclass(frozen=True, repr=False)
class NoTwist(Semidirect):
    """The direct product's law with the semidirect product's action."""

    def mul(self, g: Any, h: Any) -> Any:
        (a, b), (c, e) = self.split(g), self.split(h)
        return self.join(self.first.mul(a, c), self.second.mul(b, e))

    def inv(self, g: Any) -> Any:
        a, b = self.split(g)
        return self.join(self.first.inv(a), self.second.inv(b))


@dataclass(frozen=True, repr=False)
class InverseTwist(Semidirect):
    """t + A_h⁻¹ t'."""

    def mul(self, g: Any, h: Any) -> Any:
        (a, b), (c, e) = self.split(g), self.split(h)
        turned = self.first.twist(self.second.act(self.second.inv(b)), c)
        return self.join(self.first.mul(a, turned), self.second.mul(b, e))


@dataclass(frozen=True, repr=False)
class UntwistedInverse(Semidirect):
    def inv(self, g: Any) -> Any:
        a, b = self.split(g)
        return self.join(self.first.inv(a), self.second.inv(b))


@dataclass(frozen=True, repr=False)
class RightHaar(Semidirect):
    def weight(self, g: Any) -> Any:
        return np.ones(np.shape(g)[:-1])


@dataclass(frozen=True, repr=False)
class NoDeterminant(Semidirect):
    """The weight multiplied where it is divided."""

    def weight(self, g: Any) -> Any:
        return 1 / super().weight(g)


@dataclass(frozen=True)
class Clockwise(Cyclic):
    """The angle of an odd element has the wrong sign."""

    def angle(self, g: Any) -> Any:
        return super().angle(g) * (1 - 2 * (self.coerce(g) % 2))


@dataclass(frozen=True)
class Commuting(Dihedral):
    def mul(self, g: Any, h: Any) -> Any:
        (s, r), (q, p) = self._parts(g), self._parts(h)
        return (s + q) % 2 * self.n + (r + p) % self.n


FAULTS = [
    NoTwist(Translation(2), Cyclic(8)),
    InverseTwist(Translation(2), Cyclic(8)),
    UntwistedInverse(Translation(2), Cyclic(8)),
    RightHaar(Translation(2), Scaling(2, 3)),
    NoDeterminant(Translation(2), Scaling(2, 3)),
    Clockwise(8),
    Translation(2) @ Clockwise(8),
    Commuting(5),
]


@pytest.mark.parametrize("G", FAULTS, ids=lambda G: type(G).__name__)
def test_faults_are_caught(G: Group) -> None:
    with pytest.raises(AssertionError):
        check_laws(G)


def test_a_wrapped_window_is_caught() -> None:
    """A truncated group whose index wraps around instead of being -1 outside."""

    @dataclass(frozen=True)
    class Wrapped(Scaling):
        def index(self, g: Any) -> Any:
            return self.coerce(g) % self.count

    with pytest.raises(AssertionError):
        test_tables_are_consistent.hypothesis.inner_test(Wrapped(2, 3))
