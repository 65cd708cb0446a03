"""What goes in and comes out: batches, element types, memory layouts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import groupscat as gs
from groupscat.testing.tolerances import assert_close
from tests.checks import noise
from tests.strategies import batches, operators, signals

OPERATORS: dict[str, Any] = {
    "1-D": gs.Scattering1D(J=2, shape=20, Q=2),
    "2-D": gs.Scattering2D(J=1, shape=(6, 5), L=2),
    "3-D": gs.Scattering3D(J=1, shape=(4, 3, 2), L=3, max_order=1),
    "cascade": gs.Scattering1D(J=2, shape=20, method="cascade"),
    "harmonic": gs.HarmonicScattering3D(J=1, shape=(4, 5, 4), L=1),
    "harmonic, flat": gs.HarmonicScattering3D(J=1, shape=(4, 5, 4), L=1, order_0=True),
}
every_operator = pytest.mark.parametrize("S", OPERATORS.values(), ids=OPERATORS)


@every_operator
@pytest.mark.parametrize("batch", [(), (1,), (5,), (2, 3), (2, 1, 3), (0,), (3, 0), (0, 0, 2)])
def test_any_batch_shape_leads_the_output(S: gs.Scattering, batch: tuple[int, ...]) -> None:
    x = noise((*batch, *S.shape))
    y = S(x)
    assert y.shape == (*batch, *S.output_shape)
    assert y.dtype == np.float64
    for index in np.ndindex(*batch):
        np.testing.assert_allclose(y[index], S(x[index]), rtol=0, atol=1e-13 * np.abs(y).max())


@given(data=st.data(), S=operators(), batch=batches)
def test_any_operator_treats_signals_one_by_one(
    data: st.DataObject, S: gs.Scattering, batch: tuple[int, ...]
) -> None:
    x = data.draw(signals((*batch, *S.shape), S.complex_input))
    y = S(x)
    assert y.shape == (*batch, *S.output_shape)
    for index in np.ndindex(*batch):
        assert_close(y[index], S(x[index]), x)


def test_empty_batches_keep_their_type() -> None:
    assert OPERATORS["1-D"](np.zeros((0, 20), np.float32)).dtype == np.float32
    S = gs.Scattering1D(J=2, shape=20, complex_input=True, T=0, stride=1)
    assert S(np.zeros((0, 20), np.complex64)).dtype == np.complex64
    assert S(np.zeros((0, 20), np.complex128)).dtype == np.complex128
    rows = gs.Scattering1D(J=2, shape=20, T=0, out_type="list")(np.zeros((0, 2, 20)))
    assert {row["coef"].shape[:2] for row in rows} == {(0, 2)}


@every_operator
@pytest.mark.parametrize(
    ("given", "kept", "computed"),
    [
        ("float64", "float64", "float64"),
        ("float32", "float32", "float32"),
        ("float16", "float16", "float32"),
        ("bool", "float32", "float32"),
        ("int8", "float32", "float32"),
        ("uint8", "float32", "float32"),
        ("int16", "float32", "float32"),
        ("uint16", "float32", "float32"),
        ("int32", "float64", "float64"),
        ("uint32", "float64", "float64"),
        ("int64", "float64", "float64"),
        ("uint64", "float64", "float64"),
    ],
)
def test_element_types(S: gs.Scattering, given: str, kept: str, computed: str) -> None:
    x = (3 * noise((3, *S.shape))).clip(0).astype(given)
    y = S(x)
    assert y.dtype == kept
    expected = S(x.astype(computed)).astype(kept)
    np.testing.assert_array_equal(y, expected)
    tolerance = "float64" if kept == "float64" else kept
    reference = S(x.astype("float64"))
    assert_close(y.astype("float64"), reference, x.astype("float64"), tolerance)


@pytest.mark.parametrize("given", ["complex64", "complex128"])
def test_complex_input_gives_complex_order_zero_and_real_moduli(given: str) -> None:
    S = gs.Scattering1D(J=2, shape=20, complex_input=True)
    y = S(noise((2, 20), is_complex=True).astype(given))
    assert y.dtype == given
    assert np.abs(y[:, 0].imag).max() > 0
    assert not y[:, 1:].imag.any()


def test_half_precision_signals_of_complex_operators_keep_their_imaginary_part() -> None:
    """There is no complex type of half precision: the result is complex64."""
    S = gs.Scattering1D(J=2, shape=20, complex_input=True, rho=lambda z: z)
    x = noise((2, 20)).astype("float16")
    y = S(x)
    assert y.dtype == np.complex64
    assert_close(y, S(x.astype("complex128")), x, "float32")


@pytest.mark.parametrize("given", ["float32", "float64", "int8", "float16"])
def test_operators_of_complex_signals_take_real_ones(given: str) -> None:
    S = gs.Scattering1D(J=2, shape=20, complex_input=True)
    x = (3 * noise((2, 20))).astype(given)
    assert_close(S(x), S(x.astype("complex128")), x.astype("float64"), "float32")


def test_foreign_byte_order_is_converted() -> None:
    S = OPERATORS["1-D"]
    x = noise((2, 20))
    np.testing.assert_array_equal(S(x.astype(">f8")), S(x))


LAYOUTS: dict[str, Any] = {
    "Fortran order": np.asfortranarray,
    "negative strides": lambda x: x[..., ::-1].copy()[..., ::-1],
    "every other sample": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "transposed": lambda x: np.ascontiguousarray(x.T).T,
    "part of a record": lambda x: np.stack([x, x], axis=-1)[..., 1],
    "unaligned": lambda x: np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(x.dtype).reshape(x.shape),
}


@every_operator
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_memory_layout_changes_nothing(S: gs.Scattering, layout: Any) -> None:
    x = noise((2, 3, *S.shape))
    arranged = layout(x)
    np.testing.assert_array_equal(arranged, x)
    # Sums of contiguous and of strided samples may be taken in another order.
    assert_close(S(arranged), S(x), x, 1e-15)


def test_layouts_are_not_contiguous() -> None:
    """So that the test above is about layouts."""
    x = noise((2, 3, 4, 5))
    for name, layout in LAYOUTS.items():
        flags = layout(x).flags
        assert not (flags.c_contiguous and flags.aligned), name


@every_operator
def test_broadcast_batches_are_read(S: gs.Scattering) -> None:
    x = noise(S.shape)
    y = S(np.broadcast_to(x, (4, *S.shape)))
    np.testing.assert_allclose(y, np.broadcast_to(S(x), y.shape), rtol=0, atol=1e-13 * np.abs(y).max())


@every_operator
def test_input_is_never_written(S: gs.Scattering) -> None:
    x = noise((3, *S.shape))
    x.setflags(write=False)
    before = x.copy()
    S(x)
    np.testing.assert_array_equal(x, before)


@every_operator
def test_results_do_not_share_memory(S: gs.Scattering) -> None:
    x = noise((3, *S.shape))
    first = S(x)
    kept = first.copy()
    second = S(x)
    assert not np.shares_memory(first, second)
    assert not np.shares_memory(first, x)
    second[...] = 0
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(S(x), kept)


def test_unaveraged_order_zero_does_not_share_memory_with_the_input() -> None:
    S = gs.Scattering1D(J=3, shape=16, T=0, padding="circular", out_type="list")
    x = noise((2, 16))
    assert not np.shares_memory(S(x)[0]["coef"], x)


@every_operator
def test_nan_and_infinity_pass_unless_refused(S: gs.Scattering) -> None:
    x = noise((2, *S.shape))
    x[1] = np.nan
    with np.errstate(invalid="ignore"):
        y = S(x)
    assert np.isnan(y[1]).all()
    np.testing.assert_allclose(y[0], S(x[0]), rtol=0, atol=1e-13 * np.abs(y[0]).max())


def test_scalars_of_numpy_are_arrays_of_numpy() -> None:
    assert gs.backend_of(np.float64(1)).name == "numpy"


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_a_matrix_is_an_array_like_any_other() -> None:
    """It would keep its two axes whatever is done to it."""
    S, x = OPERATORS["1-D"], noise((2, 20))
    np.testing.assert_array_equal(S(np.matrix(x)), S(x))
