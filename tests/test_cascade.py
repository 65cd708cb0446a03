"""The fast filter bank equals its definition, and eq. 18: its equivalent filters."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import groupscat as gs
from groupscat.testing.tolerances import assert_close
from groupscat.wavelets.cascade import CascadeBank, layer_sum
from tests.checks import against_oracle, noise
from tests.strategies import PADDINGS, paddings, shapes, signals

CASES: dict[str, dict[str, Any]] = {
    "1-D": {"J": 3, "shape": 30, "Q": 2},
    "1-D, 2^J = side": {"J": 4, "shape": 16},
    "1-D, order 3": {"J": 4, "shape": 40, "max_order": 3},
    "1-D, order 0": {"J": 3, "shape": 24, "max_order": 0},
    "1-D, rectifier": {"J": 2, "shape": 24, "rho": "rectifier", "phases": 3},
    "1-D, global": {"J": 2, "shape": 24, "T": "global"},
    "1-D, unaveraged": {"J": 2, "shape": 24, "T": 0, "out_type": "list"},
    "2-D": {"J": 2, "shape": (9, 8), "L": 3},
    "2-D, unaveraged": {"J": 2, "shape": (9, 8), "L": 2, "T": 0, "out_type": "list"},
    "2-D, pointwise": {"J": 2, "shape": (9, 8), "L": 2, "rho": lambda z: abs(z) ** 0.5},
    "2-D, circular": {"J": 2, "shape": (8, 12), "L": 2, "padding": "circular"},
    "2-D, normalised": {"J": 2, "shape": (8, 8), "L": 2, "normalize": "littlewood-paley"},
    "3-D": {"J": 1, "shape": (4, 3, 4), "L": 3},
}


@pytest.mark.parametrize("arguments", CASES.values(), ids=CASES)
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_cascade_equals_its_definition(arguments: dict[str, Any], precision: str) -> None:
    S = gs.Scattering(**arguments, method="cascade")
    against_oracle(S, noise((2, *S.shape)), precision)


@given(data=st.data(), shape=shapes(), padding=paddings, J=st.integers(1, 2))
def test_any_shape_and_padding_equals_its_definition(
    data: st.DataObject, shape: tuple[int, ...], padding: Any, J: int
) -> None:
    J = min(J, min(shape).bit_length() - 1, 1 if len(shape) == 3 else 2)
    if padding == "circular":
        shape = tuple(n - n % 2**J for n in shape)
    bank = {"Q": 2} if len(shape) == 1 else {"L": 2}
    S = gs.Scattering(J=J, shape=shape, padding=padding, method="cascade", max_order=1, **bank)
    against_oracle(S, data.draw(signals((1, *shape))))


@pytest.mark.parametrize(("shape", "voices"), [((32,), {"Q": 3}), ((16, 8), {"L": 4})])
@pytest.mark.parametrize("part", [np.real, np.imag])
def test_first_order_is_convolution_with_the_equivalent_filters(
    shape: tuple[int, ...], voices: dict[str, int], part: Any
) -> None:
    """Eq. 18: before ρ, layer j is x ⋆ (φ_{j−1} ⋆ w_k) at stride 2^j, by explicit sums."""
    S = gs.Scattering(
        J=3, shape=shape, T=0, max_order=1, padding="circular", method="cascade", rho=part,
        out_type="list", **voices
    )  # fmt: skip
    x = noise(shape)
    rows = S(x)
    count = S.cascade.voices
    for level in (1, 2, 3):
        _, psi = S.cascade.equivalent(level)
        for k, w in enumerate(psi):
            y = np.zeros(shape, complex)
            for tap in itertools.product(*map(range, w.shape)):
                shift = [t - n // 2 for t, n in zip(tap, w.shape, strict=True)]
                y += w[tap] * np.roll(x, shift, range(len(shape)))
            y = y[(slice(None, None, 2**level),) * len(shape)]
            assert_close(rows[1 + (level - 1) * count + k]["coef"], part(y), x)


@pytest.mark.parametrize("shape", [(32,), (16, 8)])
def test_order_zero_is_convolution_with_the_equivalent_lowpass(shape: tuple[int, ...]) -> None:
    S = gs.Scattering(J=2, shape=shape, max_order=0, padding="circular", method="cascade")
    phi, _ = S.cascade.equivalent(2)
    x, y = noise(shape), np.zeros(shape)
    for tap in itertools.product(*map(range, phi.shape)):
        shift = [t - n // 2 for t, n in zip(tap, phi.shape, strict=True)]
        y += phi[tap] * np.roll(x, shift, range(len(shape)))
    assert_close(S(x)[0], y[(slice(None, None, 4),) * len(shape)], x)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_filters_of_a_layer(ndim: int) -> None:
    bank = CascadeBank(ndim, 4)
    assert abs(bank.low.sum() - 1) < 1e-12
    assert np.abs(bank.band.sum(tuple(range(1, ndim + 1)))).max() < 1e-12
    flipped = np.flip(bank.low)
    np.testing.assert_allclose(flipped, bank.low, atol=1e-15)
    # Real even part, imaginary odd part: the spectra are real, as those of Morlet wavelets.
    np.testing.assert_allclose(np.flip(bank.band, tuple(range(1, ndim + 1))), bank.band.conj(), atol=1e-15)


@pytest.mark.parametrize("ndim", [1, 2])
def test_normalised_layer_is_a_contraction(ndim: int) -> None:
    bank = CascadeBank(ndim, 4, normalised=True)
    grid = {1: (96,), 2: (48, 80)}[ndim]
    assert layer_sum(bank.low, bank.band, grid).upper <= 1 + 1e-3
    assert layer_sum(bank.low, bank.band, (64,) * ndim).upper == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("padding", PADDINGS)
def test_constants_have_no_order_above_zero(padding: Any) -> None:
    S = gs.Scattering2D(J=2, shape=(8, 8), L=2, method="cascade", padding=padding, T=0, out_type="list")
    for row in S(np.ones((8, 8))):
        if row["order"] and padding != "zero":
            assert np.abs(row["coef"]).max() < 1e-12
