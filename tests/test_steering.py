"""Bases of learned filters and the steering table: against loops from the formula, and by what must hold."""

from __future__ import annotations

import itertools
import math
import pickle
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import groupscat as gs
from groupscat.groups import (
    E2,
    SE2,
    Cyclic,
    Dihedral,
    Group,
    Hierarchy,
    Octahedral,
    Scaling,
    SE3Octahedral,
    Similitude2,
    TimeFrequency,
    Translation,
    Trivial,
)
from groupscat.wavelets import (
    Basis,
    GaussianRings,
    Pixels,
    approximation_error,
    preserves_taps,
    steering_table,
    steering_taps,
)
from groupscat.wavelets import basis as basis_module
from groupscat.wavelets import steering as steering_module
from groupscat.wavelets.basis import TensorProduct, tap_grid

#: Every named group, with bases of its axes.
CASES: list[tuple[Group, Basis]] = [
    (SE2(1), Pixels(2, 5)),
    (SE2(2), Pixels(3, 5)),
    (SE2(4), Pixels(3, 3)),
    (SE2(4), Pixels(4, 4)),
    (SE2(8), Pixels(2, 2)),
    (SE2(8), GaussianRings(5)),
    (SE2(6), GaussianRings(7, sigma=0.5, last=0.7)),
    (E2(4), Pixels(3, 3)),
    (E2(2), Pixels(2, 3)),
    (E2(3), GaussianRings(3)),
    (SE3Octahedral(), Pixels(2, 2, 2)),
    (SE3Octahedral(), GaussianRings(5, ndim=3)),
    (TimeFrequency(), Pixels(3, 4)),
    (TimeFrequency(), GaussianRings(3, ndim=1) * Pixels(2)),
    (Similitude2(4, 2), Pixels(3, 3)),
    (Similitude2(4, 2), Pixels(2, 2)),
    (Similitude2(8, 2, factor=2**0.5), GaussianRings(3)),
    (Similitude2(3, 2, factor=0.7), GaussianRings(5)),
    (Hierarchy(2, 0), Pixels(3, 2)),
    (Hierarchy(2, 2), Pixels(2, 3) * Pixels(3) * Pixels(2)),
    (Hierarchy(SE2(4), 1), GaussianRings(3) * Pixels(3)),
    (Hierarchy(SE2(4), 1), Pixels(3, 3, 2)),
    (Translation(1) @ Scaling(2, 2, 1), GaussianRings(5, ndim=1)),
    (Translation(2) @ (Scaling(2, 2, 1) * Trivial(1)), Pixels(3, 3)),
]

#: Bases of every kind.
BASES = [b for _, b in CASES] + [GaussianRings(1), GaussianRings(1, ndim=3), GaussianRings(9)]


# --------------------------------------------------------------------------------- the formula, by loops


def naive_ring(x: list[float], r: int, m: int, n: int, sigma: float) -> float:
    """Function number n of one ring and degree at one point, before normalisation."""
    radius = math.hypot(*x)
    profile = math.exp(-((radius - r) ** 2) / (2 * sigma**2))
    if m == 0:
        return profile
    if radius == 0:
        return 0.0
    u = [c / radius for c in x]
    if len(x) == 1:
        angular = u[0]
    elif len(x) == 2:
        phi = math.atan2(x[1], x[0])
        angular = math.cos(m * phi) if n == 0 else math.sin(m * phi)
    else:
        a, b, c = u
        first = [c, -a, -b]
        second = [
            (3 * c**2 - 1) / 2,
            -math.sqrt(3) * a * c,
            -math.sqrt(3) * b * c,
            math.sqrt(3) / 2 * (a**2 - b**2),
            math.sqrt(3) * a * b,
        ]
        angular = {1: first, 2: second}[m][n]
    return profile * angular * min(1, radius) ** m


@cache
def naive_scale(basis: GaussianRings, r: int, m: int, sigma: float) -> tuple[int, float]:
    """Functions of one ring and degree, and the root of their mean energy over the taps."""
    count = 1 if m == 0 or basis.ndim == 1 else 2 if basis.ndim == 2 else 2 * m + 1
    line = [i - (basis.k - 1) / 2 for i in range(basis.k)]
    energy = 0.0
    for tap in itertools.product(line, repeat=basis.ndim):
        energy += sum(naive_ring(list(tap), r, m, n, sigma) ** 2 for n in range(count))
    return count, math.sqrt(energy / count)


