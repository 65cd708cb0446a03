"""Torch with and without compiled kernels: values, derivatives, and modes that must not see the kernels."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from groupscat_native import cascade, kernels, library, threads
from tests.frameworks import missing

if library.load()[0] is None:
    pytest.skip(f"no compiled kernels: {library.load()[1]}", allow_module_level=True)
if missing("torch"):
    pytest.skip('pip install "groupscat[torch]"', allow_module_level=True)

import torch
from torch._subclasses import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

import groupscat as gs
import groupscat.torch as modules
from groupscat.backend import registry
from groupscat_torch import openmp
from groupscat_torch.backend import TorchBackend
from groupscat_torch.native import NativeTorchBackend

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}
OPERATORS: dict[str, Callable[[], Any]] = {
    "1-D": lambda: gs.Scattering1D(J=4, shape=333, Q=(4, 1)),
    "1-D, prime, circular": lambda: gs.Scattering1D(J=3, shape=61, padding="circular"),
    "1-D, unaveraged": lambda: gs.Scattering1D(J=3, shape=64, T=0, out_type="list"),
    "1-D, complex": lambda: gs.Scattering1D(J=3, shape=64, complex_input=True),
    "2-D": lambda: gs.Scattering2D(J=2, shape=(17, 22), L=4),
    "2-D, global": lambda: gs.Scattering2D(J=2, shape=(16, 20), L=3, T="global"),
    "3-D": lambda: gs.Scattering3D(J=1, shape=(6, 5, 8), L=2),
    "solid harmonic": lambda: gs.HarmonicScattering3D(J=1, shape=(8, 7, 8), L=1),
    "time-frequency": lambda: gs.TimeFrequencyScattering(J=4, shape=150, J_fr=2, Q=4),
    "roto-translation": lambda: gs.RotoTranslationScattering2D(J=2, shape=(12, 12), L=4),
}
types = pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
operators = pytest.mark.parametrize("name", OPERATORS)


@pytest.fixture
def switch(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Any]:
    """Which backend computes with tensors; threads begin at little work."""
    original = registry._load
    monkeypatch.setattr(kernels, "ENOUGH", 1000)

    def to(backend: Any) -> Any:
        monkeypatch.setattr(registry, "_load", lambda name: backend if name == "torch" else original(name))
        return backend

    return to


def signal(S: Any, batch: int, dtype: Any) -> torch.Tensor:
    made = torch.Generator().manual_seed(0)
    x = torch.randn((batch, *S.shape), generator=made, dtype=dtype)
    is_complex = getattr(S, "complex_input", False)
    return torch.complex(x, torch.randn(x.shape, generator=made, dtype=dtype)) if is_complex else x


def flat(y: Any) -> torch.Tensor:
    return y.flatten() if isinstance(y, torch.Tensor) else torch.cat([row["coef"].flatten() for row in y])


def close(found: torch.Tensor, wanted: torch.Tensor, times: float = 1.0) -> None:
    assert found.dtype is wanted.dtype
    real = found.real.dtype
    scale = float(wanted.abs().max()) if wanted.numel() else 0.0
    torch.testing.assert_close(found, wanted, rtol=0, atol=times * TOLERANCE[real] * scale)


def both(switch: Any, work: Callable[[], torch.Tensor], times: float = 1.0) -> None:
    """``work`` gives the same by each backend."""
    switch(NativeTorchBackend())
    found = work()
    switch(TorchBackend())
    close(found, work(), times)


@types
@operators
def test_values_and_gradients(name: str, dtype: Any, switch: Any) -> None:
    def values(batch: int) -> torch.Tensor:
        S = OPERATORS[name]()
        x = signal(S, batch, dtype)
        recorded = flat(S(x.clone().requires_grad_())).detach()
        close(flat(S(x)), recorded)
        return recorded

    def gradient(batch: int) -> torch.Tensor:
        S = OPERATORS[name]()
        x = signal(S, batch, dtype).requires_grad_()
        y = flat(S(x))
        weights = torch.linspace(1, 2, y.numel(), dtype=dtype)
        return torch.autograd.grad((y.abs() ** 2 * weights).sum(), x)[0]

    for batch in (0, 1, 5):
        both(switch, partial(values, batch))
    for batch in (1, 5):
        both(switch, partial(gradient, batch), 30)


@operators
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # in Torch's jvp
def test_derivatives_of_any_kind(name: str, switch: Any) -> None:
    if name == "1-D, complex":
        pytest.skip("torch.func takes real tensors here")

    def twice() -> torch.Tensor:
        S = OPERATORS[name]()
        x = signal(S, 2, torch.float64).requires_grad_()
        (g,) = torch.autograd.grad((flat(S(x)) ** 2).sum(), x, create_graph=True)
        return torch.autograd.grad((g**2).sum(), x)[0]

    def forward() -> torch.Tensor:
        S = OPERATORS[name]()
        x = signal(S, 2, torch.float64)
        return torch.func.jvp(lambda x: flat(S(x)), (x,), (torch.ones_like(x),))[1]

    def mapped() -> torch.Tensor:
        S = OPERATORS[name]()
        return torch.func.vmap(lambda x: flat(S(x)))(signal(S, 3, torch.float64))

    def each_gradient() -> torch.Tensor:
        S = OPERATORS[name]()
        single = torch.func.grad(lambda x: (flat(S(x)) ** 2).sum())
        return torch.func.vmap(single)(signal(S, 3, torch.float64))

    for work in (twice, forward, mapped, each_gradient):
        both(switch, work, 1000)


def test_tensors_of_any_layout(switch: Any) -> None:
    S = OPERATORS["2-D"]()
    x = signal(S, 4, torch.float64)
    z = torch.complex(x, 2 * x)
    for given in (
        x.flip(0),
        x.mT.contiguous().mT,
        x.repeat_interleave(2, 0)[::2],
        z.real,
        z.conj().imag,
        x[1:1],
    ):
        both(switch, lambda given=given: OPERATORS["2-D"]()(given))
    conjugate = signal(OPERATORS["1-D, complex"](), 3, torch.float64).conj()
    both(switch, lambda: OPERATORS["1-D, complex"]()(conjugate))


def test_inference_mode(switch: Any) -> None:
    def work() -> torch.Tensor:
        with torch.inference_mode():
            S = OPERATORS["2-D"]()
            return torch.cat([S(signal(S, 2, torch.float32)), S(signal(S, 2, torch.float32))]).clone()

    both(switch, work)


def test_compilers_see_operations(switch: Any) -> None:
    """What is traced holds no address of a kernel: neither Dynamo, nor fake tensors, nor a graph."""
    backend = switch(NativeTorchBackend())
    S = OPERATORS["1-D"]()
    x, other = signal(S, 2, torch.float32), 3 * signal(S, 2, torch.float32)
    wanted = S(other)
    module = modules.Scattering1D(J=4, shape=333, Q=(4, 1))
    close(torch.compile(module, fullgraph=True, backend="aot_eager")(other), wanted)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        assert S(mode.from_tensor(x)).shape == wanted.shape
    traced = make_fx(S)(x)
    close(traced(other), wanted)
    meta = torch.empty(x.shape, device="meta")
    assert backend.views(meta) is None


def test_constants_that_change_in_place_are_seen(switch: Any) -> None:
    """A table made of a matrix is not used for another one in the same memory."""
    backend = switch(NativeTorchBackend())
    x, matrix = torch.ones(1, 1, 6), torch.full((1, 6), 1 / 6)
    assert float(backend.lowpass_subsample(x, [matrix], [None], [1])) == pytest.approx(1)
    matrix.mul_(2)
    assert float(backend.lowpass_subsample(x, [matrix], [None], [1])) == pytest.approx(2)
    both_columns = torch.tensor([[1.0, 5, 2, 5, 3, 5]])
    for view, mean in ((both_columns[:, ::2], 6), (both_columns[:, :3], 8)):
        found = backend.lowpass_subsample(torch.ones(1, 1, 3), [view], [None], [1])
        assert float(found) == pytest.approx(mean)


@pytest.mark.parametrize("name", ["Scattering2D", "RotoTranslationScattering2D"])
def test_constants_that_are_exchanged_are_seen(name: str, switch: Any) -> None:
    """A plan in the kernels is not used for other numbers in the same tensors, changed in place or not."""
    switch(NativeTorchBackend())
    S = getattr(modules, name)(2, (16, 16), L=3)
    x = torch.randn(1, 16, 16, generator=torch.Generator().manual_seed(0))
    averages = [b for b in S.buffers() if b.is_floating_point() and b.shape[0] == 4]
    before = S(x)
    for matrix in averages:
        matrix.data = matrix.data * 2
    after = S(x)
    assert averages
    assert not torch.allclose(before, after)
    for matrix in averages:
        matrix.mul_(0.5)
    close(S(x), before)


def test_many_threads_at_once(switch: Any) -> None:
    switch(NativeTorchBackend())
    S = OPERATORS["2-D"]()
    x = signal(S, 3, torch.float64)
    wanted, wrong = S(x), []

    def work() -> None:
        for _ in range(10):
            y = x.clone().requires_grad_()
            found = S(y)
            found.sum().backward()
            if not torch.allclose(found, wanted, rtol=1e-12, atol=1e-12):
                wrong.append(found)

    others = [threading.Thread(target=work) for _ in range(4)]
    for thread in others:
        thread.start()
    for thread in others:
        thread.join()
    assert not wrong


@pytest.mark.skipif(sys.platform != "linux", reason="Torch's threads are known on Linux")
def test_kernels_run_in_torchs_threads(switch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    team, asked = openmp.team(), []
    assert team is not None

    def run(function: int, data: int) -> None:
        asked.append(torch.get_num_threads())
        team(function, data)

    monkeypatch.setattr(threads, "_team", run)
    switch(NativeTorchBackend())
    S = OPERATORS["2-D"]()
    x = signal(S, 4, torch.float64).requires_grad_()
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        y = S(x)
        y.sum().backward()
    finally:
        torch.set_num_threads(before)
    assert asked == [2, 2]
    close(y.detach(), torch.from_numpy(S(x.detach().numpy())))


FORKED = """
import multiprocessing, sys
import numpy as np, torch
import groupscat as gs
from groupscat_native import kernels, threads

