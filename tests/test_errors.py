"""Bad input: every error names the value, what was expected and the way out."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import groupscat as gs
from groupscat import errors

#: Per class: what is wrong, the arguments, and what the message must say.
REFUSED: dict[type[Any], dict[str, tuple[dict[str, Any], str]]] = {
    gs.Scattering1D: {
        "2^J beyond the side": (
            {"J": 6, "shape": 32},
            r"J=6: the largest wavelet scale 2\^J = 64 exceeds the side 32 of shape=\(32,\); use J ≤ 5",
        ),
        "signal too small for any J": ({"J": 1, "shape": 1}, "the signal is too small for any J"),
        "J zero": ({"J": 0, "shape": 32}, r"J=0: expected an integer ≥ 1"),
        "J negative": ({"J": -2, "shape": 32}, r"J=-2: expected an integer ≥ 1"),
        "J fractional": ({"J": 2.0, "shape": 32}, r"J=2\.0: expected an integer"),
        "J boolean": ({"J": True, "shape": 32}, r"J=True: expected an integer"),
        "J a string": ({"J": "2", "shape": 32}, r"J='2': expected an integer"),
        "Q zero": ({"J": 2, "shape": 32, "Q": 0}, r"Q=0: expected an integer ≥ 1"),
        "Q second zero": ({"J": 2, "shape": 32, "Q": (8, 0)}, r"Q\[1\]=0: expected an integer ≥ 1"),
        "Q triple": ({"J": 2, "shape": 32, "Q": (8, 1, 1)}, r"Q=\(8, 1, 1\): expected an int or a pair"),
        "order negative": ({"J": 2, "shape": 32, "max_order": -1}, r"max_order=-1: expected an integer ≥ 0"),
        "oversampling negative": ({"J": 2, "shape": 32, "oversampling": -1}, r"oversampling=-1: expected an"),
        "T beyond the signal": (
            {"J": 2, "shape": 32, "T": 33},
            r'T=33 exceeds the signal \(32 samples\).*T="global"',
        ),
        "T negative": ({"J": 2, "shape": 32, "T": -1}, r"T=-1: expected an integer ≥ 0"),
        "T a word": ({"J": 2, "shape": 32, "T": "all"}, r"T='all': expected one of 'global'"),
        "T fractional": ({"J": 2, "shape": 32, "T": 4.5}, r"T=4\.5: expected an integer"),
        "stride not a power of two": (
            {"J": 3, "shape": 32, "stride": 6},
            r"stride=6: expected a power of two, for example 4 or 8",
        ),
        "stride beyond T": ({"J": 2, "shape": 32, "stride": 8}, r"stride=8 exceeds T=4"),
        "stride beyond the side": ({"J": 1, "shape": 5, "T": 0, "stride": 8}, r"stride=8 exceeds the side 5"),
        "stride with a global mean": (
            {"J": 2, "shape": 32, "T": "global", "stride": 2},
            r"stride=2 has no meaning",
        ),
        "stride zero": ({"J": 2, "shape": 32, "stride": 0}, r"stride=0: expected an integer ≥ 1"),
        "padding": (
            {"J": 2, "shape": 32, "padding": "mirror"},
            r"padding='mirror': expected one of 'reflect', 'zero', 'circular', 'edge'",
        ),
        "rho": (
            {"J": 2, "shape": 32, "rho": "relu"},
            r"""rho='relu': expected "modulus", "rectifier" or a pointwise function""",
        ),
        "phases": (
            {"J": 2, "shape": 32, "rho": "rectifier", "phases": 0},
            r"phases=0: expected an integer ≥ 1",
        ),
        "method": (
            {"J": 2, "shape": 32, "method": "fft"},
            r"method='fft': expected one of 'fourier', 'cascade'",
        ),
        "normalize": (
            {"J": 2, "shape": 32, "normalize": "l1"},
            r"normalize='l1': expected one of None, 'littlewood",
        ),
        "out_type": (
            {"J": 2, "shape": 32, "out_type": "tuple"},
            r"out_type='tuple': expected one of 'array', 'list', 'dict'",
        ),
        "different grids in an array": (
            {"J": 3, "shape": 32, "T": 0},
            r'different rates.*pass out_type="list" or "dict".*stride=1',
        ),
        "sampling rate": (
            {"J": 2, "shape": 32, "sampling_rate": -8000},
            r"sampling_rate=-8000: expected a positive",
        ),
        "sampling rate, word": (
            {"J": 2, "shape": 32, "sampling_rate": "8k"},
            r"sampling_rate='8k': expected a positive",
        ),
        "shape fractional": ({"J": 1, "shape": 8.0}, r"shape=8\.0: expected an int or a tuple"),
        "cascade of complex": (
            {"J": 1, "shape": 8, "method": "cascade", "complex_input": True},
            r'filters real signals; use method="fourier"',
        ),
        "cascade, oversampled": (
            {"J": 2, "shape": 8, "method": "cascade", "oversampling": 1},
            r"drop stride and oversampling",
        ),
        "cascade, T": ({"J": 2, "shape": 8, "method": "cascade", "T": 2, "stride": 2}, r'method="cascade"'),
        "cascade, T odd": (
            {"J": 2, "shape": 8, "method": "cascade", "T": 5},
            r"averages over T = 2\^J = 4, got T=5",
        ),
        "cascade, circular, odd": (
            {"J": 2, "shape": 10, "method": "cascade", "padding": "circular"},
            r"sides divisible by 2\^J = 4, got 10; choose another padding",
        ),
    },
    gs.Scattering2D: {
        "2^J beyond the shorter side": (
            {"J": 3, "shape": (16, 7)},
            r"2\^J = 8 exceeds the side 7.*use J ≤ 2",
        ),
        "L zero": ({"J": 2, "shape": (8, 8), "L": 0}, r"L=0: expected an integer ≥ 1"),
        "L fractional": ({"J": 2, "shape": (8, 8), "L": 2.5}, r"L=2\.5: expected an"),
        "shape of one axis for an image": (
            {"J": 1, "shape": 8},
            r"shape=8 has 1 axes, expected 2 axes.*without batch",
        ),
        "shape with a zero": ({"J": 1, "shape": (8, 0)}, r"shape\[1\]=0: expected an integer ≥ 1"),
    },
    gs.Scattering: {
        "Q in 2-D": ({"J": 2, "shape": (8, 8), "Q": 2}, r"Q=2 belongs to 1-D.*choose L"),
        "L in 1-D": ({"J": 2, "shape": 32, "L": 4}, r"L=4 belongs to images.*choose Q"),
        "shape of four axes": ({"J": 1, "shape": (4, 4, 4, 4)}, r"has 4 axes, expected 1, 2 or 3 axes"),
    },
    gs.HarmonicScattering3D: {
        "harmonic: sigma_0": (
            {"J": 1, "shape": (4, 4, 4), "sigma_0": 0},
            r"sigma_0=0: expected a positive number",
        ),
        "harmonic: no powers": (
            {"J": 1, "shape": (4, 4, 4), "integral_powers": ()},
            r"integral_powers=\(\): expected at least one",
        ),
        "harmonic: power twice": (
            {"J": 1, "shape": (4, 4, 4), "integral_powers": (1, 1.0)},
            r"integral_powers=\(1, 1\.0\) names an exponent twice",
        ),
        "harmonic: power negative": (
            {"J": 1, "shape": (4, 4, 4), "integral_powers": (-1,)},
            r"integral_powers=-1: expected a positive number",
        ),
        "harmonic: order 0 only": (
            {"J": 1, "shape": (4, 4, 4), "max_order": 0},
            r"max_order=0: expected an integer ≥ 1",
        ),
        "harmonic: plane": ({"J": 1, "shape": (4, 4)}, r"has 2 axes, expected 3 axes"),
    },
}


@pytest.mark.parametrize(
    ("cls", "arguments", "message"),
    [
        pytest.param(cls, arguments, message, id=f"{cls.__name__}: {what}")
        for cls, rows in REFUSED.items()
        for what, (arguments, message) in rows.items()
    ],
)
def test_impossible_arguments_are_refused(cls: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(gs.ArgumentError, match=message):
        cls(**arguments)


def test_unknown_options_are_refused_with_the_known_ones() -> None:
    with pytest.raises(
        TypeError, match=r"Scattering1D has no argument 'averaging'; it takes J, shape, .*padding"
    ):
        gs.Scattering1D(J=1, shape=8, averaging=2)  # type: ignore[call-arg]


S = gs.Scattering2D(J=1, shape=(8, 6), L=2)


@pytest.mark.parametrize("shape", [(8, 7), (6, 8), (3, 8, 5), (8,), (), (8, 6, 1), (48,)])
def test_wrong_trailing_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(gs.ShapeError) as caught:
        S(np.zeros(shape))
    message = str(caught.value)
    assert "Scattering2D was built for shape (8, 6) but x has" in message
    assert str(shape[-2:]) in message
    assert "x.shape == (..., 8, 6)" in message
    if len(shape) >= 2:
        assert f"or build Scattering2D(shape={shape[-2:]})" in message


def test_channels_last_get_the_advice_to_move_them() -> None:
    with pytest.raises(gs.ShapeError, match="Pass batch and channels first"):
        gs.Scattering2D(J=1, shape=(32, 32), L=2)(np.zeros((5, 32, 32, 3)))


def test_wrong_length_in_one_dimension_is_refused() -> None:
    with pytest.raises(
        gs.ShapeError, match=r"x has trailing shape \(9,\)(.|\n)*build Scattering1D\(shape=9\)"
    ):
        gs.Scattering1D(J=1, shape=8)(np.zeros(9))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (
            np.zeros((8, 6), complex),
            r"x is complex128.*built for real input.*complex_input=True, or pass x.real",
        ),
        (np.zeros((8, 6), np.complex64), "x is complex64"),
        (np.zeros((8, 6), object), "x has dtype object; expected one of float32, float64"),
        (np.full((8, 6), "a"), "x has dtype str.*Convert x first"),
        (np.zeros((8, 6), "M8[s]"), "x has dtype datetime64.*expected one of"),
        (np.zeros((8, 6), np.longdouble), "x has dtype (longdouble|float128).*expected one of"),
        ([[0.0] * 6] * 8, r"got builtins\.list\. Convert it first, for example with numpy\.asarray"),
        (None, r"got builtins\.NoneType"),
        (1.0, r"got builtins\.float"),
        ("image.png", r"got builtins\.str"),
    ],
)
def test_wrong_types_are_refused(x: Any, message: str) -> None:
    with pytest.raises(gs.DtypeError, match=message):
        S(x)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_check_finite_refuses_what_is_not(bad: float) -> None:
    checked = S.replace(check_finite=True)
    x = np.zeros((2, 8, 6))
    checked(x)
    x[1, 3, 2] = bad
    with pytest.raises(gs.NotFiniteError, match=r"NaN or infinity.*check_finite=False"):
        checked(x)


def test_a_function_that_is_not_pointwise_is_refused() -> None:
    mean = gs.Scattering1D(J=1, shape=8, rho=lambda z: abs(z).mean(-1))
    with pytest.raises(gs.ArgumentError, match="rho must be pointwise: it turned an array of shape"):
        mean(np.zeros(8))


def test_a_complex_rho_in_a_cascade_is_refused() -> None:
    identity = gs.Scattering1D(J=2, shape=8, method="cascade", rho=lambda z: z)
    with pytest.raises(gs.ArgumentError, match="filters real arrays, but rho returned a complex one"):
        identity(np.zeros(8))


def test_only_a_cascade_has_cascade_filters() -> None:
    with pytest.raises(gs.ArgumentError, match='method="cascade" has cascade filters'):
        S.cascade  # noqa: B018


def test_unknown_backend_is_refused_with_the_known_ones() -> None:
    with pytest.raises(gs.BackendError, match=r"no backend 'pytorch'; registered: .*numpy"):
        gs.get_backend("pytorch")


def test_unknown_backend_in_the_environment_is_refused_where_it_is_needed() -> None:
    environment = {**os.environ, "GROUPSCAT_BACKEND": "abacus"}
    code = "import groupscat; groupscat.default_backend()"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert "GROUPSCAT_BACKEND='abacus' names no backend; registered:" in done.stderr
    assert "Unset it or choose one of these" in done.stderr


def test_known_backend_in_the_environment_is_the_default() -> None:
    environment = {**os.environ, "GROUPSCAT_BACKEND": "numpy"}
    code = "import groupscat; print(groupscat.default_backend().name)"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "numpy"


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (gs.ArgumentError, ValueError),
        (gs.ShapeError, ValueError),
        (gs.DtypeError, TypeError),
        (gs.DeviceError, RuntimeError),
        (gs.BackendError, ImportError),
        (gs.NotFiniteError, ValueError),
        (gs.TrainingError, ArithmeticError),
        (gs.DataError, ValueError),
    ],
)
def test_errors_are_also_the_builtin_ones(error: type[Exception], builtin: type[Exception]) -> None:
    assert issubclass(error, builtin)
    assert issubclass(error, gs.GroupscatError)


def test_all_errors_are_public() -> None:
    defined = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert defined <= set(gs.__all__)


@pytest.mark.parametrize(
    ("option", "way_out"),
    [("average", "pass T=0"), ("backend", "import groupscat.torch"), ("vectorize", "pass out_type=")],
)
def test_arguments_of_kymatio_are_refused_with_their_replacement(option: str, way_out: str) -> None:
    with pytest.raises(TypeError, match=f"no argument '{option}': .*{way_out}"):
        gs.Scattering1D(J=2, shape=16, **{option: False})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("option", "way_out"),
    [
        ("method", "drop method="),
        ("points", "drop it"),
        ("backend", "drop it"),
        ("q", "it takes J, shape, L"),
    ],
)
def test_arguments_of_solid_harmonics_in_kymatio(option: str, way_out: str) -> None:
    with pytest.raises(TypeError, match=f"no argument '{option}'.*{way_out}"):
        gs.HarmonicScattering3D(J=0, shape=(4, 4, 4), **{option: "integral"})  # type: ignore[arg-type]


def test_attributes_of_kymatio_are_refused_with_their_replacement() -> None:
    S = gs.Scattering1D(J=2, shape=16)
    with pytest.raises(AttributeError, match=r"no 'meta': S\.paths"):
        S.meta()
    assert not hasattr(S, "output_size")
    with pytest.raises(AttributeError, match="'Scattering1D' object has no attribute 'metal'"):
        S.metal  # noqa: B018


def test_phases_without_a_rectifier_are_refused() -> None:
    with pytest.raises(gs.ArgumentError, match='phases=2 has a meaning with rho="rectifier" only'):
        gs.Scattering1D(J=2, shape=16, phases=2)


def test_masked_array_is_refused_rather_than_unmasked() -> None:
    with pytest.raises(gs.DtypeError, match="MaskedArray"):
        gs.Scattering1D(J=2, shape=16)(np.ma.masked_array(np.zeros(16), mask=False))


def test_options_given_at_their_default_change_nothing() -> None:
    assert gs.Scattering1D(J=2, shape=16, padding="reflect", phases=4) == gs.Scattering1D(J=2, shape=16)
