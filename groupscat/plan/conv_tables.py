"""Which samples the folded axes of a convolution read, as tables of indices."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from groupscat.backend.base import ConstantKind
from groupscat.plan.conv_axis import ConvAxis


@dataclass(frozen=True)
class Positions:
    """Input position of each padded sample of an axis."""

    axis: ConvAxis
    kind: ClassVar[ConstantKind] = "index"

    @property
    def size(self) -> int:
        return self.axis.padded

    def build(self) -> NDArray[np.int64]:
        return self.axis.gathered()


@dataclass(frozen=True)
class TapPositions:
    """Input position of each tap of each output of an axis, flattened (outputs, taps)."""

    axis: ConvAxis
    kind: ClassVar[ConstantKind] = "index"

    @property
    def size(self) -> int:
        return self.axis.outputs * self.axis.taps

    def build(self) -> NDArray[np.int64]:
        return self.axis.positions().reshape(-1)


@dataclass(frozen=True)
class Band:
    """Outputs [start, stop) of an axis, and the samples [first, last) that they read."""

    start: int
    stop: int
    first: int
    last: int

    @property
    def outputs(self) -> int:
        return self.stop - self.start

    @property
    def size(self) -> int:
        return self.last - self.first


@lru_cache(maxsize=1024)
def bands(axis: ConvAxis, count: int) -> tuple[Band, ...]:
    """The outputs of an axis in ``count`` runs of nearly one length: each reads a part of the samples.

    >>> bands(ConvAxis(16, 11, stride=2), 2)
    (Band(start=0, stop=4, first=0, last=13), Band(start=4, stop=8, first=4, last=16))
    """
    if count == 1:
        return (Band(0, axis.outputs, 0, axis.size),)
    reads = axis.positions()
    edges = [axis.outputs * k // count for k in range(count + 1)]
    found = []
    for start, stop in itertools.pairwise(edges):
        seen = reads[start:stop]
        seen = seen[seen >= 0]
        first, last = (int(seen.min()), int(seen.max()) + 1) if seen.size else (0, 1)
        found.append(Band(start, stop, first, last))
    return tuple(found)


@dataclass(frozen=True)
class ToeplitzTaps:
    """Which tap output j has on sample i, for all axes: flattened (m_1, …, n_1, …), −1 for none.

    ``band``: of the first axis, these outputs and samples only.
    """

    axes: tuple[ConvAxis, ...]
    band: Band
    kind: ClassVar[ConstantKind] = "index"

    @property
    def size(self) -> int:
        rest = math.prod(axis.outputs * axis.size for axis in self.axes[1:])
        return self.band.outputs * self.band.size * rest

    def build(self) -> NDArray[np.int64]:
        found = np.zeros((), np.int64)
        inside = np.ones((), bool)
        for axis in self.axes:
            taps = np.full((axis.outputs, axis.size), -1)
            reads = axis.positions()
            j, k = np.nonzero(reads >= 0)
            taps[j, reads[j, k]] = k
            d = found.ndim // 2
            if not d:
                taps = taps[self.band.start : self.band.stop, self.band.first : self.band.last]
            before = (slice(None),) * d
            # (m…, n…) becomes (m…, m, n…, n).
            found = found[(*before, None, ..., None)] * axis.taps + _spread(taps, d)
            inside = inside[(*before, None, ..., None)] & (_spread(taps, d) >= 0)
        return np.where(inside, found, -1).reshape(-1)


def _spread(matrix: NDArray[Any], d: int) -> NDArray[Any]:
    """(m, n) with d axes of length 1 before each of the two."""
    m, n = matrix.shape
    return matrix.reshape((1,) * d + (m,) + (1,) * d + (n,))