kernels.ENOUGH = 1000
torch.set_num_threads(2)
S = gs.Scattering2D(J=2, shape=(17, 22), L=4)
x = torch.ones(4, 17, 22)
wanted = S(x).numpy()  # Torch's threads run now
assert threads._team is not None

def work(queue):
    gs.get_backend("numpy")._workers = 2
    queue.put(S(x.numpy()))

context = multiprocessing.get_context("fork")
queue = context.Queue()
child = context.Process(target=work, args=(queue,), daemon=True)
child.start()
np.testing.assert_allclose(queue.get(timeout=60), wanted, rtol=1e-5)
child.join()
sys.exit(child.exitcode)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Torch's threads are known on Linux")
def test_a_forked_process_does_not_wait_for_torchs_threads() -> None:
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED], check=True, timeout=120)


def test_a_fault_in_a_gradient_is_caught(switch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gradient of the last signal is wrong by a millionth: whole plans do compute it."""
    original = cascade.Cascade.gradient

    def gradient(self: Any, x: Any, g: Any, out: Any, workers: int) -> bool:
        done = original(self, x, g, out, workers)
        out[-1] *= 1 + 1e-6
        return done

    monkeypatch.setattr(cascade.Cascade, "gradient", gradient)
    with pytest.raises(AssertionError):
        test_values_and_gradients("2-D", torch.float64, switch)
