"""Backward passes that compute values again: equal to those that store them, and nothing is stored."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import groupscat as gs
import groupscat.plan.pullback as rules
import groupscat.plan.recompute as transformation
from groupscat.backend import Backend, get_backend
from groupscat.backend.base import Frames, periodic_runs
from groupscat.execute import run, run_batched
from groupscat.plan.ops import Bandpass, Lowpass, Op, Power, Spectrum
from groupscat.plan.plan import Plan
from groupscat.plan.recompute import Pullback, Sum, gradient_name, gradient_plan
from tests.checks import assert_close
from tests.frameworks import needs

if importlib.util.find_spec("jax"):
    import jax

    jax.config.update("jax_enable_x64", True)


def squared(z: Any) -> Any:
    """A rho that returns real arrays, which a plan does not know."""
    return z.real * z.real


OPERATORS: dict[str, Callable[[], Any]] = {
    "1-D": lambda: gs.Scattering1D(J=4, shape=150, Q=4),
    "1-D long": lambda: gs.Scattering1D(J=3, shape=2500, Q=1),
    "1-D apart": lambda: gs.Scattering1D(J=3, shape=60, Q=2, T=0, out_type="list"),
    "1-D complex": lambda: gs.Scattering1D(J=3, shape=60, Q=2, complex_input=True),
    "2-D": lambda: gs.Scattering2D(J=2, shape=(12, 15), L=3),
    "2-D of order 3": lambda: gs.Scattering2D(J=3, shape=(16, 16), L=2, max_order=3),
    "rectifier": lambda: gs.Scattering2D(J=2, shape=(8, 8), L=2, rho="rectifier", phases=3),
    "filter bank": lambda: gs.Scattering2D(J=2, shape=(8, 8), L=2, method="cascade"),
    "harmonic": lambda: gs.HarmonicScattering3D(J=1, shape=(6, 5, 6), L=2, integral_powers=(1, 1.5, 2)),
    "time-frequency": lambda: gs.TimeFrequencyScattering(3, 2, 128, 2),
    "time-frequency apart": lambda: gs.TimeFrequencyScattering(3, 2, 128, 2, separable=True),
    "time-frequency joint": lambda: gs.TimeFrequencyScattering(3, 2, 128, 2, format="joint"),
    "roto-translation": lambda: gs.RotoTranslationScattering2D(J=2, shape=(12, 12), L=4),
    "scale-rotation": lambda: gs.ScaleRotationTranslationScattering2D(J=3, shape=(16, 16), L=4),
}
#: Those whose plans hold every operation that has a rule: XLA takes seconds to compile each of them.
FEW = ["1-D complex", "2-D", "harmonic", "time-frequency"]
CASES = [
    pytest.param(name, operator, marks=needs(name))
    for name in ("torch", "tensorflow", "jax")
    for operator in (OPERATORS if name == "torch" else FEW)
]


def noise(shape: tuple[int, ...], seed: int = 0, is_complex: bool = False) -> NDArray[Any]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    return x + 1j * rng.standard_normal(shape) if is_complex else x


def plain() -> Backend:
    """Torch without compiled kernels."""
    from groupscat_torch.backend import TorchBackend

    return TorchBackend()


class Problem:
    """A random linear function of all coefficients of a batch."""

    def __init__(self, framework: str | Backend, S: Any, batch: int = 3) -> None:
        self.xp = get_backend(framework) if isinstance(framework, str) else framework
        self.plan: Plan = S.plan
        (self.name,) = self.plan.inputs
        self.x = self.xp.asarray(noise((batch, 1, *S.shape), is_complex=S.complex_input))
        self.constants = S.constants(self.xp, "float64", self.x)
        self.weights = {}
        for k, (name, _) in enumerate(self.plan.outputs):
            register = self.plan.register[name]
            shape = (batch, *register.space.shape)
            self.weights[name] = self.xp.asarray(noise(shape, k + 1, register.is_complex))

    def gradient(self, recompute: bool) -> NDArray[Any]:
        xp = self.xp

        def value(x: Any) -> Any:
            outputs = run_batched(self.plan, x, self.constants, xp, 8, recompute=recompute)
            total: Any = 0.0
            for y, w in zip(outputs, self.weights.values(), strict=True):
                for part in (xp.real, xp.imag) if xp.is_complex(y) else (lambda z: z,):
                    product = part(y) * part(w)
                    total = total + xp.sum(product, tuple(range(len(xp.shape(y)))))
            return total

        return xp.to_numpy(xp.value_and_grad(value, self.x)[1])

    def planned(self, xp: Backend) -> NDArray[Any]:
        """The gradient by the plan of it, run as it is."""
        backward = gradient_plan(self.plan, (self.name,), tuple(self.weights))
        given = {gradient_name(name): w for name, w in self.weights.items()}
        (found,) = run(backward, {self.name: self.x, **self.constants, **given}, xp)
        return xp.to_numpy(found)


# ---------------------------------------------------------------------------------------- equal gradients


@pytest.mark.parametrize(("framework", "operator"), CASES)
def test_gradients_are_those_of_stored_values(framework: str, operator: str) -> None:
    problem = Problem(framework, OPERATORS[operator]())
    stored = problem.gradient(recompute=False)
    assert_close(problem.gradient(recompute=True), stored, stored, 1e-12)
    if framework != "jax" or operator in ("1-D complex", "time-frequency"):  # there one operation is slow
        assert_close(problem.planned(problem.xp), stored, stored, 1e-12)


@needs("torch")
@pytest.mark.parametrize("operator", OPERATORS)
def test_generic_bodies_give_the_same(operator: str) -> None:
    problem = Problem(plain(), OPERATORS[operator]())
    stored = problem.gradient(recompute=False)
    assert_close(problem.planned(problem.xp.generic), stored, stored, 1e-12)


@needs("torch")
@pytest.mark.parametrize("operator", ["1-D", "time-frequency", "harmonic"])
def test_slices_of_the_batch_join(operator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem(plain(), OPERATORS[operator](), batch=5)
    whole = problem.gradient(recompute=True)
    monkeypatch.setattr(type(problem.xp), "chunk_bytes", 1 << 12)
    batches = []

    def counted(plan: Plan, inputs: Any, backend: Backend) -> Any:
        batches.append(len(inputs[problem.name]))
        return run(plan, inputs, backend)

    monkeypatch.setattr("groupscat.execute.run", counted)
    sliced = problem.gradient(recompute=True)
    assert sum(batches) == 10  # forward and backward, in slices
    assert max(batches) < 5
    assert_close(sliced, whole, whole, 1e-12)


@needs("torch")
def test_user_functions_of_unknown_type() -> None:
    problem = Problem("torch", gs.Scattering2D(J=2, shape=(8, 8), L=2, rho=squared))
    for name in problem.weights:  # the plan takes the result to be complex
        problem.weights[name] = problem.weights[name].real
    stored = problem.gradient(recompute=False)
    assert_close(problem.gradient(recompute=True), stored, stored, 1e-12)


@needs("torch")
def test_constants_can_be_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    problem = Problem(plain(), OPERATORS["2-D"](), batch=4)
    monkeypatch.setattr(type(problem.xp), "chunk_bytes", 1 << 12)  # gradients of slices add up
    found = []
    for recompute in (False, True):
        leaves = {n: c.clone() for n, c in problem.constants.items()}
        floating = [c.requires_grad_() for c in leaves.values() if c.is_floating_point()]
        (y,) = run_batched(problem.plan, problem.x, leaves, problem.xp, 8, recompute=recompute)
        found.append(torch.autograd.grad((y * next(iter(problem.weights.values()))).sum(), floating))
    for recomputed, stored in zip(*found, strict=True):
        assert_close(recomputed.numpy(), stored.numpy(), stored.numpy(), 1e-12)


@needs("torch")
def test_some_outputs_and_odd_memory() -> None:
    import torch

    S = OPERATORS["1-D apart"]()
    base = torch.from_numpy(noise((60, 4)))
    found = []
    for x in (base.t().clone(), base.t()):
        x.requires_grad_()
        loss = sum(row["coef"].sum() for row in S(x)[2:5])
        found.append(torch.autograd.grad(loss, x)[0])
    assert torch.equal(*found)
    x = base.t().clone().requires_grad_()
    some = S.restrict([2, 3, 4])(x)
    (wanted,) = torch.autograd.grad(sum(row["coef"].sum() for row in some), x)
    assert_close(found[0].numpy(), wanted.numpy(), wanted.numpy(), 1e-12)


@needs("torch")
def test_backward_of_backward_and_of_many_at_once() -> None:
    import torch

    S = OPERATORS["2-D"]()
    x = torch.from_numpy(noise((2, *S.shape)) + 1).requires_grad_()
    y = S(x)
    (slope,) = torch.autograd.grad((y * y).sum(), x, create_graph=True)
    (twice,) = torch.autograd.grad((slope * slope).sum(), x)
    step, direction = 1e-5, torch.from_numpy(noise((2, *S.shape), 3))

    def square(z: torch.Tensor) -> torch.Tensor:
        z = z.detach().requires_grad_()
        (s,) = torch.autograd.grad((S(z) ** 2).sum(), z)
        return (s * s).sum()

    difference = (square(x + step * direction) - square(x - step * direction)) / (2 * step)
    assert abs((twice * direction).sum() - difference) < 1e-6 * abs(difference)
    rows = torch.from_numpy(noise((3, *y.shape), 4))
    y = S(x)
    (many,) = torch.autograd.grad(y, x, rows, is_grads_batched=True, retain_graph=True)
    for row, one in zip(rows, many, strict=True):
        (wanted,) = torch.autograd.grad(y, x, row, retain_graph=True)
        assert_close(one.numpy(), wanted.numpy(), wanted.numpy(), 1e-12)


@needs("torch")
def test_input_changed_between_the_passes_is_an_error() -> None:
    import torch

    S = OPERATORS["2-D"]()
    x = torch.zeros(1, *S.shape).requires_grad_()
    z = x * 1
    y = S(z)
    z += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


# ------------------------------------------------------------------------------------ nothing is stored


@needs("torch")
@pytest.mark.parametrize("operator", OPERATORS)
def test_torch_keeps_the_inputs_alone(operator: str) -> None:
    problem = Problem("torch", OPERATORS[operator]())
    problem.x.requires_grad_()
    counts = []
    for recompute in (False, True):
        with saved() as kept:
            run_batched(problem.plan, problem.x, problem.constants, problem.xp, 8, recompute=recompute)
        known = {t.data_ptr() for t in (problem.x, *problem.constants.values())}
        counts.append(sum(t.nbytes for t in kept if t.data_ptr() not in known))
    assert counts[0] > 0
    assert counts[1] == 0


@contextmanager
def saved() -> Iterator[list[Any]]:
    """The tensors that autograd saves."""
    import torch

    kept: list[Any] = []

    def pack(x: torch.Tensor) -> torch.Tensor:
        kept.append(x)
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        yield kept


@needs("jax")
def test_jax_keeps_the_inputs_alone() -> None:
    problem = Problem("jax", OPERATORS["2-D"]())
    kept = []
    for recompute in (False, True):
        call = lambda x, again=recompute: run_batched(  # noqa: E731
            problem.plan, x, problem.constants, problem.xp, 8, recompute=again
        )
        leaves = jax.tree_util.tree_leaves(jax.vjp(call, problem.x)[1])
        sizes = {id(leaf): leaf.nbytes for leaf in leaves}
        kept.append(sum(sizes.values()) - sum(c.nbytes for c in problem.constants.values() if id(c) in sizes))
    assert kept[1] < kept[0] / 4
    assert kept[1] <= problem.x.nbytes + sum(c.nbytes for c in problem.constants.values())


@pytest.mark.parametrize(
    ("S", "most"),
    [
        (gs.Scattering1D(J=6, shape=8192, Q=8), 2.7),
        (gs.Scattering2D(J=3, shape=(224, 224), L=8), 2.1),
        (gs.Scattering2D(J=2, shape=(32, 32), L=8), 1.6),
        (gs.HarmonicScattering3D(J=2, shape=(64, 64, 64), L=3), 2.2),
        (gs.TimeFrequencyScattering(8, 3, 8192, 8), 2.0),
        (gs.TimeFrequencyScattering(10, 4, 65536, 16), 2.3),
        (gs.RotoTranslationScattering2D(J=3, shape=(64, 64), L=8), 2.2),
    ],
)
def test_peak_of_a_single_signal(S: Any, most: float) -> None:
    """Values and gradients, alive at once: about twice what the plan itself has, not all that it computes."""
    backward = gradient_plan(S.plan, S.plan.inputs, tuple(name for name, _ in S.plan.outputs))
    assert backward.peak_floats <= most * S.plan.peak_floats


def test_what_no_derivative_depends_on_is_not_computed() -> None:
    """In two orders: averages never, the moduli of the second order never, all else once."""
    S = gs.Scattering2D(J=3, shape=(32, 32), L=4)
    ((out, _),) = S.plan.outputs
    ops = gradient_plan(S.plan, ("x",), (out,)).ops
    again = [op for op in ops if not isinstance(op, Pullback | Sum)]
    assert not any(isinstance(op, Lowpass) for op in again)
    spectra = {op.dst: op.srcs[0] for op in S.plan.ops if isinstance(op, Spectrum)}
    read = {op.srcs[0] for op in S.plan.ops if isinstance(op, Bandpass)}
    assert {op.dst for op in again if isinstance(op, Spectrum)} == read
    assert {op.dst for op in again if isinstance(op, Bandpass)} == {spectra[f] for f in read} - {"x"} - {
        op.dst for op in S.plan.ops if not isinstance(op, Bandpass)
    }
    assert len({op.dst for op in ops}) == len(ops)


# ------------------------------------------------------------------------------------------- adjoints


def test_adjoints_by_their_definition() -> None:
    """⟨A x, y⟩ = ⟨x, A* y⟩ with the forward operations of the protocol."""
    xp = get_backend("numpy")

    def check(forward: Callable[[Any], Any], adjoint: Callable[[Any], Any], x: NDArray[Any]) -> None:
        y = noise(forward(x).shape, 7, np.iscomplexobj(forward(x)))
        left, right = np.vdot(y, forward(x)), np.vdot(adjoint(y), x)
        assert abs(left - right) < 1e-12 * np.linalg.norm(y) * np.linalg.norm(forward(x))

    segments = (((10, 12), (0, 4)), None)
    check(
        lambda x: xp.window(x, segments), lambda y: xp.unwindow(y, segments, (12, 5)), noise((2, 3, 12, 5), 1)
    )
    overlapping = (periodic_runs(-3, 20, 12),)  # longer than the period: samples are read twice
    check(lambda x: xp.window(x, overlapping), lambda y: xp.unwindow(y, overlapping, (12,)), noise((2, 12)))
    for width, hop in ((5, 2), (4, 4), (3, 5), (7, 3)):
        check(lambda x, w=width, h=hop: xp.frame(x, w, h)[..., : 1 + (22 - w) // h, :],
              lambda y, w=width, h=hop: pad_to(xp.overlap(y, h), 22), noise((2, 3, 22)))  # fmt: skip
    filters = xp.prepare(noise((2 * 3, 4, 2, 5), 2), "filter")
    check(
        lambda x: xp.bandpass(x, filters, (((10, 12), (0, 2)), None), (2, 3)),
        lambda y: xp.bandpass_adjoint(y, filters, (((10, 12), (0, 2)), None), (2, 3), (12, 15)),
        noise((2, 3, 12, 15), 3, True),
    )
    frames = (Frames(((9, 12), (0, 8)), 5, 3, 3), None)
    matrices = (noise((2, 5), 4), noise((3, 7), 5))
    for is_complex in (False, True):
        check(
            lambda x: xp.lowpass_subsample(x, matrices, frames, (5, 3)),
            lambda y: xp.lowpass_adjoint(y, matrices, frames, (12, 7)),
            noise((2, 3, 12, 7), 6, is_complex),
        )
    mixture = noise((3, 4), 8)
    check(
        lambda x: xp.mix_channels(x, mixture, 4),
        lambda y: xp.mix_channels_adjoint(y, mixture, 4),
        noise((2, 12, 5), 9),
    )


def pad_to(x: NDArray[Any], size: int) -> NDArray[Any]:
    return np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, size - x.shape[-1])])


# -------------------------------------------------------------------------------------- planted faults


@needs("torch")
def test_planted_faults_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    xp = plain()
    linear, unspun, adjoint = rules.is_linear, rules.unspun, type(xp).bandpass_adjoint
    faults: dict[str, tuple[str, Any, str, Any]] = {
        "powers taken to be linear": (
            "harmonic", transformation, "is_linear", lambda op: linear(op) or isinstance(op, Power)
        ),
        "one of two gradients forgotten": ("2-D", Sum, "__call__", lambda self, xp, a, b: b),
        "spins exchanged": (
            "time-frequency", rules, "unspun",
            lambda xp, found, spins, z: unspun(xp, found, [-s for s in spins], z),
        ),
        "a window that stays where it is": (
            "1-D", type(xp), "unwindow",
            lambda self, x, segments, sizes: x if segments[0] is None
            else self.surround(x, [(0, sizes[0] - x.shape[-1])]),
        ),
        "a filter too many": (
            "2-D", type(xp), "bandpass_adjoint",
            lambda self, y, *a: adjoint(self, y, *a) * 1.001,
        ),
        "the value of a blank": ("2-D", rules.rule, "dispatch", lambda kind: wrong),
    }  # fmt: skip

    def wrong(op: Op, xp: Backend, values: Any, by: int, gradient: Any) -> Any:
        return values[by] * 1.0

    for operator, owner, name, fault in faults.values():
        problem = Problem(xp, OPERATORS[operator]())
        stored = problem.gradient(recompute=False)
        transformation.gradient_plan.cache_clear()
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, fault)
            with pytest.raises((AssertionError, RuntimeError)):
                assert_close(problem.gradient(recompute=True), stored, stored, 1e-12)
    transformation.gradient_plan.cache_clear()
