"""The compiled library: found, chosen for this processor, and typed."""

from __future__ import annotations

import ctypes
import os
from ctypes import POINTER, c_int32, c_int64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

from groupscat_native.compile import HERE, SUFFIX, variants

#: Set to "0" to compute without the kernels.
SWITCH = "GROUPSCAT_NATIVE"
TYPES = ("float32", "float64")
_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "shape_new": (c_void_p, [c_int32, c_void_p]),
    "shape_rows": (c_int64, [c_void_p]),
    "shape_free": (None, [c_void_p]),
    "bandpass": (
        c_int32,
        [c_void_p]
        + [c_void_p, c_int32, c_void_p, c_void_p, c_void_p, c_int64, c_int64, c_void_p, c_void_p, c_int32]
        + [c_int64] * 2,
    ),
    "bandpass_vjp": (
        c_int32,
        [c_void_p]
        + [c_void_p, c_int32, c_void_p, c_void_p, c_void_p, c_int64, c_int64, c_void_p, c_void_p, c_void_p]
        + [c_int32, c_int64, c_int64],
    ),
    "harmonic": (c_int32, [c_void_p] + [c_void_p, c_void_p, c_int64, c_void_p, c_void_p, c_int64, c_int64]),
    "harmonic_vjp": (
        c_int32,
        [c_void_p] + [c_void_p, c_void_p, c_int64, c_void_p, c_void_p, c_void_p, c_int64, c_int64],
    ),
    "spectrum": (c_int32, [c_void_p] + [c_void_p, c_void_p, c_void_p, c_int64, c_int64]),
    "transform": (c_int32, [c_void_p] + [c_void_p, c_void_p, c_void_p, c_int32, c_int64, c_int64]),
    "lowpass": (
        c_int32,
        [c_void_p]
        + [c_int32, c_void_p, POINTER(c_void_p), POINTER(c_void_p)]
        + [c_void_p] * 2
        + [c_int64] * 2,
    ),
    "tree_new": (c_void_p, [c_int32, c_void_p, c_void_p, POINTER(c_void_p)] + [c_int64] * 4),
    "tree_free": (None, [c_void_p]),
    "tree_node": (
        None,
        [c_void_p, c_int64, c_void_p, c_int64, c_int64, c_void_p, c_int32, c_void_p]
        + [POINTER(c_void_p), POINTER(c_void_p)],
    ),
    "tree_edge": (
        c_int32,
        [c_void_p, c_int64, c_int64, c_void_p, c_int32, c_void_p, c_void_p, c_void_p, c_void_p]
        + [c_int64, c_int64],
    ),
    "tree": (c_int32, [c_void_p] + [c_void_p, c_void_p, c_void_p] + [c_int64] * 4),
    "along": (c_int32, [c_void_p] + [c_void_p] * 7 + [c_int64] * 2),
    "along_vjp": (c_int32, [c_void_p] + [c_void_p] * 8 + [c_int64] * 2),
    "tree_vjp": (c_int32, [c_void_p] + [c_void_p] * 4 + [c_int64] * 4),
    "lowpass_vjp": (
        c_int32,
        [c_void_p]
        + [c_int32, c_void_p, POINTER(c_void_p), POINTER(c_void_p)]
        + [c_void_p] * 2
        + [c_int64] * 2,
    ),
}


class Library:
    """The functions of one compiled library by name and type of numbers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        library = ctypes.CDLL(str(path))
        self._functions = {}
        for name, (result, arguments) in _SIGNATURES.items():
            for dtype in TYPES:
                function = getattr(library, f"groupscat_{name}_{dtype}")
                function.restype, function.argtypes = result, arguments
                self._functions[name, dtype] = function

        self.stack_new, self.stack_free = library.groupscat_stack_new, library.groupscat_stack_free
        self.stack_new.restype, self.stack_free.argtypes = c_void_p, [c_void_p]
        self.stack_free.restype = None

    def __getitem__(self, key: tuple[str, str]) -> Any:
        return self._functions[key]


@cache
def load() -> tuple[Library | None, str]:
    """The library, or None; and which one it is, or why there is none."""
    if os.environ.get(SWITCH) == "0":
        return None, f"switched off by {SWITCH}=0"
    found = [HERE / f"kernels_{name}{SUFFIX}" for name, _ in variants()]
    there = [path for path in found if path.exists()]
    if not there:
        return None, "not compiled: install groupscat with a C compiler, or from a wheel of this platform"
    try:
        base = ctypes.CDLL(str(there[-1]))
        level = base.groupscat_level()  # how much of the list this processor can run
        for path, (name, _) in zip(found, variants(), strict=True):
            if path.exists() and _LEVELS[name] <= level:
                return Library(path), name
    except (OSError, AttributeError) as error:
        return None, f"cannot be loaded: {error}"
    return None, "compiled for other processors"


_LEVELS = {"base": 0, "avx2": 1, "avx512": 2}
