"""Torch's threads for the kernels.

Threads of OpenMP wait busily for some milliseconds after an operation. Kernels with threads of their own
would share the cores with them; so they are run by those very threads, which are awake besides.
"""

from __future__ import annotations

import ctypes
import sys

import torch

from groupscat_native.threads import Team


def team() -> Team | None:
    """What runs a function in all threads of Torch; None where its OpenMP is not the kind known here.

    That is GCC's, or LLVM's with the entry points of GCC's, on Linux, where Torch loads it for all to see.
    """
    if sys.platform != "linux" or not torch.backends.openmp.is_available():
        return None
    try:
        parallel = ctypes.CDLL(None).GOMP_parallel
    except (AttributeError, OSError):
        return None
    # void GOMP_parallel(void (*function)(void *), void *data, unsigned threads, unsigned flags)
    parallel.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    parallel.restype = None

    def run(function: int, data: int) -> None:
        # All of them: those that a smaller team leaves out would end, and be begun anew by Torch.
        parallel(function, data, torch.get_num_threads(), 0)

    return run
