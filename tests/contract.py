"""The contract of a backend: subclass :class:`BackendContract`, name the backend, and run pytest.

Each primitive is compared with NumPy, each composite with its generic body (and so, through the NumPy
backend, with the definition), and whole plans of every operator with NumPy in float64.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest
import scipy.fft

import groupscat as gs
from groupscat.backend import COMPOSITES, Backend, backend_of, get_backend
from groupscat.backend.base import Frames
from groupscat.execute import run
from groupscat.scattering.operator import HALF, constant
from tests.checks import COMPLEX, noise
from tests.tolerances import TOLERANCE, assert_close

Array = Any

PRECISIONS = ("float64", "float32")

#: Every operator and every branch of its lowering, small.
OPERATORS: dict[str, Callable[[], Any]] = {
    "1-D": lambda: gs.Scattering1D(J=3, shape=40, Q=(3, 2), max_order=3),
    "1-D, circular": lambda: gs.Scattering1D(J=2, shape=15, padding="circular"),
    "1-D, zero": lambda: gs.Scattering1D(J=2, shape=21, padding="zero"),
    "1-D, edge, strided": lambda: gs.Scattering1D(J=3, shape=21, padding="edge", stride=2),
    "1-D, frames": lambda: gs.Scattering1D(J=2, shape=900, max_order=1),
    "1-D, complex": lambda: gs.Scattering1D(J=3, shape=30, Q=2, complex_input=True),
    "1-D, complex, frames": lambda: gs.Scattering1D(J=2, shape=900, max_order=1, complex_input=True),
    "1-D, unaveraged": lambda: gs.Scattering1D(J=3, shape=30, T=0, out_type="list"),
    "1-D, global": lambda: gs.Scattering1D(J=3, shape=30, T="global"),
    "1-D, rectifier": lambda: gs.Scattering1D(J=2, shape=30, rho="rectifier", phases=3),
    "1-D, pointwise": lambda: gs.Scattering1D(J=2, shape=30, rho=lambda z: z * z.conj()),
    "2-D": lambda: gs.Scattering2D(J=2, shape=(11, 8), L=3),
    "2-D, zero": lambda: gs.Scattering2D(J=2, shape=(8, 9), L=2, padding="zero"),
    "2-D, oversampled": lambda: gs.Scattering2D(J=2, shape=(8, 8), L=2, oversampling=1, padding="circular"),
    "2-D, normalised": lambda: gs.Scattering2D(J=2, shape=(8, 8), L=2, normalize="littlewood-paley"),
    "3-D": lambda: gs.Scattering3D(J=1, shape=(4, 3, 4), L=3, max_order=1),
    "cascade, 1-D": lambda: gs.Scattering1D(J=2, shape=21, Q=2, method="cascade"),
    "cascade, 2-D": lambda: gs.Scattering2D(J=2, shape=(8, 9), L=3, method="cascade", padding="zero"),
    "cascade, 3-D": lambda: gs.Scattering3D(J=1, shape=(4, 3, 4), L=3, method="cascade"),
    "harmonic, odd": lambda: gs.HarmonicScattering3D(
        J=1, shape=(5, 7, 5), L=2, integral_powers=(1.0, 2.0, 3.0)
    ),
    "harmonic, even": lambda: gs.HarmonicScattering3D(J=1, shape=(4, 6, 4), L=2, order_0=True),
    "harmonic, one m": lambda: gs.HarmonicScattering3D(J=1, shape=(5, 5, 5), L=2, rotation_covariant=False),
    "harmonic, averaged": lambda: gs.HarmonicScattering3D(J=1, shape=(8, 8, 8), L=1, T=2),
}


class BackendContract:
    """Subclass with ``name`` set to a registered backend; override ``put`` if asarray is not enough."""

    name: ClassVar[str]

    @pytest.fixture
    def xp(self) -> Backend:
        return get_backend(self.name)

    def put(self, xp: Backend, x: Any) -> Array:
        """An array of the framework with the values and the element type of ``x``."""
        x = np.asarray(x)
        return xp.asarray(x, dtype=x.dtype.name)

    def same(self, xp: Backend, found: Array, wanted: Any, precision: str = "float64") -> None:
        """``found`` is an array of the framework that equals ``wanted`` in shape and value."""
        assert xp.owns(found)
        assert_close(xp.to_numpy(found), wanted, 0.0, TOLERANCE[precision])

    # ----------------------------------------------------------------- primitives: arrays and types

    def test_owns_its_arrays_only(self, xp: Backend) -> None:
        assert xp.owns(self.put(xp, np.zeros(3)))
        assert not xp.owns([0.0])
        assert not xp.owns(None)
        assert not xp.owns("x")

    def test_is_found_by_its_arrays(self, xp: Backend) -> None:
        assert backend_of(self.put(xp, np.zeros(3))) is xp
        assert xp.name == self.name

    @pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128", "int64", "bool"])
    def test_types_survive_the_way_there_and_back(self, xp: Backend, dtype: str) -> None:
        values = (3 * noise((2, 3), is_complex=dtype.startswith("complex"))).astype(dtype)
        x = self.put(xp, values)
        assert xp.dtype(x) == dtype
        assert xp.shape(x) == (2, 3)
        assert xp.is_complex(x) == dtype.startswith("complex")
        back = xp.to_numpy(x)
        assert back.dtype == dtype
        np.testing.assert_array_equal(back, values)

    @pytest.mark.parametrize(
        "values",
        [
            noise((4, 5))[:, ::-1],
            noise((4, 5)).T,
            np.broadcast_to(noise((5,)), (4, 5)),
            np.asfortranarray(noise((4, 5))),
            noise((0, 3)),
            np.float64(2.0).reshape(()),
        ],
        ids=["reversed", "transposed", "broadcast", "Fortran", "empty", "scalar"],
    )
    def test_any_layout_becomes_an_array(self, xp: Backend, values: Any) -> None:
        np.testing.assert_array_equal(xp.to_numpy(xp.asarray(values)), values)

    def test_asarray_converts_and_follows(self, xp: Backend) -> None:
        like = self.put(xp, np.zeros(2, np.float32))
        x = xp.asarray(noise((3,)), dtype="float32", like=like)
        assert xp.dtype(x) == "float32"
        assert xp.device(x) == xp.device(like)
        assert hash(xp.device(x)) == hash(xp.device(like))
        again = xp.asarray(x)
        assert xp.owns(again)
        np.testing.assert_array_equal(xp.to_numpy(again), xp.to_numpy(x))

    def test_asarray_does_not_let_read_only_arrays_be_written(self, xp: Backend) -> None:
        values = noise((3,))
        values.setflags(write=False)
        before = values.copy()
        x = xp.asarray(values)
        with contextlib.suppress(TypeError, ValueError, RuntimeError):
            x[0] = 7.0
        np.testing.assert_array_equal(values, before)

    def test_put_on_the_default_device(self, xp: Backend) -> None:
        x = xp.put(noise((3,)), "float32")
        assert xp.owns(x)
        assert xp.dtype(x) == "float32"

    def test_put_refuses_unknown_devices_and_names_the_known(self, xp: Backend) -> None:
        with pytest.raises(gs.DeviceError, match=r"abacus.*(CPU|cpu)"):
            xp.put(noise((3,)), "float32", "abacus:7")

    def test_devices_are_named(self, xp: Backend) -> None:
        assert xp.devices()
        assert all(isinstance(name, str) and name for name in xp.devices())

    @pytest.mark.parametrize(
        ("given", "wanted"),
        [
            ("float64", "float32"), ("float32", "float64"), ("int16", "float32"), ("bool", "float32"),
            ("float32", "complex64"), ("float64", "complex128"), ("complex128", "complex64"),
            ("float32", "float16"), ("float16", "float32"), ("float64", "float64"),
        ],
    )  # fmt: skip
    def test_cast(self, xp: Backend, given: str, wanted: str) -> None:
        values = (2 * noise((2, 3), is_complex=given.startswith("complex"))).astype(given)
        y = xp.cast(self.put(xp, values), wanted)
        assert xp.dtype(y) == wanted
        np.testing.assert_array_equal(xp.to_numpy(y), values.astype(wanted))

    def test_nothing_is_traced_in_eager_code(self, xp: Backend) -> None:
        assert xp.is_tracing(self.put(xp, np.zeros(3))) is False

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_all_finite(self, xp: Backend, bad: float) -> None:
        x = noise((3, 4))
        assert xp.all_finite(self.put(xp, x)) is True
        x[1, 2] = bad
        assert xp.all_finite(self.put(xp, x)) is False
        assert xp.all_finite(self.put(xp, np.zeros((0, 3)))) is True

    @pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128", "float16"])
    def test_zeros(self, xp: Backend, dtype: str) -> None:
        like = self.put(xp, np.ones(3))
        z = xp.zeros((0, 2, 3), dtype, like)
        assert (xp.shape(z), xp.dtype(z)) == ((0, 2, 3), dtype)
        assert not xp.to_numpy(xp.zeros((2,), dtype, like)).any()

    # ------------------------------------------------------------------- primitives: rearrangement

    def test_reshape(self, xp: Backend) -> None:
        x = noise((2, 3, 4))
        for shape in [(6, 4), (-1, 2), (24,), (2, 1, 3, 4)]:
            self.same(xp, xp.reshape(self.put(xp, x), shape), x.reshape(shape))
        self.same(xp, xp.reshape(xp.moveaxis(self.put(xp, x), 0, -1), (-1,)), np.moveaxis(x, 0, -1).ravel())

    @pytest.mark.parametrize(("source", "destination"), [(0, -1), (-1, 0), (1, 2), (-2, -1), (1, 1)])
    def test_moveaxis(self, xp: Backend, source: int, destination: int) -> None:
        x = noise((2, 3, 4))
        self.same(xp, xp.moveaxis(self.put(xp, x), source, destination), np.moveaxis(x, source, destination))

    @pytest.mark.parametrize("axis", [0, 1, -1])
    def test_concat(self, xp: Backend, axis: int) -> None:
        parts = [noise((2, 3, 4), seed) for seed in range(3)]
        self.same(xp, xp.concat([self.put(xp, p) for p in parts], axis), np.concatenate(parts, axis))

    @pytest.mark.parametrize("axis", [0, 1, -1, -2])
    def test_take(self, xp: Backend, axis: int) -> None:
        x, index = noise((4, 5, 6)), np.array([3, 0, 0, 2, 1], np.int32)
        self.same(xp, xp.take(self.put(xp, x), self.put(xp, index), axis), np.take(x, index, axis))

    @pytest.mark.parametrize("dtype", ["float64", "float32", "complex64"])
    def test_where(self, xp: Backend, dtype: str) -> None:
        x = noise((3, 4), is_complex=dtype == "complex64").astype(dtype)
        condition = noise((4,), 1) > 0
        y = xp.where(self.put(xp, condition), self.put(xp, x), 0.0)
        assert xp.dtype(y) == dtype
        self.same(xp, y, np.where(condition, x, 0))

    def test_slicing_is_numpys(self, xp: Backend) -> None:
        x = noise((3, 4, 8))
        y = self.put(xp, x)
        for part in [(..., slice(1, 7, 2)), (slice(None), 0), (slice(None), slice(None), None, slice(2, 5))]:
            self.same(xp, y[part], x[part])

    # ----------------------------------------------------------------------- primitives: arithmetic

    @pytest.mark.parametrize("precision", PRECISIONS)
    @pytest.mark.parametrize("rows", [5, 1, 0])
    def test_linear(self, xp: Backend, rows: int, precision: str) -> None:
        x, m = noise((rows, 6)), noise((3, 6), 1)
        y = xp.linear(self.put(xp, x.astype(precision)), self.put(xp, m.astype(precision)))
        assert xp.dtype(y) == precision
        self.same(xp, y, x @ m.T, precision)

    @pytest.mark.parametrize("axes", [(0,), (-1,), (1, 2), (-2, -1)])
    def test_sum(self, xp: Backend, axes: tuple[int, ...]) -> None:
        x = noise((2, 3, 4))
        self.same(xp, xp.sum(self.put(xp, x), axes), x.sum(axes))

    def test_relu(self, xp: Backend) -> None:
        x = np.concatenate([noise((20,)), [0.0, -0.0]])
        self.same(xp, xp.relu(self.put(xp, x)), np.maximum(x, 0))

    @pytest.mark.parametrize("dtype", ["complex64", "complex128"])
    def test_parts_of_complex_numbers(self, xp: Backend, dtype: str) -> None:
        z = noise((3, 4), is_complex=True).astype(dtype)
        x = self.put(xp, z)
        self.same(xp, xp.real(x), z.real)
        self.same(xp, xp.imag(x), z.imag)
        joined = xp.complex(xp.real(x), xp.imag(x))
        assert xp.dtype(joined) == dtype
        self.same(xp, joined, z)
        self.same(
            xp, xp.complex(xp.real(x)[:, ::2], xp.imag(x)[:, 1::2]), z[:, ::2].real + 1j * z[:, 1::2].imag
        )

    @pytest.mark.parametrize("precision", PRECISIONS)
    @pytest.mark.parametrize("axis", [None, 1, 2, -1])
    @pytest.mark.parametrize("is_complex", [True, False])
    def test_modulus(self, xp: Backend, precision: str, axis: int | None, is_complex: bool) -> None:
        z = noise((2, 3, 4), is_complex=is_complex)
        z[0, 0, 0] = 0
        y = xp.modulus(self.put(xp, z.astype(COMPLEX[precision] if is_complex else precision)), axis)
        assert xp.dtype(y) == precision
        wanted = np.abs(z) if axis is None else np.sqrt((np.abs(z) ** 2).sum(axis))
        self.same(xp, y, wanted, precision)

    @pytest.mark.parametrize("q", [0.5, 1.0, 2.0, 3.0, 0.3, 1.5])
    def test_power(self, xp: Backend, q: float) -> None:
        x = np.concatenate([np.abs(noise((20,))), [0.0]])
        self.same(xp, xp.power(self.put(xp, x), q), x**q)

    @pytest.mark.parametrize("precision", PRECISIONS)
    @pytest.mark.parametrize("is_complex", [True, False])
    @pytest.mark.parametrize(
        ("shape", "axes"),
        [
            ((2, 8), (-1,)),
            ((2, 7), (-1,)),
            ((2, 6, 5), (-2, -1)),
            ((2, 4, 3, 5), (-3, -2, -1)),
            ((2, 1), (-1,)),
        ],
    )
    def test_fft(
        self, xp: Backend, shape: tuple[int, ...], axes: tuple[int, ...], is_complex: bool, precision: str
    ) -> None:
        x = noise(shape, is_complex=is_complex)
        given = self.put(xp, x.astype(COMPLEX[precision] if is_complex else precision))
        for found, wanted in [
            (xp.fft(given, axes), scipy.fft.fftn(x, axes=axes)),
            (xp.backward_fft(given, axes), scipy.fft.ifftn(x, axes=axes, norm="forward")),
        ]:
            assert xp.dtype(found) == COMPLEX[precision]
            self.same(xp, found, wanted, precision)

    # ----------------------------------------------------------------------- composites: overrides

    def both(
        self, xp: Backend, name: str, call: Callable[[Backend], Array], precision: str = "float64"
    ) -> None:
        """A composite and its generic body give the same; only where it is overridden can they differ."""
        assert name in COMPOSITES
        found, generic = call(xp), call(xp.generic)
        assert xp.dtype(found) == xp.dtype(generic)
        self.same(xp, found, xp.to_numpy(generic), precision)

    def filters(self, xp: Backend, values: Any, kind: Any, precision: str) -> Array:
        """Filters as this backend (or its generic body) lays them out."""
        prepared = xp.prepare(values, kind)
        return self.put(xp, prepared.astype(precision))

    def test_generic_body_is_generic(self, xp: Backend) -> None:
        for name in COMPOSITES:
            assert getattr(type(xp.generic), name) is getattr(Backend, name)
        assert xp.generic.name == self.name

    @pytest.mark.parametrize("kind", ["matrix", "index"])
    def test_matrices_and_indices_are_kept_as_they_are(self, xp: Backend, kind: Any) -> None:
        values = np.arange(6.0).reshape(2, 3)
        np.testing.assert_array_equal(xp.prepare(values, kind), values)

    @pytest.mark.parametrize("precision", PRECISIONS)
    def test_scale(self, xp: Backend, precision: str) -> None:
        z, f = noise((2, 3, 1, 6, 5), is_complex=True), noise((4, 6, 5), 1)
        x = self.put(xp, z.astype(COMPLEX[precision]))
        self.both(xp, "scale", lambda b: b.scale(x, self.filters(b, f, "filter", precision)), precision)
        self.same(xp, xp.scale(x, self.filters(xp, f, "filter", precision)), z * f, precision)

    @pytest.mark.parametrize("precision", PRECISIONS)
    def test_multiply(self, xp: Backend, precision: str) -> None:
        z, f = noise((2, 1, 1, 6, 5), is_complex=True), noise((4, 6, 5), 1, is_complex=True)
        x = self.put(xp, z.astype(COMPLEX[precision]))
        self.both(
            xp,
            "multiply",
            lambda b: b.multiply(x, self.filters(b, f, "complex_filter", precision)),
            precision,
        )
        self.same(xp, xp.multiply(x, self.filters(xp, f, "complex_filter", precision)), z * f, precision)

    @pytest.mark.parametrize("zero", [True, False])
    def test_pad(self, xp: Backend, zero: bool) -> None:
        x = self.put(xp, noise((2, 1, 3, 4)))
        rows, columns = [2, 1, 0, 1, 2, 1], [0, 0, 1, 2, 3, 3, 3]
        if zero:
            rows, columns = [-1, 0, 1, 2, -1], [0, 1, 2, 3, -1, -1]
        index = [self.put(xp, np.array(i, np.int32)) for i in (rows, columns)]
        self.both(xp, "pad", lambda b: b.pad(x, index, zero))
        values = np.pad(xp.to_numpy(x), [(0, 0), (0, 0), (0, 1), (0, 1)])  # row and column −1 are zero
        self.same(xp, xp.pad(x, index, zero), values[:, :, rows][..., columns])

    def test_pad_with_zeros_hides_nan(self, xp: Backend) -> None:
        """What index −1 would read is not multiplied away: NaN stays inside."""
        x = self.put(xp, np.array([[[1.0, 2.0, np.nan]]]))
        index = [self.put(xp, np.array([-1, 0, 1], np.int32))]
        self.same(xp, xp.pad(x, index, True), [[[0.0, 1.0, 2.0]]])

    @pytest.mark.parametrize(
        "segments", [[None, ((0, 2), (5, 8))], [((3, 6), (0, 1)), None], [((1, 2),), ((2, 3),)]]
    )
    def test_window(self, xp: Backend, segments: Any) -> None:
        x = noise((2, 3, 6, 8))
        self.both(xp, "window", lambda b: b.window(self.put(xp, x), segments))
        wanted = x
        for axis, parts in zip((-2, -1), segments, strict=True):
            if parts is not None:
                keep = np.concatenate([np.arange(lo, hi) for lo, hi in parts])
                wanted = np.take(wanted, keep, axis)
        self.same(xp, xp.window(self.put(xp, x), segments), wanted)

    @pytest.mark.parametrize("precision", PRECISIONS)
    @pytest.mark.parametrize("name", ["bandpass", "bandpass_modulus"])
    @pytest.mark.parametrize(
        ("sizes", "segments", "fold"),
        [
            ((12,), [None], (1,)),
            ((12,), [None], (3,)),
            ((12,), [((0, 3), (9, 12))], (2,)),
            ((8, 6), [None, None], (2, 1)),
            ((8, 6), [((4, 8), (0, 2)), None], (3, 2)),
            ((4, 4, 6), [None, None, ((1, 5),)], (2, 1, 2)),
        ],
    )
    def test_bandpass(
        self, xp: Backend, name: str, sizes: tuple[int, ...], segments: Any, fold: Any, precision: str
    ) -> None:
        spectrum = noise((3, 2, *sizes), is_complex=True)
        cut = get_backend("numpy").window(spectrum, segments)
        whole = noise((4, *cut.shape[2:]), 1)
        parts = [np.split(np.arange(n), k) for n, k in zip(cut.shape[2:], fold, strict=True)]
        f = np.stack([whole[(slice(None), *np.ix_(*part))] for part in itertools.product(*parts)])
        x = self.put(xp, spectrum.astype(COMPLEX[precision]))
        self.both(
            xp,
            name,
            lambda b: getattr(b, name)(x, self.filters(b, f, "filter", precision), segments, fold),
            precision,
        )
        # Directly: blocks of the windowed product, summed.
        product = cut[:, :, None] * whole
        for axis, k in enumerate(fold, start=3):
            shape = list(product.shape)
            shape[axis : axis + 1] = [k, shape[axis] // k]
            product = product.reshape(shape).sum(axis)
        z = scipy.fft.ifftn(product, axes=tuple(range(3, product.ndim)), norm="forward")
        z = z.reshape(3, 8, *z.shape[3:])
        found = getattr(xp, name)(x, self.filters(xp, f, "filter", precision), segments, fold)
        self.same(xp, found, np.abs(z) if name == "bandpass_modulus" else z, precision)

    @pytest.mark.parametrize(("sizes", "fold"), [((12,), (3,)), ((4, 6), (2, 1)), ((4, 4, 6), (2, 2, 3))])
    def test_blocks(self, xp: Backend, sizes: tuple[int, ...], fold: tuple[int, ...]) -> None:
        x = noise((2, 3, *sizes))
        parts = [np.split(np.arange(n), k) for n, k in zip(sizes, fold, strict=True)]
        for backend in (xp, xp.generic):
            found = backend.blocks(self.put(xp, x), fold)
            wanted = [x[(..., *np.ix_(*part))] for part in itertools.product(*parts)]
            for a, b in zip(found, wanted, strict=True):
                self.same(xp, a, b)

    @pytest.mark.parametrize("precision", PRECISIONS)
    @pytest.mark.parametrize("count", [1, 3])
    def test_harmonic_modulus(self, xp: Backend, count: int, precision: str) -> None:
        spectrum = noise((2, 1, 4, 3, 5), is_complex=True)
        f = noise((count, 4, 3, 5), 1, is_complex=True)
        x = self.put(xp, spectrum.astype(COMPLEX[precision]))
        self.both(
            xp,
            "harmonic_modulus",
            lambda b: b.harmonic_modulus(x, self.filters(b, f, "complex_filter", precision)),
            precision,
        )
        z = scipy.fft.ifftn(spectrum * f, axes=(-3, -2, -1), norm="forward")
        wanted = np.sqrt((np.abs(z) ** 2).sum(1))[:, None]
        found = xp.harmonic_modulus(x, self.filters(xp, f, "complex_filter", precision))
        self.same(xp, found, wanted, precision)

    @pytest.mark.parametrize("precision", PRECISIONS)
    @pytest.mark.parametrize("is_complex", [True, False])
    def test_lowpass_subsample(self, xp: Backend, is_complex: bool, precision: str) -> None:
        x = noise((2, 3, 12, 6), is_complex=is_complex)
        frames = Frames(segments=((10, 12), (0, 12), (0, 2)), width=6, hop=4, count=3)
        a, b = noise((2, 6), 1), noise((4, 6), 2)
        given = self.put(xp, x.astype(COMPLEX[precision] if is_complex else precision))
        matrices = [self.put(xp, m.astype(precision)) for m in (a, b)]
        self.both(
            xp,
            "lowpass_subsample",
            lambda body: body.lowpass_subsample(given, matrices, [frames, None], [5, 4]),
            precision,
        )
        wrapped = np.take(x, np.arange(-2, 14) % 12, -2)
        rows = np.stack([wrapped[:, :, k : k + 6] for k in (0, 4, 8)], -2)  # (B, C, 6, F, n)
        wanted = np.einsum("bcwfn,ow,pn->bcfop", rows, a, b).reshape(2, 3, 6, 4)[:, :, :5]
        self.same(xp, xp.lowpass_subsample(given, matrices, [frames, None], [5, 4]), wanted, precision)

    @pytest.mark.parametrize(("width", "hop"), [(3, 1), (4, 2), (10, 1), (5, 7)])
    def test_frame(self, xp: Backend, width: int, hop: int) -> None:
        x = noise((2, 3, 10))
        self.both(xp, "frame", lambda b: b.frame(self.put(xp, x), width, hop))
        starts = range(0, 10 - width + 1, hop)
        wanted = np.stack([x[..., s : s + width] for s in starts], -2)
        self.same(xp, xp.frame(self.put(xp, x), width, hop), wanted)

    @pytest.mark.parametrize("precision", PRECISIONS)
    @pytest.mark.parametrize(
        ("sizes", "taps", "stride"),
        [((8,), (3,), 2), ((8,), (5,), 1), ((4,), (7,), 2), ((6, 4), (3, 5), 2), ((4, 2, 6), (3, 1, 3), 2)],
    )
    def test_filterbank(
        self, xp: Backend, sizes: tuple[int, ...], taps: tuple[int, ...], stride: int, precision: str
    ) -> None:
        x, w = noise((2, 3, *sizes)), noise((4, *taps), 1)
        given, kernels = (self.put(xp, v.astype(precision)) for v in (x, w))
        self.both(xp, "filterbank", lambda b: b.filterbank(given, kernels, stride), precision)
        y = np.zeros((2, 3, 4, *sizes))
        for tap in np.ndindex(*taps):
            shift = [n // 2 - t for t, n in zip(tap, taps, strict=True)]
            rolled = np.roll(x, shift, tuple(range(2, x.ndim)))
            y += rolled[:, :, None] * w[(slice(None), *tap)].reshape(4, *[1] * len(sizes))
        wanted = y[(..., *[slice(None, None, stride)] * len(sizes))]
        self.same(xp, xp.filterbank(given, kernels, stride), wanted, precision)

    @pytest.mark.parametrize("radius", [(0, 1), (2, 0), (7, 9)])
    def test_wrap(self, xp: Backend, radius: tuple[int, int]) -> None:
        x = noise((2, 3, 4, 5))
        self.both(xp, "wrap", lambda b: b.wrap(self.put(xp, x), radius))
        widths = [(0, 0), (0, 0), *((r, r) for r in radius)]
        self.same(xp, xp.wrap(self.put(xp, x), radius), np.pad(x, widths, mode="wrap"))

    def test_compile_returns_a_function_that_gives_the_same(self, xp: Backend) -> None:
        x = self.put(xp, noise((3,)))
        self.same(xp, xp.compile(lambda v: v * 2.0)(x), 2 * xp.to_numpy(x))

    # --------------------------------------------------------------------------------- whole plans

    @pytest.mark.parametrize("precision", PRECISIONS)
    @pytest.mark.parametrize("make", OPERATORS.values(), ids=OPERATORS)
    def test_operator_equals_numpy_in_float64(self, xp: Backend, make: Any, precision: str) -> None:
        S = make()
        x = noise((2, 3, *S.shape), is_complex=S.complex_input)
        if isinstance(S, gs.HarmonicScattering3D):
            x = np.abs(x) + 0.1  # away from 0, where x^½ has no bounded derivative
        given = self.put(xp, x.astype(COMPLEX[precision] if S.complex_input else precision))
        found, wanted = S(given), S(x)
        if S.out_type == "array":
            found, wanted = [{"coef": found}], [{"coef": wanted}]
        for a, b in zip(found, wanted, strict=True):
            assert xp.owns(a["coef"])
            assert xp.dtype(a["coef"]) in (precision, COMPLEX[precision])
            assert xp.device(a["coef"]) == xp.device(given)
            assert_close(xp.to_numpy(a["coef"]), b["coef"], x, TOLERANCE[precision])

    @pytest.mark.parametrize("make", OPERATORS.values(), ids=OPERATORS)
    def test_plan_on_the_generic_bodies(self, xp: Backend, make: Any) -> None:
        S = make()
        x = self.put(xp, noise((2, 1, *S.shape), is_complex=S.complex_input))
        outputs = []
        for backend in (xp, xp.generic):
            constants = {name: constant(backend, r, "float64", x) for name, r in S.plan.constants}
            outputs.append(run(S.plan, {"x": x, **constants}, backend))
        for found, generic in zip(*outputs, strict=True):
            assert_close(xp.to_numpy(found), xp.to_numpy(generic), xp.to_numpy(x))

    @pytest.mark.parametrize("batch", [(), (1,), (2, 3), (0,), (2, 0)])
    def test_batches(self, xp: Backend, batch: tuple[int, ...]) -> None:
        for name in ("1-D", "2-D", "cascade, 1-D", "harmonic, odd", "1-D, complex"):
            S = OPERATORS[name]()
            x = noise((*batch, *S.shape), is_complex=S.complex_input)
            y = S(self.put(xp, x))
            assert xp.shape(y) == (*batch, *S.output_shape)
            assert_close(xp.to_numpy(y), S(x), x)

    @pytest.mark.parametrize("dtype", ["float16", "bool", "uint8", "int16", "int64"])
    def test_element_types_are_numpys(self, xp: Backend, dtype: str) -> None:
        S = OPERATORS["1-D"]()
        x = (3 * noise((2, 40))).clip(0).astype(dtype)
        found, wanted = S(self.put(xp, x)), S(x)
        assert xp.dtype(found) == wanted.dtype.name
        tolerance = "float16" if dtype in HALF else wanted.dtype.name
        assert_close(xp.to_numpy(found), wanted.astype("float64"), x.astype("float64"), tolerance)

    def test_one_operator_serves_every_backend(self, xp: Backend) -> None:
        S = OPERATORS["2-D"]()
        x = noise((11, 8))
        for _ in range(2):
            assert isinstance(S(x), np.ndarray)
            assert xp.owns(S(self.put(xp, x)))

    @pytest.mark.parametrize("chunk_bytes", [None, 1, 20_000])
    def test_chunks_change_nothing(
        self, xp: Backend, chunk_bytes: int | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        S = OPERATORS["2-D"]()
        x = noise((7, 11, 8))
        monkeypatch.setattr(xp, "chunk_bytes", chunk_bytes)
        assert_close(xp.to_numpy(S(self.put(xp, x))), S(x), x)
