"""Translation scattering equals its definition, for every option."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import groupscat as gs
from groupscat.plan import translation
from groupscat.testing.tolerances import TIGHT_PADDING, assert_close
from tests.checks import against_oracle, noise
from tests.strategies import PADDINGS, operators, signals


@given(data=st.data(), S=operators())
def test_any_operator_equals_its_definition(data: st.DataObject, S: gs.Scattering) -> None:
    against_oracle(S, data.draw(signals((2, *S.shape), S.complex_input)))


@given(data=st.data(), S=operators(ndim=3))
@settings(max_examples=8)
def test_any_operator_of_volumes_equals_its_definition(data: st.DataObject, S: gs.Scattering) -> None:
    against_oracle(S, data.draw(signals((1, *S.shape), S.complex_input)))


@given(data=st.data(), S=operators())
def test_any_operator_equals_its_definition_in_float32(data: st.DataObject, S: gs.Scattering) -> None:
    against_oracle(S, data.draw(signals((2, *S.shape), S.complex_input)), "float32")


#: One axis: everything that has a branch of its own, at sizes where it matters.
ONE_D: dict[str, dict[str, Any]] = {
    "2^J = side": {"J": 5, "shape": 32},
    "2^J = side, circular": {"J": 5, "shape": 32, "padding": "circular"},
    "smallest": {"J": 1, "shape": 2},
    "odd prime": {"J": 3, "shape": 37, "Q": 4},
    "odd prime, circular": {"J": 3, "shape": 37, "padding": "circular"},
    "Q at both orders": {"J": 4, "shape": 48, "Q": (4, 3)},
    "Q so large that no wavelet is constant-Q": {"J": 1, "shape": 40, "Q": 16},
    "order 0": {"J": 3, "shape": 24, "max_order": 0},
    "order 3": {"J": 5, "shape": 64, "max_order": 3},
    "order beyond the scales": {"J": 2, "shape": 24, "max_order": 6},
    "T not a power of two": {"J": 3, "shape": 48, "T": 11},
    "T = 1": {"J": 3, "shape": 24, "T": 1},
    "T beyond 2^J": {"J": 2, "shape": 40, "T": 32},
    "stride 1": {"J": 3, "shape": 24, "stride": 1},
    "oversampling 1": {"J": 4, "shape": 40, "oversampling": 1},
    "oversampling beyond J": {"J": 2, "shape": 24, "oversampling": 9},
    "unaveraged, own strides": {"J": 4, "shape": 40, "T": 0, "out_type": "list"},
    "unaveraged, stride 4": {"J": 4, "shape": 40, "T": 0, "stride": 4},
    "global": {"J": 4, "shape": 41, "T": "global"},
    "complex": {"J": 3, "shape": 32, "Q": 3, "complex_input": True},
    "complex, unaveraged": {"J": 3, "shape": 30, "T": 0, "complex_input": True, "out_type": "list"},
    "rectifier, 4 phases": {"J": 3, "shape": 24, "rho": "rectifier"},
    "rectifier, 3 phases": {"J": 3, "shape": 24, "rho": "rectifier", "phases": 3},
    "rectifier, 1 phase": {"J": 3, "shape": 24, "rho": "rectifier", "phases": 1},
    "pointwise": {"J": 3, "shape": 24, "rho": lambda z: np.log1p(abs(z))},
    "pointwise and complex": {"J": 3, "shape": 24, "rho": lambda z: z},
    "normalised": {"J": 3, "shape": 40, "Q": 2, "normalize": "littlewood-paley"},
    "frames of a long axis": {"J": 2, "shape": 900, "max_order": 1},
    "frames, odd length": {"J": 3, "shape": 801, "max_order": 1},
    "frames, circular": {"J": 2, "shape": 640, "max_order": 1, "padding": "circular"},
    "exact padding, order 3": {"J": 4, "shape": 50, "max_order": 3, "exact_padding": True},
}

MORE_D: dict[str, dict[str, Any]] = {
    "2^J = side": {"J": 3, "shape": (8, 8), "L": 2},
    "2^J = side, circular": {"J": 3, "shape": (8, 8), "L": 2, "padding": "circular"},
    "smallest": {"J": 1, "shape": (2, 2), "L": 1},
    "one wide": {"J": 1, "shape": (2, 23), "L": 3},
    "odd, non-square": {"J": 2, "shape": (13, 7), "L": 3},
    "odd, circular": {"J": 2, "shape": (9, 7), "L": 3, "padding": "circular"},
    "one axis divisible, circular": {"J": 2, "shape": (9, 8), "L": 2, "padding": "circular"},
    "L = 8": {"J": 2, "shape": (8, 8), "L": 8},
    "order 3": {"J": 3, "shape": (9, 8), "L": 2, "max_order": 3},
    "T small": {"J": 2, "shape": (8, 9), "L": 2, "T": 2},
    "T odd": {"J": 2, "shape": (9, 9), "L": 2, "T": 7},
    "T beyond the short side": {"J": 1, "shape": (3, 16), "L": 2, "T": 16},
    "stride 1": {"J": 2, "shape": (8, 7), "L": 2, "stride": 1},
    "oversampling": {"J": 3, "shape": (9, 8), "L": 2, "oversampling": 2},
    "unaveraged, own strides": {"J": 2, "shape": (9, 8), "L": 2, "T": 0, "out_type": "list"},
    "unaveraged, stride 2": {"J": 2, "shape": (9, 8), "L": 2, "T": 0, "stride": 2},
    "global": {"J": 2, "shape": (9, 8), "L": 2, "T": "global"},
    "complex": {"J": 2, "shape": (9, 8), "L": 3, "complex_input": True},
    "rectifier": {"J": 2, "shape": (9, 8), "L": 2, "rho": "rectifier", "phases": 4},
    "pointwise": {"J": 2, "shape": (9, 8), "L": 2, "rho": lambda z: abs(z) ** 0.5},
    "normalised": {"J": 2, "shape": (9, 8), "L": 4, "normalize": "littlewood-paley"},
    "3-D, icosahedron": {"J": 1, "shape": (4, 3, 4), "L": 6, "max_order": 1},
    "3-D, spiral": {"J": 1, "shape": (3, 4, 3), "L": 2},
    "3-D, two scales": {"J": 2, "shape": (4, 4, 4), "L": 1, "padding": "circular"},
    "3-D, 2^J = side": {"J": 1, "shape": (2, 2, 2), "L": 3},
}


@pytest.mark.parametrize("arguments", ONE_D.values(), ids=ONE_D)
def test_option_equals_definition_in_one_dimension(arguments: dict[str, Any]) -> None:
    S = gs.Scattering(**arguments)
    against_oracle(S, noise((2, *S.shape), is_complex=S.complex_input))


@pytest.mark.parametrize("arguments", MORE_D.values(), ids=MORE_D)
def test_option_equals_definition_in_more_dimensions(arguments: dict[str, Any]) -> None:
    S = gs.Scattering(**arguments)
    against_oracle(S, noise((2, *S.shape), is_complex=S.complex_input))


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("shape", [(2,), (7,), (24,), (3, 5), (8, 8), (2, 3, 4)])
def test_padding_equals_definition(shape: tuple[int, ...], padding: Any) -> None:
    bank = {"Q": 2} if len(shape) == 1 else {"L": 2}
    S = gs.Scattering(J=1, shape=shape, padding=padding, **bank)
    against_oracle(S, noise((2, *S.shape)))


@pytest.mark.parametrize("largest", [1, 60, 300])
@pytest.mark.parametrize("rho", ["modulus", "rectifier"])
@pytest.mark.parametrize("shape", [(40,), (9, 8)])
def test_scales_split_into_parts_equal_the_definition(
    shape: tuple[int, ...], rho: str, largest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On large signals the wavelets of a scale are applied a few at a time; here on small ones."""
    monkeypatch.setattr(translation, "LARGEST", dict.fromkeys((1, 2, 3), largest))
    S = gs.Scattering(
        J=2,
        shape=shape,
        rho=rho,
        phases=2 if rho == "rectifier" else 4,
        **({"Q": 5} if len(shape) == 1 else {"L": 4}),
    )
    against_oracle(S, noise((2, *shape)))
    monkeypatch.undo()
    assert len(S.plan.ops) > len(S.replace().plan.ops)
    assert S.paths == S.replace().paths


