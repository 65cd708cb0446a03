"""Roto-translation scattering: its definition, what rotations do to it, what it tells apart."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

import groupscat as gs
from groupscat.plan import angular, roto_translation
from groupscat.plan.roto_translation import Angles
from groupscat.testing.base import COMPLEX, noise
from groupscat.testing.tolerances import TOLERANCE, assert_close, relative_error
from tests.oracle_angular import key
from tests.oracle_angular import roto_translation as by_direct_sums

Array = np.ndarray[Any, Any]


def against_oracle(S: gs.RotoTranslationScattering2D, x: Array, precision: str = "float64") -> None:
    given = x.astype(COMPLEX[precision] if S.complex_input else precision)
    y = S(given)
    if S.out_type == "array":
        y = [{"coef": y[..., k, :, :]} for k in range(len(S.paths))]
    found = {key(path): row["coef"] for path, row in zip(S.paths, y, strict=True)}
    wanted = by_direct_sums(S, x)
    assert set(found) == set(wanted)
    scale = max(np.abs(x).max(), *(np.abs(v).max() for v in wanted.values()))
    for name, value in wanted.items():
        assert_close(found[name], value, scale, precision)


# ------------------------------------------------------------------------------------------ definition

CASES: dict[str, dict[str, Any]] = {
    "joint": {"J": 2, "shape": (11, 8), "L": 4},
    "joint, L=2, K=1": {"J": 2, "shape": (6, 7), "L": 2, "K": 1},
    "joint, L=8, three scales": {"J": 3, "shape": (8, 8), "L": 8, "padding": "circular"},
    "joint, odd L": {"J": 2, "shape": (8, 6), "L": 3, "padding": "zero"},
    "joint, samples of θ": {"J": 2, "shape": (8, 9), "L": 4, "average_angle": False},
    "joint, samples of θ, L=8": {"J": 2, "shape": (8, 4), "L": 8, "average_angle": False},
    "joint, complex": {"J": 2, "shape": (6, 8), "L": 2, "complex_input": True},
    "joint, complex, samples of θ": {
        "J": 2, "shape": (6, 8), "L": 4, "complex_input": True, "average_angle": False,
    },
    "joint, global": {"J": 2, "shape": (9, 8), "L": 4, "T": "global"},
    "joint, no average": {"J": 2, "shape": (8, 8), "L": 2, "T": 0, "out_type": "list"},
    "joint, oversampled": {"J": 2, "shape": (8, 8), "L": 4, "oversampling": 1, "padding": "edge"},
    "joint, stride 1": {"J": 2, "shape": (8, 8), "L": 4, "stride": 1, "padding": "circular"},
    "joint, order 1": {"J": 2, "shape": (8, 8), "L": 4, "max_order": 1},
    "joint, order 0": {"J": 1, "shape": (4, 4), "L": 2, "max_order": 0},
    "separable": {"J": 2, "shape": (11, 8), "L": 4, "group": "separable"},
    "separable, L=8, K=3": {"J": 2, "shape": (8, 8), "L": 8, "K": 3, "group": "separable"},
    "separable, complex": {"J": 2, "shape": (6, 8), "L": 2, "group": "separable", "complex_input": True},
}  # fmt: skip


@pytest.mark.parametrize("arguments", CASES.values(), ids=CASES)
def test_coefficients_equal_their_definition(arguments: dict[str, Any]) -> None:
    S = gs.RotoTranslationScattering2D(**arguments)
    against_oracle(S, noise((2, *S.shape), is_complex=S.complex_input))


def test_float32_equals_the_definition() -> None:
    S = gs.RotoTranslationScattering2D(J=2, shape=(9, 8), L=4)
    against_oracle(S, noise((2, 9, 8)), "float32")


def test_large_images_are_worked_off_in_parts() -> None:
    """The groups of one scale are parted where their responses are large: the numbers stay."""
    S = gs.RotoTranslationScattering2D(J=2, shape=(130, 120), L=4, padding="circular", stride=1)
    assert len([op for op in S.plan.ops if isinstance(op, angular.AngularModulus)]) > 2 + 1
    x = noise((130, 120))
    u1 = np.abs(np.fft.ifft2(np.fft.fft2(x) * S.filters.psi(1)[:4]))
    W = np.fft.ifft2(np.fft.fft2(u1)[:, None] * S.filters.psi(2)[4:])
    phi = np.exp(-0.5 * (np.minimum(np.arange(8), 8 - np.arange(8)) / 3.2) ** 2)
    phi = sum(np.exp(-0.5 * ((np.arange(8) + 8 * m) / (0.8 * 2 ** (S.K - 1))) ** 2) for m in range(-5, 6))
    phi = phi / (0.8 * 2 ** (S.K - 1) * math.sqrt(2 * math.pi))
    for alpha in range(4):
        V = [W[t % 4, (t + alpha) % 4] for t in range(8)]
        V = [v if (t + alpha) // 4 % 2 == 0 else v.conj() for t, v in enumerate(V)]
        step = 2
        moduli = [np.abs(sum(phi[(t - s) % 8] * V[s] for s in range(8))) for t in range(0, 4, step)]
        (row,) = S.paths.select(order=2, j=(0, 1), alpha=alpha, spin=0)
        wanted = np.fft.ifft2(np.fft.fft2(np.mean(moduli, axis=0)) * S.filters.phi).real
        assert_close(S(x)[row], wanted, x)


# -------------------------------------------------------------------------------------------- rotation


def turned(x: Array) -> Array:
    """A quarter turn about sample (0, 0) of a periodic even grid."""
    return np.roll(np.rot90(x, axes=(-2, -1)), 1, -2)


EXACT: dict[str, Any] = {"padding": "circular", "stride": 1}


@pytest.mark.parametrize("L", [2, 4, 8])
@pytest.mark.parametrize("complex_input", [False, True])
def test_quarter_turn_leaves_the_average_over_angles_as_it_is(L: int, complex_input: bool) -> None:
    S = gs.RotoTranslationScattering2D(J=2, shape=(8, 8), L=L, complex_input=complex_input, **EXACT)
    x = noise((8, 8), is_complex=complex_input)
    assert relative_error(S(turned(x)), turned(S(x)), x) <= 1e-12


@pytest.mark.parametrize("L", [2, 4, 8])
@pytest.mark.parametrize("complex_input", [False, True])
def test_quarter_turn_permutes_the_samples_along_the_angle(L: int, complex_input: bool) -> None:
    """S(turned x) is S(x) turned, with every angle moved by L/2 samples of −π/L."""
    S = gs.RotoTranslationScattering2D(
        J=2, shape=(8, 8), L=L, average_angle=False, complex_input=complex_input, **EXACT
    )
    x = noise((8, 8), is_complex=complex_input)
    rows = {key(path)[:3] + key(path)[4:] + (path.theta[:1] if path.order == 1 else ()): k
            for k, path in enumerate(S.paths)}  # fmt: skip
    moved = []
    paths: Any = S.paths
    for path in paths:
        name = key(path)
        half = path.spin == 0 and not complex_input
        at = None if path.at is None else (path.at - L // 2) % (L if half else 2 * L)
        first = ((path.theta[0] - L // 2) % (2 * L if complex_input else L),) if path.order == 1 else ()
        moved.append(rows[*name[:3], *name[4:6], at, *first])
    assert relative_error(S(turned(x))[moved], turned(S(x)), x) <= 1e-12
    assert sorted(moved) == list(range(len(S.paths)))
    assert relative_error(S(turned(x)), turned(S(x)), x) > 0.01  # it does permute


def test_translation_scattering_is_not_invariant() -> None:
    """So that the invariance above is not a property of everything."""
    S = gs.Scattering2D(J=2, shape=(8, 8), L=4, **EXACT)
    x = noise((8, 8))
    assert relative_error(S(turned(x)), turned(S(x)), x) > 0.01


def scene(angle: float, n: int = 64) -> Array:
    """A sum of 40 waves in a Gaussian window, turned by ``angle`` exactly: no pixel is interpolated."""
    rng = np.random.default_rng(3)
    u = np.arange(n) - n // 2
    c, s = math.cos(angle), math.sin(angle)
    rows, columns = c * u[:, None] - s * u, s * u[:, None] + c * u
    image = np.zeros((n, n))
    for direction, radius, phase in zip(
        rng.uniform(0, 2 * np.pi, 40), rng.uniform(0.05, 0.35, 40), rng.uniform(0, 2 * np.pi, 40), strict=True
    ):
        wave = np.cos(direction) * rows + np.sin(direction) * columns
        image += np.cos(2 * np.pi * radius * wave + phase)
    window: Array = np.exp(-(rows**2 + 2 * columns**2) / (2 * (n / 8) ** 2))
    return image * window


def test_error_of_a_turn_by_45_degrees(record_property: Any) -> None:
    """Not exact on a square grid, but 20 times smaller than that of translation scattering."""
    errors = {}
    for name, S in {
        "translation": gs.Scattering2D(J=3, shape=(64, 64), T="global"),
        "joint": gs.RotoTranslationScattering2D(J=3, shape=(64, 64), T="global"),
    }.items():
        x, y = (S(scene(angle))[..., 0, 0] for angle in (0.0, math.pi / 4))
        errors[name] = float(np.linalg.norm((x - y)[1:]) / np.linalg.norm(x[1:]))
    print(f"relative error of a turn by 45°: {errors}")
    record_property("errors", errors)
    assert errors["joint"] < 0.02
    assert errors["joint"] < errors["translation"] / 20


# ------------------------------------------------------------------------------------- discrimination


def textures(n: int = 64) -> tuple[Array, Array]:
    """Patches of two perpendicular gratings; in the second texture one of them is moved by half a period."""
    u = np.arange(n) - n // 2
    patch = np.exp(-(u[:, None] ** 2 + u**2) / (2 * 5.0**2))
    waves = [patch * np.cos(2 * np.pi * 0.375 * v) for v in (u[:, None] + 0 * u, u + 0 * u[:, None])]
    return waves[0] + waves[1], waves[0] + np.roll(waves[1], (n // 2, n // 2), (0, 1))


def test_joint_coefficients_tell_textures_apart_that_translation_confuses() -> None:
    differences = {}
    for name, S in {
        "translation": gs.Scattering2D(J=4, shape=(64, 64), T="global", padding="circular"),
        "joint": gs.RotoTranslationScattering2D(J=4, shape=(64, 64), T="global", padding="circular"),
    }.items():
        x, y = (S(texture)[..., 0, 0] for texture in textures())
        second = S.paths.select(order=2)
        differences[name] = np.linalg.norm((x - y)[second]) / np.linalg.norm(x[second])
    print(f"difference of two textures at order 2: {differences}")
    assert differences["translation"] < 0.02
    assert differences["joint"] > 10 * differences["translation"]


# ------------------------------------------------------------------------------ contraction and energy


@pytest.mark.parametrize(
    "arguments",
    [
        {"average_angle": True},
        {"average_angle": False},
        {"group": "separable"},
        {"average_angle": False, "complex_input": True},
    ],
    ids=str,
)
def test_normalised_scattering_contracts(arguments: dict[str, Any]) -> None:
    """‖Sx − Sy‖ ≤ ‖x − y‖ where nothing is subsampled."""
    S = gs.RotoTranslationScattering2D(
        J=2, shape=(12, 10), L=4, oversampling=2, normalize="littlewood-paley", **EXACT, **arguments
    )
    assert S.angular.littlewood_paley().upper <= 1 + 1e-12
    for seed in range(10):
        x, y = noise((2, 12, 10), seed, S.complex_input)
        y = y if seed % 2 else x + 1e-3 * y
        assert np.linalg.norm(S(x) - S(y)) <= np.linalg.norm(x - y) * (1 + 1e-12)


@pytest.mark.parametrize("group", ["joint", "separable"])
def test_energy_is_that_of_the_measured_angular_bank(group: Any) -> None:
    """Σ_t |V ⋆ ψ̃|² = Σ_m A(m) |V̂(m)|² / 2L, A the Littlewood-Paley sum along θ; half of it for one sign."""
    L = 4
    S = gs.RotoTranslationScattering2D(
        J=2, shape=(8, 8), L=L, K=2, group=group, average_angle=False, T=0, oversampling=2, **EXACT
    )
    x = noise((8, 8))
    u1 = np.abs(np.fft.ifft2(np.fft.fft2(x) * S.filters.psi(1)[:L]))
    W = np.fft.ifft2(np.fft.fft2(u1)[:, None] * S.filters.psi(2)[L:])  # (θ1, θ2, …)
    for g in range(L):
        if group == "joint":
            V = np.stack([W[t, (t + g) % L] if t + g < L else W[t, (t + g) % L].conj() for t in range(L)])
            V = np.concatenate([V, V.conj()])
            rows = S.paths.select(order=2, j=(0, 1), alpha=g)
        else:
            V = W[:, g]
            rows = [k for k, p in enumerate(S.paths) if p.order == 2 and p.theta[1] == g]
        spectrum = np.abs(np.fft.fft(V, axis=0)) ** 2 / len(V)
        wanted = np.tensordot(S.angular.littlewood_paley().total, spectrum, 1).sum()
        assert_close((S(x)[rows] ** 2).sum(), wanted / (2 if group == "joint" else 1))


def test_signs_repeat_each_other_on_a_whole_turn() -> None:
    """For real images spin −1 is spin +1 half a turn on; that is why "joint" leaves it out."""
    kwargs: dict[str, Any] = {"J": 2, "shape": (8, 8), "L": 4, "average_angle": False, **EXACT}
    real = gs.RotoTranslationScattering2D(**kwargs)
    whole = gs.RotoTranslationScattering2D(**kwargs, complex_input=True)
    x = noise((8, 8))
    y, z = real(x), whole(x.astype(complex))
    paths: Any = real.paths
    for k, path in enumerate(paths):
        if path.order == 2:
            values = {"order": 2, "alpha": path.alpha, "k": path.k, "at": path.at}
            (same,) = whole.paths.select(**values, spin=path.spin)
            assert_close(y[k], z[same], x)
            if path.spin:
                (mirrored,) = whole.paths.select(**{**values, "at": (path.at + 4) % 8}, spin=-1)
                assert_close(y[k], z[mirrored], x)


# ------------------------------------------------------------------------------------------- the table


def test_paths_select_both_ways() -> None:
    S = gs.RotoTranslationScattering2D(J=3, shape=(32, 32), L=8, K=3)
    assert len(S.paths) == 1 + 3 + 3 * 3 + 3 * 8 * 4
    for row in S.paths.select(order=2, j=(0, 2), alpha=5, k=1):
        path: Any = S.paths[row]
        assert (path.order, path.j, path.alpha, path.k, path.spin, path.parent) == (2, (0, 2), 5, 1, 1, 1)
        first, second, along = S.wavelet(row)
        assert (first.wavelet.j, second.wavelet.j, along.name) == (0, 2, "along θ")
        assert along.samples.shape == (16,)
        assert abs(along.spectrum[0]) < 1e-15
    assert len(set(S.keys)) == len(S.paths)
    assert [p.order for p in S.paths] == sorted(p.order for p in S.paths)


def test_parents_are_the_first_order_at_the_same_angle() -> None:
    cases: list[dict[str, Any]] = [{}, {"average_angle": False}, {"group": "separable"}]
    for kwargs in (*cases, {"average_angle": False, "complex_input": True}):
        S = gs.RotoTranslationScattering2D(J=2, shape=(8, 8), L=4, **kwargs)
        paths: Any = S.paths
        for path in paths:
            above = paths[path.parent] if path.order else None
            if path.order == 2:
                assert above is not None
                assert (above.order, above.j) == (1, path.j[:1])
                if path.at is not None:
                    assert above.theta[0] % 4 == path.theta[0] % 4
            elif path.order == 1:
                assert above is not None
                assert above.order == 0


@pytest.mark.parametrize("more", [{}, {"group": "separable"}, {"average_angle": False}], ids=str)
def test_restriction_gives_the_same_numbers_for_less(more: dict[str, Any]) -> None:
    S = gs.RotoTranslationScattering2D(J=3, shape=(8, 8), L=4, **more)
    x = noise((2, 8, 8))
    paths: Any = S.paths
    of_one = [k for k, p in enumerate(paths) if p.j == (0, 2) and 2 in (p.alpha, *p.theta[1:])]
    rows = [7, 0, 2, *of_one]
    assert_close(S(x, paths=rows), S(x)[:, rows], x)
    few = S.restrict([k for k in of_one if paths[k].alpha in (2, None)])
    assert few.plan.peak_floats < S.plan.peak_floats
    (narrow,) = [few.plan.register[op.dst] for op in few.plan.ops if isinstance(op, angular.AngularModulus)]
    assert narrow.space.axes[0].size == len(S.angles.axis.samples)


def test_layouts_hold_the_same_numbers() -> None:
    S = gs.RotoTranslationScattering2D(J=2, shape=(8, 8), L=2)
    x = noise((3, 8, 8))
    y = S(x)
    by_key = S.replace(out_type="dict")(x)
    assert list(by_key) == list(S.keys)
    for k, (row, coef) in enumerate(zip(S.replace(out_type="list")(x), by_key.values(), strict=True)):
        np.testing.assert_array_equal(row["coef"], y[:, k])
        np.testing.assert_array_equal(coef, y[:, k])


def test_orders_zero_and_one_are_those_of_translation_scattering() -> None:
    x = noise((9, 12))
    plain = gs.Scattering2D(J=2, shape=(9, 12), L=4)
    S = gs.RotoTranslationScattering2D(J=2, shape=(9, 12), L=4, average_angle=False)
    assert_close(S(x)[:9], plain(x)[:9], x)
    averaged = S.replace(average_angle=True)(x)
    assert_close(averaged[1:3], plain(x)[1:9].reshape(2, 4, 2, 3).mean(1), x)


# ---------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"K": 4}, r"K=4: .* 2\^K = 16 angles, and L=4 gives a circle of 8\. Use K ≤ 3"),
        ({"K": 3, "group": "separable"}, r"circle of 4\. Use K ≤ 2"),
        ({"K": 0}, "K=0"),
        ({"group": "se2"}, "group='se2'"),
        ({"max_order": 3}, "max_order ≤ 2"),
        ({"group": "separable", "average_angle": True}, "average_angle=False"),
        ({"J": 9}, "J=9"),
        ({"T": 0}, "out_type"),
        ({"stride": 3}, "stride=3"),
    ],
)
def test_bad_arguments_name_the_way_out(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(gs.ArgumentError, match=message):
        gs.RotoTranslationScattering2D(**{"J": 2, "shape": (16, 16), "L": 4, **arguments})


def test_options_of_other_operators_are_refused() -> None:
    with pytest.raises(TypeError, match=r"has no argument 'rho'; it takes J, shape, .*average_angle"):
        gs.RotoTranslationScattering2D(J=2, shape=(16, 16), rho="rectifier")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="backend"):
        gs.RotoTranslationScattering2D(J=2, shape=(16, 16), backend="torch")  # type: ignore[call-arg]


def test_bad_input_is_refused() -> None:
    S = gs.RotoTranslationScattering2D(J=1, shape=(8, 6), L=2, check_finite=True)
    with pytest.raises(gs.ShapeError, match=r"built for shape \(8, 6\)"):
        S(np.zeros((6, 8)))
    with pytest.raises(gs.DtypeError, match="complex_input=True"):
        S(np.zeros((8, 6), complex))
    with pytest.raises(gs.NotFiniteError):
        S(np.full((8, 6), np.nan))


# -------------------------------------------------------------------------------------------- controls


def test_planted_faults_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison with the definition fails for θ rolled the wrong way, and for a missing conjugate."""
    arguments: dict[str, Any] = {"J": 2, "shape": (8, 8), "L": 4, "average_angle": False}
    x = noise((8, 8))

    def wrong_way(self: Angles, group: int, t: int) -> int:
        return t * self.L + (t - group) % self.L

    def no_conjugates(self: Angles, part: range) -> tuple[tuple[int, ...], ...]:
        return ()

    for name, fault in (("channel", wrong_way), ("signs", no_conjugates)):
        with monkeypatch.context() as patch:
            patch.setattr(roto_translation.Angles, name, fault)
            with pytest.raises(AssertionError, match="exceeds"):
                against_oracle(gs.RotoTranslationScattering2D(**arguments), x)
    against_oracle(gs.RotoTranslationScattering2D(**arguments), x)


