"""Measured stability: deformations are exact, bounds hold, and an unstable operator is seen to be one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import groupscat as gs
from groupscat.deformation import FAMILIES, Packets, stability
from groupscat.deformation.measure import frame_bound
from groupscat.groups import diffeomorphism_norm
from tests.frameworks import missing

Array = np.ndarray[Any, Any]
S1 = gs.Scattering1D(J=5, shape=512, padding="circular")
S2 = gs.Scattering2D(J=3, shape=(32, 32), padding="circular")


def spectrum(x: Array) -> Array:
    """The modulus of the Fourier transform: invariant to (periodic) shifts, unstable to dilations."""
    return np.abs(np.fft.fftn(x, axes=range(1, x.ndim), norm="ortho"))


# ------------------------------------------------------------------------------- signals and fields


@pytest.mark.parametrize("shape", [(64,), (24, 32), (16, 17, 18)])
def test_packets_are_the_definition(shape: tuple[int, ...]) -> None:
    """x(u − g(u)) for shifts by samples and for g = 2u, the reflection about the middle."""
    d = len(shape)
    waves = Packets((2, *shape), d)
    still = waves()
    moved = waves(np.ones((*shape, d)))
    rolled = np.roll(still, (1,) * d, tuple(range(1, d + 1)))
    assert np.allclose(moved, rolled, atol=1e-3 * abs(still).max())
    reflected = waves(2 * (np.stack(np.indices(shape), -1) - (np.array(shape) - 1) / 2))
    assert np.allclose(reflected, np.flip(still, tuple(range(1, d + 1))), atol=1e-12)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("shape", [(32, 48), (8, 8, 8)])
def test_strength_is_the_slope(name: str, shape: tuple[int, ...]) -> None:
    g = FAMILIES[name](shape, 0.05, 3, np.random.default_rng(0))
    assert g.shape == (*shape, len(shape))
    if name == "translation":
        assert np.allclose(np.linalg.norm(g, axis=-1), 0.05 * 8)
        assert diffeomorphism_norm(g, math.inf) == 0
    else:
        assert diffeomorphism_norm(g, math.inf) == pytest.approx(0.05, rel=1e-9)


def test_rotation_and_dilation_are_what_they_say() -> None:
    u = np.stack(np.indices((8, 8)), -1) - 3.5
    strength = 2 * math.sin(math.pi / 4)  # a quarter turn
    turned = u - FAMILIES["rotation"]((8, 8), strength, 0, np.random.default_rng(0))
    assert np.allclose(np.abs(turned), np.abs(u[..., ::-1]), atol=1e-12)
    assert np.allclose((turned * u).sum(-1), 0, atol=1e-12)
    closer = u - FAMILIES["dilation"]((8, 8), 0.25, 0, np.random.default_rng(0))
    assert np.allclose(closer, 0.75 * u)


# -------------------------------------------------------------------------------------------- bounds


@pytest.mark.parametrize("S", [S1, S2, S2.replace(T="global"), S1.replace(stride=1)], ids=repr)
def test_scattering_keeps_its_frame_bound(S: gs.Scattering) -> None:
    found = stability(S, strengths=[0.02])
    assert S is not S2 or found.bound > 1.01
    assert found.bound == pytest.approx(
        math.prod(max(1.0, S.littlewood_paley(m).upper) ** 0.5 for m in (1, 2, 2))
    )
    aliasing = 1.05 if S.output.stride != 1 else 1 + 1e-9
    assert 0.1 < found.lipschitz <= found.bound * aliasing
    assert (S.output.stride == 1) == (not found.notes)


def test_a_lipschitz_constant_is_measured() -> None:
    found = stability(lambda x: 3 * x, (16,))
    assert found.lipschitz == pytest.approx(3)
    assert found.bound is None
    assert stability(lambda x: 3 * x[..., ::2], (16,), weight=2).lipschitz < 3 * math.sqrt(2)


def test_ratios_follow_from_the_rows() -> None:
    """Of the identity everything is known: the change is that of the signal."""
    found = stability(lambda x: x, (64,), J=2, order=3, signals=1, strengths=[0.05], families=["dilation"])
    (row,) = found.rows
    x, g = Packets((1, 64), 1), 0.05 * (np.arange(64) - 31.5)[:, None]
    change = np.linalg.norm(x(g) - x()) / np.linalg.norm(x())
    assert row.norm == pytest.approx(0.05 + 0.05 * 31.5 / 4)
    assert (row.displacement, row.gradient) == (pytest.approx(0.05 * 31.5), pytest.approx(0.05))
    assert row.error == pytest.approx(change)
    assert row.ratio == pytest.approx(change / (3 * row.norm))
    assert found.C == found.constants["dilation"] == row.ratio


def test_scattering_is_stable_and_the_fourier_modulus_is_not() -> None:
    strengths = (0.002, 0.01, 0.05)
    stable = stability(S1, families=["dilation", "diffeomorphism"], strengths=strengths)
    unstable = stability(spectrum, (512,), J=5, families=["dilation", "diffeomorphism"], strengths=strengths)
    assert stable.C < 0.2
    for name in ("dilation", "diffeomorphism"):
        assert unstable.constants[name] > 20 * stable.constants[name]
        ratios = [row.ratio for row in stable.rows if row.deformation == name]
        assert max(ratios) < 1.2 * min(ratios)  # the change is linear in |g|: one constant for all sizes
    errors = [row.error for row in unstable.rows if row.deformation == "dilation"]
    assert errors[-1] > 1  # as far as another signal
    shifts = stability(spectrum, (512,), J=5, families=["translation"])
    assert shifts.C < 1e-3


@pytest.mark.parametrize(("S", "why"), [
    (S1.replace(padding="reflect"), 'needs padding="circular"'),
    (S1.replace(T=0, stride=1), "T=0"),
    (S1.replace(rho=lambda z: z * z), "function of the user's"),
])  # fmt: skip
def test_where_no_frame_bound_is_known(S: gs.Scattering, why: str) -> None:
    bound, reason = frame_bound(S)
    assert bound is None
    assert why in reason


# --------------------------------------------------------------------------- what can be measured, and how


@pytest.mark.parametrize("name", ["torch", "tensorflow", "jax"])
def test_any_framework(name: str) -> None:
    if missing(name):
        pytest.skip(f'pip install "groupscat[{name}]"')
    S = gs.Scattering1D(J=3, shape=64, padding="circular")
    options: dict[str, Any] = {"strengths": [0.05], "families": ["dilation"]}
    like = gs.get_backend(name).put(np.zeros(1, np.float32), "float32")
    found, wanted = stability(S, like=like, **options), stability(S, **options)
    assert found.constants == pytest.approx(wanted.constants, rel=1e-3)
    assert found.lipschitz == pytest.approx(wanted.lipschitz, rel=1e-4)


def test_networks_with_channels() -> None:
    torch = pytest.importorskip("torch")
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()).requires_grad_(False)
    found = stability(network, (3, 16, 16), ndim=2, J=2, like=torch.zeros(1))
    assert {row.deformation for row in found.rows} == set(FAMILIES)
    assert 0 < found.lipschitz < math.inf


def test_a_signal_of_the_users_is_interpolated_and_that_is_said() -> None:
    x = Packets((2, 512), 1, kmax=1.0)()
    mine = stability(S1, x, families=["diffeomorphism"])
    assert any("splines of order 5" in note for note in mine.notes)
    exact = stability(lambda v: v, (2, 512), ndim=1, families=["diffeomorphism"], J=5, signals=1)
    assert exact.notes == ()
    splines = stability(
        lambda v: v, Packets((1, 2, 512), 1, kmax=1.0)(), ndim=1, families=["diffeomorphism"], J=5
    )
    assert 0 < splines.C < math.inf
    one = stability(S1, x[0], families=["translation"], strengths=[2**-5])
    shifted = np.roll(x[0], int(np.sign(one.rows[0].displacement)))
    y = S1(x[0])
    assert one.rows[0].error == pytest.approx(np.linalg.norm(S1(shifted) - y) / np.linalg.norm(y), rel=0.05)


def test_table_and_picture() -> None:
    found = stability(S2, strengths=[0.01, 0.1])
    text = str(found)
    for word in (
        "Lipschitz constant",
        "frame bound",
        "rotation",
        "diffeomorphism",
        "‖∇g‖∞",
        "C of dilations",
    ):
        assert word in text
    assert len(text.splitlines()) == 1 + 1 + 4 + 1 + 1 + 8 + 4 + 1
    pytest.importorskip("matplotlib")
    assert len(found.plot().axes) == 2


@pytest.mark.parametrize(
    ("S", "arguments", "error", "message"),
    [
        (spectrum, {}, gs.ArgumentError, "pass x="),
        (spectrum, {"x": (8,), "families": ["shear"]}, gs.ArgumentError, "families='shear'"),
        (S1, {"families": ["rotation"]}, gs.ArgumentError, "not rotated"),
        (S1, {"strengths": [0.0]}, gs.ArgumentError, "strengths=0.0"),
        (S1, {"strengths": "a"}, gs.ArgumentError, "strengths='a'"),
        (S1, {"strengths": []}, gs.ArgumentError, "nothing to measure"),
        (S1, {"families": []}, gs.ArgumentError, "nothing to measure"),
        (S1, {"families": 3}, gs.ArgumentError, "families=3: expected one of"),
        (S2, {"strengths": [2.5], "families": ["rotation"]}, gs.ArgumentError, "strengths=2.5: rotations"),
        (S1, {"seed": -1}, gs.ArgumentError, "seed=-1"),
        (S1, {"J": "a"}, gs.ArgumentError, "J='a'"),
        (S1, {"J": np.nan}, gs.ArgumentError, "J=nan"),
        (S1, {"x": ("a",)}, gs.ArgumentError, "'a'"),
        (S1, {"x": np.zeros((0, *S1.shape))}, gs.ShapeError, "no signal"),
        (S1, {"x": np.full(S1.shape, np.nan)}, gs.NotFiniteError, "x holds NaN"),
        (S1, {"x": np.zeros(8), "ndim": 2}, gs.ShapeError, "fewer than the ndim=2"),
        (S1, {"signals": 0}, gs.ArgumentError, "signals=0"),
        (S1, {"order": 0}, gs.ArgumentError, "order=0"),
        (S1, {"weight": -1}, gs.ArgumentError, "weight=-1"),
        (S1.replace(out_type="list"), {}, gs.ArgumentError, 'out_type="array"'),
    ],
)
def test_bad_input(S: Any, arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        stability(S, arguments.pop("x", None), **arguments)


def test_one_family_and_strength_need_no_sequence() -> None:
    alone = stability(S1, families="dilation", strengths=0.05)
    assert alone.rows == stability(S1, families=["dilation"], strengths=[0.05]).rows
