"""What the benchmarks on real digits share: data, features in batches, errors, time and memory."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.backend import Backend
from groupscat.scattering import Operator

Array = NDArray[Any]


def load(name: str, folder: str | None) -> dict[str, Array]:
    """The arrays of a data set.

    Raises
    ------
    SystemExit : there is no such file; the message says where it is looked for.
    """
    where = folder or os.environ.get("GROUPSCAT_DATA")
    path = Path(where or ".") / f"{name}.npz"
    if where is None or not path.exists():
        raise SystemExit(
            f"There is no {path}: set GROUPSCAT_DATA (or --data) to the folder that holds {name}.npz."
        )
    with np.load(path, allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def features(S: Operator, x: Array, backend: Backend, what: str, size: int = 500) -> Array:
    """S(x) in float32, a batch at a time, with a line of progress."""
    out = np.empty((len(x), *S.output_shape), np.float32)
    for k in range(0, len(x), size):
        batch = x[k : k + size].astype(np.float32)
        out[k : k + size] = backend.to_numpy(S(backend.put(batch, "float32")))
        say(f"\r{what}: {min(k + size, len(x))}/{len(x)}", end="")
    say("")
    return out


@contextmanager
def timed(spent: dict[str, float], name: str) -> Iterator[None]:
    """Adds the seconds of a block to ``spent[name]``."""
    begun = time.perf_counter()
    yield
    spent[name] = spent.get(name, 0.0) + time.perf_counter() - begun


def total(spent: dict[str, float]) -> str:
    """All seconds, and each part's."""
    parts = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in spent.items())
    return f"{sum(spent.values()):.0f} s ({parts})"


def peak_memory() -> str:
    """The largest memory this process has had."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return "not measured"
    scale = 1 if sys.platform == "darwin" else 1024
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 2**30:.2f} GiB"


def percent(errors: list[float]) -> str:
    """Mean error in per cent, with the deviation over the draws where there are several."""
    mean = 100 * float(np.mean(errors))
    return f"{mean:.2f}" if len(errors) == 1 else f"{mean:.2f} ± {100 * float(np.std(errors, ddof=1)):.2f}"


def say(message: str, end: str = "\n") -> None:
    print(message, end=end, file=sys.stderr, flush=True)
