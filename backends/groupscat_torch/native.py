"""The Torch backend with compiled kernels on the CPU, registered as "torch" where they could be compiled."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd import forward_ad
from torch.utils._python_dispatch import _get_current_dispatch_mode

from groupscat.backend.base import Backend
from groupscat_native import threads
from groupscat_native.backend import with_kernels
from groupscat_native.pointers import Memory
from groupscat_native.shapes import COMPLEX
from groupscat_native.verbs import PRECISION, NativeVerbs
from groupscat_torch import openmp
from groupscat_torch.backend import DTYPES, TorchBackend

#: Bytes up to which arrays are copied by one thread.
COPIED = 1 << 24


def torch_backend() -> Backend:
    """The backend for Torch tensors: with kernels where there are any."""
    threads.use(openmp.team())
    return with_kernels(NativeTorchBackend, TorchBackend)


class NativeTorchBackend(NativeVerbs, TorchBackend):
    """Torch tensors; on the CPU, where nobody records or traces, by kernels that never leave the cache.

    Gradients do not need a record: the plan of a gradient is run by the same verbs.
    """

    def views(self, *xs: Tensor) -> list[NDArray[Any]] | None:
        if _recorded() or not all(map(_ours, xs)):
            return None
        return [x.detach().resolve_conj().resolve_neg().numpy() for x in xs]

    def memory(self, *xs: Tensor) -> list[Memory] | None:
        # As `views`, with fewer calls of Torch: of small signals these are what takes time.
        if _recorded() or not all(map(_ours, xs)):
            return None
        if not all(x.is_contiguous() and not x.is_conj() and not x.is_neg() for x in xs):
            return super().memory(*xs)
        return [Memory(x.data_ptr(), tuple(x.shape), self.dtype(x), x) for x in xs]

    def fresh(self, shape: Sequence[int], dtype: str) -> Tensor:
        return torch.empty(tuple(shape), dtype=DTYPES[dtype], device="cpu")

    def identity(self, x: Tensor) -> Hashable:
        if not _plain(x):
            return None
        learned = x.requires_grad and torch.is_grad_enabled()
        # What was made in inference mode has no version; it cannot be learned either.
        return x.data_ptr(), x.stride(), x.is_neg(), learned, None if x.is_inference() else x._version

    def _view(self, x: Tensor) -> NDArray[Any]:
        return x.numpy()  # of what `fresh` made there is nothing to look at

    def versions(self, xs: Sequence[Tensor]) -> Hashable:
        if torch.is_inference_mode_enabled() or any(x.requires_grad or x.is_inference() for x in xs):
            return None
        return tuple((x._version, x.data_ptr()) for x in xs)  # .data exchanges memory, and the version stays

    @property
    def workers(self) -> int:
        return torch.get_num_threads()

    # Torch's threads go on spinning after an operation, on cores where those of the kernels would compute.
    # What is only copied between kernels is therefore copied without them.

    def concat(self, xs: Sequence[Tensor], axis: int) -> Tensor:
        seen = self._copied(*xs)
        if seen is None or len({x.dtype for x in xs}) > 1:
            return super().concat(xs, axis)
        shape = list(xs[0].shape)
        shape[axis] = sum(x.shape[axis] for x in xs)
        out = self.fresh(shape, self.dtype(xs[0]))
        np.concatenate(seen, axis, out=out.numpy())
        return out

    def take(self, x: Tensor, index: Tensor, axis: int) -> Tensor:
        seen = self._copied(x)
        at = None if seen is None else self.views(index)
        if seen is None or at is None:
            return super().take(x, index, axis)
        return torch.from_numpy(np.take(seen[0], at[0], axis))

    def accumulate(self, total: Tensor, x: Tensor) -> Tensor:
        seen = self._copied(total, x)
        if seen is None or total.dtype is not x.dtype:
            return super().accumulate(total, x)
        a, b = seen
        np.add(a, b, out=a)
        return total

    def complex(self, re: Tensor, im: Tensor) -> Tensor:
        seen = self._copied(re, im)
        if seen is None or re.dtype is not im.dtype or re.shape != im.shape or re.is_complex():
            return super().complex(re, im)
        out = self.fresh(re.shape, COMPLEX[self.dtype(re)])
        view = out.numpy()
        view.real, view.imag = seen
        return out

    def _copied(self, *xs: Tensor) -> list[NDArray[Any]] | None:
        """Views of arrays that the kernels know and that are not so large that copying pays for threads."""
        if any(self.dtype(x) not in PRECISION for x in xs):
            return None
        found = self.views(*xs)
        return None if found is None or sum(x.nbytes for x in found) > COPIED else found


def _recorded() -> bool:
    """Whether Torch follows what is computed, to compile, trace or differentiate it forward."""
    return (
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()
        or forward_ad._current_level >= 0
        or _get_current_dispatch_mode() is not None
    )


def _ours(x: Tensor) -> bool:
    """Whether the kernels may have a tensor: its numbers can be read, and autograd does not record it."""
    return _plain(x) and not (x.requires_grad and torch.is_grad_enabled())


def _plain(x: Tensor) -> bool:
    """A tensor with memory of its own on the CPU, as no wrapper and no other device has."""
    return (
        type(x) in (Tensor, torch.nn.Parameter, torch.nn.Buffer)
        and x.device.type == "cpu"
        and x.layout is torch.strided
        and not torch._C._functorch.is_functorch_wrapped_tensor(x)
    )
