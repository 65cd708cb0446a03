"""Whether there are kernels of our own for a device; they need Triton, which comes with Torch for CUDA."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from functools import cache
from types import ModuleType

import torch


@cache
def kernels(device: torch.device) -> ModuleType | None:
    """The module of kernels, once one of them has run on the device; None where they cannot.

    They are compiled where they run: this may fail.
    """
    if device.type != "cuda":
        return None
    if importlib.util.find_spec("triton") is None:
        return None
    try:
        module = importlib.import_module("groupscat_torch.triton_kernels")
        module.modulus(torch.ones(1, dtype=torch.complex64, device=device))
    except Exception as error:  # of a compiler, a driver or a GPU that is too old
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        warnings.warn(
            f"Triton cannot compile for {device} ({reason}): Torch's own operations are used, which move "
            "more memory. A C compiler may be missing.",
            stacklevel=2,
        )
        return None
    return module
