"""Work shared among threads: the kernels hold no lock, so that plain Python threads compute at once."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from groupscat_native.library import library

#: Runs function(data), given as addresses, in several threads at once and returns when all have returned.
Team = Callable[[int, int], None]

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None
_team: Team | None = None


def use(team: Team | None) -> None:
    """Share work among the threads of somebody else; None: among our own.

    A framework's threads may go on waiting busily after an operation, on the cores that ours would get.
    """
    global _team
    _team = team


def share(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """The results of all calls; the first is made here, the others in threads that wait for work."""
    if len(calls) == 1:
        return [calls[0]()]
    if _team is not None:
        return _in_turns(calls, _team)
    results = [_begin(call) for call in calls[1:]]
    return [calls[0](), *(result() for result in results)]


_CALL = ctypes.CFUNCTYPE(None, ctypes.c_int64)


class Turns(ctypes.Structure):
    """Calls as the kernels count them, so that a thread without one never asks for Python's lock."""

    _fields_ = (("next", ctypes.c_int64), ("count", ctypes.c_int64), ("call", _CALL))


def _in_turns(calls: Sequence[Callable[[], Any]], team: Team) -> list[Any]:
    results: list[Any] = [None] * len(calls)
    failures: list[BaseException] = []

    def call(k: int) -> None:
        try:
            results[k] = calls[k]()
        except BaseException as error:  # nothing may pass through the caller, which is not Python
            failures.append(error)

    turns = Turns(0, len(calls), _CALL(call))
    team(_address(library().take_turns), ctypes.addressof(turns))
    if failures:
        raise failures[0]
    return results


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def _begin(call: Callable[[], Any]) -> Callable[[], Any]:
    """What gives the result of a call that a thread begins now."""
    try:
        return _threads().submit(call).result
    except RuntimeError:  # the interpreter ends: no thread begins any more
        return call


def _threads() -> ThreadPoolExecutor:
    global _pool
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="groupscat")
        return _pool


def _forget() -> None:
    """In a forked process there are none of the parent's threads, and its lock may be held for ever."""
    global _pool, _lock, _team
    _pool, _lock, _team = None, threading.Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
