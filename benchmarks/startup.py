"""The time before the first result: importing, building the operator of images, and the command line."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.timing import Timing, summary, warm_allocator

#: (side, J) of the operators that are built.
SIZES = ((224, 3), (512, 4))


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
    # A user's interpreter keeps compiled modules; where this one must not, compiling them would be timed.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, env=environment)
    return time.perf_counter() - start


def construction(
    front: Any, repeats: int, torch_input: bool, side: int = 224, J: int = 3
) -> dict[str, Timing]:
    """Time until an operator is ready with all its constants, and until its first image is through."""
    ready, first = [], []
    warm_allocator()
    for _ in range(repeats):
        x: Any = np.zeros((1, side, side), np.float32)
        if torch_input:
            import torch

            x = torch.from_numpy(x)
        start = time.perf_counter()
        S = front.Scattering2D(J, (side, side))
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


def first_result(repeats: int) -> Timing | None:
    """Processor time (user and system) of ``groupscat features`` on one PNG of 224².

    None where that cannot be measured: on Windows, and without Pillow.
    """
    if sys.platform == "win32" or importlib.util.find_spec("PIL") is None:
        return None
    import resource

    from PIL import Image

    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    times = []
    with tempfile.TemporaryDirectory() as folder:
        image, output = Path(folder, "image.png"), Path(folder, "features.npz")
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (224, 224), np.uint8)).save(image)
        command = [
            sys.executable,
            "-m",
            "groupscat.cli",
            "features",
            str(image),
            "-o",
            str(output),
            "-J",
            "3",
        ]
        for turn in range(repeats + 1):
            output.unlink(missing_ok=True)
            before = spent()
            subprocess.run(command, check=True, capture_output=True)
            if turn:  # the first run only fills the file cache
                times.append(spent() - before)
    return summary(times)
