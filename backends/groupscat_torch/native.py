"""The Torch backend with compiled kernels on the CPU, registered as "torch" where they could be compiled."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd import forward_ad
from torch.utils._python_dispatch import _get_current_dispatch_mode

from groupscat.backend.base import Backend
from groupscat_native.backend import with_kernels
from groupscat_native.verbs import NativeVerbs
from groupscat_torch.backend import DTYPES, TorchBackend


def torch_backend() -> Backend:
    """The backend for Torch tensors: with kernels where there are any."""
    return with_kernels(NativeTorchBackend, TorchBackend)


class NativeTorchBackend(NativeVerbs, TorchBackend):
    """Torch tensors; on the CPU, where nobody records or traces, by kernels that never leave the cache.

    Gradients do not need a record: the plan of a gradient is run by the same verbs.
    """

    def views(self, *xs: Tensor) -> list[NDArray[Any]] | None:
        if torch.compiler.is_compiling() or torch.jit.is_tracing() or forward_ad._current_level >= 0:
            return None
        if _get_current_dispatch_mode() is not None or not all(map(_plain, xs)):
            return None
        if torch.is_grad_enabled() and any(x.requires_grad for x in xs):
            return None
        return [x.detach().resolve_conj().resolve_neg().numpy() for x in xs]

    def fresh(self, shape: Sequence[int], dtype: str) -> Tensor:
        return torch.empty(tuple(shape), dtype=DTYPES[dtype], device="cpu")

    def identity(self, x: Tensor) -> Hashable:
        if not _plain(x):
            return None
        learned = x.requires_grad and torch.is_grad_enabled()
        # What was made in inference mode has no version; it cannot be learned either.
        return x.data_ptr(), x.stride(), x.is_neg(), learned, None if x.is_inference() else x._version

    @property
    def workers(self) -> int:
        return torch.get_num_threads()


def _plain(x: Tensor) -> bool:
    """A tensor with memory of its own on the CPU, as no wrapper and no other device has."""
    return (
        type(x) in (Tensor, torch.nn.Parameter, torch.nn.Buffer)
        and x.device.type == "cpu"
        and x.layout is torch.strided
        and not torch._C._functorch.is_functorch_wrapped_tensor(x)
    )
