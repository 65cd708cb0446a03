"""One axis of a convolution: its size, its taps, and which samples each output reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from groupscat.plan.geometry import PADDINGS, AxisGeometry, Padding

#: How a convolution continues an axis: the vocabulary of the transforms, and "none".
Boundary = Padding | Literal["none"]
BOUNDARIES: tuple[Boundary, ...] = (*PADDINGS, "none")


@dataclass(frozen=True)
class ConvAxis:
    """``taps`` taps, ``dilation`` apart, on an axis of ``size`` samples; outputs ``stride`` apart.

    Output j reads the samples stride·j + dilation·k − before, k = 0 … taps−1. Every padding but "none" keeps
    the size: ⌈size/stride⌉ outputs, and where the padding is odd the extra sample comes after.

    >>> axis = ConvAxis(5, taps=3, stride=2, padding="zero")
    >>> axis.positions().tolist()                # -1 is a zero
    [[-1, 0, 1], [1, 2, 3], [3, 4, -1]]
    """

    size: int
    taps: int
    stride: int = 1
    dilation: int = 1
    padding: Boundary = "zero"

    @property
    def span(self) -> int:
        """Samples from the first to the last tap."""
        return (self.taps - 1) * self.dilation + 1

    @property
    def outputs(self) -> int:
        if self.padding == "none":
            return (self.size - self.span) // self.stride + 1
        return -(-self.size // self.stride)

    @property
    def margin(self) -> tuple[int, int]:
        """Samples added (before, after)."""
        if self.padding == "none":
            return 0, 0
        total = max((self.outputs - 1) * self.stride + self.span - self.size, 0)
        return total // 2, total - total // 2

    @property
    def first(self) -> float:
        """Where the first output sits: the middle of its taps, in samples of the input."""
        return (self.span - 1) / 2 - self.margin[0]

    @property
    def padded(self) -> int:
        return self.size + sum(self.margin)

    def gathered(self) -> NDArray[np.int64]:
        """The input position of each padded sample; −1 stands for zero."""
        if self.padding == "none":
            return np.arange(self.size)
        return AxisGeometry(self.size, self.padded, self.margin[0], partial=False).indices(self.padding)

    def positions(self) -> NDArray[np.int64]:
        """The input position that tap k of output j reads, shape (outputs, taps); −1 stands for zero."""
        j, k = np.arange(self.outputs), np.arange(self.taps)
        return np.asarray(self.gathered()[self.stride * j[:, None] + self.dilation * k])

    def after_padding(self) -> ConvAxis:
        """The axis of the padded signal, which needs no padding any more."""
        return replace(self, size=self.padded, padding="none")

    @property
    def period(self) -> int:
        """The shortest period on which a circular convolution gives the same outputs."""
        if self.padding == "circular":
            return self.size
        before = self.margin[0]
        return max(self.size + before, self.stride * (self.outputs - 1) + self.span - before)
