"""Frameworks on a GPU as ``benchmarks.gpu`` needs them: arrays, clocks, memory."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

import groupscat

#: Bytes of the array whose copying gives the bandwidth.
COPIED = 1 << 30


class Engine(ABC):
    """A framework on its current GPU."""

    name: str
    backend: str
    version: str
    counts_memory = False

    @abstractmethod
    def array(self, x: NDArray[Any]) -> Any: ...

    @abstractmethod
    def event(self) -> Any: ...

    @abstractmethod
    def milliseconds(self, start: Any, stop: Any) -> float: ...

    @abstractmethod
    def release(self) -> None:
        """Give cached memory back, for the next contestant."""

    def ways(self) -> dict[str, Callable[[], AbstractContextManager[Any]]]:
        """Ways to compute that are compared, by what is said of them; the first is what users get."""
        return {"": nullcontext}

    def seconds(self, function: Callable[[], Any]) -> float:
        """Time of one call on the GPU, between events before and after it."""
        start, stop = self.event(), self.event()
        start.record()
        result = function()
        stop.record()
        stop.synchronize()
        del result
        return self.milliseconds(start, stop) / 1e3

    def peak(self, function: Callable[[], Any]) -> tuple[int, int]:
        """Bytes that a call takes beside what was taken before, and those of its result."""
        raise NotImplementedError(f"{self.name} does not tell")

    def bandwidth(self) -> float:
        """Bytes per second of a copy on the device, read and written bytes both counted."""
        x = self.array(np.zeros(COPIED // 4, np.float32))
        times = [self.seconds(lambda: x * 1.0) for _ in range(12)]
        return 2 * COPIED / float(np.median(times[2:]))


class CuPyEngine(Engine):
    name, backend = "CuPy", "cupy"

    def __init__(self) -> None:
        import cupy

        self.module = cupy
        cupy.cuda.runtime.getDeviceCount()  # raises CUDA's own reason if there is no device
        number = cupy.cuda.runtime.runtimeGetVersion()
        self.version = f"{cupy.__version__}, CUDA {number // 1000}.{number % 1000 // 10}"

    def array(self, x: NDArray[Any]) -> Any:
        return groupscat.get_backend("cupy").put(x, x.dtype.name)

    def event(self) -> Any:
        return self.module.cuda.Event()

    def milliseconds(self, start: Any, stop: Any) -> float:
        return float(self.module.cuda.get_elapsed_time(start, stop))

    def release(self) -> None:
        self.module.fft.config.get_plan_cache().clear()
        self.module.get_default_memory_pool().free_all_blocks()


class TorchEngine(Engine):
    name, backend = "Torch", "torch"
    counts_memory = True

    def __init__(self) -> None:
        import torch

        self.module = torch
        torch.zeros(1, device="cuda")  # raises the reason if there is no device
        self.version = f"{torch.__version__}, CUDA {torch.version.cuda}"
        if importlib.util.find_spec("triton"):
            import triton

            self.version += f", Triton {triton.__version__}"

    def array(self, x: NDArray[Any]) -> Any:
        return groupscat.get_backend("torch").put(x, x.dtype.name, "cuda")

    def event(self) -> Any:
        return self.module.cuda.Event(enable_timing=True)

    def milliseconds(self, start: Any, stop: Any) -> float:
        return float(start.elapsed_time(stop))

    def release(self) -> None:
        from groupscat_torch.graphs import GRAPHS

        GRAPHS.clear()  # first: recordings use the plans
        self.module.backends.cuda.cufft_plan_cache.clear()
        self.module.cuda.empty_cache()

    def ways(self) -> dict[str, Callable[[], AbstractContextManager[Any]]]:
        from groupscat_torch import fused, graphs

        def plain() -> AbstractContextManager[Any]:
            stack = ExitStack()
            stack.enter_context(graphs.cuda_graphs(False))
            stack.enter_context(patch.object(fused, "kernels", lambda device: None))
            return stack

        return {
            "": nullcontext,
            ", no graphs": lambda: graphs.cuda_graphs(False),
            ", no graphs, no Triton": plain,
        }

    def peak(self, function: Callable[[], Any]) -> tuple[int, int]:
        cuda = self.module.cuda
        before = cuda.memory_allocated()
        cuda.reset_peak_memory_stats()
        result = function()
        cuda.synchronize()
        return cuda.max_memory_allocated() - before, result.numel() * result.element_size()


class JAXEngine(Engine):
    name, backend = "JAX", "jax"

    def __init__(self) -> None:
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # others need memory, too
        import jax

        jax.config.update("jax_enable_x64", True)
        self.module, self.version = jax, jax.__version__
        self.device = jax.devices("gpu")[0]  # raises the reason if there is none

    def array(self, x: NDArray[Any]) -> Any:
        return self.module.device_put(x, self.device)

    def event(self) -> Any:
        raise NotImplementedError("JAX has no events; it is waited for")

    def milliseconds(self, start: Any, stop: Any) -> float:
        return 1e3 * float(stop - start)

    def seconds(self, function: Callable[[], Any]) -> float:
        start = time.perf_counter()
        self.module.block_until_ready(function())
        return time.perf_counter() - start

    def release(self) -> None:
        self.module.clear_caches()


def engines(with_jax: bool = False) -> tuple[list[Engine], dict[str, str]]:
    """The frameworks that find a GPU, and why the others do not."""
    kinds: tuple[type[Engine], ...] = (CuPyEngine, TorchEngine, *((JAXEngine,) if with_jax else ()))
    found: list[Engine] = []
    absent = {}
    for kind in kinds:
        if importlib.util.find_spec(kind.backend) is None:
            absent[kind.name] = "not installed"
            continue
        try:
            found.append(kind())
        except Exception as error:  # a driver or a build without CUDA may raise anything
            absent[kind.name] = (str(error).splitlines() or [type(error).__name__])[0]
    return found, absent


def device_facts(found: list[Engine]) -> dict[str, str]:
    """The GPU, its driver and the frameworks' versions."""
    facts = {"GPU": "unknown"}
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    if shutil.which(query[0]):
        done = subprocess.run(query, capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout:
            name, memory, driver = (part.strip() for part in done.stdout.splitlines()[0].split(","))
            facts = {"GPU": f"{name}, {memory}", "driver": driver}
    return facts | {engine.name: engine.version for engine in found}
