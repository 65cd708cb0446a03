"""The primitives, each against NumPy: values, element types, shapes, layouts."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import numpy as np
import pytest
import scipy.fft
from hypothesis import strategies as st

import groupscat as gs
from groupscat.backend import backend_of
from groupscat.testing import strategies
from groupscat.testing.base import COMPLEX, PRECISIONS, Contract, noise
from groupscat.testing.tolerances import TOLERANCE, assert_close


class PrimitiveContract(Contract):
    """One test per primitive at least; what a primitive must do is the docstring in the protocol."""

    def test_owns_its_arrays_only(self) -> None:
        assert self.xp.owns(self.put(np.zeros(3)))
        assert not self.xp.owns([0.0])
        assert not self.xp.owns(None)
        assert not self.xp.owns("x")

    def test_is_found_by_its_arrays(self) -> None:
        assert backend_of(self.put(np.zeros(3))) is self.xp
        assert self.xp.name == self.name

    @pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128", "int64", "bool"])
    def test_types_survive_the_way_there_and_back(self, dtype: str) -> None:
        values = (3 * noise((2, 3), is_complex=dtype.startswith("complex"))).astype(dtype)
        x = self.put(values)
        assert self.xp.dtype(x) == dtype
        assert self.xp.shape(x) == (2, 3)
        assert self.xp.is_complex(x) == dtype.startswith("complex")
        back = self.xp.to_numpy(x)
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
    def test_any_layout_becomes_an_array(self, values: Any) -> None:
        np.testing.assert_array_equal(self.xp.to_numpy(self.xp.asarray(values)), values)

    def test_asarray_converts_and_follows(self) -> None:
        like = self.put(np.zeros(2, np.float32))
        x = self.xp.asarray(noise((3,)), dtype="float32", like=like)
        assert self.xp.dtype(x) == "float32"
        assert self.xp.device(x) == self.xp.device(like)
        assert hash(self.xp.device(x)) == hash(self.xp.device(like))
        again = self.xp.asarray(x)
        assert self.xp.owns(again)
        np.testing.assert_array_equal(self.xp.to_numpy(again), self.xp.to_numpy(x))

    def test_asarray_does_not_let_read_only_arrays_be_written(self) -> None:
        values = noise((3,))
        values.setflags(write=False)
        before = values.copy()
        x = self.xp.asarray(values)
        with contextlib.suppress(TypeError, ValueError, RuntimeError):
            x[0] = 7.0
        np.testing.assert_array_equal(values, before)

    def test_put_on_the_default_device(self) -> None:
        x = self.xp.put(noise((3,)), "float32")
        assert self.xp.owns(x)
        assert self.xp.dtype(x) == "float32"

    def test_put_refuses_unknown_devices_and_names_the_known(self) -> None:
        with pytest.raises(gs.DeviceError, match=r"abacus.*(CPU|cpu)"):
            self.xp.put(noise((3,)), "float32", "abacus:7")

    def test_devices_are_named(self) -> None:
        assert self.xp.devices()
        assert all(isinstance(name, str) and name for name in self.xp.devices())

    @pytest.mark.parametrize(
        ("given", "wanted"),
        [
            ("float64", "float32"), ("float32", "float64"), ("int16", "float32"), ("bool", "float32"),
            ("float32", "complex64"), ("float64", "complex128"), ("complex128", "complex64"),
            ("float32", "float16"), ("float16", "float32"), ("float64", "float64"),
        ],
    )  # fmt: skip
    def test_cast(self, given: str, wanted: str) -> None:
        self.require(given, wanted)
        values = (2 * noise((2, 3), is_complex=given.startswith("complex"))).astype(given)
        y = self.xp.cast(self.put(values), wanted)
        assert self.xp.dtype(y) == wanted
        np.testing.assert_array_equal(self.xp.to_numpy(y), values.astype(wanted))

    def test_nothing_is_traced_in_eager_code(self) -> None:
        assert self.xp.is_tracing(self.put(np.zeros(3))) is False

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_all_finite(self, bad: float) -> None:
        x = noise((3, 4))
        assert self.xp.all_finite(self.put(x)) is True
        x[1, 2] = bad
        assert self.xp.all_finite(self.put(x)) is False
        assert self.xp.all_finite(self.put(np.zeros((0, 3)))) is True

    @pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128", "float16"])
    def test_zeros(self, dtype: str) -> None:
        self.require(dtype)
        like = self.put(np.ones(3))
        z = self.xp.zeros((0, 2, 3), dtype, like)
        assert (self.xp.shape(z), self.xp.dtype(z)) == ((0, 2, 3), dtype)
        assert not self.xp.to_numpy(self.xp.zeros((2,), dtype, like)).any()

    # ------------------------------------------------------------------- primitives: rearrangement

    def test_reshape(self) -> None:
        x = noise((2, 3, 4))
        for shape in [(6, 4), (-1, 2), (24,), (2, 1, 3, 4)]:
            self.same(self.xp.reshape(self.put(x), shape), x.reshape(shape))
        self.same(self.xp.reshape(self.xp.moveaxis(self.put(x), 0, -1), (-1,)), np.moveaxis(x, 0, -1).ravel())

    @pytest.mark.parametrize(("source", "destination"), [(0, -1), (-1, 0), (1, 2), (-2, -1), (1, 1)])
    def test_moveaxis(self, source: int, destination: int) -> None:
        x = noise((2, 3, 4))
        self.same(self.xp.moveaxis(self.put(x), source, destination), np.moveaxis(x, source, destination))

    @pytest.mark.parametrize("axis", [0, 1, -1])
    def test_concat(self, axis: int) -> None:
        parts = [noise((2, 3, 4), seed) for seed in range(3)]
        self.same(self.xp.concat([self.put(p) for p in parts], axis), np.concatenate(parts, axis))

    @pytest.mark.parametrize("axis", [0, 1, -1, -2])
    def test_take(self, axis: int) -> None:
        x, index = noise((4, 5, 6)), np.array([3, 0, 0, 2, 1], np.int32)
        self.same(self.xp.take(self.put(x), self.put(index), axis), np.take(x, index, axis))

    @pytest.mark.parametrize("dtype", ["float64", "float32", "complex64"])
    def test_where(self, dtype: str) -> None:
        x = noise((3, 4), is_complex=dtype == "complex64").astype(dtype)
        condition = noise((4,), 1) > 0
        x[:, ~condition] = np.nan  # chosen, not multiplied away
        y = self.xp.where(self.put(condition), self.put(x), 0.0)
        assert self.xp.dtype(y) == dtype
        self.same(y, np.where(condition, x, 0))

    def test_what_is_used_as_it_is(self) -> None:
        """Slicing, + − * and comparison are NumPy's; the protocol has no verbs for them."""
        x = noise((3, 4, 8))
        y = self.put(x)
        for part in [
            (..., slice(1, 7, 2)),
            (slice(None), 0, ...),
            (slice(None), slice(None), None, slice(2, 5), ...),
            (slice(1, 2), ...),
            (..., slice(2, None), slice(None, 3)),
        ]:
            self.same(y[part], x[part])
        self.same(2.0 * y - y * y + (-y) * 0.5, 2.0 * x - x * x + (-x) * 0.5)
        index = np.array([-1, 0, 2], np.int32)
        np.testing.assert_array_equal(self.xp.to_numpy(self.put(index) >= 0), index >= 0)

    def test_drawn_rearrangements(self) -> None:
        def check(data: Any, shape: tuple[int, ...]) -> None:
            x = noise(shape)
            y = self.put(x)
            a, b = (data.draw(st.integers(-len(shape), len(shape) - 1)) for _ in range(2))
            self.same(self.xp.moveaxis(y, a, b), np.moveaxis(x, a, b))
            self.same(self.xp.concat([y, y], a), np.concatenate([x, x], a))
            self.same(self.xp.reshape(self.xp.moveaxis(y, a, b), (-1,)), np.moveaxis(x, a, b).reshape(-1))
            index = np.array(
                data.draw(st.lists(st.integers(0, shape[a] - 1), min_size=1, max_size=6)), np.int32
            )
            self.same(self.xp.take(y, self.put(index), a), np.take(x, index, a))
            self.same(self.xp.sum(y, (a,)), x.sum(a))

        self.for_all(check, data=st.data(), shape=strategies.grids)

    def test_drawn_transforms(self) -> None:
        def check(data: Any, shape: tuple[int, ...], is_complex: bool, precision: str) -> None:
            x = data.draw(strategies.signals(shape, is_complex))
            axes = tuple(range(-data.draw(st.integers(1, min(3, len(shape)))), 0))
            given = self.put(x.astype(COMPLEX[precision] if is_complex else precision))
            total = math.prod(shape[k] for k in axes) * np.abs(x).max(initial=0.0) + 1e-300
            for found, wanted in [
                (self.xp.fft(given, axes), scipy.fft.fftn(x, axes=axes)),
                (self.xp.backward_fft(given, axes), scipy.fft.ifftn(x, axes=axes, norm="forward")),
            ]:
                assert self.xp.dtype(found) == COMPLEX[precision]
                assert_close(self.xp.to_numpy(found), wanted, total, TOLERANCE[precision])

        self.for_all(
            check,
            data=st.data(),
            shape=strategies.grids,
            is_complex=st.booleans(),
            precision=st.sampled_from(PRECISIONS),
        )

    # ----------------------------------------------------------------------- primitives: arithmetic

    @pytest.mark.parametrize("precision", PRECISIONS)
    @pytest.mark.parametrize("rows", [5, 1, 0])
    def test_linear(self, rows: int, precision: str) -> None:
        x, m = noise((rows, 6)), noise((3, 6), 1)
        y = self.xp.linear(self.put(x.astype(precision)), self.put(m.astype(precision)))
        assert self.xp.dtype(y) == precision
        self.same(y, x @ m.T, precision)

    @pytest.mark.parametrize("precision", PRECISIONS)
    @pytest.mark.parametrize(
        ("left", "right"),
        [
            ((3, 4), (4, 5)),
            ((2, 3, 4), (2, 4, 5)),
            ((2, 1, 3, 4), (6, 4, 1)),
            ((6, 3, 4), (2, 1, 4, 5)),
            ((0, 3, 4), (4, 5)),
            ((1, 1), (5, 1, 2)),
        ],
    )
    def test_matmul(self, left: tuple[int, ...], right: tuple[int, ...], precision: str) -> None:
        x, y = noise(left), noise(right, 1)
        found = self.xp.matmul(self.put(x.astype(precision)), self.put(y.astype(precision)))
        assert self.xp.dtype(found) == precision
        self.same(found, x @ y, precision)

    @pytest.mark.parametrize("precision", PRECISIONS)
    @pytest.mark.parametrize("axes", [(0,), (-1,), (1, 2), (-2, -1), (0, 2)])
    def test_max(self, axes: tuple[int, ...], precision: str) -> None:
        x = noise((2, 3, 4)).astype(precision) - 5  # all negative: 0 is no maximum
        found = self.xp.max(self.put(x), axes)
        assert self.xp.dtype(found) == precision
        np.testing.assert_array_equal(self.xp.to_numpy(found), x.max(axes))

    @pytest.mark.parametrize("axes", [(0,), (-1,), (1, 2), (-2, -1)])
    def test_sum(self, axes: tuple[int, ...]) -> None:
        x = noise((2, 3, 4))
        self.same(self.xp.sum(self.put(x), axes), x.sum(axes))
        for order in ((2, 0, 1), (0, 2, 1), (2, 1, 0)):  # the axes of the result are those of x, in order
            moved = self.xp.permute(self.put(x), order)
            self.same(self.xp.sum(moved, axes), np.transpose(x, order).sum(axes))

    def test_relu(self) -> None:
        x = np.concatenate([noise((20,)), [0.0, -0.0]])
        self.same(self.xp.relu(self.put(x)), np.maximum(x, 0))
        index = self.xp.relu(self.put(np.array([-1, 0, 3], np.int32)))
        assert self.xp.dtype(index) == "int32"
        np.testing.assert_array_equal(self.xp.to_numpy(index), [0, 0, 3])

    def test_exp(self) -> None:
        x = np.concatenate([noise((20,)), [0.0, -800.0]])
        self.same(self.xp.exp(self.put(x)), np.exp(x))
        single = x.astype(np.float32)
        self.same(self.xp.exp(self.put(single)), np.exp(single), "float32")

    def test_gradient_of_exp(self) -> None:
        x = noise((20,))
        assert_close(self.gradient(lambda z: self.xp.sum(self.xp.exp(z), (0,)), x), np.exp(x))

    def test_log(self) -> None:
        x = np.concatenate([np.exp(noise((20,))), [1.0, 1e-30]])
        self.same(self.xp.log(self.put(x)), np.log(x))
        single = x.astype(np.float32)
        self.same(self.xp.log(self.put(single)), np.log(single), "float32")

    def test_gradient_of_log(self) -> None:
        x = np.exp(noise((20,)))
        assert_close(self.gradient(lambda z: self.xp.sum(self.xp.log(z), (0,)), x), 1 / x)

    @pytest.mark.parametrize("dtype", ["complex64", "complex128"])
    def test_parts_of_complex_numbers(self, dtype: str) -> None:
        z = noise((3, 4), is_complex=True).astype(dtype)
        x = self.put(z)
        self.same(self.xp.real(x), z.real)
        self.same(self.xp.imag(x), z.imag)
        joined = self.xp.complex(self.xp.real(x), self.xp.imag(x))
        assert self.xp.dtype(joined) == dtype
        self.same(joined, z)
        self.same(
            self.xp.complex(self.xp.real(x)[:, ::2], self.xp.imag(x)[:, 1::2]),
            z[:, ::2].real + 1j * z[:, 1::2].imag,
        )

    @pytest.mark.parametrize("precision", PRECISIONS)
    @pytest.mark.parametrize("axis", [None, 1, 2, -1])
    @pytest.mark.parametrize("is_complex", [True, False])
    def test_modulus(self, precision: str, axis: int | None, is_complex: bool) -> None:
        z = noise((2, 3, 4), is_complex=is_complex)
        z[0, 0, 0] = 0
        y = self.xp.modulus(self.put(z.astype(COMPLEX[precision] if is_complex else precision)), axis)
        assert self.xp.dtype(y) == precision
        wanted = np.abs(z) if axis is None else np.sqrt((np.abs(z) ** 2).sum(axis))
        self.same(y, wanted, precision)

    @pytest.mark.parametrize("q", [0.5, 1.0, 2.0, 3.0, 0.3, 1.5])
    def test_power(self, q: float) -> None:
        x = np.concatenate([np.abs(noise((20,))), [0.0]])
        self.same(self.xp.power(self.put(x), q), x**q)

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
        self, shape: tuple[int, ...], axes: tuple[int, ...], is_complex: bool, precision: str
    ) -> None:
        x = noise(shape, is_complex=is_complex)
        given = self.put(x.astype(COMPLEX[precision] if is_complex else precision))
        for found, wanted in [
            (self.xp.fft(given, axes), scipy.fft.fftn(x, axes=axes)),
            (self.xp.backward_fft(given, axes), scipy.fft.ifftn(x, axes=axes, norm="forward")),
        ]:
            assert self.xp.dtype(found) == COMPLEX[precision]
            self.same(found, wanted, precision)
        self.same(given, x, precision)  # left as it was
