"""CuPy on a GPU: the contract on the real thing, devices, streams, plans and memory."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

import groupscat as gs
from groupscat.testing import OPERATORS, BackendContract, assert_close, noise
from groupscat.testing.operators import example
from tests.frameworks import missing

if missing("cupy"):
    pytest.skip('pip install "groupscat[cupy]"', allow_module_level=True)


@pytest.fixture(autouse=True)
def cp() -> Any:
    import cupy

    if not cupy.cuda.is_available():
        pytest.skip("no CUDA device")
    return cupy


@pytest.fixture
def xp() -> Any:
    return gs.get_backend("cupy")


class TestCuPy(BackendContract):
    name: ClassVar[str] = "cupy"


class TestGPU:
    """What no stand-in can show."""

    def test_a_device_that_is_not_current(self, cp: Any, xp: Any) -> None:
        if cp.cuda.runtime.getDeviceCount() < 2:
            pytest.skip("one CUDA device only")
        for name in OPERATORS:
            S = OPERATORS[name]()
            if S.out_type == "array":
                x = example(S)
                y = S(xp.put(x, x.dtype.name, "cuda:1"))
                assert xp.device(y) == "cuda:1"
                assert cp.cuda.Device().id == 0
                assert_close(xp.to_numpy(y), S(x), x)

    def test_a_stream_of_the_users(self, cp: Any, xp: Any) -> None:
        """Work goes to the current stream, after what is in it already."""
        S = OPERATORS["2-D"]()
        x = noise((2000, *S.shape))
        wanted = S(x)
        given = xp.put(x, "float64")
        cp.cuda.Device().synchronize()
        stream = cp.cuda.Stream(non_blocking=True)
        with stream:
            y = S(given * 1.0)
            assert cp.cuda.get_current_stream() == stream
            stream.synchronize()
        assert_close(y.get(), wanted, x)

    def test_plans_are_made_once(self, cp: Any, xp: Any) -> None:
        S = gs.Scattering1D(J=9, shape=1024, Q=(8, 2))
        x = xp.put(noise((3, 1024)), "float32")
        cache = cp.fft.config.get_plan_cache()
        cache.clear()
        S(x)
        before, memory = cache.get_curr_size(), cache.get_curr_memsize()
        S(x)
        assert 16 < cache.get_curr_size() == before <= cache.get_size()
        assert cache.get_curr_memsize() == memory

    def test_memory_returns_to_the_pool(self, cp: Any, xp: Any) -> None:
        pool = cp.get_default_memory_pool()
        S = gs.Scattering2D(J=2, shape=(64, 64))
        x = xp.put(noise((16, 64, 64)), "float32")
        S(x)
        used, total = pool.used_bytes(), pool.total_bytes()
        for _ in range(3):
            S(x)
            assert pool.used_bytes() == used
        assert pool.total_bytes() == total

    def test_torch_shares_the_memory(self, cp: Any, xp: Any) -> None:
        torch = pytest.importorskip("torch")
        if not torch.cuda.is_available():
            pytest.skip("torch without CUDA")
        x = xp.put(noise((3, 4)), "float32")
        y = gs.convert(x, "torch", copy=False)
        back = gs.convert(y, "cupy", copy=False)
        y += 1.0
        torch.cuda.synchronize()
        np.testing.assert_array_equal(xp.to_numpy(back), xp.to_numpy(x))
        assert back.data.ptr == x.data.ptr

    def test_large_volumes(self, xp: Any) -> None:
        """More harmonics than fit the bound on memory at once: taken a few signals at a time."""
        S = gs.HarmonicScattering3D(J=1, shape=(96, 96, 96), L=2)
        x = np.abs(noise((8, 96, 96, 96))).astype(np.float32)
        assert_close(xp.to_numpy(S(xp.put(x, "float32"))), S(x), x, "float32")
