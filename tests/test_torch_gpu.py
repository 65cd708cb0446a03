"""Torch on a GPU: the contract on the real thing, kernels, recorded graphs, precision, memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given

import groupscat as gs
from groupscat.testing import OPERATORS, BackendContract, assert_close, noise
from groupscat.testing.operators import example
from tests.frameworks import missing
from tests.strategies import windows

if missing("torch"):
    pytest.skip('pip install "groupscat[torch]"', allow_module_level=True)

import torch

import groupscat.torch as gst

COMPLEX = {"float32": "complex64", "float64": "complex128"}


@pytest.fixture(autouse=True)
def device() -> Iterator[None]:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False  # learned layers follow it
    yield
    torch.backends.cudnn.allow_tf32 = before


def values(y: Any) -> Any:
    return torch.cat([row["coef"].flatten() for row in y]) if isinstance(y, list) else y


class TestTorchOnCUDA(BackendContract):
    name: ClassVar[str] = "torch"
    device: ClassVar[str | None] = "cuda"

    def gradient(self, function: Any, x: Any) -> Any:
        z = torch.tensor(x, requires_grad=True, device="cuda")
        return torch.autograd.grad(function(z), z)[0].cpu().numpy()

    test_compiled_operator_gives_the_same = None  # minutes; compiled modules are tested on a CPU


class TestKernels:
    """Of our own, in place of Torch's operations."""

    def test_they_are_there(self) -> None:
        from groupscat_torch import fused

        pytest.importorskip("triton")
        assert fused.kernels(torch.device("cuda", torch.cuda.current_device())) is not None

    @pytest.mark.parametrize("precision", ["float32", "float64"])
    @given(case=windows())
    def test_bandpass_is_its_generic_body(self, case: Any, precision: str) -> None:
        shape, count, segments, fold = case
        xp = gs.get_backend("torch")
        widths = [
            n if parts is None else sum(hi - lo for lo, hi in parts)
            for n, parts in zip(shape[2:], segments, strict=True)
        ]
        lengths = [w // k for w, k in zip(widths, fold, strict=True)]
        if not shape[0]:
            return
        values = noise((int(np.prod(fold)), count, *lengths), 1).astype(precision)
        filters = torch.from_numpy(np.repeat(values[..., None], 2, -1)).cuda()[:, count // 3 :]
        x = torch.from_numpy(noise(shape, is_complex=True).astype(COMPLEX[precision])).cuda()
        for name in ("bandpass", "bandpass_modulus"):
            wanted = getattr(xp.generic, name)(x, filters, segments, fold)
            found = getattr(xp, name)(x, filters, segments, fold)
            assert_close(found.cpu().numpy(), wanted.cpu().numpy(), 0.0, precision)

    def test_long_signals_and_many_rows(self) -> None:
        xp = gs.get_backend("torch")
        x = torch.randn(3, 2, 1 << 16, dtype=torch.complex64, device="cuda")
        filters = torch.randn(4, 5, 1 << 14, 1, device="cuda").repeat(1, 1, 1, 2)
        many = torch.randn(200_000, 1, 16, dtype=torch.complex64, device="cuda")
        few = torch.randn(2, 3, 8, 1, device="cuda").repeat(1, 1, 1, 2)
        for z, f in ((x, filters), (many, few)):
            wanted = xp.generic.bandpass_modulus(z, f, [None], (len(f),))
            found = xp.bandpass_modulus(z, f, [None], (len(f),))
            assert_close(found.cpu().numpy(), wanted.cpu().numpy(), 0.0, "float32")

    def test_a_device_that_is_not_current(self) -> None:
        if torch.cuda.device_count() < 2:
            pytest.skip("one CUDA device only")
        S = OPERATORS["2-D"]()
        x = example(S)
        for _ in range(4):
            y = S(torch.from_numpy(x).to("cuda:1"))
        assert torch.cuda.current_device() == 0
        assert_close(y.cpu().numpy(), S(x), x)


class TestGraphs:
    @pytest.mark.parametrize("name", OPERATORS)
    def test_operators_replay_what_they_compute(self, name: str) -> None:
        from groupscat_torch.graphs import GRAPHS

        S = OPERATORS[name]()
        first, results = example(S), []
        before = len(GRAPHS.recordings.kept)
        for k in range(5):
            x = first if not k else noise(first.shape, k, np.iscomplexobj(first))
            results.append((values(S(torch.from_numpy(x).cuda())), x))
        assert len(GRAPHS.recordings.kept) == min(before + 1, GRAPHS.recordings.most)
        assert None not in GRAPHS.recordings.kept.values()
        for y, x in results:
            assert_close(y.cpu().numpy(), values(S(torch.from_numpy(x))).numpy(), x)

    def test_networks(self) -> None:
        net = gst.Network(gs.nn.scattering_mlp(J=1, L=2, hidden=(5,), input_shape=(1, 8, 8))).cuda().eval()
        x = torch.randn(4, 1, 8, 8, device="cuda")
        with torch.no_grad():
            with gst.cuda_graphs(False):
                wanted = net(x)
            for _ in range(4):
                assert_close(net(x).cpu().numpy(), wanted.cpu().numpy(), 0.0, "float32")

    def test_streams_and_threads(self) -> None:
        """Recordings share memory: whoever comes waits for the one before, on whatever stream."""
        S = OPERATORS["2-D"]()
        xs = [torch.randn(50, 11, 8, dtype=torch.float64, device="cuda") for _ in range(4)]
        with gst.cuda_graphs(False):
            wanted = [S(x) for x in xs]
        torch.cuda.synchronize()
        wrong: list[int] = []

        def work(k: int) -> None:
            with torch.cuda.stream(torch.cuda.Stream()):
                for _ in range(20):
                    y = S(xs[k])
                    torch.cuda.current_stream().synchronize()
                    if not torch.allclose(y, wanted[k], rtol=0, atol=1e-12):
                        wrong.append(k)

        threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong

    def test_within_a_graph_of_the_users(self) -> None:
        S = OPERATORS["2-D"]()
        x = torch.randn(3, 11, 8, device="cuda")
        for _ in range(4):
            wanted = S(x)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            y = S(x)
        graph.replay()
        assert_close(y.cpu().numpy(), wanted.cpu().numpy(), 0.0, "float32")

    def test_forgotten_recordings_give_their_memory_back(self) -> None:
        from groupscat_torch.graphs import GRAPHS

        S = gst.Scattering2D(J=2, shape=(32, 32)).cuda()
        x = torch.randn(8, 32, 32, device="cuda")
        GRAPHS.clear()
        S(x)
        before = torch.cuda.memory_allocated()
        for _ in range(4):
            S(x)
        assert torch.cuda.memory_allocated() > before
        GRAPHS.clear()
        assert torch.cuda.memory_allocated() == before


class TestPrecision:
    @pytest.mark.parametrize("name", ["1-D", "1-D, frames", "2-D", "cascade, 2-D", "time-frequency"])
    def test_scattering_is_never_rounded(self, name: str) -> None:
        S = OPERATORS[name]()
        x = example(S).astype(np.float32)
        try:
            torch.set_float32_matmul_precision("medium")
            torch.backends.cudnn.allow_tf32 = True
            y = S(torch.from_numpy(x).cuda())
        finally:
            torch.set_float32_matmul_precision("highest")
        assert_close(y.cpu().numpy(), S(x.astype(np.float64)), x, "float32")

    @pytest.mark.parametrize("name", ["1-D", "2-D", "3-D", "time-frequency"])
    def test_half_precision_is_within_a_thousandth(self, name: str) -> None:
        S = OPERATORS[name]()
        x = torch.from_numpy(example(S)).half().cuda()
        wanted = S(x.double()).cpu().numpy()
        assert np.abs(S(x).double().cpu().numpy() - wanted).max() <= 1e-3 * np.abs(wanted).max()


def test_gradients_are_those_of_the_cpu() -> None:
    S = OPERATORS["2-D"]()
    x = torch.from_numpy(example(S))
    found = [
        torch.autograd.grad(S(z).square().sum(), z)[0].cpu().numpy()
        for z in (x.clone().requires_grad_(), x.cuda().requires_grad_())
    ]
    assert_close(found[1], found[0], x.numpy())


def test_more_wavelets_need_no_more_memory_beside_the_result() -> None:
    x = torch.randn(32, 128, 128, device="cuda")
    beside = []
    with gst.cuda_graphs(False):
        for L in (4, 12):
            S = gst.Scattering2D(J=2, shape=(128, 128), L=L, max_order=1).cuda()
            S(x)
            before = torch.cuda.memory_allocated()
            torch.cuda.reset_peak_memory_stats()
            y = S(x)
            results = 3 * y.numel() * y.element_size()  # its parts, joined, in their order
            beside.append(torch.cuda.max_memory_allocated() - before - results)
    assert beside[1] <= 1.2 * max(beside[0], 1 << 20)
