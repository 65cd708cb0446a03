"""Plans as programs of the kernels: memory, threads that share a signal, planted faults."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import groupscat as gs
from groupscat.backend.base import Backend
from groupscat.backend.numpy import NumPyBackend
from groupscat.execute import constant, run
from groupscat.plan.along import LowModulus, SpinModulus
from groupscat.plan.constants import Order
from groupscat.plan.ops import Op
from groupscat.plan.paths import Paths
from groupscat.plan.plan import Plan, Register
from groupscat.plan.recompute import gradient_name, gradient_plan
from groupscat.space import Axis, Space
from groupscat.testing.tolerances import assert_close
from groupscat_native import kernels, library, threads
from groupscat_native.memory import ALIGNED, places
from tests.frameworks import missing

if library.load()[0] is None:
    pytest.skip(f"no compiled kernels: {library.load()[1]}", allow_module_level=True)

from groupscat_native import parameters, plans, program, steps
from groupscat_native.plans import Programs
from groupscat_native.pointers import Memory
from groupscat_native.program import Unknown

Array = np.ndarray[Any, Any]
TOLERANCE = {"float32": 1e-5, "float64": 1e-13}
OPERATORS: dict[str, Callable[[], Any]] = {
    "time-frequency": lambda: gs.TimeFrequencyScattering(J=5, shape=300, J_fr=3, Q=4),
    "time-frequency, joint": lambda: gs.TimeFrequencyScattering(J=5, shape=300, J_fr=3, Q=4, format="joint"),
    "time-frequency, separable": lambda: gs.TimeFrequencyScattering(
        J=4, shape=200, J_fr=2, Q=4, separable=True, F="global"
    ),
    "time-frequency, some": lambda: gs.TimeFrequencyScattering(
        J=4, shape=200, J_fr=2, Q=4, exclude=("order 0", "psi_t phi_f", "psi_t psi_f-")
    ),
    "time-frequency, unaveraged": lambda: gs.TimeFrequencyScattering(
        J=4, shape=200, J_fr=2, Q=4, T=0, F=0, out_type="list"
    ),
    "1-D": lambda: gs.Scattering1D(J=4, shape=100, Q=(2, 2), max_order=3),
    "1-D, unaveraged": lambda: gs.Scattering1D(J=3, shape=64, T=0, out_type="list"),
    "2-D": lambda: gs.Scattering2D(J=2, shape=(17, 20), L=3),
    "2-D, circular, global": lambda: gs.Scattering2D(
        J=2, shape=(16, 12), L=3, T="global", padding="circular"
    ),
    "2-D, unaveraged": lambda: gs.Scattering2D(J=2, shape=(17, 20), L=3, T=0, out_type="list"),
    "roto-translation": lambda: gs.RotoTranslationScattering2D(J=2, shape=(13, 12), L=4),
    "roto-translation, separable": lambda: gs.RotoTranslationScattering2D(
        J=2, shape=(13, 12), L=3, group="separable"
    ),
    "scale-rotation": lambda: gs.ScaleRotationTranslationScattering2D(J=3, shape=(16, 16), L=3),
    "solid harmonic": lambda: gs.HarmonicScattering3D(
        J=2, shape=(8, 9, 8), L=2, integral_powers=(1, 2, 3), order_0=True
    ),
    "solid harmonic, averaged": lambda: gs.HarmonicScattering3D(
        J=1, shape=(8, 6, 8), L=1, T=2, integral_powers=(1, 2)
    ),
    "3-D": lambda: gs.Scattering3D(J=1, shape=(6, 5, 8), L=2),
}


def signals(plan: Plan, dtype: str, batch: int) -> dict[str, Array]:
    """Data inputs of a plan."""
    rng = np.random.default_rng(0)
    data = {}
    for name in plan.inputs:
        register = plan.register[name]
        x = rng.standard_normal((batch, *register.space.shape))
        if register.is_complex:
            x = x + 1j * rng.standard_normal(x.shape)
        data[name] = x.astype(
            {"float32": "complex64"}.get(dtype, "complex128") if np.iscomplexobj(x) else dtype
        )
    return data


def of(arrays: Iterable[Array]) -> list[Memory]:
    return [Memory.of(x) for x in arrays]


def compare(plan: Plan, dtype: str, batch: int, workers: int, plain: Backend) -> None:
    """A program against the operations one by one, those of a backend without kernels."""
    data = signals(plan, dtype, batch)
    theirs = {name: plain.asarray(x.copy()) for name, x in data.items()}
    constants = {name: constant(plain, recipe, dtype, None) for name, recipe in plan.constants}
    wanted = [plain.to_numpy(y) for y in run(plan, {**theirs, **constants}, plain)]
    backend = gs.get_backend("numpy")
    kernel = {name: np.ascontiguousarray(constant(backend, r, dtype, None)) for name, r in plan.constants}
    found = [np.full(y.shape, np.nan, y.dtype) for y in wanted]
    mine = {name: x.copy() for name, x in data.items()}
    assert Programs(plan, kernel, dtype)(of(mine.values()), of(found), workers)
    for name, x in mine.items():
        np.testing.assert_array_equal(x, data[name], err_msg="an input was written to")
    for a, b in zip(found, wanted, strict=True):
        assert_close(a, b, np.abs(b).max(initial=1e-30), TOLERANCE[dtype])


def backward(plan: Plan) -> Plan:
    return gradient_plan(plan, plan.inputs, tuple(name for name, _ in plan.outputs))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads begin at little work, and take little at a time."""
    monkeypatch.setattr(kernels, "ENOUGH", 1000)
    monkeypatch.setattr(program, "GRAIN", 100)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", OPERATORS)
