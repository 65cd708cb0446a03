"""Peak memory of one forward call, in a process of its own.

The kernel keeps the high-water mark of a process's resident memory and resets it on request (Linux).
After a first call has built constants and thread pools, its result is dropped, freed memory is handed
back, the mark is reset, and the difference between the mark after a second call and the resident
memory before it is what a call needs beyond the operator and its input. The result is part of it.
The allocator is told to return every freed block at once, so that nothing freed earlier is reused
unseen, and MKL not to keep buffers.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.cases import CASES, Case

ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "65536",
    "MALLOC_ARENA_MAX": "1",
    "MKL_DISABLE_FAST_MM": "1",
}
WHO = ("torch", "numpy", "peer")


def peak(case: Case, who: str) -> dict[str, int] | str:
    """Bytes beyond the input that a call needs (``extra``), of its result and of the constants."""
    return ask("benchmarks.memory", case.name, who)


def ask(module: str, *arguments: str) -> dict[str, int] | str:
    """The JSON that a module prints, from a process that returns every freed block; or why there is none."""
    if not sys.platform.startswith("linux"):
        return "absent: measured on Linux only"
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(
        command, env=os.environ | ENVIRONMENT, capture_output=True, text=True, check=False, timeout=600
    )
    if done.returncode:
        return "absent: " + (done.stderr.strip().splitlines() or ["no answer"])[-1]
    answer: dict[str, int] = json.loads(done.stdout)
    return answer


def _measure(case: Case, who: str) -> dict[str, int]:
    x: Any = case.input()
    if who == "numpy":
        import groupscat

        call = case.build(groupscat)
        constants = call.constant_bytes
    else:
        import torch

        from benchmarks.peers import kymatio

        front = kymatio().module if who == "peer" else importlib.import_module("groupscat.torch")
        module = case.build(front)
        constants = sum(b.nbytes for b in module.buffers())
        x = torch.from_numpy(x)
        torch.set_grad_enabled(False)
        call = module
    return of_call(lambda: call(x)) | {"constants": constants}


def of_call(call: Callable[[], Any]) -> dict[str, int]:
    """Bytes that a second call needs, and those of its result."""
    result = call()
    size = sum(a.nbytes for a in result) if isinstance(result, tuple) else result.nbytes
    del result
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark
    before = _status("VmRSS")
    call()
    return {"extra": _status("VmHWM") - before, "result": size}


def _status(field: str) -> int:
    found = re.search(rf"{field}:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return 1024 * int(found[1])


if __name__ == "__main__":
    name, who = sys.argv[1:]
    print(json.dumps(_measure(next(case for case in CASES if case.name == name), who)))
