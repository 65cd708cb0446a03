"""The compiled library: found, chosen for this processor, and typed."""

from __future__ import annotations

import ctypes
import os
from ctypes import POINTER, c_double, c_int32, c_int64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

from groupscat.errors import BackendError
from groupscat_native.compile import HERE, SUFFIX, variants

#: Set to "0" to compute without the kernels.
SWITCH = "GROUPSCAT_NATIVE"
TYPES = ("float32", "float64")
#: What a processor must have for a library, as ``groupscat_level`` counts it.
LEVELS = {"base": 0, "avx2": 1, "avx512": 2}
_P, _N = c_void_p, c_int64
#: Axes of a block: its shape, how many, their numbers, bins, filters, count, stride.
_BLOCK = [_P, c_int32, _P, _P, _P, _N, _N]
_BANDS = [c_int32, _P, POINTER(_P)]
_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "shape_new": (_P, [c_int32, _P]),
    "shape_rows": (_N, [_P]),
    "shape_free": (None, [_P]),
    "bandpass": (c_int32, [_P, *_BLOCK, _P, _P, c_int32, _N, _N]),
    "bandpass_vjp": (c_int32, [_P, *_BLOCK, _P, _P, _P, c_int32, _N, _N]),
    "half_back": (c_int32, [_P, _P, _P, _P, _N, _N]),
    "lanes": (_N, []),
    "harmonic": (c_int32, [_P] * 9 + [_N, _N]),
    "harmonic_vjp": (c_int32, [*[_P] * 10, c_int32, _N, _N]),
    "harmonic_kept": (_N, [_P] * 3),
    "power": (c_int32, [_P, c_double, c_int32, _P, _P, _N, _N]),
    "power_vjp": (c_int32, [_P, c_double, c_int32, _P, _P, _P, _N, _N]),
    "spectrum": (c_int32, [_P, _P, _P, _P, _N, _N, _N]),
    "transform": (c_int32, [_P, _P, _P, _P, c_int32, _N, _N]),
    "lowpass": (c_int32, [_P, *_BANDS, _P, _P, _N, _N]),
    "lowpass_vjp": (c_int32, [_P, *_BANDS, _P, _P, _N, _N]),
    "program_new": (_P, [_N, _N, _N, _P]),
    "program_free": (None, [_P]),
    "program_step": (None, [_P, _N, c_int32, _N, _N, _P, _P, _P, _P]),
    "program_block": (c_int32, [_P, _N, _P, c_int32, _P, _P, _P, _P, _N, _N, _N, _N]),
    "program_bands": (None, [_P, _N, *_BANDS]),
    "program_along": (None, [_P, _N] + [_P] * 5 + [_N]),
    "program_angular": (None, [_P, _N] + [_P] * 6),
    "program_mix": (None, [_P, _N] + [_P] * 3),
    "program_solid": (None, [_P, _N, *[_P] * 5, _N, c_int32]),
    "program_power": (None, [_P, _N, c_double, c_int32]),
    "program_padding": (None, [_P, _N, c_int32, _P, _P, POINTER(_P), _N]),
    "program": (c_int32, [_P, _P, POINTER(_P), _N, _N]),
    "program_shared": (c_int32, [_P, _P, _P, POINTER(_P), _N, c_int32]),
    "angular": (c_int32, [_P] * 9 + [_N, _N]),
    "angular_vjp": (c_int32, [_P] * 10 + [_N, _N]),
    "mix_channels": (c_int32, [_P] * 6 + [_N, _N]),
    "tree_new": (_P, [c_int32, _P, _P, POINTER(_P), _N, _N, _N, _N]),
    "tree_free": (None, [_P]),
    "tree_node": (None, [_P, _N, _P, _N, _N, _P, *_BANDS]),
    "tree_edge": (c_int32, [_P, _N, _N, _P, c_int32, _P, _P, _P, _P, _N, _N]),
    "tree": (c_int32, [_P] * 4 + [_N] * 2),
    "tree_shared": (c_int32, [_P] * 5 + [_N, c_int32]),
    "tree_vjp": (c_int32, [_P] * 5 + [_N] * 4),
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

        #: How much of the list of libraries this processor can run.
        self.level = int(library.groupscat_level())
        self.stack_new, self.stack_free = library.groupscat_stack_new, library.groupscat_stack_free
        self.stack_new.restype, self.stack_free.argtypes = c_void_p, [c_void_p]
        self.stack_free.restype = None
        self.stack_trim = library.groupscat_stack_trim
        self.stack_trim.restype, self.stack_trim.argtypes = None, [c_void_p, c_int64]
        self.team_start, self.team_bytes = library.groupscat_team_start, int(library.groupscat_team_bytes())
        self.team_start.restype, self.team_start.argtypes = None, [c_void_p]
        #: A function of the address of :class:`groupscat_native.threads.Turns`.
        self.take_turns = library.groupscat_take_turns

    def __getitem__(self, key: tuple[str, str]) -> Any:
        return self._functions[key]


@cache
def load() -> tuple[Library | None, str]:
    """The library, or None; and which one it is, or why there is none."""
    if os.environ.get(SWITCH) == "0":
        return None, f"switched off by {SWITCH}=0"
    found = [HERE / f"kernels_{name}{SUFFIX}" for name, _ in variants()]
    if not found[-1].exists():
        return None, "not compiled: install groupscat with a C compiler, or from a wheel of this platform"
    try:
        level = Library(found[-1]).level  # every processor can run the last one
        for path, (name, _) in zip(found, variants(), strict=True):
            if path.exists() and LEVELS[name] <= level:
                return Library(path), name
    except (OSError, AttributeError) as error:
        return None, f"cannot be loaded: {error}"
    return None, "compiled for other processors"


def library() -> Library:
    """The library, for those who only compute where there is one.

    Raises
    ------
    BackendError : there is none; says why.
    """
    found, which = load()
    if found is None:
        raise BackendError(f"There are no compiled kernels: {which}.")
    return found
