"""Solid harmonic scattering equals its definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import groupscat as gs
from groupscat.plan import harmonic
from groupscat.testing.tolerances import NYQUIST, SMALL_POWER, TOLERANCE, assert_close
from tests.checks import harmonic_against_oracle, noise

ODD: dict[str, dict[str, Any]] = {
    "default": {"J": 1, "shape": (5, 7, 5)},
    "order 1": {"J": 2, "shape": (5, 5, 7), "L": 2, "max_order": 1},
    "order 3": {"J": 2, "shape": (5, 5, 5), "L": 1, "max_order": 3},
    "one degree": {"J": 1, "shape": (5, 5, 5), "L": 0},
    "one scale": {"J": 0, "shape": (5, 3, 5), "L": 4},
    "with order 0": {"J": 1, "shape": (5, 5, 5), "L": 1, "order_0": True},
    "powers": {"J": 1, "shape": (5, 5, 5), "L": 1, "integral_powers": (1.0, 2.0, 3.0, 1.5)},
    "sigma_0": {"J": 1, "shape": (7, 5, 5), "L": 2, "sigma_0": 0.7},
    "one harmonic": {"J": 1, "shape": (5, 7, 5), "L": 3, "rotation_covariant": False},
    "one sample": {"J": 0, "shape": (1, 1, 1), "L": 1},
}


@pytest.mark.parametrize("arguments", ODD.values(), ids=ODD)
def test_odd_sides_equal_the_definition(arguments: dict[str, Any]) -> None:
    S = gs.HarmonicScattering3D(**arguments)
    harmonic_against_oracle(S, noise((2, *S.shape)), TOLERANCE["float64"])


@pytest.mark.parametrize("rotation_covariant", [True, False])
def test_even_sides_equal_the_definition_where_nyquist_matters(rotation_covariant: bool) -> None:
    """Filters that reach the Nyquist bins take the complex transform, which is exact."""
    S = gs.HarmonicScattering3D(
        J=0, shape=(4, 6, 5), L=3, rotation_covariant=rotation_covariant, integral_powers=(1.0, 2.0)
    )
    harmonic_against_oracle(S, noise((2, *S.shape)), TOLERANCE["float64"])


@pytest.mark.parametrize("sigma_0", [1.0, 2.0])
def test_even_sides_equal_the_definition_up_to_nyquist(sigma_0: float) -> None:
    S = gs.HarmonicScattering3D(J=2, shape=(6, 8, 6), L=2, sigma_0=sigma_0, integral_powers=(1.0, 2.0))
    harmonic_against_oracle(S, noise((2, *S.shape)), NYQUIST)


def test_nyquist_tolerance_is_the_librarys() -> None:
    assert harmonic.NYQUIST == NYQUIST


@given(seed=st.integers(0, 2**32 - 1), l=st.integers(0, 3), j=st.integers(0, 1))
def test_any_odd_volume_equals_the_definition(seed: int, l: int, j: int) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in 2 * rng.integers(1, 4, 3) + 1)
    S = gs.HarmonicScattering3D(J=j, shape=shape, L=l, integral_powers=(1.0, 2.0))
    harmonic_against_oracle(S, rng.uniform(-1, 1, shape), TOLERANCE["float64"])


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_small_powers_on_compact_input_within_their_condition(precision: str) -> None:
    x = np.zeros((9, 9, 9))
    x[3:6, 4:6, 4:5] = 1.0
    S = gs.HarmonicScattering3D(J=0, shape=(9, 9, 9), L=2, integral_powers=(0.5,), sigma_0=0.8)
    harmonic_against_oracle(S, x, SMALL_POWER[precision], precision)


def test_float32_equals_the_definition() -> None:
    S = gs.HarmonicScattering3D(J=1, shape=(5, 7, 5), L=2, integral_powers=(1.0, 2.0))
    harmonic_against_oracle(S, noise((2, *S.shape)), TOLERANCE["float32"], "float32")


def test_layouts_hold_the_same_numbers() -> None:
    S = gs.HarmonicScattering3D(J=1, shape=(5, 5, 5), L=2)
    x = noise((2, 5, 5, 5))
    y, flat = S(x), S.replace(order_0=True)(x)
    assert y.shape == (2, 3, 3, 3) == (2, *S.output_shape)
    np.testing.assert_array_equal(flat[:, 3:], y.reshape(2, -1))
    for k, row in enumerate(S.replace(order_0=True, out_type="list")(x)):
        np.testing.assert_array_equal(np.ravel(row["coef"]), flat[:, k])


def test_unaveraged_output_sums_to_the_integral() -> None:
    S = gs.HarmonicScattering3D(J=1, shape=(5, 5, 5), L=1)
    x = noise((2, 5, 5, 5))
    assert_close(S.replace(T=0, stride=1)(x).sum((-3, -2, -1)), S(x))


@pytest.mark.parametrize("shape", [(16, 16, 16), (15, 15, 15)])
def test_quarter_turns_mirrors_and_shifts_change_nothing(shape: tuple[int, int, int]) -> None:
    S = gs.HarmonicScattering3D(J=1, shape=shape, L=3, integral_powers=(1.0, 2.0))
    x = noise(shape)
    moved = [np.rot90(x, axes=axes) for axes in ((0, 1), (0, 2), (1, 2))]
    moved += [x[::-1], np.roll(x, (3, -2, 5), (0, 1, 2))]
    # On even sides the Nyquist bins have no mirror image: what filters leave there breaks the symmetry.
    tolerance = NYQUIST if shape[0] % 2 == 0 else TOLERANCE["float64"]
    for y in moved:
        assert_close(S(np.ascontiguousarray(y)), S(x), 0.0, tolerance)


def test_one_harmonic_is_not_rotation_invariant() -> None:
    """So that the invariance above is not a property of everything."""
    S = gs.HarmonicScattering3D(J=1, shape=(9, 9, 9), L=3, rotation_covariant=False, integral_powers=(1.0,))
    x = noise((9, 9, 9))
    error = np.abs(S(np.ascontiguousarray(np.rot90(x, axes=(0, 2)))) - S(x)).max() / np.abs(S(x)).max()
    assert error > 1e-3


def test_one_harmonic_turns_about_the_first_axis() -> None:
    """Kymatio's polar axis: quarter turns about it change nothing, those about another axis do."""
    S = gs.HarmonicScattering3D(J=0, shape=(9, 9, 9), L=3, rotation_covariant=False, integral_powers=(1.0,))
    x = noise((9, 9, 9))
    assert_close(S(np.ascontiguousarray(np.rot90(x, axes=(1, 2)))), S(x))
