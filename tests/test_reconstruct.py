"""Reconstruction: errors fall, the best iterate is kept, a wrong gradient shows; every framework."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import groupscat as gs
from groupscat.inversion import descent, reconstruct
from groupscat.inversion.methods import METHODS
from tests.frameworks import missing, needs

FRAMEWORKS = ("torch", "tensorflow", "jax")
S1 = gs.Scattering1D(J=3, shape=64)
SOUND = (np.sin(np.arange(64) ** 2 / 60) + 0.1).astype(np.float32)


def image(side: int) -> np.ndarray[Any, Any]:
    """A disk on a ramp and a texture."""
    v, u = np.mgrid[:side, :side] / side
    return (
        0.6 * (np.hypot(v - 0.4, u - 0.55) < 0.25) + 0.2 * np.sin(60 * (u + v)) * (u > 0.5) + 0.3 * v
    ).astype(np.float32)


def fall(found: Any) -> float:
    """How many times the error fell: its square, the loss, fell that many times squared."""
    return float(found.errors[0] / found.error)


# ------------------------------------------------------------------------------------ errors fall


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_loss_falls_in_every_framework(name: str) -> None:
    if missing(name):
        pytest.skip(f'pip install "groupscat[{name}]"')
    found = reconstruct(S1, S1(SOUND), backend=name, steps=30, tolerance=0)
    assert isinstance(found.x, np.ndarray)
    assert (found.x.dtype, found.x.shape) == (np.float32, (64,))
    assert found.losses[0] > 50 * found.error**2
    assert fall(found) > 10
    y = S1(SOUND)
    assert np.linalg.norm(S1(found.x) - y) / np.linalg.norm(y) == pytest.approx(found.error, rel=1e-3)


@needs("torch")
@pytest.mark.parametrize(
    ("S", "x"),
    [
        (gs.Scattering1D(J=5, shape=1024, Q=4), np.sin(np.arange(1024) ** 2 / 3000)),
        (gs.Scattering2D(J=3, shape=(64, 64), L=4), image(64)),
        (gs.Scattering2D(J=2, shape=(12, 16), L=3, max_order=1), image(16)[:12]),
        (gs.HarmonicScattering3D(J=1, shape=(6, 6, 6), L=1), image(6)[None].repeat(6, 0) + 0.1),
    ],
    ids=lambda v: type(v).__name__ if hasattr(v, "paths") else "",
)
def test_loss_falls_fifty_times(S: Any, x: Any) -> None:
    found = reconstruct(S, S(x.astype(np.float32)), backend="torch", steps=200, tolerance=0.09)
    assert found.losses[0] > 50 * found.error**2


@needs("torch")
def test_loss_of_joint_time_frequency_scattering_falls_fifty_times() -> None:
    S = gs.TimeFrequencyScattering(J=5, J_fr=2, shape=1024, Q=2)
    x = np.sin(np.arange(1024) ** 2 / 3000).astype(np.float32)
    found = reconstruct(S, S(x), backend="torch", steps=300, tolerance=0.09)
    assert found.losses[0] > 50 * found.error**2


@needs("torch")
@pytest.mark.parametrize("method", sorted(METHODS))
def test_methods_and_bounds(method: str) -> None:
    found = reconstruct(S1, S1(SOUND), backend="torch", steps=60, method=method, bounds=(-0.5, None))
    assert fall(found) > 4
    assert found.x.min() >= -0.5 - 1e-6
    free = reconstruct(S1, S1(SOUND), backend="torch", steps=60, method=method)
    assert free.x.min() < -0.5


@needs("torch")
def test_any_function_of_tensors() -> None:
    """A linear map has one answer, and the seed does not matter."""
    import torch

    torch.manual_seed(0)
    layer = torch.nn.Linear(5, 8, dtype=torch.float64)
    x = torch.linspace(-1, 1, 5, dtype=torch.float64)
    for seed in (0, 1):
        found = reconstruct(layer, layer(x), shape=(5,), tolerance=1e-9, seed=seed)
        assert found.stopped == "tolerance"
        assert torch.allclose(found.x, x, atol=1e-7)
        assert not found.x.requires_grad
    assert layer.weight.grad is None


@needs("torch")
def test_modules_batches_and_complex_signals() -> None:
    import torch

    import groupscat.torch

    module = groupscat.torch.Scattering1D(J=3, shape=64)
    x = torch.as_tensor(np.stack([SOUND, SOUND[::-1]]))
    found = reconstruct(module, module(x), steps=20)
    assert found.x.shape == (2, 64)
    assert fall(found) > 5
    S = gs.Scattering1D(J=2, shape=16, complex_input=True)
    z = np.exp(1j * np.arange(16) ** 2 / 9)
    found = reconstruct(S, S(z), backend="torch", steps=100)
    assert found.x.dtype == np.complex128
    assert fall(found) > 20
    again = reconstruct(lambda v: v, torch.as_tensor(z), start=z[::-1].copy(), tolerance=1e-6)
    assert np.allclose(again.x, z, atol=1e-5)


@needs("torch")
def test_seed_and_start() -> None:
    y = S1(SOUND)
    once, twice, other = (reconstruct(S1, y, backend="torch", steps=3, seed=seed).x for seed in (0, 0, 1))
    assert np.array_equal(once, twice)
    assert not np.allclose(once, other, atol=0.1)
    found = reconstruct(S1, y, backend="torch", start=SOUND)
    assert (found.stopped, found.iterations, found.evaluations) == ("tolerance", 0, 1)
    assert np.array_equal(found.x, SOUND)
    assert "tolerance is reached" in str(found)


# ------------------------------------------------------------------------------- when it ends, and with what


@needs("torch")
def test_tolerance_ends_it() -> None:
    found = reconstruct(S1, S1(SOUND), backend="torch", tolerance=0.1)
    assert found.stopped == "tolerance"
    assert found.error <= 0.1 < min(found.errors[:-1])
    longer = reconstruct(S1, S1(SOUND), backend="torch", tolerance=0.01)
    assert longer.error <= 0.01
    assert longer.iterations > found.iterations


@needs("torch")
def test_steps_end_it() -> None:
    found = reconstruct(S1, S1(SOUND), backend="torch", steps=4)
    assert (found.stopped, found.iterations, len(found.errors)) == ("steps", 4, 5)
    assert reconstruct(S1, S1(SOUND), backend="torch", steps=0).iterations == 0


@needs("torch")
def test_no_progress_ends_it() -> None:
    """x² + 1 is never 0: the error stays at its minimum."""
    import torch

    found = reconstruct(
        lambda x: x**2 + 1, torch.zeros(3), shape=(3,), method="adam", steps=5000, patience=20
    )
    assert found.stopped == "no progress"
    assert found.iterations < 2000
    assert np.allclose(found.x, 0, atol=0.1)
    found = reconstruct(lambda x: x**2 + 1, torch.zeros(3), shape=(3,), steps=5000)
    assert found.stopped == "no progress"


@needs("torch")
@pytest.mark.parametrize("error", [KeyboardInterrupt, FloatingPointError])
def test_the_best_iterate_is_kept(error: type[BaseException]) -> None:
    """An interruption or a NaN after a point that is worse than one before."""
    import torch

    met: list[tuple[float, torch.Tensor]] = []
    goal = torch.tensor([1.0, -2.0])

    def S(x: torch.Tensor) -> torch.Tensor:
        if len(met) == 12:
            if error is KeyboardInterrupt:
                raise KeyboardInterrupt
            return x * float("nan")
        met.append((float((x.detach() - goal).norm()), x.detach().clone()))
        return x

    found = reconstruct(S, goal, start=torch.tensor([1.2, -2.0]), method="adam", rate=1.0, tolerance=0)
    assert found.stopped == ("interrupted" if error is KeyboardInterrupt else "not finite")
    best = min(met, key=lambda pair: pair[0])
    assert torch.equal(found.x, best[1])
    assert best[0] < met[-1][0]
    assert found.error == pytest.approx(best[0] / float(goal.norm()))
    assert found.error < found.errors[-1]


@needs("torch")
def test_an_interruption_before_the_start_is_one() -> None:
    import torch

    def S(x: torch.Tensor) -> torch.Tensor:
        if x.requires_grad:
            raise KeyboardInterrupt
        return x

    with pytest.raises(KeyboardInterrupt):
        reconstruct(S, torch.ones(2), shape=(2,))


@needs("torch")
def test_the_tests_would_see_a_wrong_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    from groupscat_torch.backend import TorchBackend

    right = TorchBackend.value_and_grad

    def wrong(change: Callable[[Any], Any]) -> float:
        def spoilt(self: Any, function: Any, x: Any) -> Any:
            value, gradient = right(self, function, x)
            return value, change(gradient)

        with monkeypatch.context() as patch:
            patch.setattr(TorchBackend, "value_and_grad", spoilt)
            return fall(reconstruct(S1, S1(SOUND), backend="torch", steps=30, tolerance=0))

    assert wrong(lambda g: g) > 10
    for change in (lambda g: -g, lambda g: g.roll(1), lambda g: g.abs()):
        assert wrong(change) < 10


@needs("torch")
def test_progress(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    reconstruct(S1, S1(SOUND), backend="torch", steps=3, progress=True)
    assert "3/3" in (err := capsys.readouterr().err)
    assert "reconstructing" in err
    reconstruct(S1, S1(SOUND), backend="torch", steps=3, progress=False)
    assert capsys.readouterr().err == ""


# ------------------------------------------------------------------------------------------ bad input


def test_numpy_alone_names_the_frameworks_that_can() -> None:
    with pytest.raises(gs.BackendError, match=r"numpy.*no gradients.*torch, tensorflow or jax") as caught:
        reconstruct(S1, S1(SOUND))
    assert "backend=" in str(caught.value)


@needs("torch")
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"target": np.ones((3, 8))}, gs.ShapeError, "another operator: compute it with S"),
        ({"S": lambda x: x[..., :5]}, gs.ArgumentError, "pass shape="),
        (
            {"S": lambda x: x[..., :5], "shape": (9,)},
            gs.ShapeError,
            re.escape("S gives (5,) for an x of shape (9,)"),
        ),
        ({"S": lambda x: [x], "shape": (9,)}, gs.ArgumentError, "expected one array of torch"),
        ({"S": S1.replace(out_type="list")}, gs.ArgumentError, 'out_type="array"'),
        ({"S": lambda x: x.detach(), "shape": S1.output_shape}, gs.ArgumentError, "does not depend on x"),
        ({"S": lambda x: x / 0, "shape": S1.output_shape}, gs.NotFiniteError, "at the start"),
        ({"target": np.full(S1.output_shape, np.nan)}, gs.NotFiniteError, "target holds NaN"),
        ({"target": "no array"}, gs.DtypeError, "Expected an array"),
        ({"start": np.zeros(64), "shape": (65,)}, gs.ShapeError, "Leave one of them out"),
        ({"backend": "nowhere"}, gs.BackendError, "no backend 'nowhere'"),
        ({"bounds": (1, 0)}, gs.ArgumentError, "low < high"),
        ({"bounds": 3}, gs.ArgumentError, "low < high"),
        ({"method": "newton"}, gs.ArgumentError, "'lbfgs', 'adam'"),
        ({"steps": -1}, gs.ArgumentError, "steps=-1"),
        ({"tolerance": -1.0}, gs.ArgumentError, "tolerance=-1.0"),
        ({"tolerance": "1%"}, gs.ArgumentError, "tolerance='1%': expected a number"),
        ({"seed": -1}, gs.ArgumentError, "seed=-1"),
        ({"seed": None}, gs.ArgumentError, "seed=None"),
        ({"shape": 64.0}, gs.ArgumentError, re.escape("shape[0]=64.0")),
        ({"target": np.zeros((0, *S1.output_shape))}, gs.ShapeError, "no coefficients"),
        ({"patience": 0}, gs.ArgumentError, "patience=0"),
        ({"rate": 0}, gs.ArgumentError, "rate=0"),
    ],
)
def test_bad_input(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    target = S1(SOUND)
    given = {"S": S1, "target": target, "backend": "torch"} | arguments
    with pytest.raises(error, match=message):
        reconstruct(given.pop("S"), given.pop("target"), **given)


def test_least_fall_is_small() -> None:
    assert 0 < descent.LEAST_FALL < 0.01


@needs("torch")
def test_pictures() -> None:
    pytest.importorskip("matplotlib")
    from groupscat import plot

    found = {m: reconstruct(S1, S1(SOUND), backend="torch", steps=2, method=m) for m in METHODS}
    assert len(found["adam"].plot().axes) == 1
    assert len(plot.reconstructions(found, SOUND, sampling_rate=8000).axes) == 7
    S = gs.Scattering2D(J=2, shape=(8, 8), L=2)
    picture = {"S": reconstruct(S, S(image(8)), backend="torch", steps=2)}
    assert len(plot.reconstructions(picture, image(8)).axes) == 3
    with pytest.raises(gs.ShapeError, match="of one shape"):
        plot.reconstructions(picture, SOUND)
    with pytest.raises(gs.ArgumentError, match="no reconstruction"):
        plot.reconstructions({})
