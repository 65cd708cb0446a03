"""What is timed for the scale: signals, streams, images and batches, of many sizes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import groupscat as gs
from benchmarks.timing import Effort, Timing, interleaved

#: Scales of the signals and of the images.
IN_TIME: dict[str, Any] = {"J": 8, "Q": 8}
IN_SPACE: dict[str, Any] = {"J": 3, "L": 8}
#: Samples of a signal and side of an image in batches.
SAMPLES, SIDE = 8192, 32
BATCHES = tuple(1 << k for k in range(10))
#: Samples of the windows of a stream.
BLOCK = 1 << 14


@dataclass(frozen=True)
class Point:
    """A call: the samples of one signal, how many signals, its time."""

    series: str
    samples: int
    batch: int
    time: Timing

    @property
    def cost(self) -> float:
        """Seconds of one sample."""
        return self.time.median / (self.samples * self.batch)


def series(found: Iterable[Point], name: str) -> list[Point]:
    return [p for p in found if p.series == name]


def signal(*shape: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def points(largest: int, side: int, effort: Effort, batches: Sequence[int] = BATCHES) -> Iterator[Point]:
    """Every point.

    One size after the other, since the operators of all would drive each other's constants out of the caches;
    batches of one size take turns, so that a ratio of two is not one of two moments.
    """
    for n in (1 << k for k in range(10, largest + 1)):
        whole, block = (gs.Scattering1D(shape=size, **IN_TIME) for size in (n, min(n, BLOCK)))
        x = signal(n)
        calls = {("signals", n, 1): partial(whole, x), ("streams", n, 1): partial(drain, block, x)}
        yield from timed(calls, effort)
    for n in (1 << k for k in range(5, side.bit_length())):
        S = gs.Scattering2D(shape=(n, n), **IN_SPACE)
        yield from timed({("images", n * n, 1): partial(S, signal(n, n))}, effort)
    sounds = gs.Scattering1D(shape=SAMPLES, **IN_TIME)
    few = [batch for batch in batches if batch * SAMPLES <= 1 << 19]
    yield from timed(
        {("batches of signals", SAMPLES, n): partial(sounds, signal(n, SAMPLES)) for n in few}, effort
    )
    images = gs.Scattering2D(shape=(SIDE, SIDE), **IN_SPACE)
    yield from timed(
        {("batches of images", SIDE**2, n): partial(images, signal(n, SIDE, SIDE)) for n in batches}, effort
    )


def timed(calls: Mapping[tuple[str, int, int], Callable[[], Any]], effort: Effort) -> Iterator[Point]:
    """Calls by series, samples of a signal and number of signals; in turn."""
    names = dict.fromkeys(f"{name}, {samples} samples" for name, samples, _ in calls)
    print(f"… {'; '.join(names)}", file=sys.stderr, flush=True)
    for (name, samples, batch), time in interleaved(calls, effort).items():
        yield Point(name, samples, batch, time)


def drain(operator: gs.Scattering1D, x: np.ndarray[Any, Any]) -> None:
    for _ in gs.stream(operator, x):
        pass
