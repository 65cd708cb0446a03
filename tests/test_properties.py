"""Properties that hold for every signal: covariance, contraction, energy, symmetry."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import groupscat as gs
from groupscat.testing.tolerances import TOLERANCE, assert_close
from tests.checks import noise
from tests.strategies import operators, signals

seeds = st.integers(0, 2**32 - 1)


@cache
def built(**arguments: Any) -> gs.Scattering:
    """One operator per configuration: building filters takes longer than any example."""
    return gs.Scattering(**arguments)


# ----------------------------------------------------------------------------------------- translation


@given(data=st.data(), strides=st.integers(-3, 3))
@pytest.mark.parametrize(
    ("shape", "J", "method"),
    [
        ((32,), 3, "fourier"),
        ((24,), 3, "fourier"),
        ((16, 8), 2, "fourier"),
        ((4, 4, 6), 1, "fourier"),
        ((32,), 3, "cascade"),
        ((16, 8), 2, "cascade"),
    ],
)
def test_shift_by_whole_strides_shifts_the_output(
    data: st.DataObject, strides: int, shape: tuple[int, ...], J: int, method: Any
) -> None:
    """Exact with circular padding on sides that 2^J divides."""
    bank = {"Q": 2} if len(shape) == 1 else {"L": 3}
    S = built(J=J, shape=shape, padding="circular", method=method, **bank)
    x = data.draw(signals(shape))
    shifted = np.roll(x, strides * 2**J, -1)
    assert_close(S(shifted), np.roll(S(x), strides, -1), x)


@given(data=st.data(), shift=st.integers(-20, 20))
@pytest.mark.parametrize("shape", [(15,), (32,), (7, 9)])
def test_any_shift_shifts_the_output_at_stride_one(
    data: st.DataObject, shift: int, shape: tuple[int, ...]
) -> None:
    """Nothing is subsampled at stride 1, so every shift is exact, on odd sides too."""
    S = built(J=2, shape=shape, padding="circular", stride=1)
    x = data.draw(signals(shape))
    assert_close(S(np.roll(x, shift, 0)), np.roll(S(x), shift, 1), x)


@given(data=st.data(), shift=st.integers(-20, 20))
def test_global_average_ignores_shifts(data: st.DataObject, shift: int) -> None:
    """A multiple of the coarsest intermediate stride, 2^(J−1), permutes the samples averaged."""
    S = built(J=2, shape=(8, 12), L=3, T="global", padding="circular")
    x = data.draw(signals((8, 12)))
    assert_close(S(np.roll(x, (2 * shift, -2 * shift), (0, 1))), S(x), x)


@pytest.mark.parametrize("J", [1, 2, 3, 4, 5])
def test_small_shift_changes_little_and_less_at_larger_scales(J: int) -> None:
    """‖S x_c − S x‖ ≤ C·2^{−J}·|c|·‖x‖, with the same C = ¼ for every scale and shift."""
    S = gs.Scattering1D(J=J, shape=256, padding="circular", stride=1)
    x = noise((8, 256))
    for c in (1, 2, 4):
        change = np.linalg.norm(S(np.roll(x, c, -1)) - S(x)) / np.linalg.norm(x)
        assert change <= 0.25 * 2.0**-J * c


# ------------------------------------------------------------------------------- contraction and energy

CONTRACTING: dict[str, dict[str, Any]] = {
    "1-D": {"J": 4, "shape": 64, "Q": 4},
    "1-D, odd": {"J": 3, "shape": 51},
    "1-D, order 3": {"J": 5, "shape": 64, "max_order": 3},
    "1-D, rectifier": {"J": 3, "shape": 32, "rho": "rectifier", "phases": 4},
    "1-D, complex": {"J": 3, "shape": 32, "complex_input": True},
    "2-D": {"J": 2, "shape": (16, 12), "L": 8},
    "2-D, L=3": {"J": 2, "shape": (9, 12), "L": 3},
    "3-D": {"J": 1, "shape": (4, 5, 4), "L": 3},
}


@pytest.mark.parametrize("arguments", CONTRACTING.values(), ids=CONTRACTING)
@given(data=st.data())
def test_normalised_scattering_contracts(data: st.DataObject, arguments: dict[str, Any]) -> None:
    """‖Sx − Sy‖ ≤ ‖x − y‖: exact with circular padding and stride 1.

    With subsampling the norm would be weighted by the stride, and aliasing could exceed the bound by
    what the filters leave above the new Nyquist frequency; at stride 1 nothing is subsampled.
    """
    S = built(**arguments, padding="circular", stride=1, normalize="littlewood-paley")
    x = data.draw(signals(S.shape, S.complex_input))
    y = data.draw(st.one_of(signals(S.shape, S.complex_input), st.just(np.zeros(S.shape))))
    assert np.linalg.norm(S(x) - S(y)) <= np.linalg.norm(x - y) * (1 + 1e-12) + 1e-300


@pytest.mark.parametrize("arguments", CONTRACTING.values(), ids=CONTRACTING)
@given(seed=seeds)
def test_subsampled_scattering_contracts_up_to_aliasing(seed: int, arguments: dict[str, Any]) -> None:
    """The norm weighted by the subsampling: 2^J samples stand for each output."""
    S = built(**arguments, padding="circular", normalize="littlewood-paley")
    x, y = (noise(S.shape, seed + k, S.complex_input) for k in (0, 1))
    samples = math.prod(S.shape) / math.prod(S.output_shape[1:])
    assert np.linalg.norm(S(x) - S(y)) * math.sqrt(samples) <= 1.05 * np.linalg.norm(x - y)


@pytest.mark.parametrize("shape", [(64,), (16, 16)])
@given(seed=seeds)
def test_scattering_is_lipschitz_up_to_the_measured_frame_bound(seed: int, shape: tuple[int, ...]) -> None:
    """Without normalisation: Π max(1, B_m)^{1/2} over the layers, B the measured upper frame bound."""
    S = built(J=2, shape=shape, padding="circular", stride=1)
    x, y = noise((2, *shape), seed)
    bound = math.prod(max(1.0, S.littlewood_paley(order).upper) ** 0.5 for order in (1, 2, 2))
    assert np.linalg.norm(S(x) - S(y)) <= bound * np.linalg.norm(x - y)


@cache
def measured(**arguments: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """|φ̂|² and the Littlewood-Paley sum."""
    S = built(**arguments, padding="circular", T=0, stride=1, max_order=1)
    return S.filters.phi**2, S.littlewood_paley().total


@pytest.mark.parametrize(
    "arguments",
    [
        {"J": 3, "shape": 64, "Q": 3},
        {"J": 2, "shape": 33},
        {"J": 3, "shape": 32, "complex_input": True},
        {"J": 2, "shape": (16, 12), "L": 5},
        {"J": 2, "shape": (7, 9), "L": 2, "complex_input": True},
        {"J": 1, "shape": (4, 3, 4), "L": 3},
    ],
)
@given(data=st.data())
def test_energy_of_the_first_layer_is_that_of_the_measured_bank(
    data: st.DataObject, arguments: dict[str, Any]
) -> None:
    """Σ‖x⋆ψ‖² + ‖x⋆φ‖² = ∫ A(ω)|x̂(ω)|² with A the measured Littlewood-Paley sum (not 1)."""
    S = built(**arguments, padding="circular", T=0, stride=1, max_order=1)
    x = data.draw(signals(S.shape, S.complex_input))
    u = S(x)
    assert_close(u[0], x)
    hat = np.abs(np.fft.fftn(x)) ** 2 / x.size
    lowpass, total = measured(**arguments)
    assert_close((np.abs(u[1:]) ** 2).sum() + (lowpass * hat).sum(), (total * hat).sum())


def test_energy_falls_with_the_order() -> None:
    """On a textured signal: each order holds less than the one before (REFERENCE: 44.6/45.3/8.9/.61 %)."""
    x = np.repeat(noise((4, 32)), 4, axis=-1)
    S = gs.Scattering1D(J=5, shape=128, max_order=3, normalize="littlewood-paley", padding="circular")
    y = S(x)
    orders = np.array(S.paths.column("order"))
    energy = [float((y[:, orders == m] ** 2).sum()) for m in range(4)]
    assert energy[1] > energy[2] > energy[3] > 0
    assert energy[3] < 0.1 * energy[1]


# ------------------------------------------------------------------------------------------- rotation


def turned(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A quarter turn about sample (0, 0) of a periodic even grid."""
    return np.roll(np.rot90(x), 1, 0)


