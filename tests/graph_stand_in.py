"""A stand-in for CUDA graphs where there is no GPU: it records what Torch computes on a CPU, and replays it.

As a graph does, a replay reads and writes the memory of the recording, whatever became of it, and knows
nothing of the Python that launched it. What a capture forbids (waiting for the device) it refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from groupscat.backend import get_backend

#: Operations that wait for the device: not to be recorded.
WAITING = ("aten::_local_scalar_dense", "aten::item", "aten::nonzero", "aten::equal", "aten::is_nonzero")


def take_the_cpu_for_a_gpu(patch: pytest.MonkeyPatch) -> None:
    """Leave out kernels that are compiled for the CPU, where there are any: a GPU has no use for them."""
    backend = type(get_backend("torch"))
    if hasattr(backend, "views"):
        patch.setattr(backend, "views", lambda self, *xs: None)


class Recorder(TorchDispatchMode):
    """Keeps every operation with its arguments and results."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Callable[[], None]] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function._schema.name in WAITING:
            raise RuntimeError("operation not permitted when stream is capturing")
        kwargs = kwargs or {}
        result = function(*args, **kwargs)
        given = {_place(x) for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)}
        written = [y for y in tree_leaves(result) if isinstance(y, torch.Tensor)]
        if function._schema.is_mutable:
            self.steps.append(lambda: function(*args, **kwargs))
        elif any(_place(y) not in given for y in written):  # else a view

            def step() -> None:
                again = [y for y in tree_leaves(function(*args, **kwargs)) if isinstance(y, torch.Tensor)]
                for y, new in zip(written, again, strict=True):
                    y.copy_(new)

            self.steps.append(step)
        return result


def _place(x: torch.Tensor) -> int:
    return x.untyped_storage().data_ptr()


class CUDAGraph:
    def __init__(self) -> None:
        self.recorder = Recorder()

    def replay(self) -> None:
        Cuda.log.append("replay")
        with torch.no_grad():
            for step in self.recorder.steps:
                step()


class Event:
    def record(self, stream: Any = None) -> None:
        Cuda.log.append("record")

    def synchronize(self) -> None:
        Cuda.log.append("synchronize")


class Stream:
    def wait_stream(self, other: Any) -> None: ...

    def wait_event(self, event: Any) -> None:
        Cuda.log.append("wait")


class Cuda:
    """What is used of ``torch.cuda``; ``log``: what happened. ``capturing``: somebody records already."""

    log: list[str] = []  # noqa: RUF012
    capturing = False
    CUDAGraph, Event, Stream = CUDAGraph, Event, Stream

    def current_stream(self) -> Stream:
        return Stream()

    def device(self, device: Any) -> Any:
        return nullcontext()

    def stream(self, stream: Stream) -> Any:
        return nullcontext()

    def graph_pool_handle(self) -> tuple[int, int]:
        return 0, 1

    def is_current_stream_capturing(self) -> bool:
        return self.capturing

    @contextmanager
    def graph(self, graph: CUDAGraph, pool: Any, capture_error_mode: str) -> Iterator[None]:
        assert capture_error_mode == "thread_local"
        Cuda.log.append("capture")
        with graph.recorder:
            yield
