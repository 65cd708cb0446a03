"""Which samples the folded axes of a convolution read, as tables of indices."""

from __future__ import annotations

import math
from dataclasses import dataclass
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
class ToeplitzTaps:
    """Which tap output j has on sample i, for all axes: flattened (m_1, …, n_1, …), −1 for none."""

    axes: tuple[ConvAxis, ...]
    kind: ClassVar[ConstantKind] = "index"

    @property
    def size(self) -> int:
        return math.prod(axis.outputs * axis.size for axis in self.axes)

    def build(self) -> NDArray[np.int64]:
        found = np.zeros((), np.int64)
        inside = np.ones((), bool)
        for axis in self.axes:
            taps = np.full((axis.outputs, axis.size), -1)
            reads = axis.positions()
            j, k = np.nonzero(reads >= 0)
            taps[j, reads[j, k]] = k
            d = found.ndim // 2
            before = (slice(None),) * d
            # (m…, n…) becomes (m…, m, n…, n).
            found = found[(*before, None, ..., None)] * axis.taps + _spread(taps, d)
            inside = inside[(*before, None, ..., None)] & (_spread(taps, d) >= 0)
        return np.where(inside, found, -1).reshape(-1)


def _spread(matrix: NDArray[Any], d: int) -> NDArray[Any]:
    """(m, n) with d axes of length 1 before each of the two."""
    m, n = matrix.shape
    return matrix.reshape((1,) * d + (m,) + (1,) * d + (n,))