def rows_turned(S: gs.Scattering) -> list[int]:
    """Row of each path with all its orientations turned by 90°, modulo 180°."""
    rows = {(p.j, p.theta): k for k, p in enumerate(S.paths)}
    quarter = S.L // 2
    return [rows[p.j, tuple((t + quarter) % S.L for t in p.theta if t is not None)] for p in S.paths]


@given(data=st.data())
@pytest.mark.parametrize("L", [2, 4, 8])
def test_quarter_turn_of_the_image_permutes_the_orientations(data: st.DataObject, L: int) -> None:
    """Exact at stride 1 with circular padding about a sample: S(turned x) is S(x), turned and permuted."""
    S = built(J=2, shape=(8, 8), L=L, padding="circular", stride=1)
    x = data.draw(signals((8, 8)))
    y, z = S(x), S(turned(x))
    expected = np.stack([turned(row) for row in y])
    assert_close(z[rows_turned(S)], expected, x)


def test_quarter_turn_of_a_wave_turns_its_strongest_orientation() -> None:
    S = gs.Scattering2D(J=2, shape=(32, 32), L=8)
    u = np.arange(32)
    for angle in np.arange(8) * np.pi / 8:
        wave = np.cos(2 * np.pi * 0.3 * (np.cos(angle) * u[:, None] + np.sin(angle) * u))
        first = [np.argmax(S(x)[1:9].mean((-1, -2))) for x in (wave, np.rot90(wave).copy())]
        assert (first[1] - first[0]) % 8 == 4
        # θ_t = (3 − t)π/8: the published orientation of the strongest wavelet is the wave's.
        assert math.isclose(((3 - first[0]) * np.pi / 8 - angle + 1e-9) % np.pi, 0, abs_tol=1e-6)


