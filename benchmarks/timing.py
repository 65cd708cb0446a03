"""Timing of functions against each other: interleaved in one process, so that they meet the same machine."""

from __future__ import annotations

import gc
import math
import os
import sys
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from benchmarks.tables import seconds

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True)
class Timing:
    """Median and quartiles of repeated calls, seconds."""

    median: float
    low: float
    high: float
    calls: int

    def __str__(self) -> str:
        if self.calls == 1:
            return f"{seconds(self.median)} (one call)"
        return f"{seconds(self.median)} [{seconds(self.low)}, {seconds(self.high)}]"


@dataclass(frozen=True)
class Effort:
    """How long to measure: rounds of one call each, until ``budget`` seconds are spent.

    Whoever takes longer than ``slow`` seconds has one call that counts, and the others go on.
    """

    budget: float
    least: int
    most: int
    slow: float = math.inf


#: Seconds between two calls: threads that wait for more work of one function sleep when the next begins.
#: Those of OpenMP spin for milliseconds, on the cores that the next one computes on.
PAUSE = 0.02
FULL = Effort(budget=20, least=7, most=60)
QUICK = Effort(budget=3, least=3, most=15)


def interleaved(
    functions: Mapping[Name, Callable[[], Any]],
    effort: Effort,
    look: Callable[[Name, Any], None] = lambda name, result: None,
) -> dict[Name, Timing]:
    """Time every function in turn, A B C A B C …, after one round that does not count.

    ``look`` is given the name and the result of every function in that round.
    """
    warm_allocator()
    spent: dict[Name, list[float]] = {name: [] for name in functions}
    enabled = gc.isenabled()
    gc.disable()
    try:
        began = time.perf_counter()
        for turn in range(effort.most + 1):
            if turn > effort.least and time.perf_counter() - began > effort.budget:
                break
            for name, function in functions.items():
                if max(spent[name], default=0) > effort.slow:
                    continue
                time.sleep(PAUSE)
                settle_allocator()
                start = time.perf_counter()
                result = function()
                elapsed = time.perf_counter() - start
                if turn:
                    spent[name].append(elapsed)
                else:
                    look(name, result)
                del result
            gc.collect()
    finally:
        if enabled:
            gc.enable()
    return {name: summary(times) for name, times in spent.items()}


def settle_allocator(size: int = 1 << 15) -> None:
    """Ask for some memory: the C library then puts in order what the call before freed.

    Whoever asks next would do it otherwise, which is a quarter of the time of one small image.
    """
    np.empty(size, np.uint8)


def warm_allocator(size: int = 24 << 20) -> None:
    """Free one large block, as any process does that has handled large arrays before.

    The C library then keeps freed memory up to twice that size. Without it, whoever frees a few megabytes
    at the end of a call gets them back page by page in the next, and times depend on what ran before.
    """
    np.ones(size, np.uint8)


def summary(times: list[float]) -> Timing:
    low, median, high = np.quantile(times, [0.25, 0.5, 0.75])
    return Timing(float(median), float(low), float(high), len(times))


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def limit_threads(count: int | None) -> None:
    """Start this program again on ``count`` cores and threads, unless it runs on so many already.

    Thread pools are sized when a library is loaded, so the limit must be there before.
    """
    pools = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    if count is None or all(os.environ.get(name) == str(count) for name in pools):
        return
    os.environ.update(dict.fromkeys(pools, str(count)))
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
    sys.stdout.flush()
    os.execv(sys.executable, sys.orig_argv)
