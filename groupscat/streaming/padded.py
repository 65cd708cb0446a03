"""A padded signal of which only parts are ever made: where each of its samples comes from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from groupscat.backend import Array, backend_of
from groupscat.plan.geometry import AxisGeometry, Padding
from groupscat.streaming.signal import Signal


class Padded(Protocol):
    """Positions are those of the padded axis, on whose subsampled grids all intermediate results live."""

    axis: AxisGeometry

    def count(self, size: int, stride: int) -> int:
        """Coefficients of a signal of ``size`` samples."""

    def source(self, at: NDArray[np.int64], size: int) -> NDArray[np.int64]:
        """The samples of the signal that are at positions ``at``; −1 stands for zero."""


@dataclass
class Periodic:
    """A signal of known length, padded by the operator for that length: its two paddings meet."""

    axis: AxisGeometry
    padding: Padding

    def count(self, size: int, stride: int) -> int:
        return self.axis.count(stride)

    def source(self, at: NDArray[np.int64], size: int) -> NDArray[np.int64]:
        return self.axis.source(np.mod(at, self.axis.padded) - self.axis.left, self.padding)


@dataclass
class Endless:
    """A signal of unknown length, padded without end, of which ``margin`` samples matter.

    ``axis``: of the operator for a block; it tells where coefficients are.
    """

    axis: AxisGeometry
    padding: Padding
    margin: int

    def count(self, size: int, stride: int) -> int:
        return replace(self.axis, size=size).count(stride)

    def source(self, at: NDArray[np.int64], size: int) -> NDArray[np.int64]:
        t = at - self.axis.left
        found = replace(self.axis, size=size).source(t, self.padding)
        return np.where(t < size + self.margin, found, -1)  # what later ones reflect may be gone


def gather(signal: Signal, at: NDArray[np.int64]) -> Array:
    """The samples ``at``, −1 for zero, shape (..., len(at)); neighbours are read together."""
    zero = at < 0
    apart = np.flatnonzero((np.abs(np.diff(at)) > 1) | (zero[1:] != zero[:-1])) + 1
    runs = np.split(at, apart)
    parts = [None if run[0] < 0 else _run(signal, run) for run in runs]
    like = next(part for part in parts if part is not None)
    backend = backend_of(like)
    leading, kind = tuple(backend.shape(like))[:-1], str(backend.dtype(like))
    filled = [
        backend.zeros((*leading, len(run)), kind, like) if part is None else part
        for run, part in zip(runs, parts, strict=True)
    ]
    return filled[0] if len(filled) == 1 else backend.concat(filled, -1)


def _run(signal: Signal, run: NDArray[np.int64]) -> Array:
    """Samples whose positions change by at most 1 from one to the next: on, back at a reflection, or not."""
    low, high = int(run.min()), int(run.max()) + 1
    x = signal.read(low, high)
    if np.array_equal(run, np.arange(low, high)):
        return x
    backend = backend_of(x)
    return backend.take(x, backend.asarray(run - low, dtype="int32", like=x), -1)
