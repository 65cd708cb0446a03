"""Work shared among threads: the kernels hold no lock, so that plain Python threads compute at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None


def share(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """The results of all calls; the first is made here, the others in threads that wait for work."""
    if len(calls) == 1:
        return [calls[0]()]
    results = [_begin(call) for call in calls[1:]]
    return [calls[0](), *(result() for result in results)]


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
    global _pool, _lock
    _pool, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