@pytest.mark.parametrize("shape", [(4096,), (5000,), (8192,)])
@pytest.mark.parametrize("Q", [1, 8])
def test_tight_padding_gives_the_coefficients_of_exact_padding(shape: tuple[int], Q: int) -> None:
    tight = gs.Scattering1D(J=5, shape=shape, Q=Q)
    exact = tight.replace(exact_padding=True)
    assert tight.axes[0].padded <= exact.axes[0].padded
    x = noise(shape)
    assert_close(tight(x), exact(x), x, TIGHT_PADDING)


@pytest.mark.parametrize("Q", [3, 16])
@pytest.mark.parametrize(("J", "shape"), [(1, 2), (1, 3), (2, 4), (2, 5), (3, 8), (3, 9), (4, 16)])
def test_wavelets_that_fall_between_the_bins_leave_finite_coefficients(J: int, shape: int, Q: int) -> None:
    """A period as short as 2^J resolves not even one oscillation of the lowest wavelets."""
    S = gs.Scattering1D(J=J, shape=shape, Q=Q, padding="circular")
    x = noise((5, shape))
    y = S(x)
    assert np.isfinite(y).all()
    assert np.abs(y).max() <= np.abs(x).max() * (1 + 1e-12)  # Σ|ψ| ≤ 1 and Σφ = 1


