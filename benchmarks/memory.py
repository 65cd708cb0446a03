"""Peak memory of one call, in a process of its own: ``python -m benchmarks.memory CASE CONTESTANT``.

The kernel keeps the high-water mark of a process's resident memory and resets it on request (Linux).
After a first call has built constants and thread pools, its result is dropped, freed memory is handed
back, the mark is reset, and the difference between the mark after a second call and the resident
memory before it is what a call needs beyond the operator and its input. The result is part of it, and so is
scratch that our kernels would keep for the next call: it is given back first. The kernel counts in steps
(``STEP``), so less than that is not told apart.
The allocator is told to return every freed block at once, so that nothing freed earlier is reused
unseen, and MKL not to keep buffers.

What needs less than ``STEP`` is seen with ``--touched``: there the allocator returns nothing, all free
pages are handed back before a call, and those that it touches are counted, to the page. Holes between
blocks that are in use count, too, so that large needs look larger than they are.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import mmap
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "65536",
    "MALLOC_ARENA_MAX": "1",
    "MKL_DISABLE_FAST_MM": "1",
}
#: For ``--touched``.
KEEPING = {
    "MALLOC_MMAP_THRESHOLD_": "1000000000",
    "MALLOC_TRIM_THRESHOLD_": "1000000000",
    "MALLOC_TOP_PAD_": "0",
    "MALLOC_ARENA_MAX": "1",
    "MKL_DISABLE_FAST_MM": "1",
}
#: Bytes by which the kernel's count of a thread's resident memory may be behind.
STEP = 64 * 4096
#: Seconds after which a process is given up.
PATIENCE = 600


def peak(case: str, who: str) -> dict[str, Any] | str:
    """Of a contestant of ``benchmarks.contestants``: by way of calling, bytes beyond the input that a call
    needs (``extra``) and those of its result; and those of its constants."""
    return ask("benchmarks.memory", case, who)


def ask(module: str, *arguments: str) -> dict[str, Any] | str:
    """The JSON that a module prints, from a process that returns every freed block; or why there is none."""
    if not sys.platform.startswith("linux"):
        return "absent: measured on Linux only"
    command = [sys.executable, "-m", module, *arguments]
    try:
        done = subprocess.run(
            command,
            env=os.environ | ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return f"absent: no answer in {PATIENCE} s"
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        return "absent: " + reason.removeprefix("absent: ")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def of_call(call: Callable[[], Any]) -> dict[str, int]:
    """Bytes that a second call needs, and those of its result."""
    result = call()
    size = sum(a.nbytes for a in result) if isinstance(result, (tuple, list)) else result.nbytes
    del result
    _hand_back()
    Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark
    before = _status("VmRSS")
    call()
    return {"extra": max(_status("VmHWM") - before, size), "result": size}


def touched(call: Callable[[], Any], calls: int = 5) -> int:
    """Bytes of the pages that a call touches which nobody used before it; the median of some calls."""
    call()
    found = []
    for _ in range(calls):
        _hand_back()
        before = _faults()
        result = call()
        found.append((_faults() - before) * mmap.PAGESIZE)
        del result
    return int(statistics.median(found))


def _hand_back() -> None:
    gc.collect()
    if "groupscat_native.kernels" in sys.modules:
        sys.modules["groupscat_native.kernels"].forget()
    ctypes.CDLL("libc.so.6").malloc_trim(0)


def _faults() -> int:
    import resource  # there is none on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def _status(field: str) -> int:
    found = re.search(rf"{field}:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return 1024 * int(found[1])


def _measure(case: str, who: str, what: Callable[[Callable[[], Any]], Any] = of_call) -> dict[str, Any]:
    from benchmarks.contestants import EVERY, Absent, contestant

    try:
        found = contestant(who, next(c for c in EVERY if c.name == case))
    except Absent as reason:
        sys.exit(str(reason))
    return {mode: what(call) for mode, call in found.calls.items()} | {"constants": found.constants}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description="Peak memory of a call")
    parser.add_argument("case", help='name of a case, as "2-D 1×32² J=2"')
    parser.add_argument("contestant", help='as "groupscat Torch" or "Kymatio Torch"')
    parser.add_argument("--touched", action="store_true", help="count the pages that a call touches")
    given = parser.parse_args()
    if given.touched and any(os.environ.get(name) != value for name, value in KEEPING.items()):
        os.execve(
            sys.executable, sys.orig_argv, os.environ | KEEPING
        )  # the allocator reads it when it begins
    print(json.dumps(_measure(given.case, given.contestant, touched if given.touched else of_call)))


if __name__ == "__main__":
    main()
