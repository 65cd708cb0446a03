"""Every compiled kernel equals the definition, computed by NumPy in double precision."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groupscat.backend.base import Frames
from groupscat.testing.tolerances import assert_close
from groupscat_native import kernels, library, shapes
from groupscat_native.bands import band
from groupscat_native.compile import HERE, SUFFIX, variants

if library.load()[0] is None:
    pytest.skip(f"no compiled kernels: {library.load()[1]}", allow_module_level=True)

Array = np.ndarray[Any, Any]
COMPLEX = {"float32": "complex64", "float64": "complex128"}
TOLERANCE = {"float32": 3e-6, "float64": 2e-14}
#: A batch and how many threads share it.
BATCHES = ((1, 1), (1, 2), (5, 2))
LENGTHS = (1, 2, 3, 7, 16, 37, 61)
SIZES = [
    *((n,) for n in (*LENGTHS, 60, 96, 640)),
    (1, 1),
    (7, 3),
    (5, 16),
    (37, 2),
    (24, 40),
    (1, 2, 3),
    (4, 7, 6),
]
RNG = np.random.default_rng(0)


def runnable() -> list[str]:
    """The compiled libraries that this processor can run."""
    base = library.Library(HERE / f"kernels_base{SUFFIX}")
    return [name for name, _ in variants() if library.LEVELS[name] <= base.level]


@pytest.fixture(params=runnable(), autouse=True)
def which(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Each library in turn; shapes belong to one. Threads begin at the smallest work."""
    found = library.Library(HERE / f"kernels_{request.param}{SUFFIX}")
    monkeypatch.setattr(library, "load", lambda: (found, request.param))
    monkeypatch.setattr(kernels, "ENOUGH", 1)
    shapes.shape.cache_clear()
    yield request.param
    shapes.shape.cache_clear()


precision = pytest.mark.parametrize("dtype", TOLERANCE)


def noise(shape: tuple[int, ...], dtype: str) -> Array:
    x = RNG.standard_normal(shape)
    return (x + 1j * RNG.standard_normal(shape) if dtype.startswith("complex") else x).astype(dtype)


def empty(shape: tuple[int, ...], dtype: str) -> Array:
    """What must be overwritten to the last number."""
    return np.full(shape, np.nan, dtype)


def close(found: Array, wanted: Array, dtype: str, times: float = 1.0) -> None:
    assert found.dtype in (dtype, COMPLEX[dtype])
    assert_close(found, wanted, np.abs(wanted).max(initial=0), times * TOLERANCE[dtype])


def trailing(ndim: int) -> tuple[int, ...]:
    return tuple(range(-ndim, 0))


# ----------------------------------------------------------------------------------------- transforms


def fourier(x: Array, ndim: int, back: bool) -> Array:
    """Σ_n x(n) e^{∓2πi kn/N} along each of the last axes, as a product with its matrix."""
    y = x.astype(complex)
    for axis in trailing(ndim):
        n = np.arange(y.shape[axis])
        w = np.exp((2j if back else -2j) * np.pi * (np.outer(n, n) % len(n)) / len(n))
        y = np.moveaxis(np.moveaxis(y, axis, -1) @ w, -1, axis)
    return y


@precision
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_transforms(sizes: tuple[int, ...], dtype: str) -> None:
    for batch, workers in BATCHES:
        z = noise((batch, *sizes), COMPLEX[dtype])
        for back in (False, True):
            out = empty(z.shape, COMPLEX[dtype])
            assert kernels.transform(z, len(sizes), out, back, workers)
            close(out, fourier(z, len(sizes), back), dtype)
        x, out = noise((batch, *sizes), dtype), empty(z.shape, COMPLEX[dtype])
        assert kernels.transform(x, len(sizes), out, False, workers)
        close(out, fourier(x, len(sizes), False), dtype)


