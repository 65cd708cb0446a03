"""The time before the first result: importing, and building the operator of 224² images."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.timing import Timing, summary

SHAPE, J = (224, 224), 3


def imports(repeats: int) -> dict[str, Timing]:
    """Wall time of importing in a fresh interpreter, less that of an empty program."""
    programs = {
        "import groupscat": "import groupscat",
        "import numpy": "import numpy",
        "import groupscat.torch": "import groupscat.torch",
        "import torch": "import torch",
    }
    times: dict[str, list[float]] = {name: [] for name in programs}
    for turn in range(repeats + 1):
        empty = _wall("pass")
        for name, program in programs.items():
            spent = _wall(program) - empty
            if turn:  # the first round only fills the file cache
                times[name].append(spent)
    return {name: summary(t) for name, t in times.items()}


def _wall(program: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    return time.perf_counter() - start


def construction(front: Any, repeats: int, torch_input: bool) -> dict[str, Timing]:
    """Time until an operator is ready with all its constants, and until its first image is through."""
    ready, first = [], []
    for _ in range(repeats):
        x: Any = np.zeros((1, *SHAPE), np.float32)
        if torch_input:
            import torch

            x = torch.from_numpy(x)
        start = time.perf_counter()
        S = front.Scattering2D(J, SHAPE)
        materialise = _materialise(S, x)
        materialise()
        ready.append(time.perf_counter() - start)
        S(x)
        first.append(time.perf_counter() - start)
        del S, materialise
    return {"ready": summary(ready), "first call": summary(first)}


def _materialise(S: Any, x: Any) -> Callable[[], object]:
    """Functional operators build their constants on demand; modules and Kymatio have built them."""
    from groupscat import backend_of
    from groupscat.scattering import Operator

    if isinstance(S, Operator):
        return lambda: S.constants(backend_of(x), "float32", x)
    return lambda: None
