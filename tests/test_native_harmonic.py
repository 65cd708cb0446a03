"""The kernels of solid harmonics, in every compiled library: moduli of degrees, and powers."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from groupscat.plan.harmonic import HarmonicBlock
from groupscat.testing.tolerances import assert_close
from groupscat.wavelets.harmonic import SolidHarmonic
from groupscat_native import kernels, shapes
from groupscat_native.library import library
from groupscat_native.solid import COMPLEX as MIXED
from groupscat_native.solid import Solid, solid
from tests.test_native import BATCHES, COMPLEX, Array, close, empty, noise, precision, trailing, which

__all__ = ["which"]  # a fixture: each library in turn

#: What is done to a spectrum, as in the source of the kernels.
ADD, HALF = 1, 2
SIZES = [
    (1,),
    (7,),
    (96,),
    (1, 1),
    (7, 3),
    (5, 16),
    (24, 40),
    (1, 2, 3),
    (2, 2, 2),
    (4, 7, 6),
    (9, 11, 37),
    (8, 6, 20),
]


# --------------------------------------------------------------------------------------------- moduli


def of_real(x: Array, dtype: str) -> Array:
    """The spectra of real x."""
    return np.fft.fftn(x.astype(float), axes=trailing(x.ndim - 2)).astype(COMPLEX[dtype])


def hermitian(z: Array, d: int) -> Array:
    """The part of a spectrum that the spectra of real arrays see."""
    mirrored = z
    for axis in trailing(d):
        mirrored = np.roll(np.flip(mirrored, axis), 1, axis)
    return (z + mirrored.conj()) / 2


def moduli(spectrum: Array, psi: Array, g: Array) -> tuple[Array, Array]:
    """√(Σ_m |x ⋆ ψ_m|²) by all responses, and of a gradient by it the one by the spectrum of real x."""
    d = psi.ndim - 1
    z = np.fft.ifftn(spectrum * psi, axes=trailing(d), norm="forward")
    modulus = np.sqrt((np.abs(z) ** 2).sum(1, keepdims=True))
    y = np.fft.fftn(g * z / np.where(modulus == 0, 1, modulus), axes=trailing(d))
    return modulus, hermitian((y * psi.conj()).sum(1, keepdims=True), d)


def check(psi: Array, dtype: str, batch: int, workers: int, times: float = 1) -> Solid:
    """The kernels and what they keep against the definition; psi: (M, n_1, …)."""
    sizes = psi.shape[1:]
    x, g = noise((batch, 1, *sizes), dtype), noise((batch, 1, *sizes), dtype)
    spectrum = of_real(x, dtype)
    table = solid(np.stack([psi.real, psi.imag], -1).astype(dtype), kernels.lanes(dtype))
    wanted, slope = moduli(spectrum.astype(complex), psi, g)
    out, back = empty(x.shape, dtype), empty(x.shape, COMPLEX[dtype])
    assert kernels.harmonic(spectrum, table, out, workers)
    close(out, wanted, dtype, times)
    loose = times * max(30.0, wanted.max() / wanted.min())
    assert kernels.harmonic(spectrum, table, back, workers, g)
    close(back, slope, dtype, loose)
    for given in (out, back):
        given[:] = np.nan
    with_kept(table, spectrum, g, out, back)
    close(out, wanted, dtype, times)
    close(back, 2 * slope, dtype, loose)
    return table


def with_kept(table: Solid, spectrum: Array, g: Array, out: Array, back: Array) -> None:
    """Moduli, and twice the gradients from the responses that were kept with them: of rows 1 …, then of 0."""
    dtype, sizes = table.filters.dtype.name, (1,) * (3 - len(table.sizes)) + table.sizes
    call, known = library(), shapes.shape(sizes, dtype)
    assert known is not None
    each = call["harmonic_kept", dtype](known.pointer, *table.addresses[:2])
    memory = np.full(len(spectrum) * each + 64, np.nan, dtype)
    kept = memory[-memory.ctypes.data % 64 // memory.itemsize :]
    head = known.pointer, *table.addresses, spectrum.ctypes.data
    stack, half = call.stack_new(), np.full_like(back, np.nan)
    for rows in ((1, len(spectrum)), (0, 1)):
        assert call["harmonic", dtype](stack, *head, out.ctypes.data, kept.ctypes.data, *rows)
        arrays = g.ctypes.data, back.ctypes.data, kept.ctypes.data
        for mode in (0, ADD):
            assert call["harmonic_vjp", dtype](stack, *head, *arrays, mode, *rows)
        others = g.ctypes.data, half.ctypes.data, None
        for mode in (HALF, HALF | ADD):
            assert call["harmonic_vjp", dtype](stack, *head, *others, mode, *rows)
    inside = slice(0, table.sizes[-1] // 2 + 1)
    close(half[..., inside], back[..., inside], dtype)
    assert np.isnan(kept[len(spectrum) * each :]).all()
    call.stack_free(stack)


@precision
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_any_filters(sizes: tuple[int, ...], dtype: str) -> None:
    for (batch, workers), count in itertools.product(BATCHES, (1, 3)):
        check(noise((count, *sizes), "complex128"), dtype, batch, workers)


@precision
@pytest.mark.parametrize("sizes", [(16, 16, 16), (20, 17, 24), (9, 25, 15), (12, 10, 40)], ids=str)
@pytest.mark.parametrize("which_m", ["all", "half", "first"])
@pytest.mark.parametrize("width", [0.7, 2.0, 3.0])
def test_solid_harmonics(sizes: Any, which_m: Any, width: float, dtype: str) -> None:
    """Filters that fill the spectrum and filters that leave most of it empty; m ≥ 0 and all m."""
    for l in range(4):
        psi = HarmonicBlock(SolidHarmonic(0, l, width, which_m), sizes).build()
        table = check(psi, dtype, 2, 2, 3)
        if which_m == "all":
            assert len(table.kinds) == 2 * l + 1, "−m was computed again"
        if width == 3.0 and sizes == (16, 16, 16) and dtype == "float32":
            assert max(table.numbers[[1, 3]]) < 16, "nothing was left out"
        if width == 2.0 and dtype == "float32":
            assert MIXED not in table.kinds


@precision
@pytest.mark.parametrize("sizes", [(4, 6, 8), (5, 6, 8), (4, 3, 10), (6, 8, 7), (2, 40, 2), (6, 4)], ids=str)
def test_edges(sizes: tuple[int, ...], dtype: str) -> None:
    """Filters of the bins n/2 alone, and beside another one."""
    at = np.zeros(sizes, bool)
    for axis, n in enumerate(sizes):
        if n % 2 == 0:
            np.moveaxis(at, axis, 0)[n // 2] = True
    psi = noise((3, *sizes), "complex128")
    for some in (3, 2):
        psi[:some, ~at] = noise((some, (~at).sum()), "complex128") * (some == 2)
        psi[-1] *= at
        table = check(psi, dtype, 2, 2, 3)
        assert table.numbers[6] == (6 if some == 3 else 2)


@precision
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_real_arrays_from_half_spectra(sizes: tuple[int, ...], dtype: str) -> None:
    d, half = len(sizes), sizes[-1] // 2 + 1
    x, out = noise((3, 1, *sizes), dtype), empty((3, 1, *sizes), dtype)
    spectrum = of_real(x, dtype)
    spectrum[..., half:] = np.nan
    known = shapes.shape((1,) * (3 - d) + sizes, dtype)
    assert known is not None
    stack = library().stack_new()
    for rows in ((1, 3), (0, 1)):
        pointers = stack, known.pointer, spectrum.ctypes.data, out.ctypes.data
        assert library()["half_back", dtype](*pointers, *rows)
    library().stack_free(stack)
    close(out / np.prod(sizes, dtype=dtype), x, dtype)


@precision
def test_zero_filters_and_zero_fields(dtype: str) -> None:
    x = of_real(noise((1, 1, 4, 5, 6), dtype), dtype)
    table = solid(np.zeros((2, 4, 5, 6, 2), dtype), kernels.lanes(dtype))
    out, back = empty(x.shape, dtype), empty(x.shape, COMPLEX[dtype])
    assert kernels.harmonic(x, table, out, 1)
    assert kernels.harmonic(x, table, back, 1, noise(x.shape, dtype))
    assert not out.any()
    assert not back.any()
    # A modulus that vanishes has no slope.
    psi = noise((1, 4, 5, 6, 2), dtype)
    table = solid(psi, kernels.lanes(dtype))
    x[:] = 0
    assert kernels.harmonic(x, table, out, 1)
    assert kernels.harmonic(x, table, back, 1, noise(x.shape, dtype))
    assert not out.any()
    assert not back.any()


@precision
def test_no_signal_spoils_its_neighbour(dtype: str) -> None:
    sizes = (6, 5, 8)
    psi = noise((3, *sizes, 2), dtype)
    table = solid(psi, kernels.lanes(dtype))
    x = of_real(noise((1, 1, *sizes), dtype), dtype)
    wanted = empty(x.shape, dtype)
    assert kernels.harmonic(x, table, wanted, 1)
    for loud in (np.full_like(x, np.nan), 1e9 * x):
        both = np.concatenate([loud, x, loud])
        out = empty(both.shape, dtype)
        assert kernels.harmonic(both, table, out, 1)
        np.testing.assert_array_equal(out[1:2], wanted)
        assert not np.isfinite(out[0]).any() or np.isfinite(loud).all()


@precision
def test_what_is_left_out_is_below_rounding(dtype: str) -> None:
    """The tables of a block give what all its filters give, and those with a fault do not."""
    psi = HarmonicBlock(SolidHarmonic(0, 2, 0.9, "all"), (16, 16, 16)).build()
    sizes = psi.shape[1:]
    table = solid(np.stack([psi.real, psi.imag], -1).astype(dtype), kernels.lanes(dtype))
    x = of_real(noise((1, 1, *sizes), dtype), dtype)
    out = empty(x.shape, dtype)
    assert kernels.harmonic(x, table, out, 1)
    wanted, _ = moduli(x.astype(complex), psi, np.zeros(x.shape))
    close(out, wanted, dtype, 3)
    for fault in ("filters", "kinds", "fields", "edges"):
        tables = {name: getattr(table, name).copy() for name in ("blocks", "kinds", "filters", "numbers")}
        if fault == "filters":
            tables[fault][len(tables[fault]) // 3 :] *= 1.01
        elif fault == "kinds":
            tables[fault][0] = 1 - tables[fault][0]
        else:
            tables["numbers"][{"fields": 5, "edges": 6}[fault]] -= 1
        assert kernels.harmonic(x, Solid(sizes, table.lanes, **tables), out, 1)
        with pytest.raises(AssertionError):
            assert_close(out, wanted, np.abs(wanted).max(), 1e-3)


def test_arrays_that_are_left_to_others() -> None:
    z, x = noise((2, 1, 8), "complex64"), noise((2, 1, 8), "float32")
    table = solid(noise((2, 8, 2), "float32"), kernels.lanes("float32"))
    assert kernels.harmonic(z, table, x.copy(), 1)
    assert not kernels.harmonic(z, table, x.astype("float64"), 1)
    assert not kernels.harmonic(z, table, x.copy(), 1, x)
    assert not kernels.harmonic(z[..., :4], table, x[..., :4], 1)
    assert not kernels.harmonic(z.astype("complex128"), table, x.copy(), 1)
    other = solid(noise((2, 8, 2), "float32"), 2 * kernels.lanes("float32"))
    assert not kernels.harmonic(z, other, x.copy(), 1)
    assert not kernels.harmonic(z, solid(noise((2, 67, 2), "float32"), 8), x.copy(), 1)


# --------------------------------------------------------------------------------------------- powers


def slopes(x: Array, q: float) -> Array:
    """The derivative of |x|^q, 0 at 0."""
    size = np.where(x == 0, 1, np.abs(x))
    return np.where(x == 0, float(q == 1), q * size ** (q - 1) * np.where(x < 0, -1, 1))


@precision
@pytest.mark.parametrize("q", [0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 2.5, 17])
@pytest.mark.parametrize("sign", [False, True])
def test_powers_and_their_gradients(q: float, sign: bool, dtype: str) -> None:
    x, g = noise((40,), dtype), noise((40,), dtype)
    x[::7] = 0
    if not sign:
        x = np.abs(x)
    wide, even = x.astype(float), q != int(q)
    wanted = np.abs(wide) ** q if even else wide ** int(q)
    slope = slopes(wide, q) if even else q * wide ** (int(q) - 1)
    for first, stop in [(0, 40), (3, 38), (5, 5)]:
        out, back = np.full((2, 40), -7, dtype)
        assert library()["power", dtype](None, q, sign, x.ctypes.data, out.ctypes.data, first, stop)
        given = x.ctypes.data, g.ctypes.data, back.ctypes.data
        assert library()["power_vjp", dtype](None, q, sign, *given, first, stop)
        inside = np.zeros(40, bool)
        inside[first:stop] = True
        close(out, np.where(inside, wanted, -7), dtype)
        close(back, np.where(inside, slope * g, -7), dtype)


@precision
def test_powers_of_what_is_no_number(dtype: str) -> None:
    x = np.array([np.nan, 0, 4, np.inf], dtype)
    for q, wanted in [
        (0.5, [np.nan, 0, 2, np.inf]),
        (2, [np.nan, 0, 16, np.inf]),
        (1.5, [np.nan, 0, 8, np.inf]),
    ]:
        out = empty((4,), dtype)
        assert library()["power", dtype](None, q, 0, x.ctypes.data, out.ctypes.data, 0, 4)
        np.testing.assert_allclose(out, wanted)