@precision
@given(st.lists(st.integers(1, 40), min_size=1, max_size=3), st.integers(1, 9), st.integers(1, 3))
def test_transforms_of_any_size(dtype: str, sizes: list[int], batch: int, workers: int) -> None:
    x = noise((batch, *sizes), dtype)
    out = empty(x.shape, COMPLEX[dtype])
    assert kernels.transform(x, len(sizes), out, False, workers)
    close(out, np.fft.fftn(x.astype(float), axes=trailing(len(sizes))), dtype)


@precision
@pytest.mark.parametrize("sizes", [(64,), (37,), (7, 3), (8, 6), (1, 5), (3, 5, 7)], ids=str)
def test_no_signal_spoils_its_neighbour(sizes: tuple[int, ...], dtype: str) -> None:
    """Though two real rows are transformed as one complex one: neither by NaN nor by rounding."""
    quiet = noise((1, 1, *sizes), dtype)
    wanted = np.fft.fftn(quiet.astype(float), axes=trailing(len(sizes)))
    for loud in (np.full_like(quiet, np.nan), 1e9 * quiet[..., ::-1]):
        x = np.concatenate([loud, quiet, loud, quiet, quiet])
        out = empty(x.shape, COMPLEX[dtype])
        assert kernels.transform(x, len(sizes), out, False, 1)
        for k in (1, 3, 4):
            close(out[k : k + 1], wanted, dtype)
    channels = noise((2, 3, *sizes), dtype)
    out = empty(channels.shape, COMPLEX[dtype])
    assert kernels.transform(channels, len(sizes), out, False, 2)
    close(out, np.fft.fftn(channels.astype(float), axes=trailing(len(sizes))), dtype)


@pytest.mark.parametrize(
    "sizes", [(67,), (4, 134), (71, 3, 2), (2, 2, 2, 2), (0,), (1 << 17, 1 << 15)], ids=str
)
def test_shapes_that_are_left_to_others(sizes: tuple[int, ...]) -> None:
    assert shapes.shape(sizes, "float32") is None


# -------------------------------------------------------------------------------------------- wavelets


