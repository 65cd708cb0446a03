"""Scale-rotation-translation scattering: its definition, rotations and dilations, its table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import groupscat as gs
from groupscat.testing.base import noise
from groupscat.testing.tolerances import assert_close, relative_error
from tests.test_roto_translation import against_oracle, turned

CASES: dict[str, dict[str, Any]] = {
    "two scales": {"J": 2, "shape": (9, 8), "L": 4},
    "three scales": {"J": 3, "shape": (8, 8), "L": 2, "padding": "circular"},
    "odd L": {"J": 3, "shape": (8, 9), "L": 3, "padding": "zero"},
    "K_scale=2": {"J": 4, "shape": (16, 16), "L": 2, "K": 1, "K_scale": 2, "T": "global"},
    "complex": {"J": 3, "shape": (8, 8), "L": 2, "complex_input": True, "padding": "circular"},
    "oversampled": {"J": 3, "shape": (8, 8), "L": 4, "oversampling": 1, "padding": "circular"},
    "no average": {"J": 3, "shape": (8, 8), "L": 2, "T": 0, "stride": 2},
}


@pytest.mark.parametrize("arguments", CASES.values(), ids=CASES)
def test_coefficients_equal_their_definition(arguments: dict[str, Any]) -> None:
    S = gs.ScaleRotationTranslationScattering2D(**arguments)
    against_oracle(S, noise((2, *S.shape), is_complex=S.complex_input))


@pytest.mark.parametrize("L", [2, 4])
def test_quarter_turn_leaves_every_coefficient_as_it_is(L: int) -> None:
    S = gs.ScaleRotationTranslationScattering2D(J=3, shape=(8, 8), L=L, padding="circular", stride=1)
    x = noise((8, 8))
    assert relative_error(S(turned(x)), turned(S(x)), x) <= 1e-12


def test_normalised_scattering_contracts() -> None:
    S = gs.ScaleRotationTranslationScattering2D(
        J=3, shape=(8, 8), L=4, stride=1, oversampling=3, normalize="littlewood-paley", padding="circular"
    )
    for seed in range(5):
        x, y = noise((2, 8, 8), seed)
        assert np.linalg.norm(S(x) - S(y)) <= np.linalg.norm(x - y)


def test_table_and_wavelets() -> None:
    S = gs.ScaleRotationTranslationScattering2D(J=3, shape=(16, 16), L=4, K=2)
    assert len(set(S.keys)) == len(S.paths) == 1 + 3 + 3 * 2 + 3 * 4 * (2 * 3 + 2)
    (row,) = S.paths.select(order=2, j=(0, 2), alpha=3, k=1, spin=1, k_scale=0, spin_scale=-1)
    assert [psi.name for psi in S.wavelet(row)] == ["order 1", "order 2", "along θ", "along j"]
    assert S.paths[row].parent == 1
    x = noise((16, 16))
    assert_close(S(x, paths=[row, 0]), S(x)[[row, 0]], x)
    assert S.replace(L=2) != S
    assert S.replace(K=2) == S


def test_orders_zero_and_one_are_those_of_roto_translation() -> None:
    x = noise((16, 12))
    S = gs.ScaleRotationTranslationScattering2D(J=3, shape=(16, 12), L=4)
    same = gs.RotoTranslationScattering2D(J=3, shape=(16, 12), L=4)
    assert_close(S(x)[:4], same(x)[:4], x)


def test_scale_filters_that_are_too_wide_are_refused() -> None:
    with pytest.raises(gs.ArgumentError, match=r"K_scale=2: .* 2\^K_scale = 4 of them, .* Use K_scale ≤ 1"):
        gs.ScaleRotationTranslationScattering2D(J=3, shape=(16, 16), K_scale=2)
    with pytest.raises(TypeError, match="average_angle"):
        gs.ScaleRotationTranslationScattering2D(J=3, shape=(16, 16), average_angle=False)  # type: ignore[call-arg]
