"""Whole plans: every operator on the backend against NumPy in float64."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from numpy.typing import NDArray

import groupscat as gs
from groupscat.backend import COMPOSITES, Array, Backend
from groupscat.execute import constant, runner
from groupscat.scattering import Operator
from groupscat.scattering.operator import HALF
from groupscat.testing import strategies
from groupscat.testing.base import COMPLEX, PRECISIONS, Contract, noise
from groupscat.testing.tolerances import TOLERANCE, assert_close

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
    "1-D, pointwise": lambda: gs.Scattering1D(J=2, shape=30, rho=lambda z: z * z),
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
    "roto-translation": lambda: gs.RotoTranslationScattering2D(J=2, shape=(9, 8), L=4),
    "roto-translation, samples": lambda: gs.RotoTranslationScattering2D(
        J=2, shape=(8, 8), L=2, average_angle=False, complex_input=True, padding="circular"
    ),
    "roto-translation, separable": lambda: gs.RotoTranslationScattering2D(
        J=2, shape=(8, 7), L=4, group="separable"
    ),
    "scale-rotation": lambda: gs.ScaleRotationTranslationScattering2D(
        J=3, shape=(8, 8), L=2, padding="circular"
    ),
    "time-frequency": lambda: gs.TimeFrequencyScattering(J=3, J_fr=2, shape=40, Q=3),
    "time-frequency, joint": lambda: gs.TimeFrequencyScattering(J=3, J_fr=1, shape=33, Q=4, format="joint"),
    "time-frequency, some": lambda: gs.TimeFrequencyScattering(J=3, J_fr=2, shape=40, Q=3).restrict(
        [14, 9, 1]
    ),
}


def example(S: Operator, batch: tuple[int, ...] = (2, 3), seed: int = 0) -> NDArray[Any]:
    """Noise of the operator's shape; positive for solid harmonics: x^½ has no bounded derivative at 0."""
    x = noise((*batch, *S.shape), seed, is_complex=S.complex_input)
    return np.abs(x) + 0.1 if isinstance(S, gs.HarmonicScattering3D) else x