def test_wrong_sign_along_the_angle_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A correlation in place of a convolution along θ."""
    build = angular.AngularMatrix.build

    def reversed_filters(self: Any) -> Array:
        flipped = dataclasses.replace(self.axis.bank, gain=self.axis.bank.gain)
        kept = type(flipped).psi
        with monkeypatch.context() as patch:
            patch.setattr(type(flipped), "psi", lambda bank, k, sign: kept(bank, k, -sign))
            patch.setattr(angular, "spin", lambda w: -int(np.sign(w.xi[0])))
            return build(dataclasses.replace(self, axis=dataclasses.replace(self.axis)))

    S = gs.RotoTranslationScattering2D(J=2, shape=(8, 8), L=4, group="separable")
    monkeypatch.setattr(angular.AngularMatrix, "build", reversed_filters)
    with pytest.raises(AssertionError, match="exceeds"):
        against_oracle(S, noise((8, 8)))


def test_tolerance_is_tighter_than_the_promise() -> None:
    assert TOLERANCE["float64"] <= 1e-10


# ------------------------------------------------------------------------------ pictures and pipelines


def test_angular_response_is_largest_at_the_angle_of_the_modulation() -> None:
    u = np.arange(64)
    stripes, slow = np.cos(2 * np.pi * 0.3 * u)[:, None], 1 + np.cos(2 * np.pi * 0.09 * u)
    S = gs.RotoTranslationScattering2D(J=3, shape=(64, 64), L=8, T="global")
    for image, alpha in ((stripes * slow, 4), (stripes * slow[:, None] + 0 * u, 0)):
        for x in (image, image.T.copy()):
            y = S(x)[:, 0, 0]
            rows = S.paths.select(order=2, j=(0, 2), k=1)
            paths: Any = S.paths
            assert paths[rows[int(np.argmax(y[rows]))]].alpha == alpha


def test_angular_response_is_drawn() -> None:
    pytest.importorskip("matplotlib", reason='pip install "groupscat[plot]"')
    from groupscat import plot

    S = gs.RotoTranslationScattering2D(J=3, shape=(16, 16), L=4)
    figure = plot.angular_response(S, S(noise((16, 16))))
    assert len(figure.axes) == 3
    for wrong in (S.replace(average_angle=False), gs.Scattering2D(J=2, shape=(16, 16))):
        with pytest.raises(gs.ArgumentError, match="average_angle=True"):
            plot.angular_response(wrong, wrong(noise((16, 16))))  # type: ignore[arg-type]
    small = gs.RotoTranslationScattering2D(J=1, shape=(16, 16), L=4)
    with pytest.raises(gs.ArgumentError, match="two scales"):
        plot.angular_response(small, small(noise((16, 16))))


def test_colours_become_luminance_and_differences() -> None:
    pytest.importorskip("sklearn", reason='pip install "groupscat[sklearn]"')
    from groupscat.sklearn import yuv

    rgb = np.abs(noise((2, 3, 4, 5)))
    red, green, blue = rgb.transpose(1, 0, 2, 3)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    wanted = np.stack([luminance, (blue - luminance) / 1.8556, (red - luminance) / 1.5748], 1)
    assert_close(yuv(rgb), wanted)
    assert yuv(rgb.astype(np.float32)).dtype == np.float32
    assert yuv((255 * rgb).astype(np.uint8)).dtype == np.float64
    with pytest.raises(gs.ShapeError, match=r"expected RGB images \(n, 3, H, W\)"):
        yuv(rgb[:, :2])


def test_recipes_learn() -> None:
    pytest.importorskip("sklearn", reason='pip install "groupscat[sklearn]"')
    from groupscat.sklearn import RescaledMean, RotoTranslationScattering2D, object_recognition, textures

    rgb = np.abs(noise((6, 3, 16, 16)))
    features = object_recognition(J=2, L=4).fit_transform(rgb)
    assert features.shape[0] == 6
    assert np.abs(features.mean(0)).max() < 1e-6
    fine, coarse = noise((20, 32, 32)), np.repeat(np.repeat(noise((20, 16, 16), 1), 2, 1), 2, 2)
    x, y = np.concatenate([fine, coarse]), np.repeat([0, 1], 20)
    model = textures(RotoTranslationScattering2D(J=2, L=4, log=True, pool=True), rescalings=2, dimension=2)
    assert model.fit(x[::2], y[::2]).score(x[1::2], y[1::2]) == 1.0
    with pytest.raises(gs.ArgumentError, match="factor=1"):
        RescaledMean(RotoTranslationScattering2D(J=2, pool=True), factor=1).fit(x)


def test_features_have_names_of_their_own() -> None:
    pytest.importorskip("sklearn", reason='pip install "groupscat[sklearn]"')
    from groupscat.sklearn import RotoTranslationScattering2D, ScaleRotationTranslationScattering2D

    x = noise((2, 16, 16))
    for model in (
        RotoTranslationScattering2D(J=2, L=4),
        RotoTranslationScattering2D(J=2, L=4, average_angle=False),
        RotoTranslationScattering2D(J=2, L=4, group="separable"),
        ScaleRotationTranslationScattering2D(J=3, L=4, pool=True),
    ):
        features = model.fit_transform(x)
        names = model.get_feature_names_out()
        assert len(names) == len(set(names)) == features.shape[1]
    assert (
        "order2_j0-1_alpha3_k1_spin1_at0-1"
        in RotoTranslationScattering2D(J=2, L=4).fit(x).get_feature_names_out()
    )


@pytest.mark.parametrize(
    ("transform", "more", "kind"),
    [
        ("roto", ["-K", "2", "--group", "separable"], "RotoTranslationScattering2D"),
        ("scale-rotation", ["-K", "2", "--K-scale", "1"], "ScaleRotationTranslationScattering2D"),
    ],
)
def test_features_in_the_shell(tmp_path: Any, transform: str, more: list[str], kind: str) -> None:
    from groupscat.cli import main
    from groupscat.data import read_features

    x = noise((3, 16, 16))
    np.save(tmp_path / "x.npy", x)
    out = tmp_path / "y.npz"
    command = [
        "features",
        str(tmp_path / "x.npy"),
        "-o",
        str(out),
        "--transform",
        transform,
        "-J",
        "2",
        "-L",
        "4",
    ]
    assert main([*command, *more, "-q", "--dtype", "float64"]) == 0
    found = read_features(out)
    options = {"group": "separable"} if transform == "roto" else {}
    S = getattr(gs, kind)(J=2, shape=(16, 16), L=4, K=2, **options)
    np.testing.assert_array_equal(found.features, S(x))
    with np.load(out) as file:
        np.testing.assert_array_equal(file["path_k"][1:2], [np.nan])
        assert file["path_k"].shape == (len(S.paths),)
