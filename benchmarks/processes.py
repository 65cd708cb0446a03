"""What a second process of a Dask cluster brings: images per second of one and of two, each with one core."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import time
from collections.abc import Iterator, Sequence

from benchmarks.timing import cores

#: Numbers of processes, and at least how many times faster the second number is.
COUNTS, WANTED = (1, 2), 1.6
#: Blocks, images in each, and their side.
BLOCKS, IMAGES, SIDE = 24, 8, 128
#: How often each cluster is built, in turn, since a machine's load comes and goes; and how often it computes.
TURNS, ROUNDS = 3, 3


def per_process(counts: Sequence[int] = COUNTS) -> dict[int, float] | str:
    """Seconds that a cluster of so many processes takes for all blocks; or why none can be had."""
    for package in ("dask", "distributed"):
        if importlib.util.find_spec(package) is None:
            return f'absent: {package}; pip install "groupscat[dask]"'
    if cores() < max(counts):
        return f"absent: {max(counts)} cores; there are {cores()}"
    turns = [{count: _spent(count) for count in counts} for _ in range(TURNS)]
    return {count: min(turn[count] for turn in turns) for count in counts}


def _spent(count: int) -> float:
    """The best of some rounds."""
    import dask.array as da
    from distributed import Client

    import groupscat.dask
    from groupscat.features.cluster import local

    S = groupscat.dask.Scattering2D(shape=(SIDE, SIDE), J=3, L=8)
    shape = (BLOCKS * IMAGES, SIDE, SIDE)
    x = da.random.default_rng(0).standard_normal(shape, dtype="float32", chunks=(IMAGES, SIDE, SIDE))
    result = S(x).mean(axis=(0, 2, 3))  # small, so that it is not the transport that is timed
    with limited(count), local(count) as processes, Client(processes, set_as_default=False) as client:
        client.compute(result).result()  # imports, filters
        spent = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            client.compute(result).result()
            spent.append(time.perf_counter() - began)
    return min(spent)


@contextlib.contextmanager
def limited(count: int) -> Iterator[None]:
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