def naive_values(basis: Basis, x: list[float]) -> list[float]:
    """Every ψ_b at one point."""
    if isinstance(basis, TensorProduct):
        d = basis.first.ndim
        pairs = itertools.product(naive_values(basis.first, x[:d]), naive_values(basis.second, x[d:]))
        return [a * b for a, b in pairs]
    if isinstance(basis, Pixels):
        taps = itertools.product(*([i - (k - 1) / 2 for i in range(k)] for k in basis.taps))
        return [math.prod(max(0.0, 1 - abs(c - t)) for c, t in zip(x, tap, strict=True)) for tap in taps]
    assert isinstance(basis, GaussianRings)
    values = []
    for r in range((basis.k - 1) // 2 + 1):
        sigma = basis.last if 2 * r == basis.k - 1 else basis.sigma
        for m in range(r + 1):
            if basis.ndim == 1 and m > 1:
                continue
            count, scale = naive_scale(basis, r, m, sigma)
            values += [naive_ring(x, r, m, n, sigma) / scale for n in range(count)]
    return values


def naive_table(group: Group, basis: Basis, taps: tuple[int, ...]) -> np.ndarray[Any, Any]:
    H = group.point_group
    table = []
    for h in H.elements():
        A = H.act(h)
        rows = []
        for tap in itertools.product(*(range(k) for k in taps)):
            x = np.linalg.solve(A, [i - (k - 1) / 2 for i, k in zip(tap, taps, strict=True)])
            rows.append([v / abs(np.linalg.det(A)) for v in naive_values(basis, x.tolist())])
        table.append(rows)
    return np.array(table)


def check_table(group: Group, basis: Basis) -> None:
    taps = steering_taps(group, basis)
    S = steering_table(group, basis)
    assert S.shape == (group.point_group.order, math.prod(taps), basis.size)
    assert S.dtype == np.float64
    np.testing.assert_allclose(S, naive_table(group, basis, taps), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("group", "basis"), CASES, ids=repr)
def test_table_is_the_formula(group: Group, basis: Basis) -> None:
    check_table(group, basis)
    np.testing.assert_array_equal(
        steering_table(group, basis), steering_table(group, basis, list(steering_taps(group, basis)))
    )
    # The linear group alone has the same table.
    np.testing.assert_array_equal(steering_table(group.point_group, basis), steering_table(group, basis))


def test_more_taps_add_a_border() -> None:
    for basis in (GaussianRings(3), Pixels(3, 3), Pixels(2, 2)):
        k = basis.taps[0]
        wide = steering_table(SE2(8), basis, (k + 4, k + 4)).reshape(8, k + 4, k + 4, -1)
        np.testing.assert_array_equal(
            wide[:, 2:-2, 2:-2].reshape(8, k * k, -1), steering_table(SE2(8), basis)
        )


# ----------------------------------------------------------------------------------------------- bases


@pytest.mark.parametrize("basis", BASES, ids=repr)
def test_a_basis_is_data(basis: Basis) -> None:
    assert basis.ndim == len(basis.taps)
    assert basis.size == math.prod(basis.shape)
    assert basis(np.zeros((2, 3, basis.ndim))).shape == (2, 3, basis.size)
    assert basis(np.zeros((0, basis.ndim))).shape == (0, basis.size)
    again = pickle.loads(pickle.dumps(basis))
    assert again == basis == eval(repr(basis), vars(gs.wavelets))
    assert hash(again) == hash(basis)


@given(k=st.lists(st.integers(1, 5), min_size=1, max_size=3), seed=st.integers(0, 99))
def test_hats_are_a_partition_of_unity(k: list[int], seed: int) -> None:
    """Between the taps they sum to 1; on the grid they are samples; affine functions are reproduced."""
    basis, rng = Pixels(*k), np.random.default_rng(seed)
    half = (np.array(k) - 1) / 2
    inside = rng.uniform(-half, half, (20, len(k)))
    values = basis(inside)
    assert np.all(values >= 0)
    np.testing.assert_allclose(values.sum(-1), 1, atol=1e-12)
    np.testing.assert_allclose(values @ tap_grid(basis.taps), inside, atol=1e-12)
    np.testing.assert_array_equal(basis(tap_grid(basis.taps)), np.eye(basis.size))
    assert not basis(half + 1).any()
    assert not basis(-half - 1).any()


def test_pixels_are_products_of_pixels() -> None:
    points = np.random.default_rng(0).uniform(-2, 2, (30, 3))
    np.testing.assert_array_equal((Pixels(3, 4) * Pixels(2))(points), Pixels(3, 4, 2)(points))


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("k", [1, 3, 5, 7])
def test_rings_have_unit_norm(k: int, ndim: int) -> None:
    """In the mean over the harmonics of a ring and degree, and each where quarter turns exchange them."""
    basis = GaussianRings(k, ndim)
    energy = np.sum(basis(tap_grid(basis.taps)) ** 2, axis=0)
    for ring in set(basis.harmonics):
        mine = energy[[h == ring for h in basis.harmonics]]
        assert mine.mean() == pytest.approx(1)
        if ring[1] < 2:
            assert mine == pytest.approx(np.ones(len(mine)))
    assert (
        basis.size
        == {
            1: k,
            2: ((k + 1) // 2) ** 2,
            3: sum((r + 1) ** 2 for r in range((k + 1) // 2)),
        }[ndim]
    )


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_rings_are_independent_and_peak_at_their_radius(ndim: int) -> None:
    basis = GaussianRings(5, ndim)
    values = basis(tap_grid(basis.taps))
    assert np.linalg.cond(values) < 20
    ray = np.zeros((301, ndim))
    ray[:, -1] = np.linspace(0, 3, 301)
    radial = basis(ray)
    for b, (r, m) in enumerate(basis.harmonics):
        if m == 0:
            assert ray[radial[:, b].argmax(), -1] == pytest.approx(r, abs=0.01)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_rings_are_continuous(ndim: int) -> None:
    """Also at the centre, where a harmonic of degree m > 0 has no direction: it is 0 there."""
    basis = GaussianRings(7, ndim)
    directions = np.random.default_rng(0).normal(size=(50, ndim))
    near = basis(1e-9 * directions)
    np.testing.assert_allclose(near, np.broadcast_to(basis(np.zeros(ndim)), near.shape), atol=1e-7)
    for b, (_, m) in enumerate(basis.harmonics):
        assert (basis(np.zeros(ndim))[b] == 0) == (m > 0)
    path = np.linspace(-3, 3, 6001)[:, None] * directions[0] / np.linalg.norm(directions[0])
    assert np.abs(np.diff(basis(path), axis=0)).max() < 5e-3


def turn(basis: GaussianRings, angle: float) -> np.ndarray[Any, Any]:
    """Coefficients of the filter turned by an angle, from those of the filter: pairs (cos mφ, sin mφ)."""
    D = np.eye(basis.size)
    b = 0
    while b < basis.size:
        m = basis.harmonics[b][1]
        if m:
            c, s = math.cos(m * angle), math.sin(m * angle)
            D[b : b + 2, b : b + 2] = [[c, -s], [s, c]]
        b += 2 if m else 1
    return D


@given(n=st.integers(1, 24), k=st.sampled_from([1, 3, 5, 7, 9]))
def test_turning_coefficients_is_turning_points(n: int, k: int) -> None:
    basis = GaussianRings(k)
    S = steering_table(SE2(n), basis)
    for h in range(n):
        np.testing.assert_allclose(S[h], S[0] @ turn(basis, 2 * math.pi * h / n), atol=1e-12)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_rings_span_a_representation(ndim: int) -> None:
    """ψ(A⁻¹x) = ψ(x) D(A), D orthogonal and D(AB) = D(A) D(B), for any orthogonal A."""
    basis, rng = GaussianRings(5, ndim), np.random.default_rng(0)
    points = rng.uniform(-2, 2, (60, ndim))

    def representation(A: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        D = np.linalg.lstsq(basis(points), basis(points @ A), rcond=None)[0]
        np.testing.assert_allclose(basis(points) @ D, basis(points @ A), atol=1e-12)
        return D

    A, B = (np.linalg.qr(rng.normal(size=(ndim, ndim)))[0] for _ in range(2))
    D = representation(A)
    np.testing.assert_allclose(D @ D.T, np.eye(basis.size), atol=1e-11)
    np.testing.assert_allclose(representation(A @ B), D @ representation(B), atol=1e-11)


# -------------------------------------------------------------------------------------------- steering


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("n", [4, 8, 12])
def test_quarter_turns_of_pixels_are_rot90(k: int, n: int) -> None:
    w = np.random.default_rng(k).normal(size=(k, k))
    S = steering_table(SE2(n), Pixels(k, k))
    for q in range(4):
        table = S[int(Cyclic(n).at(90 * q))]
        assert set(np.unique(table)) <= {0.0, 1.0}
        np.testing.assert_array_equal((table @ w.ravel()).reshape(k, k), np.rot90(w, q))


def exact() -> Iterator[tuple[Group, Basis]]:
    for group, basis in CASES:
        if preserves_taps(group, basis):
            yield group, basis


@pytest.mark.parametrize(("group", "basis"), list(exact()), ids=repr)
def test_exact_steering_permutes_samples(group: Group, basis: Basis) -> None:
    """S[h] = P_h S[e] with permutations of taps that compose like the group."""
    H = group.point_group
    P = steering_table(group, Pixels(*basis.taps))
    assert np.all((P == 0) | (P == 1))
    assert np.all(P.sum(axis=1) == 1)
    S = steering_table(group, basis)
    np.testing.assert_allclose(S, P @ S[int(H.index(H.identity))], atol=1e-13)
    h = H.elements()
    products = H.index(H.mul(h[:, None], h[None]))
    np.testing.assert_array_equal(P[products], P[:, None] @ P[None])
    assert approximation_error(group, basis) < 1e-12


def test_which_taps_are_preserved() -> None:
    expected = [
        (SE2(2), Pixels(3, 5), True),
        (SE2(4), Pixels(3, 5), False),
        (SE2(4), Pixels(2, 2), True),
        (SE2(8), Pixels(3, 3), False),
        (SE2(8), Pixels(1, 1), True),
        (SE2(8), GaussianRings(5), False),
        (SE2(4), GaussianRings(5), True),
        (E2(4), Pixels(4, 4), True),
        (E2(3), Pixels(3, 3), False),
        (Octahedral(), Pixels(3, 3, 3), True),
        (Octahedral(), Pixels(3, 3, 2), False),
        (TimeFrequency(), Pixels(3, 4), True),
        (Similitude2(4, 2), Pixels(3, 3), False),
        (Similitude2(4, 1), Pixels(3, 3), True),
        (Hierarchy(SE2(4), 1), Pixels(3, 3, 2), True),
    ]
    for group, basis, wanted in expected:
        assert preserves_taps(group, basis) is wanted, (group, basis)


def test_taps_of_dilated_filters() -> None:
    expected = [
        (SE2(8), Pixels(3, 3), (3, 3)),
        (Similitude2(8, 1), Pixels(4, 4), (4, 4)),
        (Similitude2(8, 2), Pixels(3, 3), (7, 7)),
        (Similitude2(8, 2), Pixels(2, 2), (6, 6)),
        (Similitude2(8, 2), GaussianRings(5), (11, 11)),
        (Similitude2(8, 2, factor=2**0.5), Pixels(3, 3), (5, 5)),
        (Similitude2(8, 3, factor=0.5), Pixels(3, 3), (3, 3)),
        (Translation(2) @ (Scaling(2, 2, 1) * Trivial(1)), Pixels(3, 5), (7, 5)),
    ]
    for group, basis, wanted in expected:
        assert steering_taps(group, basis) == wanted, (group, basis)


@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("k", [1, 3, 5])
def test_dilated_pixels_interpolate_and_keep_their_sum(factor: int, k: int) -> None:
    """Whole dilations: the hats widen, at every factor-th tap the samples stay, the whole support fits."""
    group = Translation(2) @ Scaling(factor, 2)
    taps = steering_taps(group, Pixels(k, k))
    S = steering_table(group, Pixels(k, k))
    np.testing.assert_allclose(S[1].sum(axis=0), 1, atol=1e-12)
    np.testing.assert_array_equal(S[0].sum(axis=0), 1)
    first = (taps[0] - 1) // 2 - factor * (k - 1) // 2
    sparse = S[1].reshape(*taps, -1)[first::factor, first::factor][:k, :k].reshape(k * k, k * k)
    np.testing.assert_allclose(sparse, np.eye(k * k) / factor**2, atol=1e-15)
    border = steering_table(group, Pixels(k, k), (taps[0] + 2, taps[1] + 2))
    assert np.count_nonzero(border) == np.count_nonzero(S)


def test_dilated_rings_keep_their_sum() -> None:
    basis = GaussianRings(5)
    S = steering_table(Similitude2(1, 2), basis)
    round_ones = [m == 0 for _, m in basis.harmonics]
    np.testing.assert_allclose(S[1].sum(axis=0)[round_ones][:2], S[0].sum(axis=0)[round_ones][:2], rtol=0.02)
    np.testing.assert_allclose(S.sum(axis=1)[:, np.logical_not(round_ones)], 0, atol=1e-12)


def test_tables_are_cached_and_read_only() -> None:
    S = steering_table(SE2(8), GaussianRings(5))
    assert steering_table(SE2(8), GaussianRings(5)) is S
    with pytest.raises(ValueError, match="read-only"):
        S[0, 0, 0] = 1


# ------------------------------------------------------------------------------- how good sampling is


@pytest.mark.parametrize("group", [SE2(8), SE2(16), SE2(6), E2(8)], ids=repr)
def test_rings_approximate_where_pixels_do_not(group: Group) -> None:
    for k in (3, 5, 7):
        assert 0.01 < approximation_error(group, GaussianRings(k)) < 0.06
        assert approximation_error(group, Pixels(k, k)) > 0.3


def test_widths_of_rings_are_a_good_choice() -> None:
    """Narrower rings are badly sampled, a wider last ring does not fit the taps."""
    error = approximation_error(SE2(8), GaussianRings(5))
    for sigma, last in [(0.6, 0.6), (0.6, 0.3), (0.2, 0.2)]:
        assert approximation_error(SE2(8), GaussianRings(5, sigma=sigma, last=last)) > 1.5 * error


def test_taps_bound_the_error_of_dilations() -> None:
    group, basis = Similitude2(4, 2), GaussianRings(5)
    cut, own, wide = (approximation_error(group, basis, t) for t in ((5, 5), None, (17, 17)))
    assert cut > 0.5
    assert wide <= own < 0.08


@pytest.mark.parametrize("basis", [GaussianRings(5), Pixels(5, 5)], ids=repr)
def test_approximation_error_is_that_of_a_layer(basis: Basis) -> None:
    """By direct sums over waves turned with the filter, r.m.s. over random coefficients."""
    rng, x = np.random.default_rng(0), tap_grid(basis.taps)
    A = Cyclic(8).act(1)
    S = steering_table(SE2(8), basis)
    difference = total = 0.0
    for _ in range(400):
        wave = rng.uniform(-1, 1, 2)
        if np.linalg.norm(wave) > 1:
            continue
        wave *= math.pi / 2
        w = rng.normal(size=basis.size)
        # e^{iω·u} filtered by w, at the origin; then the wave turned, filtered by w turned.
        before = np.exp(-1j * x @ wave) @ S[0] @ w
        after = np.exp(-1j * x @ (A @ wave)) @ S[1] @ w
        difference += abs(after - before) ** 2
        total += abs(before) ** 2
    assert math.sqrt(difference / total) == pytest.approx(approximation_error(SE2(8), basis), rel=0.2)


# ---------------------------------------------------------------------------------------------- errors


def test_errors_name_the_way_out() -> None:
    arguments: list[tuple[Callable[[], Any], type[Exception], str]] = [
        (lambda: Pixels(), gs.ArgumentError, r"Pixels\(\).*Pixels\(3, 3\)"),
        (lambda: Pixels(3, 0), gs.ArgumentError, r"Pixels\(3, 0\)"),
        (lambda: Pixels((3, 3)), gs.ArgumentError, r"write Pixels\(3, 3\)"),  # type: ignore[arg-type]
        (lambda: Pixels(True), gs.ArgumentError, r"Pixels\(True"),
        (lambda: GaussianRings(5, sigma="1"), gs.ArgumentError, "sigma='1'"),  # type: ignore[arg-type]
        (lambda: steering_table(Pixels(3), SE2(4)), gs.ArgumentError, r"group=Pixels\(3\)"),  # type: ignore[arg-type]
        (lambda: GaussianRings(4), gs.ArgumentError, "odd k ≥ 1, got k=4.*Pixels"),
        (lambda: GaussianRings(-1), gs.ArgumentError, "k=-1"),
        (lambda: GaussianRings(5, ndim=4), gs.ArgumentError, r"ndim=4.*\* Pixels"),
        (lambda: GaussianRings(5, sigma=0), gs.ArgumentError, "sigma=0"),
        (lambda: Pixels(3)(np.zeros((4, 2))), gs.ShapeError, r"\(\.\.\., 1\), got shape \(4, 2\)"),
        (lambda: GaussianRings(3)(0.0), gs.ShapeError, r"got shape \(\)"),
        (lambda: steering_table(SE2(4), Pixels(3)), gs.ShapeError, "2 axes and .* has 1"),
        (lambda: steering_taps(TimeFrequency(), Pixels(3)), gs.ShapeError, "basis \\* Pixels"),
        (lambda: preserves_taps(SE2(4), Pixels(3)), gs.ShapeError, "2 axes"),
        (lambda: approximation_error(SE2(4), Pixels(3)), gs.ShapeError, "2 axes"),
        (lambda: steering_table(SE2(4), Pixels(3, 5)), gs.ArgumentError, "axes 0 and 1.*Use 5 taps"),
        (lambda: steering_table(SE2(4), Pixels(3, 3), (3, 5)), gs.ArgumentError, "axes 0 and 1"),
        (lambda: steering_table(SE2(4), Pixels(3, 3), (5,)), gs.ShapeError, r"taps=\(5,\)"),
        (lambda: steering_table(SE2(4), Pixels(3, 3), (4, 4)), gs.ArgumentError, "between the taps"),
        (lambda: steering_table(SE2(4), Pixels(3, 3), (-1, -1)), gs.ArgumentError, r"taps=\(-1, -1\)"),
    ]
    for call, kind, message in arguments:
        with pytest.raises(kind, match=f"(?s){message}"):
            call()
    with pytest.raises(TypeError):
        Pixels(3) * 2  # type: ignore[operator]


# -------------------------------------------------------------------------------------- planted faults


def forwards(group: Group, taps: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """A_h in place of A_h⁻¹."""
    H = group.point_group
    return steering_module._snapped(tap_grid(taps) @ np.swapaxes(H.act(H.elements()), -1, -2))


def off_centre(k: int) -> np.ndarray[Any, Any]:
    return np.arange(k) - k // 2.0


def no_determinant(matrix: Any) -> Any:
    return np.ones(np.shape(matrix)[:-2])


FAULTS: list[tuple[Any, str, Any, Group, Basis]] = [
    (steering_module, "_moved", forwards, SE2(4), Pixels(3, 3)),
    (steering_module, "_moved", forwards, SE2(8), GaussianRings(5)),
    (steering_module, "_moved", forwards, Similitude2(1, 2), Pixels(3, 3)),
    (steering_module.np.linalg, "det", no_determinant, Similitude2(1, 2), GaussianRings(3)),
    (basis_module, "line", off_centre, SE2(4), Pixels(4, 4)),
    (basis_module, "line", off_centre, Similitude2(1, 2), Pixels(2, 2)),
]


@pytest.mark.parametrize(("module", "name", "fault", "group", "basis"), FAULTS)
def test_faults_are_caught(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, fault: Any, group: Group, basis: Basis
) -> None:
    taps = steering_taps(group, basis)
    wanted = naive_table(group, basis, taps)
    steering_module._table.cache_clear()
    try:
        with monkeypatch.context() as patch:
            patch.setattr(module, name, fault)
            found = steering_table(group, basis)
    finally:
        steering_module._table.cache_clear()
    assert np.abs(found - wanted).max() > 1e-3
    check_table(group, basis)


@pytest.mark.parametrize("fault", ["forwards", "off_centre"])
def test_faults_break_quarter_turns(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    """Without the loops: what users see."""
    steering_module._table.cache_clear()
    try:
        with monkeypatch.context() as patch:
            if fault == "forwards":
                patch.setattr(steering_module, "_moved", forwards)
            else:
                patch.setattr(basis_module, "line", off_centre)
            with pytest.raises(AssertionError):
                test_quarter_turns_of_pixels_are_rot90(4, 4)
    finally:
        steering_module._table.cache_clear()


def test_a_lost_determinant_changes_the_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    steering_module._table.cache_clear()
    try:
        with monkeypatch.context() as patch:
            patch.setattr(np.linalg, "det", no_determinant)
            with pytest.raises(AssertionError):
                test_dilated_pixels_interpolate_and_keep_their_sum(2, 3)
    finally:
        steering_module._table.cache_clear()


def test_dihedral_reflections_flip_the_second_axis() -> None:
    w = np.arange(12.0).reshape(3, 4)
    S = steering_table(Dihedral(2), Pixels(3, 4))
    np.testing.assert_array_equal((S[2] @ w.ravel()).reshape(3, 4), w[:, ::-1])