class OperatorContract(Contract):
    """Operators: numbers, batch shapes, element types, gradients, compilation, threads."""

    def given(self, S: Operator, x: NDArray[Any], precision: str = "float64") -> Array:
        """x as an input of S in the framework."""
        return self.put(x.astype(COMPLEX[precision] if S.complex_input else precision))

    def compare(self, S: Operator, x: NDArray[Any], precision: str) -> None:
        """S on this backend in ``precision`` against S on NumPy in float64."""
        given = self.given(S, x, precision)
        found, wanted = S(given), S(x)
        if S.out_type == "array":
            found, wanted = [{"coef": found}], [{"coef": wanted}]
        for a, b in zip(found, wanted, strict=True):
            assert self.xp.owns(a["coef"])
            assert self.xp.dtype(a["coef"]) in (precision, COMPLEX[precision])
            assert self.xp.device(a["coef"]) == self.xp.device(given)
            assert_close(self.xp.to_numpy(a["coef"]), b["coef"], x, TOLERANCE[precision])

    @pytest.mark.parametrize("precision", PRECISIONS)
    @pytest.mark.parametrize("name", OPERATORS)
    def test_operator_equals_numpy_in_float64(self, name: str, precision: str) -> None:
        S = OPERATORS[name]()
        self.compare(S, example(S), precision)

    @pytest.mark.parametrize("precision", PRECISIONS)
    def test_drawn_operators_equal_numpy_in_float64(self, precision: str) -> None:
        """Any options, any signal, any batch shape; circular padding and T=0 and odd sides among them."""

        def check(data: Any, S: gs.Scattering, batch: tuple[int, ...]) -> None:
            if S.out_type == "array":
                self.compare(S, data.draw(strategies.signals((*batch, *S.shape), S.complex_input)), precision)

        self.for_all(check, data=st.data(), S=strategies.operators(), batch=strategies.batches)

    @pytest.mark.parametrize("name", OPERATORS)
    def test_plan_on_the_generic_bodies(self, name: str) -> None:
        if all(getattr(type(self.xp), body) is getattr(Backend, body) for body in COMPOSITES):
            pytest.skip(f"{self.name} overrides no composite")
        S = OPERATORS[name]()
        x = self.put(noise((2, 1, *S.shape), is_complex=S.complex_input))
        outputs = []
        for backend in (self.xp, self.xp.generic):
            with backend.scope(x):
                constants = {name: constant(backend, r, "float64", x) for name, r in S.plan.constants}
                outputs.append(runner(S.plan, backend)({"x": x, **constants}))
        for found, generic in zip(*outputs, strict=True):
            assert_close(self.xp.to_numpy(found), self.xp.to_numpy(generic), self.xp.to_numpy(x))

    @pytest.mark.parametrize("batch", [(), (1,), (2, 3), (0,), (2, 0), (101,)])
    @pytest.mark.parametrize("name", ["1-D", "2-D", "cascade, 1-D", "harmonic, odd", "1-D, complex"])
    def test_batches(self, name: str, batch: tuple[int, ...]) -> None:
        S = OPERATORS[name]()
        x = noise((*batch, *S.shape), is_complex=S.complex_input)
        y = S(self.put(x))
        assert self.xp.shape(y) == (*batch, *S.output_shape)
        assert_close(self.xp.to_numpy(y), S(x), x)

    @pytest.mark.parametrize("dtype", ["float16", "bool", "uint8", "int16", "int64"])
    def test_element_types_are_numpys(self, dtype: str) -> None:
        S = OPERATORS["1-D"]()
        x = (3 * noise((2, 40))).clip(0).astype(dtype)
        found, wanted = S(self.put(x)), S(x)
        assert self.xp.dtype(found) == wanted.dtype.name
        tolerance = "float16" if dtype in HALF else wanted.dtype.name
        assert_close(self.xp.to_numpy(found), wanted.astype("float64"), x.astype("float64"), tolerance)

    def test_wrong_input_is_refused(self) -> None:
        S = gs.Scattering2D(J=1, shape=(8, 6), L=2, check_finite=True)
        with pytest.raises(gs.ShapeError, match=r"built for shape \(8, 6\).*\(6, 8\)"):
            S(self.put(np.zeros((6, 8))))
        with pytest.raises(gs.DtypeError, match="complex_input=True"):
            S(self.put(np.zeros((8, 6), np.complex64)))
        with pytest.raises(gs.NotFiniteError, match="NaN"):
            S(self.put(np.full((8, 6), np.nan)))

    def test_input_is_left_as_it_was(self) -> None:
        for name in ("1-D", "1-D, unaveraged", "1-D, complex", "2-D", "cascade, 1-D", "harmonic, odd"):
            S = OPERATORS[name]()
            x = example(S, (2,))
            given = self.given(S, x)
            y = S(given)
            np.testing.assert_array_equal(self.xp.to_numpy(given), x, err_msg=name)
            for part in [y] if S.out_type == "array" else [row["coef"] for row in y]:
                assert not np.shares_memory(self.xp.to_numpy(part), self.xp.to_numpy(given)), name

    def test_same_input_gives_the_same_again(self) -> None:
        S = OPERATORS["2-D"]()
        x = self.put(example(S))
        first = self.xp.to_numpy(S(x)).copy()
        np.testing.assert_array_equal(self.xp.to_numpy(S(x)), first)

    def test_one_operator_serves_every_backend(self) -> None:
        S = OPERATORS["2-D"]()
        x = noise((11, 8))
        for _ in range(2):
            assert isinstance(S(x), np.ndarray)
            assert self.xp.owns(S(self.put(x)))

    @pytest.mark.parametrize("chunk_bytes", [None, 1, 20_000])
    def test_chunks_change_nothing(self, chunk_bytes: int | None) -> None:
        S = OPERATORS["2-D"]()
        x = noise((7, 11, 8))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(self.xp, "chunk_bytes", chunk_bytes)
            assert_close(self.xp.to_numpy(S(self.put(x))), S(x), x)

    def test_one_operator_in_many_threads(self) -> None:
        """Called at once from eight threads, first of all while its constants are being made."""
        S = OPERATORS["2-D"]()
        signals = [example(S, (2,), seed) for seed in range(8)]
        found: dict[int, Array] = {}
        start = threading.Barrier(len(signals))

        def call(k: int) -> None:
            x = self.put(signals[k])
            start.wait()
            for _ in range(3):
                found[k] = self.xp.to_numpy(S(x))

        threads = [threading.Thread(target=call, args=(k,)) for k in range(len(signals))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for k, x in enumerate(signals):
            assert_close(found[k], S(x), x)

    def test_compiled_operator_gives_the_same(self) -> None:
        for name in ("1-D", "2-D", "cascade, 2-D"):
            S = OPERATORS[name]()
            x = example(S)
            self.same(self.xp.compile(S)(self.put(x)), S(x))

    # ------------------------------------------------------------------------------------ gradients

    @pytest.mark.parametrize(
        "name",
        # Those left out have the same operations as smaller ones.
        sorted(set(OPERATORS) - {"1-D, frames", "1-D, complex, frames", "1-D, unaveraged", "3-D"}),
    )
    def test_gradients_are_finite_and_right(self, name: str) -> None:
        S = OPERATORS[name]()
        if isinstance(S, gs.HarmonicScattering3D):
            S = S.replace(max_order=1, J=0, integral_powers=(1.0, 2.0), **({"T": 1} if S.T == 2 else {}))
        if getattr(S, "max_order", 2) > 2:
            S = S.replace(max_order=2)
        x, weight = noise(S.shape, is_complex=S.complex_input), noise(S.output_shape, 1)
        direction = noise(S.shape, 2, is_complex=S.complex_input)
        w = self.put(weight)

        def loss(z: Array) -> Array:
            y = S(z)
            y = self.xp.real(y) if self.xp.is_complex(y) else y
            return self.xp.sum(y * w, tuple(range(len(S.output_shape))))

        gradient = self.gradient(loss, x)
        assert np.isfinite(gradient).all()
        step = 1e-6

        def value(t: float) -> float:
            return float((S(x + t * direction).real * weight).sum())

        slope = (value(step) - value(-step)) / (2 * step)
        found = float((gradient.conj() * direction).real.sum())
        assert found == pytest.approx(slope, rel=1e-5, abs=1e-7)

    @pytest.mark.parametrize("level", [0.0, 1.0])
    @pytest.mark.parametrize(
        "name", ["1-D", "2-D", "cascade, 2-D", "harmonic, even", "1-D, complex", "1-D, rectifier"]
    )
    def test_gradient_of_zero_and_constants_is_finite(self, name: str, level: float) -> None:
        S = OPERATORS[name]()
        x = np.full(S.shape, level, "complex128" if S.complex_input else "float64")
        axes = tuple(range(len(S.output_shape)))
        assert np.isfinite(self.gradient(lambda z: self.xp.sum(self.xp.modulus(S(z)), axes), x)).all()

    @pytest.mark.parametrize("is_complex", [False, True])
    def test_value_and_grad(self, is_complex: bool) -> None:
        """Σ|z²|² has the gradient 4|z|²z; z itself and what else depends on it stay as they are."""
        xp, x = self.xp, noise((3, 4), is_complex=is_complex)
        if not xp.differentiates:
            with pytest.raises(gs.BackendError, match="no gradients"):
                xp.value_and_grad(lambda z: z, self.put(x))
            return

        def function(z: Array) -> Array:
            return xp.sum(xp.power(xp.modulus(z * z), 2.0), (0, 1))

        given = self.put(x)
        value, gradient = xp.value_and_grad(function, given)
        self.same(value, (abs(x) ** 4).sum())
        self.same(gradient, 4 * abs(x) ** 2 * x)
        assert xp.dtype(gradient) == xp.dtype(given)
        self.same(given, x)
        single, slope = xp.value_and_grad(lambda z: xp.sum(z * z, (0, 1)), self.put(x.real.astype("float32")))
        assert (xp.dtype(single), xp.dtype(slope)) == ("float32", "float32")
        self.same(slope, 2 * x.real, "float32")

    def test_gradients(self) -> None:
        """Of x·|x| + 2 Σ y²: by x, y, and 0 by what it does not depend on; and what else is computed."""
        xp = self.xp
        if not xp.differentiates:
            pytest.skip("no gradients, as test_value_and_grad has seen")

        def function(xs: dict[str, Array]) -> tuple[Array, dict[str, Array]]:
            squares = xp.sum(xs["y"] * xs["y"], (0,))
            value = xp.sum(xs["x"] * xp.modulus(xs["x"]), (0, 1)) + squares * 2.0
            return value, {"squares": squares, "y": xs["y"]}

        x, y, z = noise((3, 4)), noise((5,), 1), noise((2,), 2)
        given = {"x": self.put(x), "y": self.put(y), "z": self.put(z)}
        value, others, found = xp.gradients(function, given)
        self.same(value, (x * abs(x)).sum() + 2 * (y**2).sum())
        self.same(others["squares"], (y**2).sum())
        self.same(others["y"], y)
        assert list(found) == ["x", "y", "z"]
        for name, wanted in (("x", 2 * abs(x)), ("y", 4 * y), ("z", 0 * z)):
            self.same(found[name], wanted)
        self.same(given["y"], y)
        again = xp.gradients(function, {name: found[name] for name in given})[2]  # nothing is recorded
        self.same(again["y"], 16 * y)

    def test_mixed_precision(self) -> None:
        """Products are rounded to 8 bits, sums are not; or there is no such precision, which is said."""
        xp, x = self.xp, noise((3, 3)).astype(np.float32)
        given = self.put(x)
        try:
            scope = xp.mixed(given)
        except gs.BackendError:
            return
        with scope:
            product, total = xp.cast(xp.matmul(given, given), "float32"), xp.sum(given, (0,))
        error = np.abs(xp.to_numpy(product) - x @ x).max()
        assert 1e-5 < error < 0.05
        self.same(total, x.sum(0), "float32")

    def test_one_process(self) -> None:
        processes, x = self.xp.processes(), self.put(noise((3,)))
        assert (processes.rank, processes.count, processes.same("a")) == (0, 1, "a")
        self.same(processes.total({"x": x})["x"], noise((3,)))

    def test_modulus_and_power_have_gradient_zero_at_zero(self) -> None:
        def summed(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
            return lambda x: self.xp.sum(function(x), (0,))

        xp = self.xp
        for function in (xp.modulus, lambda x: xp.power(x, 0.5), lambda x: xp.power(x, 0.3)):
            np.testing.assert_array_equal(self.gradient(summed(function), np.zeros(3)), 0)
        z = np.zeros((3, 2), np.complex128)
        np.testing.assert_array_equal(self.gradient(lambda v: xp.sum(xp.modulus(v), (0, 1)), z), 0)
        np.testing.assert_array_equal(self.gradient(summed(lambda v: xp.modulus(v, 1)), z), 0)


class InterchangeContract(Contract):
    """``groupscat.convert``: to NumPy and back, sharing memory only where nobody can be surprised."""

    @pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128", "int64", "bool"])
    def test_values_and_types_are_kept(self, dtype: str) -> None:
        x = (3 * noise((2, 3, 4), is_complex=dtype.startswith("complex"))).astype(dtype)
        y = gs.convert(x, self.name)
        assert self.xp.owns(y)
        assert self.xp.dtype(y) == dtype
        np.testing.assert_array_equal(self.xp.to_numpy(y), x)
        back = gs.convert(y, "numpy")
        assert (type(back), back.dtype) == (np.ndarray, x.dtype)
        np.testing.assert_array_equal(back, x)

    @pytest.mark.parametrize("layout", ["reversed", "read-only", "transposed", "broadcast", "empty"])
    def test_unusual_memory_is_safe(self, layout: str) -> None:
        """Frameworks abort on negative strides and let one write to read-only memory: copied instead."""
        base = noise((4, 5))
        x = {
            "reversed": base[::-1], "read-only": base.view(), "transposed": base.T,
            "broadcast": np.broadcast_to(base[0], (4, 5)), "empty": base[:0],
        }[layout]  # fmt: skip
        if layout == "read-only":
            x.setflags(write=False)
        y = gs.convert(x, self.name)
        np.testing.assert_array_equal(self.xp.to_numpy(y), x)
        if layout in ("reversed", "read-only", "broadcast"):
            before = self.xp.to_numpy(y).copy()
            base += 1.0
            if self.name != "numpy":
                np.testing.assert_array_equal(self.xp.to_numpy(y), before)

    def test_copies_are_independent(self) -> None:
        x = noise((3, 4))
        y = gs.convert(x, self.name, copy=True)
        before = x.copy()
        x += 1.0
        np.testing.assert_array_equal(self.xp.to_numpy(y), before)

    def test_arrays_that_never_change_do_not_share_with_those_that_do(self) -> None:
        x = noise((3, 4))
        before = x.copy()
        y = gs.convert(x, self.name)
        x += 1.0
        wanted = x if self.xp.mutable and np.shares_memory(self.xp.to_numpy(y), x) else before
        np.testing.assert_array_equal(self.xp.to_numpy(y), wanted)
        if not self.xp.mutable:
            with pytest.raises(gs.ArgumentError, match="copy=False"):
                gs.convert(x, self.name, copy=False)

    def test_own_arrays_are_passed_on(self) -> None:
        y = self.put(noise((3,)))
        assert gs.convert(y, self.name) is y

    def test_sharing_verbs_agree(self) -> None:
        """What a backend exports it can read, on the same memory or not at all."""
        x = self.put(noise((3, 4)))
        try:
            exported = self.xp.to_dlpack(x)
        except BufferError:
            pytest.skip(f"{self.name} does not share memory")
        assert hasattr(exported, "__dlpack__")
        assert hasattr(exported, "__dlpack_device__")
        self.same(self.xp.from_dlpack(exported), self.xp.to_numpy(x))

    def test_features_of_one_framework_in_another(self) -> None:
        S = OPERATORS["2-D"]()
        x = example(S)
        y = gs.convert(S(gs.convert(x, self.name)), "numpy")
        assert_close(y, S(x), x)
