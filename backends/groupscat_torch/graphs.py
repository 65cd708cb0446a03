"""CUDA graphs: the launches of a plan, recorded once for a shape and replayed by a single one.

A scattering transform of few or small signals is hundreds of operations that a GPU finishes faster than
Python can start them. A recording reads and writes the same memory each time, so inputs are copied to where
it reads, and results away from where it writes.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from groupscat.backend.base import Arrays
from groupscat_torch.precision import rounding

Function = Callable[[Arrays], tuple[Tensor, ...]]

#: Recordings that are kept; calls of one kind before it is recorded; kinds of calls that are counted.
MOST, PATIENCE, COUNTED = 32, 2, 512
#: Types of tensors that do no more than what is asked of them.
PLAIN = (Tensor, torch.nn.Parameter)
#: Bytes of the largest intermediate array above which launches cost less than the work.
WORTHWHILE = 1 << 26

_WANTED: ContextVar[bool] = ContextVar("cuda_graphs", default=os.environ.get("GROUPSCAT_CUDA_GRAPHS") != "0")


@contextmanager
def cuda_graphs(wanted: bool) -> Iterator[None]:
    """Within, whether small transforms on a GPU are recorded as CUDA graphs and replayed.

    By default they are, after a few calls of one shape, where nobody differentiates. Results are the same.
    The environment variable ``GROUPSCAT_CUDA_GRAPHS=0``, read at import, changes the default.

    >>> import torch, groupscat.torch as gst
    >>> S = gst.Scattering2D(J=2, shape=(16, 16))
    >>> with gst.cuda_graphs(False):
    ...     S(torch.zeros(16, 16)).shape
    torch.Size([81, 4, 4])
    """
    before = _WANTED.set(wanted)
    try:
        yield
    finally:
        _WANTED.reset(before)


class Recordings:
    """What has been recorded, by key: the ones used last. Knows nothing of devices.

    Parameters
    ----------
    most : recordings kept. patience : calls before one is made. counted : keys whose calls are counted.
    release : called before recordings are dropped.

    >>> kept = Recordings(most=1, patience=1)
    >>> [kept.find(key, lambda: f"recording of {key}") for key in "aab"]
    [None, 'recording of a', None]
    """

    def __init__(
        self,
        most: int = MOST,
        patience: int = PATIENCE,
        counted: int = COUNTED,
        release: Callable[[], None] = lambda: None,
    ) -> None:
        self.most, self.patience, self.counted, self.release = most, patience, counted, release
        self.kept: OrderedDict[Hashable, Any] = OrderedDict()
        self.calls: OrderedDict[Hashable, int] = OrderedDict()

    def find(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The recording of ``key``, made by ``make`` when it is time to; None before, or if that fails."""
        if key in self.kept:
            self.kept.move_to_end(key)
            return self.kept[key]
        calls = self.calls.pop(key, 0)
        if calls < self.patience:
            self.calls[key] = calls + 1
            if len(self.calls) > self.counted:
                self.calls.popitem(last=False)
            return None
        self.make_room(self.most - 1)
        found = self.kept[key] = make()
        return found

    def make_room(self, most: int) -> None:
        """Drop those used longest ago until ``most`` are left."""
        if len(self.kept) > most:
            self.release()
        while len(self.kept) > most:
            self.kept.popitem(last=False)