def test_tight_padding_is_shorter_where_it_can_be() -> None:
    S = gs.Scattering1D(J=5, shape=5000)
    assert S.axes[0].padded < S.replace(exact_padding=True).axes[0].padded


@given(data=st.data(), S=operators())
def test_orders_are_prefixes(data: st.DataObject, S: gs.Scattering) -> None:
    """Raising max_order appends paths and changes no coefficient."""
    x = data.draw(signals(S.shape, S.complex_input))
    high, low = S(x), S.replace(max_order=max(0, S.max_order - 1))(x)
    assert_close(high[: len(low)], low, x)


@pytest.mark.parametrize("shape", [(40,), (12, 9)])
@pytest.mark.parametrize("rho", ["modulus", "rectifier"])
def test_list_and_dict_hold_the_rows_of_the_array(shape: tuple[int, ...], rho: str) -> None:
    S = gs.Scattering(J=2, shape=shape, rho=rho)
    x = noise((3, *shape))
    y = S(x)
    rows, by_path = S.replace(out_type="list")(x), S.replace(out_type="dict")(x)
    assert len(rows) == len(by_path) == len(S.paths) == y.shape[1]
    for k, (path, row) in enumerate(zip(S.paths, rows, strict=True)):
        np.testing.assert_array_equal(row["coef"], y[:, k])
        assert (row["order"], row["j"], row["n"]) == (path.order, path.j, path.n)
        key: Any = path.key if any(path.phases) else path.n
        np.testing.assert_array_equal(by_path[key], y[:, k])


def test_dict_keys_are_the_wavelet_indices() -> None:
    S = gs.Scattering2D(J=2, shape=(8, 8), L=2, out_type="dict")
    assert list(S(noise((8, 8)))) == [
        (), (0,), (1,), (2,), (3,), (0, 2), (0, 3), (1, 2), (1, 3)
    ]  # fmt: skip


def test_output_shape_is_the_shape_of_the_output() -> None:
    cases = [a for a in (*ONE_D.values(), *MORE_D.values()) if a.get("out_type") != "list"]
    for arguments in [a for a in cases if np.size(a["shape"]) < 3]:
        S = gs.Scattering(**{"max_order": 1, **arguments})
        y = S(noise(S.shape, is_complex=S.complex_input))
        assert y.shape == S.output_shape, repr(S)


def test_thin_names_are_the_general_class() -> None:
    for named, shape in ((gs.Scattering1D, (16,)), (gs.Scattering2D, (6, 5)), (gs.Scattering3D, (4, 3, 3))):
        S, general = named(1, shape), gs.Scattering(1, shape)
        x = noise(shape)
        np.testing.assert_array_equal(S(x), general(x))
        assert S.paths == general.paths


def test_positional_arguments_are_kymatios() -> None:
    assert gs.Scattering1D(2, 16, 3, 4).config == {"J": 2, "shape": (16,), "Q": 3, "T": 4}
    S = gs.Scattering2D(2, (8, 8), 3, 1, "list")
    assert (S.J, S.shape, S.L, S.max_order, S.out_type) == (2, (8, 8), 3, 1, "list")