def test_transposed_image_mirrors_the_orientations() -> None:
    """θ → π/2 − θ, where both are in the bank."""
    S = gs.Scattering2D(J=2, shape=(8, 8), L=4, padding="circular", stride=1, max_order=1)
    x = noise((8, 8))
    angle = [(1 - t) * 45 % 180 for t in range(4)]
    mirrored = [angle.index((90 - a) % 180) for a in angle]
    rows = [0, *(1 + 4 * j + mirrored[t] for j in range(2) for t in range(4))]
    assert_close(S(x.T.copy())[rows], S(x).transpose(0, 2, 1), x)


# --------------------------------------------------------------------------------- amplitude and sign


@given(data=st.data(), S=operators(), factor=st.sampled_from([-1.0, -2.5, 0.0, 1e-3, 1e4]))
def test_scattering_scales_with_the_signal(data: st.DataObject, S: gs.Scattering, factor: float) -> None:
    """S(ax) = |a|·S(x) for orders ≥ 1 (with the rectifier for a ≥ 0); order 0 is linear."""
    if S.config.get("rho") == "rectifier":
        factor = abs(factor)
    x = data.draw(signals(S.shape, S.complex_input))
    y, z = S(x), S(factor * x)
    assert_close(z[:1], factor * y[:1], x)
    assert_close(z[1:], abs(factor) * y[1:], max(1.0, abs(factor)) * np.abs(x).max())


@given(data=st.data(), turn=st.floats(0, 2 * math.pi))
def test_modulus_ignores_the_phase_of_complex_signals(data: st.DataObject, turn: float) -> None:
    S = built(J=3, shape=24, Q=2, complex_input=True)
    x = data.draw(signals((24,), is_complex=True))
    phase = np.exp(1j * turn)
    y, z = S(x), S(phase * x)
    assert_close(z[1:], y[1:], x)
    assert_close(z[0], phase * y[0], x)


@given(data=st.data())
def test_complex_operator_gives_a_real_signal_each_half_twice(data: st.DataObject) -> None:
    real, whole = (built(J=3, shape=24, Q=2, complex_input=flag) for flag in (False, True))
    x = data.draw(signals((24,)))
    y, z = real(x), whole(x.astype(complex))
    half = len(real.bank.wavelets(1))
    assert_close(z[1 : 1 + half], y[1 : 1 + half], x)
    assert_close(z[1 + half : 1 + 2 * half], y[1 : 1 + half], x)


@given(S=operators(), level=st.sampled_from([1.0, -3.0, 1e5]))
def test_constants_have_no_order_above_zero(S: gs.Scattering, level: float) -> None:
    if S.padding == "zero":
        S = S.replace(padding="edge")
    x = np.full(S.shape, level)
    y = S(x)
    orders = np.array(S.paths.column("order"))
    assert np.abs(y[orders > 0]).max(initial=0) <= TOLERANCE["float64"] * abs(level)
    if S.T != 0 and len(S.shape) == 1:  # Σφ = 1 in 1-D; a narrow sampled Gaussian need not sum to 1
        assert_close(y[0], np.full_like(y[0], level))


@given(S=operators())
def test_zero_gives_zero(S: gs.Scattering) -> None:
    assert not np.any(S(np.zeros(S.shape)))


@given(data=st.data(), S=operators())
def test_rho_modulus_is_the_default_and_callables_agree(data: st.DataObject, S: gs.Scattering) -> None:
    S = S.replace(rho="modulus", phases=4)
    x = data.draw(signals(S.shape, S.complex_input))
    assert_close(S.replace(rho=np.abs)(x), S(x), x)


@given(data=st.data())
def test_two_opposite_phases_of_the_rectifier_add_up(data: st.DataObject) -> None:
    """max(0, a) + max(0, −a) = |a|, and 0° and 90° give the modulus."""
    S = built(J=2, shape=20, rho="rectifier", phases=4, T=0, stride=1, max_order=1)
    x = data.draw(signals((20,)))
    u = S(x)
    count = len(S.bank.wavelets(1))
    parts = u[1:].reshape(count, 4, 20)
    modulus = built(J=2, shape=20, T=0, stride=1, max_order=1)(x)[1:]
    assert_close(np.hypot(parts[:, 0] + parts[:, 2], parts[:, 1] + parts[:, 3]), modulus, x)