class Graphs:
    """Runs functions of tensors, from a recording where there is one.

    Parameters
    ----------
    cuda : has the streams, events and graphs of ``torch.cuda``. kind : the type of its devices.
    """

    def __init__(self, cuda: Any = torch.cuda, kind: str = "cuda", **limits: int) -> None:
        self.cuda, self.kind = cuda, kind
        self.recordings = Recordings(release=self._wait, **limits)
        self._pools: dict[torch.device, tuple[Any, Any]] = {}
        # Recordings share the memory of their intermediate arrays: one at a time.
        self._lock = threading.Lock()

    def run(
        self, function: Function, key: Hashable, data: tuple[str, ...], nbytes: int, xs: Arrays
    ) -> tuple[Tensor, ...]:
        """``function(xs)``.

        Parameters
        ----------
        key : equal only for functions that do the same. data : the names of the arrays that are new in each
            call; the others are the same tensors again and again, though their values may change.
        nbytes : of the largest intermediate array.
        """
        device = xs[data[0]].device
        if device.type != self.kind or nbytes > WORTHWHILE or not self._recordable(xs):
            return function(xs)
        assumed = tuple((x.dtype, tuple(x.shape)) if name in data else _memory(x) for name, x in xs.items())
        whole = key, device, assumed, _switches()
        with self._lock, self.cuda.device(device):
            recording = self.recordings.find(whole, lambda: self._record(function, data, xs))
            if recording is not None:
                _, last = self._of(device)
                stream = self.cuda.current_stream()
                stream.wait_event(last)  # another stream may still be at the memory that is shared
                outputs = recording(xs)
                last.record(stream)
                return outputs
        return function(xs)

    def clear(self) -> None:
        """Forget all recordings. Needed before cuFFT's plans are dropped by hand: recordings use them."""
        with self._lock:
            self.recordings.make_room(0)
            self.recordings.calls.clear()

    def _recordable(self, xs: Arrays) -> bool:
        """Whether all that happens is launches: nobody differentiates, traces or records by himself."""
        return (
            _WANTED.get()
            and forward_ad._current_level < 0
            and not torch._C._len_torch_dispatch_stack()
            and all(map(self._plain, xs.values()))
            and not (torch.is_grad_enabled() and any(x.requires_grad for x in xs.values()))
            and not self.cuda.is_current_stream_capturing()
        )

    def _plain(self, x: Tensor) -> bool:
        wrapped = torch._C._functorch.is_functorch_wrapped_tensor(x)
        return type(x) in PLAIN and x.device.type == self.kind and not wrapped

    def _record(self, function: Function, data: tuple[str, ...], xs: Arrays) -> Recording | None:
        """None, once and for all, where some operation cannot be recorded."""
        pool, _ = self._of(xs[data[0]].device)
        try:
            return Recording(self.cuda, function, data, xs, pool)
        except RuntimeError as error:
            warnings.warn(
                f"A plan could not be recorded as a CUDA graph ({str(error).splitlines()[0]}); it runs "
                "operation by operation. GROUPSCAT_CUDA_GRAPHS=0 in the environment switches graphs off.",
                stacklevel=2,
            )
            return None

    def _of(self, device: torch.device) -> tuple[Any, Any]:
        """The memory that recordings of a device share, and when it was last in use."""
        if device not in self._pools:
            self._pools[device] = self.cuda.graph_pool_handle(), self.cuda.Event()
        return self._pools[device]

    def _wait(self) -> None:
        for _, last in self._pools.values():
            last.synchronize()


class Recording:
    """One function of tensors in fixed places; calling it replays what it launched."""

    def __init__(self, cuda: Any, function: Function, data: tuple[str, ...], xs: Arrays, pool: Any) -> None:
        # Also in inference mode the copies must be ordinary tensors: later calls write to them.
        with torch.inference_mode(False), torch.no_grad():
            self.data = {name: xs[name].clone(memory_format=torch.contiguous_format) for name in data}
            self.xs = {**xs, **self.data}  # held: their memory must not become another's
            outer, side = cuda.current_stream(), cuda.Stream()
            side.wait_stream(outer)
            with cuda.stream(side):  # what happens once only, libraries' plans and workspaces, happens here
                function(self.xs)
            outer.wait_stream(side)
            self.graph = cuda.CUDAGraph()
            with cuda.graph(self.graph, pool=pool, capture_error_mode="thread_local"):
                self.outputs = function(self.xs)

    def __call__(self, xs: Arrays) -> tuple[Tensor, ...]:
        for name, x in self.data.items():
            x.copy_(xs[name])
        self.graph.replay()
        return tuple(y.clone() for y in self.outputs)


def _memory(x: Tensor) -> tuple[Hashable, ...]:
    """What a recording assumes of a tensor that it holds."""
    return x.data_ptr(), x.dtype, tuple(x.shape), x.stride()


def _switches() -> tuple[Hashable, ...]:
    """What Torch chooses its kernels by."""
    cudnn = torch.backends.cudnn
    return (
        torch.is_autocast_enabled("cuda"),
        torch.are_deterministic_algorithms_enabled(),
        (cudnn.enabled, cudnn.benchmark, cudnn.deterministic),
        *rounding(),
    )


GRAPHS = Graphs()
