"""Time per sample against the size, streams, and two processes against one.

    python -m benchmarks.scale [--largest 20] [--side 2048] [--budget 3]
    python -m benchmarks.scale --processes 1 2

Scattering of one signal from 2^10 samples on and of one image from 32² on, at fixed scales, on one core: by
the FFT the cost of a sample grows like log N, by windows (``groupscat.stream``) not at all. The processes are
those of a Dask cluster with a core and a thread each, which transform images that they make themselves.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

import groupscat as gs
from benchmarks.tables import seconds, table
from benchmarks.timing import Effort, Timing, interleaved, limit_threads

#: Scales of the signals and of the images.
IN_TIME = {"J": 8, "Q": 8}
IN_SPACE = {"J": 3, "L": 8}
#: Blocks, images in each and their side, for the processes.
BLOCKS, IMAGES, SIDE = 24, 8, 128


def signal(n: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(0).standard_normal(n, np.float32)


def samples(sizes: Iterable[int], effort: Effort) -> Iterator[tuple[int, Timing, Timing]]:
    """Size, one transform, the same as a stream; seconds."""
    for n in sizes:
        S, x = gs.Scattering1D(shape=n, **IN_TIME), signal(n)
        block = gs.Scattering1D(shape=min(n, 1 << 14), **IN_TIME)
        functions = {"whole": lambda S=S, x=x: S(x), "stream": lambda S=block, x=x: drain(S, x)}
        found = interleaved(functions, effort)
        yield n, found["whole"], found["stream"]


def drain(operator: gs.Scattering1D, x: np.ndarray[Any, Any]) -> None:
    for _ in gs.stream(operator, x):
        pass


def pixels(sides: Iterable[int], effort: Effort) -> Iterator[tuple[int, Timing]]:
    """Side, one transform of an image; seconds."""
    for side in sides:
        S, x = gs.Scattering2D(shape=(side, side), **IN_SPACE), signal(side * side).reshape(side, side)
        yield side, interleaved({"whole": lambda S=S, x=x: S(x)}, effort)["whole"]


def per_process(count: int, rounds: int = 3) -> float:
    """Seconds that ``count`` processes of a cluster take for all blocks, the best of some rounds."""
    import dask.array as da
    from distributed import Client

    import groupscat.dask
    from groupscat.features.cluster import local

    S = groupscat.dask.Scattering2D(shape=(SIDE, SIDE), **IN_SPACE)
    shape = (BLOCKS * IMAGES, SIDE, SIDE)
    x = da.random.default_rng(0).standard_normal(shape, dtype="float32", chunks=(IMAGES, SIDE, SIDE))
    result = S(x).mean(axis=(0, 2, 3))  # small, so that it is not the transport that is timed
    with cores(count), local(count) as processes, Client(processes, set_as_default=False) as client:
        client.compute(result).result()  # imports, filters
        spent = []
        for _ in range(rounds):
            began = time.perf_counter()
            client.compute(result).result()
            spent.append(time.perf_counter() - began)
    return min(spent)


@contextlib.contextmanager
def cores(count: int) -> Iterator[None]:
    """As many cores as there are processes, so that each has one."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    every = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(every)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, every)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--largest", type=int, default=20, help="log2 of the longest signal")
    parser.add_argument("--side", type=int, default=2048, help="side of the largest image")
    parser.add_argument("--budget", type=float, default=3, help="seconds for each size")
    parser.add_argument("--processes", type=int, nargs="+", help="time these numbers of processes instead")
    arguments = parser.parse_args()
    if arguments.processes:
        found = {count: per_process(count) for count in arguments.processes}
        first = found[arguments.processes[0]]
        rows = [[str(count), seconds(spent), f"{first / spent:.2f}×"] for count, spent in found.items()]
        print(table(["processes", "time", "faster"], rows))
        return
    limit_threads(1)
    effort = Effort(budget=arguments.budget, least=2, most=30)
    rows = [
        [f"2^{n.bit_length() - 1}", str(whole), per(whole, n), per(stream, n)]
        for n, whole, stream in samples([1 << k for k in range(10, arguments.largest + 1)], effort)
    ]
    print(table(["samples", "time [quartiles]", "per sample", "per sample, streamed"], rows))
    sides = [side for side in (32, 64, 128, 256, 512, 1024, 2048) if side <= arguments.side]
    rows = [[f"{side}²", str(found), per(found, side * side)] for side, found in pixels(sides, effort)]
    print(table(["pixels", "time [quartiles]", "per pixel"], rows))


def per(timing: Timing, samples: int) -> str:
    return f"{1e9 * timing.median / samples:.0f} ns"


if __name__ == "__main__":
    main()
