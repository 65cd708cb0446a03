"""CUDA graphs without a GPU: the bookkeeping, and whole operators on a stand-in that replays on the CPU."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import groupscat as gs
from groupscat.testing import OPERATORS, assert_close, noise
from groupscat.testing.operators import example
from tests.frameworks import missing

if missing("torch"):
    pytest.skip('pip install "groupscat[torch]"', allow_module_level=True)

import torch

import groupscat.torch as gst
from groupscat_torch import graphs
from groupscat_torch.graphs import Graphs, Recordings
from tests.graph_stand_in import Cuda, take_the_cpu_for_a_gpu


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[Graphs]:
    """The CPU is taken for a GPU, whose graphs the stand-in records."""
    found = Graphs(Cuda(), "cpu")
    monkeypatch.setattr(graphs, "GRAPHS", found)
    monkeypatch.setattr(Cuda, "log", [])
    take_the_cpu_for_a_gpu(monkeypatch)
    return found


def values(y: Any) -> Any:
    return torch.cat([row["coef"].flatten() for row in y]) if isinstance(y, list) else y


class TestRecordings:
    def test_made_when_a_key_has_come_often_enough(self) -> None:
        kept, made = Recordings(patience=2), []
        for _ in range(5):
            kept.find("a", lambda: made.append(1) or "recording")  # type: ignore[func-returns-value]
            kept.find("b", lambda: "another") if len(kept.calls) < 2 else None
        assert made == [1]
        assert kept.find("a", list) == "recording"

    def test_the_one_used_longest_ago_goes_and_is_waited_for(self) -> None:
        waits: list[int] = []
        kept = Recordings(most=2, patience=0, release=lambda: waits.append(1))
        for key in "abac":
            assert kept.find(key, lambda key=key: key.upper()) == key.upper()
        assert (list(kept.kept), waits) == (["a", "c"], [1])

    def test_what_failed_is_not_tried_again(self) -> None:
        kept = Recordings(patience=0)
        assert kept.find("a", lambda: None) is None
        assert kept.find("a", lambda: pytest.fail("tried again")) is None

    def test_calls_of_many_keys_are_forgotten(self) -> None:
        kept = Recordings(patience=1, counted=3)
        for key in "abcd":
            kept.find(key, list)
        assert list(kept.calls) == ["b", "c", "d"]


def check_replays(S: Any) -> None:
    """Results of several signals, held while others are computed, are those without graphs."""
    first = example(S)
    results = []
    for k in range(5):
        x = torch.from_numpy(first if not k else noise(first.shape, k, np.iscomplexobj(first)))
        results.append((values(S(x)), x))
    assert Cuda.log.count("capture") == 1
    assert Cuda.log.count("replay") == 3
    with gst.cuda_graphs(False):
        for y, x in results:  # none has been overwritten since
            assert_close(y.numpy(), values(S(x)).numpy(), x.numpy())
    assert Cuda.log.count("replay") == 3


def check_constants(S: Any) -> None:
    """A call with other constants, of the same shapes, does not replay one with these."""
    x = torch.from_numpy(example(S))
    module = gst.OperatorModule.__new__(type("Module", (gst.OperatorModule,), {}))
    torch.nn.Module.__init__(module)
    module._build(S, torch.float64)
    for _ in range(4):
        y = module(x)
    module._apply(lambda buffer: 2 * buffer if buffer.is_floating_point() else buffer)
    for _ in range(4):
        assert not torch.equal(module(x), y)


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_replay_what_they_compute(name: str, cuda: Graphs) -> None:
    check_replays(OPERATORS[name]())


def test_constants_belong_to_a_recording(cuda: Graphs) -> None:
    check_constants(OPERATORS["1-D"]())


def copied(self: Any, xs: Any) -> None:
    for name, x in self.data.items():
        x.copy_(xs[name])


def outputs_of_the_graph(self: Any, xs: Any) -> Any:
    copied(self, xs)
    self.graph.replay()
    return self.outputs


def input_of_the_recording(self: Any, xs: Any) -> Any:
    self.graph.replay()
    return tuple(y.clone() for y in self.outputs)


def never_replayed(self: Any, xs: Any) -> Any:
    copied(self, xs)
    return tuple(y.clone() for y in self.outputs)


@pytest.mark.parametrize(
    ("where", "name", "fault", "check"),
    [
        (graphs.Recording, "__call__", outputs_of_the_graph, check_replays),
        (graphs.Recording, "__call__", input_of_the_recording, check_replays),
        (graphs.Recording, "__call__", never_replayed, check_replays),
        (graphs, "_memory", lambda x: (), check_constants),
    ],
)
def test_a_fault_is_noticed(
    cuda: Graphs, monkeypatch: pytest.MonkeyPatch, where: Any, name: str, fault: Any, check: Any
) -> None:
    monkeypatch.setattr(where, name, fault)
    with pytest.raises(AssertionError):
        check(OPERATORS["1-D"]())


def test_slices_of_a_batch_share_a_recording(cuda: Graphs, monkeypatch: pytest.MonkeyPatch) -> None:
    S = gs.Scattering1D(J=2, shape=32)
    x = torch.from_numpy(noise((12, 32)))
    wanted = S(x)
    monkeypatch.setattr(type(gs.get_backend("torch")), "chunk", lambda self, x: S.plan.largest_floats * 8)
    assert_close(S(x).numpy(), wanted.numpy(), x.numpy())
    assert Cuda.log.count("capture") == 1
    assert Cuda.log.count("replay") == 2  # of four slices of three


class TestKeys:
    """What makes a recording one of something else."""

    @pytest.fixture
    def S(self, cuda: Graphs) -> Any:
        return gst.Scattering2D(J=2, shape=(8, 8))

    def captured(self, call: Any) -> int:
        before = Cuda.log.count("capture")
        for _ in range(4):
            call()
        return Cuda.log.count("capture") - before

    def test_shape_and_type(self, S: Any) -> None:
        x = torch.ones(3, 8, 8)
        assert self.captured(lambda: S(x)) == 1
        assert self.captured(lambda: S(x + 1)) == 0
        assert self.captured(lambda: S(x.mT)) == 0  # it is copied, however it lies in memory
        assert self.captured(lambda: S(x[:2])) == 1
        S.double()
        assert self.captured(lambda: S(x.double())) == 1

    def test_memory_of_constants(self, S: Any, cuda: Graphs) -> None:
        x = torch.ones(8, 8)
        assert self.captured(lambda: S(x)) == 1
        S._apply(lambda buffer: buffer.clone())
        assert self.captured(lambda: S(x)) == 1

    def test_equal_operators(self, S: Any) -> None:
        x = torch.ones(8, 8)
        operators = [gs.Scattering2D(J=2, shape=(8, 8)) for _ in range(2)]
        assert [self.captured(lambda T=T: T(x)) for T in operators] == [1, 1]  # constants are each one's own

    def test_switches_of_torch(self, S: Any) -> None:
        x = torch.ones(8, 8)
        assert self.captured(lambda: S(x)) == 1
        try:
            torch.set_float32_matmul_precision("high")
            assert self.captured(lambda: S(x)) == 1
        finally:
            torch.set_float32_matmul_precision("highest")
        with torch.backends.cudnn.flags(enabled=True, benchmark=True):
            assert self.captured(lambda: S(x)) == 1

    def test_changed_parameters_are_read_anew(self, cuda: Graphs) -> None:
        layer = gst.Network(gs.nn.plain_cnn(K=3, input_shape=(1, 8, 8))).eval()
        x = torch.from_numpy(noise((2, 1, 8, 8))).float()
        with torch.no_grad():
            assert self.captured(lambda: layer(x)) >= 1
            before = layer(x)
            for w in layer.parameters():
                w.mul_(2)
            replayed = layer(x)
            with gst.cuda_graphs(False):
                assert_close(replayed.numpy(), layer(x).numpy(), x.numpy(), "float32")
            assert not torch.equal(before, replayed)


class TestNotRecorded:
    @pytest.fixture(autouse=True)
    def operator(self, cuda: Graphs) -> Iterator[None]:
        self.S, self.x = gs.Scattering1D(J=2, shape=16), torch.from_numpy(noise((2, 16)))
        yield
        assert "capture" not in Cuda.log

    def repeat(self, call: Any) -> None:
        for _ in range(4):
            call()

    def test_switched_off(self) -> None:
        with gst.cuda_graphs(False):
            self.repeat(lambda: self.S(self.x))

    def test_large_arrays(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(graphs, "WORTHWHILE", 2 * self.S.plan.largest_floats * 8 - 1)
        self.repeat(lambda: self.S(self.x))

    def test_the_cpu(self, cuda: Graphs) -> None:
        cuda.kind = "cuda"
        self.repeat(lambda: self.S(self.x))

    def test_somebody_else_records(self, cuda: Graphs) -> None:
        cuda.cuda.capturing = True
        self.repeat(lambda: self.S(self.x))

    def test_tracing(self) -> None:
        self.repeat(lambda: torch.func.vmap(self.S)(self.x))

    def test_modes_that_see_every_operation(self) -> None:
        from torch.utils.flop_counter import FlopCounterMode

        with FlopCounterMode(display=False):
            self.repeat(lambda: self.S(self.x))

    def test_subclasses(self) -> None:
        class Mine(torch.Tensor): ...

        self.repeat(lambda: self.S(self.x.as_subclass(Mine)))

    def test_gradients_of_learned_layers(self) -> None:
        w = torch.ones(1, 2, 3, dtype=torch.float64, requires_grad=True)
        self.repeat(lambda: gs.convnd(self.x[None], w).sum().backward())
        assert w.grad is not None


@pytest.mark.parametrize("name", ["1-D", "2-D, zero", "cascade, 2-D", "harmonic, odd", "time-frequency"])
def test_gradients_are_replayed_too(name: str, cuda: Graphs) -> None:
    S = OPERATORS[name]()
    for k in range(5):
        x = torch.from_numpy(noise(example(S).shape, k)).requires_grad_()
        weight = torch.from_numpy(noise(tuple(S(x).shape), k + 10))
        with gst.cuda_graphs(False):
            wanted = torch.autograd.grad((S(x) * weight).sum(), x)[0]
        found = torch.autograd.grad((S(x) * weight).sum(), x)[0]
        assert_close(found.numpy(), wanted.numpy(), x.detach().numpy())
    assert Cuda.log.count("capture") in (2, 3)  # forward, and backward in slices of one length or two


def test_first_used_in_inference_mode(cuda: Graphs) -> None:
    S = gs.Scattering1D(J=2, shape=16)
    x = torch.from_numpy(noise((2, 16)))
    with torch.inference_mode():
        wanted = [S(x) for _ in range(4)]
    with torch.no_grad():
        assert torch.equal(S(x), wanted[0])
    assert Cuda.log.count("capture") == 1


def test_what_cannot_be_recorded_runs_and_says_why_once(cuda: Graphs) -> None:
    calls: list[int] = []

    def function(xs: Any) -> Any:
        calls.append(int(xs["x"].sum()))  # it waits for the device
        return (xs["x"] * 2,)

    x = torch.ones(2)
    for k in range(4):
        if k == graphs.PATIENCE:
            with pytest.warns(UserWarning, match=r"could not be recorded .*not permitted.*operation by oper"):
                (y,) = cuda.run(function, "key", ("x",), 8, {"x": x})
        else:
            (y,) = cuda.run(function, "key", ("x",), 8, {"x": x})
        assert y.tolist() == [2.0, 2.0]


def test_other_streams_wait_for_the_memory(cuda: Graphs) -> None:
    S = gs.Scattering1D(J=2, shape=16)
    x = torch.from_numpy(noise((2, 16)))
    for _ in range(4):
        S(x)
    assert Cuda.log == ["capture", *["wait", "replay", "record"] * 2]


def test_threads(cuda: Graphs) -> None:
    S = gs.Scattering1D(J=2, shape=16)
    xs = [torch.from_numpy(noise((2, 16), k)) for k in range(4)]
    wanted, found = [S(x) for x in xs], {}

    def work(k: int) -> None:
        found[k] = [S(xs[k]) for _ in range(5)]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.allclose(y, wanted[k], rtol=0, atol=1e-12) for k in range(4) for y in found[k])


def test_forgotten_on_request(cuda: Graphs) -> None:
    S, x = gs.Scattering1D(J=2, shape=16), torch.zeros(16)
    for _ in range(3):
        S(x)
    cuda.clear()
    assert (len(cuda.recordings.kept), Cuda.log[-1]) == (0, "synchronize")
    S(x)
    assert Cuda.log.count("replay") == 1


def test_switched_off_by_the_environment() -> None:
    import os
    import subprocess
    import sys

    program = "from groupscat_torch.graphs import _WANTED; print(_WANTED.get())"
    for value, wanted in (("0", "False"), ("1", "True")):
        environment = {**os.environ, "GROUPSCAT_CUDA_GRAPHS": value}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True
        )
        assert done.stdout.strip() == wanted