def windows(sizes: tuple[int, ...], fold: tuple[int, ...], whole: bool) -> tuple[Any, Any, list[Array]]:
    """Sizes of a spectrum, segments, and the bins that they cut."""
    wide = [n * f for n, f in zip(sizes, fold, strict=True)]
    if whole:
        return tuple(wide), (None,) * len(wide), [np.arange(n) for n in wide]
    full = tuple(n + 3 for n in wide)
    segments = tuple(((n // 2 + 3, n + 3), (0, n // 2)) if n > 1 else ((2, 3),) for n in wide)
    return full, segments, [np.concatenate([np.arange(*part) for part in each]) for each in segments]


def blocks(x: Array, sizes: tuple[int, ...], fold: tuple[int, ...]) -> Iterator[tuple[Any, ...]]:
    for k in itertools.product(*map(range, fold)):
        yield (..., *(slice(i * n, (i + 1) * n) for i, n in zip(k, sizes, strict=True)))


def responses(x: Array, psi: Array, bins: list[Array], fold: tuple[int, ...]) -> Array:
    """Eq. 10 of Mallat 2016 in the window: aliases are added up before the transform back."""
    sizes = psi.shape[2:-1]
    inside = x.astype(complex)[np.ix_(*map(np.arange, x.shape[:2]), *bins)]
    parts = zip(blocks(inside, sizes, fold), psi[..., 0], strict=True)
    total = sum(inside[part][:, :, None] * p for part, p in parts)
    z = np.fft.ifftn(total, axes=trailing(len(sizes)), norm="forward")
    return z.reshape(len(x), -1, *sizes)


def responses_adjoint(y: Array, psi: Array, bins: list[Array], fold: tuple[int, ...], shape: Any) -> Array:
    sizes = psi.shape[2:-1]
    z = np.fft.fftn(y, axes=trailing(len(sizes))).reshape(len(y), -1, psi.shape[1], *sizes)
    inside = np.zeros((*z.shape[:2], *(n * f for n, f in zip(sizes, fold, strict=True))), complex)
    for part, p in zip(blocks(inside, sizes, fold), psi[..., 0], strict=True):
        inside[part] = (z * p).sum(2)
    whole = np.zeros(shape, complex)
    whole[np.ix_(*map(np.arange, shape[:2]), *bins)] = inside
    return whole


@precision
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_wavelets_and_their_gradients(sizes: tuple[int, ...], whole: bool, dtype: str) -> None:
    wide = (3,) if len(sizes) == 1 else (1, 2, 2)[-len(sizes) :]
    for fold, (batch, workers) in itertools.product({(1,) * len(sizes), wide}, BATCHES):
        full, segments, bins = windows(sizes, fold, whole)
        x = noise((batch, 2, *full), COMPLEX[dtype])
        every = noise((math.prod(fold), 4, *sizes, 1), dtype)
        for psi in (every, every[:, 1:3]):  # all wavelets, a part of them
            z = responses(x, psi, bins, fold)
            for kind in (dtype, COMPLEX[dtype]):
                out = empty(z.shape, kind)
                assert kernels.bandpass(x, psi, segments, fold, out, workers)
                close(out, np.abs(z) if kind == dtype else z, dtype)
                g, back = noise(z.shape, kind), empty(x.shape, COMPLEX[dtype])
                y = g * z / np.where(z == 0, 1, np.abs(z)) if kind == dtype else g
                assert kernels.bandpass_vjp(x, psi, segments, fold, g, back, workers)
                wanted = responses_adjoint(y, psi, bins, fold, x.shape)
                close(
                    back,
                    wanted,
                    dtype,
                    1 if kind != dtype else 1 / max(1e-3, np.abs(z).min() / np.abs(z).max()),
                )


def test_windows_that_are_left_to_others() -> None:
    """What would be read beyond an array's end is refused, not read."""
    assert shapes.window((8,), (4,), (None,), (2,)) is not None
    for wrong in [
        ((8,), (4,), (None,), (1,)),
        ((8,), (4,), (((6, 10),),), (1,)),
        ((8,), (4,), (((-1, 3),),), (1,)),
        ((8, 8), (4,), (None,), (2,)),
        ((1 << 14,), (2,), (None,), (1 << 13,)),
        ((1 << 16, 1 << 16), (1 << 16, 1 << 16), (None, None), (1, 1)),
    ]:
        assert shapes.window(*wrong) is None
    x, psi = noise((1, 1, 8), "complex64"), noise((2, 3, 4, 1), "float32")
    assert not kernels.bandpass(x, psi, (None,), (2,), empty((1, 2, 4), "float32"), 1)
    assert not kernels.bandpass(x, psi[:1], (None,), (2,), empty((1, 3, 4), "float32"), 1)


def test_arrays_that_are_left_to_others() -> None:
    """Of another type or shape, or not contiguous: kernels write wherever they are told to."""
    x, z = noise((2, 8), "float32"), noise((2, 8), "complex64")
    for array, out in [
        (x, empty((2, 8), "float32")),
        (x, empty((1, 8), "complex64")),
        (x, empty((2, 16), "complex64")[:, ::2]),
        (z[::-1], empty((2, 8), "complex64")),
        (z, empty((2, 8), "complex128")),
    ]:
        assert not kernels.transform(array, 1, out, False, 1)
    mean = [band(np.full((1, 8), 1 / 8, "float32"), None, 8, 1)]
    for array, out in [(x, empty((2, 2), "float32")), (x, empty((2, 1), "float64")), (x[:, :4], x[:, :1])]:
        assert not kernels.lowpass(array, mean, out, 1)
    gradient, psi = noise((1, 3, 4), "float32"), noise((2, 3, 4, 1), "float32")
    for out in (empty((1, 1, 8), "float32"), empty((1, 1, 4), "complex64")):
        assert not kernels.bandpass_vjp(noise((1, 1, 8), "complex64"), psi, (None,), (2,), gradient, out, 1)


# -------------------------------------------------------------------------------------------- averages


def bump(outputs: int, n: int, width: int, period: int, dtype: str) -> Array:
    """Rows that are not zero within ``width`` of centres a regular distance apart."""
    away = (np.arange(n) - np.arange(outputs)[:, None] * period) % n
    near = np.minimum(away, n - away) < width
    return np.where(near, RNG.uniform(0.5, 1, (outputs, n)), 0).astype(dtype)


def averaged(x: Array, matrices: list[Array]) -> Array:
    y = x.astype(float)
    for axis, m in zip(trailing(len(matrices)), matrices, strict=True):
        y = np.moveaxis(np.moveaxis(y, axis, -1) @ m.T, -1, axis)
    return y


@precision
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("kind", ["dense", "banded", "mean"])
def test_averages_and_their_adjoints(sizes: tuple[int, ...], kind: str, dtype: str) -> None:
    matrices = []
    for n in sizes:
        count = 1 if kind == "mean" else -(-n // 2)
        m = (
            np.full((1, n), 1 / n, dtype)
            if kind == "mean"
            else bump(count, n, n if kind == "dense" else 3, 2, dtype)
        )
        matrices.append(m)
    bands = [band(m, None, m.shape[1], len(m)) for m in matrices]
    for batch, workers in BATCHES:
        x = noise((batch, 2, *sizes), dtype)
        wanted = averaged(x, matrices)
        out = empty(wanted.shape, dtype)
        assert kernels.lowpass(x, bands, out, workers)
        close(out, wanted, dtype)
        g, back = noise(wanted.shape, dtype), empty(x.shape, dtype)
        assert kernels.lowpass(g, bands, back, workers, adjoint=True)
        close(back, averaged(g, [m.T for m in matrices]), dtype)


@precision
@pytest.mark.parametrize("per", [1, 2])
@pytest.mark.parametrize("first", [True, False])
def test_averages_in_frames(first: bool, per: int, dtype: str) -> None:
    """One small matrix applied to overlapping frames that wrap around, on the first or the last axis."""
    n, hop, width, count = 96, 16, 40, 6
    small = bump(per, width, 12, hop, dtype) if per == 2 else np.hanning(width)[None].astype(dtype)
    frames = Frames(((n - 12, n), (0, n - 12)), width, hop, count)
    whole = np.zeros((count * per, n))
    for frame, o, k in itertools.product(range(count), range(per), range(width)):
        whole[frame * per + o, (n - 12 + frame * hop + k) % n] += small[o, k]
    for others in [(), (5,), (3, 5)]:
        matrices = [np.eye(k) for k in others]
        bands = [band(m.astype(dtype), None, len(m), len(m)) for m in matrices]
        at = 0 if first else len(others)
        matrices.insert(at, whole)
        bands.insert(at, band(small, frames, n, count * per))
        x = noise((2, *(m.shape[1] for m in matrices)), dtype)
        out = empty((2, *(len(m) for m in matrices)), dtype)
        assert kernels.lowpass(x, bands, out, 2)
        close(out, averaged(x, matrices), dtype)
        g, back = noise(out.shape, dtype), empty(x.shape, dtype)
        assert kernels.lowpass(g, bands, back, 2, adjoint=True)
        close(back, averaged(g, [m.T for m in matrices]), dtype)


def test_memory_that_is_given_back_is_taken_anew() -> None:
    x = np.random.default_rng(0).standard_normal((3, 8, 8))
    spectra = [np.empty(x.shape, np.complex128) for _ in range(2)]
    kernels.forget()
    assert not kernels._stacks
    for out in spectra:
        assert kernels.transform(x, 2, out, False, 1)
        assert kernels._stacks
        kernels.forget()
    np.testing.assert_array_equal(*spectra)