def test_programs_equal_operations(name: str, dtype: str, small: None) -> None:
    plan = OPERATORS[name]().plan
    for batch, workers in ((1, 1), (1, 3), (2, 2), (5, 2)):
        compare(plan, dtype, batch, workers, NumPyBackend())


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", [name for name in OPERATORS if "unaveraged" not in name])
def test_programs_of_gradients_equal_operations(name: str, dtype: str, small: None) -> None:
    plan = backward(OPERATORS[name]().plan)
    assert gradient_name("x") in dict(plan.outputs)
    for batch, workers in ((1, 1), (1, 3), (5, 2)):
        compare(plan, dtype, batch, workers, differentiating())


def differentiating() -> Backend:
    """A backend without kernels that has gradients of all operations."""
    if missing("torch"):
        pytest.skip('pip install "groupscat[torch]"')
    from groupscat_torch.backend import TorchBackend

    return TorchBackend()


def test_a_thread_that_comes_late(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a thread that has not begun: here the others begin when the first one has ended."""
    monkeypatch.setattr(kernels, "share", lambda calls: [call() for call in calls])
    compare(OPERATORS["time-frequency"]().plan, "float64", 1, 3, NumPyBackend())


def test_more_threads_than_cores(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads.os, "cpu_count", lambda: 8)
    monkeypatch.setattr(threads, "_pool", None)
    monkeypatch.setattr(threads, "_team", None)
    for _ in range(5):
        compare(OPERATORS["time-frequency"]().plan, "float64", 2, 8, NumPyBackend())


def three_at_once(function: int, data: int) -> None:
    """The threads of somebody else, one more than there are calls."""
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(function)
    others = [threading.Thread(target=call, args=(data,)) for _ in range(3)]
    for thread in others:
        thread.start()
    for thread in others:
        thread.join()


def test_threads_of_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_team", three_at_once)
    who: list[int] = []

    def call(k: int) -> int:
        who.append(threading.get_ident())
        return k

    assert threads.share([partial(call, k) for k in range(2)]) == [0, 1]
    assert len(who) == 2
    assert threading.get_ident() not in who
    for batch in 1, 5:
        compare(OPERATORS["time-frequency"]().plan, "float64", batch, 2, NumPyBackend())


@pytest.mark.parametrize("fault", [ValueError, KeyboardInterrupt])
def test_faults_in_threads_of_somebody_else_arrive(fault: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_team", three_at_once)

    def call() -> None:
        raise fault("in a thread")

    with pytest.raises(fault, match="in a thread"):
        threads.share([call, lambda: None])


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("spins", kernels.SPINS, ids=str)
@pytest.mark.parametrize("with_average", [True, False])
@pytest.mark.parametrize("parts", [1, 2])
def test_along_rows(parts: int, with_average: bool, spins: tuple[int, ...], dtype: str) -> None:
    """|Σ_r ψ(λ, r) x(r, t)|, of ψ̄ for the other spin, and its gradient in closed form."""
    count, planar, rng = 5, any(spins), np.random.default_rng(0)

    def noise(*shape: int) -> Array:
        return rng.standard_normal(shape).astype(dtype)

    for n, t, workers in [(1, 1, 1), (7, 33, 1), (37, 65, 2), (16, 200, 2)]:
        psi = noise(count * (1 + planar), n)
        psi[:, : n // 3] = 0
        average = noise(3, count) if with_average else None
        w = psi[:count].astype(complex) + (1j * psi[count:] if planar else 0)
        mean = np.eye(count) if average is None else average.astype(float)
        x = noise(2, parts, n, t)
        u = x[:, 0].astype(complex) + (1j * x[:, 1] if parts == 2 else 0)
        turned = [w.conj() if spin < 0 else w for spin in spins]
        z = np.stack([m @ u for m in turned], 1)
        wanted = (mean @ np.abs(z)).reshape(2, -1, t)
        g = noise(*wanted.shape)
        slope = (mean.T @ g.reshape(2, len(spins), -1, t)) * z / np.abs(z)
        dx = sum(m.conj().T @ slope[:, k] for k, m in enumerate(turned))
        constants = {"psi": psi} | ({} if average is None else {"mean": average})
        op = SpinModulus(("x", *constants), "y", spins) if planar else LowModulus(("x", *constants), "y")
        plan = alone(op, x.shape[1:], wanted.shape[1:], constants)
        (y,) = called(plan, constants, [x], workers)
        size = np.abs(wanted).max()
        assert_close(y, wanted, size, TOLERANCE[dtype])
        (back,) = called(gradient_plan(plan, ("x",), ("y",)), constants, [x, g], workers)
        nearest = max(1e-4, np.abs(z).min() / np.abs(z).max())
        size = np.abs(dx).max() / nearest
        assert_close(back, np.stack([dx.real, dx.imag][:parts], 1), size, TOLERANCE[dtype])


def alone(op: Op, given_: tuple[int, ...], made: tuple[int, ...], constants: dict[str, Array]) -> Plan:
    """The plan of one operation; its constants are given by name, with no recipe."""
    axes = [Space(tuple(Axis(f"a{k}", n) for k, n in enumerate(shape))) for shape in (given_, made)]
    registers = (("x", Register(axes[0])), ("y", Register(axes[1])))
    return Plan(
        ("x",), tuple((name, Order(())) for name in constants), (op,), registers, (("y", ()),), Paths(())
    )


def called(plan: Plan, constants: dict[str, Array], data: list[Array], workers: int) -> list[Array]:
    dtype = data[0].dtype.name
    out = [np.full((2, *plan.register[name].space.shape), np.nan, dtype) for name, _ in plan.outputs]
    assert Programs(plan, constants, dtype)(of(data), of(out), workers)
    return out


def test_operations_that_are_left_to_others() -> None:
    psi, x = np.ones((4, 7), "float32"), (1, 7, 5)
    for made, constants in [
        ((5, 5), {"psi": psi}),
        ((4, 5), {"psi": psi.astype("float64")}),
        ((2, 5), {"psi": psi, "mean": np.ones((2, 3), "float32")}),
    ]:
        plan = alone(LowModulus(("x", *constants), "y"), x, made, constants)
        with pytest.raises(Unknown):
            Programs(plan, constants, "float32")
    plan = alone(LowModulus(("x", "psi"), "y"), x, (4, 5), {"psi": psi})
    program_ = Programs(plan, {"psi": psi}, "float32")
    out = np.empty((1, 4, 5), "float32")
    assert program_(of([np.ones((1, *x), "float32")]), of([out]), 1)
    assert not program_(of([np.ones((1, 1, 6, 5), "float32")]), of([out]), 1)
    assert not program_(of([np.ones((1, *x))]), of([out]), 1)
    assert not program_(of([np.ones((1, *x), "float32")]), of([out[:, :3]]), 1)


lives = st.none() | st.tuples(st.integers(0, 9), st.integers(0, 9)).map(sorted).map(tuple)


@given(st.lists(st.tuples(st.integers(1, 99), lives), max_size=12))
def test_registers_that_live_together_do_not_overlap(registers: list[tuple[int, Any]]) -> None:
    sizes, alive = [size for size, _ in registers], [life for _, life in registers]
    begins, total = places(sizes, alive)
    for k, life in enumerate(alive):
        if life is None:
            continue
        assert begins[k] % ALIGNED == 0
        assert begins[k] + sizes[k] <= total
        for j in range(k):
            if alive[j] is not None and alive[j][0] <= life[1] and life[0] <= alive[j][1]:
                assert begins[j] + sizes[j] <= begins[k] or begins[k] + sizes[k] <= begins[j]


def test_memory_is_used_again() -> None:
    """A program takes less than its registers do together, and not much more than live at once."""
    plan = OPERATORS["time-frequency"]().plan
    backend = gs.get_backend("numpy")
    kernel = {name: np.ascontiguousarray(constant(backend, r, "float32", None)) for name, r in plan.constants}
    made = plans.steps(plan, kernel, "float32", False)
    memory = program.placed(made)[1]
    assert memory < sum(made.sizes) / 2
    assert memory < 1.5 * plan.peak_floats


def test_large_memory_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a call leaves for the next one is bounded; the next one takes it anew."""
    trimmed = []
    original = library.library().stack_trim
    monkeypatch.setattr(kernels, "KEPT", 1 << 12)

    def trim(stack: int, most: int) -> None:
        trimmed.append(most)
        original(stack, most)

    monkeypatch.setattr(library.library(), "stack_trim", trim)
    for _ in range(3):
        compare(OPERATORS["time-frequency"]().plan, "float64", 2, 1, NumPyBackend())
    assert trimmed
    assert set(trimmed) == {1 << 12}


# ----------------------------------------------------------------------------------------------- faults


def one_register(patch: Any) -> None:
    """Two registers share memory at the same time."""
    original = program.places

    def overlapping(sizes: Any, lives: Any) -> Any:
        begins, total = original(sizes, lives)
        used = [k for k, life in enumerate(lives) if life is not None]
        at = max(used, key=lambda k: begins[k])
        return [0 if k == at else begin for k, begin in enumerate(begins)], total

    patch.setattr(program, "places", overlapping)


def other_spins(patch: Any) -> None:
    original = steps.along
    patch.setattr(
        steps, "along", lambda op, spins, *rest: original(op, tuple(-spin for spin in spins), *rest)
    )


def no_average(patch: Any) -> None:
    original = parameters.rows

    def rows(matrix: Array, parts: int = 1) -> Any:
        found = original(matrix, parts)
        return found if parts > 1 or len(matrix) == 1 else original(np.eye(*matrix.shape, dtype=matrix.dtype))

    patch.setattr(parameters, "rows", rows)


def changed(name: str, change: Callable[[Any], Any]) -> Callable[[Any], None]:
    """Steps of a kind are changed as they are added."""

    def plant(patch: Any) -> None:
        original = program.Steps.add

        def add(self: Any, kind: str, units: int, cost: float, operands: Any, **more: Any) -> Any:
            step = original(self, kind, units, cost, operands, **more)
            if kind == name:
                change(step)
            return step

        patch.setattr(program.Steps, "add", add)

    return plant


def one_unit_less(step: Any) -> None:
    step.units -= step.units > 1


def rolled(step: Any) -> None:
    step.index = np.roll(step.index, 1)


def never_added(step: Any) -> None:
    """A sum of gradients forgets the first."""
    step.operands[0] = None


FAULTS: dict[str, tuple[str, bool, Callable[[Any], None]]] = {
    "registers share memory": ("time-frequency", False, one_register),
    "wavelets of the other spin": ("time-frequency", False, other_spins),
    "responses left out": ("time-frequency", False, changed("bandpass", one_unit_less)),
    "averages left out": ("time-frequency", False, changed("lowpass", one_unit_less)),
    "tiles left out": ("time-frequency", False, changed("along", one_unit_less)),
    "average along rows dropped": ("time-frequency", False, no_average),
    "coefficients in another order": ("time-frequency", False, changed("take", rolled)),
    "gradients in another order": ("2-D", True, changed("take", rolled)),
    "a gradient not added": ("2-D", True, changed("sum", never_added)),
    "gradients of some wavelets left out": ("2-D", True, changed("bandpass_vjp_shared", one_unit_less)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_is_caught(fault: str, small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    name, is_gradient, plant = FAULTS[fault]
    plan = OPERATORS[name]().plan
    plant(monkeypatch)
    plan, plain = (backward(plan), differentiating()) if is_gradient else (plan, NumPyBackend())
    with pytest.raises(AssertionError):
        compare(plan, "float64", 1, 2, plain)
