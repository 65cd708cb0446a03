"""Constraints on matrices against their singular values, in every framework; tight frames; faults planted."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import groupscat as gs
from groupscat import nn
from groupscat.backend import Backend
from groupscat.nn.constraint import Parseval, SpectralBound
from groupscat.plan.nn_ops import MixChannels
from groupscat.testing import assert_close
from tests.frameworks import missing, needs

if not missing("jax"):
    import jax

    jax.config.update("jax_enable_x64", True)

FRAMEWORKS = ["numpy", *(pytest.param(name, marks=needs(name)) for name in ("torch", "tensorflow", "jax"))]
F64 = NDArray[np.float64]
NUMPY = gs.get_backend("numpy")
SHAPES = [(1, 1), (3, 3), (2, 7), (7, 2), (40, 30)]


def matrix(*shape: int, seed: int = 0, scale: float = 1.0) -> F64:
    return np.random.default_rng(seed).normal(size=shape) * scale


def by_singular_values(w: F64, change: Callable[[F64], F64]) -> F64:
    u, s, v = np.linalg.svd(w, full_matrices=False)
    return np.asarray((u * change(s)) @ v)


# ------------------------------------------------------------------------------------- the norm is bounded


def check_bound(constraint: SpectralBound) -> None:
    """The definition by singular values: W divided by its Schatten norm where that is above the bound."""
    p = 2.0 ** (constraint.squarings + 2)
    for shape in SHAPES:
        for scale in (1e-9, 0.1, 1.0, 1e9):
            w = matrix(*shape, scale=scale)
            s = np.linalg.svd(w)[1]
            schatten = s.max() * np.sum((s / s.max()) ** p) ** (1 / p)
            found = constraint(NUMPY, w)
            assert_close(found, w / max(1.0, schatten / constraint.bound), tolerance=1e-12)
            norm = np.linalg.norm(found, 2)
            assert norm <= constraint.bound * (1 + 1e-12)
            least = min(constraint.bound, float(s.max())) * min(shape) ** (-1 / p)
            assert norm >= least * (1 - 1e-12)
            assert_close(constraint(NUMPY, found), found, tolerance=1e-12)


@pytest.mark.parametrize(
    "constraint", [SpectralBound(), SpectralBound(bound=0.3, squarings=0), SpectralBound(2.0, 10)]
)
def test_the_norm_is_bounded_and_hardly_more(constraint: SpectralBound) -> None:
    check_bound(constraint)


def test_what_keeps_the_bound_stays_as_it_is() -> None:
    w = matrix(5, 4, scale=0.1)
    np.testing.assert_array_equal(SpectralBound()(NUMPY, w), w)
    np.testing.assert_array_equal(SpectralBound()(NUMPY, 0 * w), 0 * w)


@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1.0, 1e30])
def test_no_overflow_in_single_precision(scale: float) -> None:
    w = (matrix(30, 20) * scale).astype(np.float32)
    found = SpectralBound()(NUMPY, w)
    assert found.dtype == np.float32
    wanted = w.astype(float) / max(1.0, np.linalg.norm(w.astype(float), 2))
    assert np.abs(found - wanted).max() <= 0.02 * np.abs(wanted).max()


# ------------------------------------------------------------------------------------------ tight frames


def check_parseval(step: Parseval) -> None:
    """On singular values it is σ ← (1 + β) σ − β σ³."""
    for shape in SHAPES:
        w = matrix(*shape, scale=0.5)
        wanted = by_singular_values(w, lambda s: (1 + step.rate) * s - step.rate * s**3)
        assert_close(step(NUMPY, w), wanted, tolerance=1e-12)


@pytest.mark.parametrize("rate", [5e-4, 0.1, 0.5])
def test_a_step_towards_a_tight_frame(rate: float) -> None:
    check_parseval(Parseval(rate))


def test_newton_schulz_reaches_the_nearest_tight_frame() -> None:
    w = matrix(6, 3, scale=0.3)
    wanted = by_singular_values(w, np.ones_like)
    for _ in range(40):
        w = np.asarray(Parseval(rate=0.5)(NUMPY, w))
    assert_close(w, wanted, tolerance=1e-12)
    assert_close(w.T @ w, np.eye(3), tolerance=1e-12)


def test_published_steps_keep_a_frame_that_moves() -> None:
    """After every small step away from it, as training makes them, the frame stays tight within 2 %."""
    rng, w = np.random.default_rng(1), np.linalg.qr(matrix(32, 8))[0]
    free = w
    for _ in range(4000):
        noise = 1e-4 * rng.normal(size=w.shape)
        w, free = np.asarray(Parseval()(NUMPY, w + noise)), free + noise
    assert np.abs(w.T @ w - np.eye(8)).max() < 0.02
    assert np.abs(free.T @ free - np.eye(8)).max() > 0.0005


def check_tight_frame() -> None:
    """Fᵀ ρ(F x) written as sums, at every point."""
    for rho, by_hand in (
        (None, lambda z: np.sign(z) * np.maximum(abs(z) - 1.5 / np.sqrt(5), 0)),
        (nn.ReLU(threshold=0.2), lambda z: np.maximum(z - 0.2, 0)),
    ):
        network = nn.Network([nn.TightFrame(5, rho)], (3, 2, 4))
        f, x = matrix(5, 3), matrix(2, 3, 2, 4, seed=1)
        z = np.zeros((2, 5, 2, 4))
        for p in range(5):
            for c in range(3):
                z[:, p] += f[p, c] * x[:, c]
        z, wanted = by_hand(z), np.zeros_like(x)
        for c in range(3):
            for p in range(5):
                wanted[:, c] += f[p, c] * z[:, p]
        assert network.parameters == {"0.weight": (5, 3)}
        assert_close(nn.apply(network, {"0.weight": f}, {}, x)[0], wanted, tolerance=1e-12)


def test_a_tight_frame_is_its_sums() -> None:
    check_tight_frame()


def test_a_tight_frame_without_shrinking_is_the_identity() -> None:
    network = nn.Network([nn.TightFrame(12, nn.SoftThreshold(1e-300))], (5, 3))
    x = matrix(2, 5, 3)
    assert_close(nn.apply(network, nn.init(network, 3, "float64")[0], {}, x)[0], x, tolerance=1e-12)


# --------------------------------------------------------------------------------------------- networks

BOUNDED = nn.Network(
    [
        nn.Conv1x1(4, constraint=SpectralBound(bound=0.5)),
        nn.DivisiveNorm(),
        nn.TightFrame(6, rate=0.25),
        nn.Residual([nn.Conv1x1(4, bias=False, constraint=Parseval(rate=0.5))]),
        nn.Flatten(),
        nn.Dense(3, constraint=SpectralBound()),
        nn.Dense(3),
    ],
    (3, 2, 2),
)


def test_a_network_names_its_constraints() -> None:
    assert BOUNDED.constraints == {
        "0.weight": SpectralBound(bound=0.5),
        "2.weight": Parseval(rate=0.25),
        "3.body.0.weight": Parseval(rate=0.5),
        "5.weight": SpectralBound(),
    }
    assert set(nn.plain_cnn(K=2).constraints) == set()
    assert "constraint=SpectralBound(bound=0.5)" in str(BOUNDED)


def test_constraints_hold_from_the_start() -> None:
    p = nn.init(BOUNDED, 5, "float64")[0]
    assert np.linalg.norm(p["0.weight"], 2) <= 0.5 * (1 + 1e-12)
    assert np.linalg.norm(p["5.weight"], 2) <= 1 + 1e-12
    assert_close(p["2.weight"].T @ p["2.weight"], np.eye(4), tolerance=1e-12)
    assert_close(p["3.body.0.weight"].T @ p["3.body.0.weight"], np.eye(4), tolerance=1e-12)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_constrain_is_the_same_in_every_framework(framework: str) -> None:
    xp = gs.get_backend(framework)
    p = {name: matrix(*shape, seed=k) for k, (name, shape) in enumerate(BOUNDED.parameters.items())}
    before = {name: w.copy() for name, w in p.items()}
    given = {name: xp.put(w, "float64") for name, w in p.items()}
    found = nn.constrain(BOUNDED, given)
    assert list(found) == list(p)
    for name, w in p.items():
        constraint = BOUNDED.constraints.get(name)
        wanted = constraint(NUMPY, w) if constraint else w
        assert_close(xp.to_numpy(found[name]), wanted, tolerance=1e-12)
        np.testing.assert_array_equal(xp.to_numpy(given[name]), before[name])
        assert constraint or found[name] is given[name]


@pytest.mark.parametrize(
    "framework", [pytest.param(name, marks=needs(name)) for name in ("tensorflow", "jax")]
)
def test_constrain_compiles(framework: str) -> None:
    xp = gs.get_backend(framework)
    given = {name: xp.put(matrix(*shape), "float64") for name, shape in BOUNDED.parameters.items()}
    found = nn.constrain(BOUNDED, given)
    compiled = xp.compile(lambda weights: nn.constrain(BOUNDED, weights))(given)
    for name in given:
        assert_close(xp.to_numpy(compiled[name]), xp.to_numpy(found[name]), tolerance=1e-12)


def test_half_precision_is_computed_in_single() -> None:
    network = nn.Network([nn.Dense(2, bias=False, constraint=SpectralBound())], (2,))
    w = np.diag([4.0, 1.0]).astype("float16")
    found = nn.constrain(network, {"0.weight": w})["0.weight"]
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found, np.diag([1.0, 0.25]).astype("float16"))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_bounded_network_is_the_same_in_every_framework(framework: str) -> None:
    xp, x = gs.get_backend(framework), matrix(4, 3, 2, 2, seed=3)
    p, s = nn.init(BOUNDED, 2, "float64")
    wanted, _ = nn.apply(BOUNDED, p, s, x)
    put = {name: xp.put(w, "float64") for name, w in p.items()}
    assert_close(xp.to_numpy(nn.apply(BOUNDED, put, {}, xp.put(x, "float64"))[0]), wanted, tolerance=1e-10)


def test_a_specification_with_constraints_survives_json(tmp_path: Path) -> None:
    again = nn.from_config(json.loads(json.dumps(nn.to_config(BOUNDED))))
    assert again == BOUNDED
    assert again.constraints == BOUNDED.constraints
    pytest.importorskip("safetensors", reason='pip install "groupscat[safetensors]"')
    model = nn.Model(BOUNDED, *nn.init(BOUNDED, 1))
    nn.save(model, tmp_path / "model.safetensors")
    loaded = nn.load(tmp_path / "model.safetensors")
    assert loaded.spec == BOUNDED
    x = matrix(2, 3, 2, 2).astype("float32")
    np.testing.assert_array_equal(loaded(x), model(x))


@needs("torch")
def test_gradients() -> None:
    import torch

    import groupscat.torch

    net = groupscat.torch.Network(BOUNDED, dtype=torch.float64, seed=0)
    names = list(BOUNDED.parameters)
    x = torch.from_numpy(matrix(2, 3, 2, 2)).requires_grad_()

    def run(x: Any, *parameters: Any) -> Any:
        return torch.func.functional_call(net, dict(zip(names, parameters, strict=True)), (x,))

    given = [p.detach().clone().requires_grad_() for p in net.parameters()]
    assert torch.autograd.gradcheck(run, (x, *given))


@needs("torch")
def test_a_trained_module_keeps_its_constraints() -> None:
    import torch

    import groupscat.torch

    net = groupscat.torch.Network(BOUNDED, dtype=torch.float64, seed=0)
    x, step = torch.from_numpy(matrix(8, 3, 2, 2)), torch.optim.SGD(net.parameters(), lr=0.5)
    loose = []
    for _ in range(5):
        step.zero_grad()
        net(x).square().mean().neg().backward()
        step.step()
        loose.append(float(torch.linalg.matrix_norm(net.state_dict()["5.weight"], 2)))
        net.load_state_dict(nn.constrain(net.spec, net.state_dict()))
        norms = {k: float(torch.linalg.matrix_norm(net.state_dict()[k], 2)) for k in BOUNDED.constraints}
        assert norms["0.weight"] <= 0.5 * (1 + 1e-12)
        assert norms["5.weight"] <= 1 + 1e-12
    assert max(loose) > 1.01


def test_a_constraint_of_ones_own() -> None:
    @dataclass(frozen=True, repr=False)
    class NotNegative(nn.Constraint):
        def __call__(self, xp: Backend, w: Any) -> Any:
            return xp.relu(w)

    network = nn.Network([nn.Dense(2, bias=False, constraint=NotNegative())], (2,))
    with pytest.raises(gs.ArgumentError, match="not registered"):
        nn.to_config(network)
    nn.register(NotNegative)
    assert nn.from_config(nn.to_config(network)) == network
    w = np.array([[-1.0, 2.0], [3.0, -4.0]])
    np.testing.assert_array_equal(nn.constrain(network, {"0.weight": w})["0.weight"], np.maximum(w, 0))
    with pytest.raises(gs.ArgumentError, match="Layer or Constraint"):
        nn.register(dict)  # type: ignore[type-var]


# ------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: SpectralBound(bound=0), gs.ArgumentError, "bound=0"),
        (lambda: SpectralBound(squarings=-1), gs.ArgumentError, "squarings=-1"),
        (lambda: Parseval(rate=0.6), gs.ArgumentError, "rate=0.6"),
        (lambda: nn.Dense(3, constraint="norm"), gs.ArgumentError, "constraint='norm'.*SpectralBound"),  # type: ignore[arg-type]
        (lambda: nn.Conv1x1(3, constraint=Parseval), gs.ArgumentError, "Parseval.. or None"),  # type: ignore[arg-type]
        (lambda: nn.TightFrame(3, rho=nn.Flatten()), gs.ArgumentError, r"rho=Flatten\(\)"),  # type: ignore[arg-type]
        (lambda: nn.TightFrame(3, rate=2), gs.ArgumentError, "rate=2"),
        (lambda: nn.ReLU(threshold=-1), gs.ArgumentError, "threshold=-1"),
        (lambda: nn.constrain(BOUNDED, {}), gs.ArgumentError, r"missing \['0.weight'"),
        (
            lambda: nn.constrain(BOUNDED, {k: np.zeros(3) for k in BOUNDED.parameters}),
            gs.ShapeError,
            r"'0.weight'.*\(3,\); expected \(4, 3\)",
        ),
    ],
)
def test_values_that_cannot_be(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


# --------------------------------------------------------------------------------------- planted faults


def frobenius(self: SpectralBound, xp: Backend, w: Any) -> Any:
    """An upper bound, but a loose one."""
    return np.sqrt((w * w).sum()).reshape(1, 1)


def one_power_iteration(self: SpectralBound, xp: Backend, w: Any) -> Any:
    """A lower bound."""
    v = w.T @ np.ones(len(w))
    return (np.linalg.norm(w @ v) / np.linalg.norm(v)).reshape(1, 1)


def without_the_last_root(self: SpectralBound, xp: Backend, w: Any) -> Any:
    return np.linalg.norm(w, 2).reshape(1, 1) ** 2


def wrong_order(self: Parseval, xp: Backend, w: Any) -> Any:
    return w * (1 + self.rate) - self.rate * w * np.square(w).sum()


def wrong_sign(self: Parseval, xp: Backend, w: Any) -> Any:
    return w * (1 + self.rate) + self.rate * w @ w.T @ w


def back_by_another_matrix(self: MixChannels, xp: Backend, *args: Any) -> Any:
    x, w = args
    return xp.matmul(w.T / 2 if self.transposed else w, x)


def frame_mixed_up(self: MixChannels, xp: Backend, *args: Any) -> Any:
    x, w = args
    return xp.matmul(w[::-1].T if self.transposed else w, x)


@pytest.mark.parametrize("fault", [frobenius, one_power_iteration, without_the_last_root])
def test_a_wrong_norm_is_noticed(fault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SpectralBound, "norm", fault)
    with pytest.raises(AssertionError):
        check_bound(SpectralBound())


@pytest.mark.parametrize("fault", [wrong_order, wrong_sign])
def test_a_wrong_step_is_noticed(fault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Parseval, "__call__", fault)
    with pytest.raises(AssertionError):
        check_parseval(Parseval())


@pytest.mark.parametrize("fault", [back_by_another_matrix, frame_mixed_up])
def test_a_wrong_frame_is_noticed(fault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MixChannels, "__call__", fault)
    with pytest.raises(AssertionError):
        check_tight_frame()
