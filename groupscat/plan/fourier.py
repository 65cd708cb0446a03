"""Fourier transforms of short axes as real matrices: padding, strides and dilation cost nothing there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from groupscat.backend.base import ConstantKind
from groupscat.plan.conv_axis import ConvAxis

#: Axes are transformed together by one matrix while it has at most so many samples.
JOINT = 64


@dataclass(frozen=True)
class ShortFourier:
    """The discrete Fourier transform of a group of axes, flattened, as one real matrix.

    A correlation y(s·j) = Σ_k w(k) x(s·j + d·k − before) of period N is a product in frequency. With f the
    frequencies of all axes, rows and columns being (f, re/im), (re/im, sample):

    "signal"  e^{−2πi f t/N}, shape (2F, n) of a real signal, (2F, 2n) of a complex one
    "kernel"  e^{2πi f (d·k − before)/N}, the same with taps for samples
    "output"  e^{2πi f s·j/N}/N, shape (2F, m), (2F, 2m); of a real one only the real part

    Where the signal is real, the last axis keeps half of its frequencies.
    """

    axes: tuple[ConvAxis, ...]
    role: Literal["signal", "kernel", "output"]
    real: bool
    kind: ClassVar[ConstantKind] = "matrix"

    @property
    def frequencies(self) -> int:
        counts = [axis.period for axis in self.axes]
        if self.real:
            counts[-1] = counts[-1] // 2 + 1
        return int(np.prod(counts))

    @property
    def length(self) -> int:
        """Samples, taps or outputs of all axes."""
        of = {"signal": "size", "kernel": "taps", "output": "outputs"}[self.role]
        return int(np.prod([getattr(axis, of) for axis in self.axes]))

    @property
    def size(self) -> int:
        return 2 * self.frequencies * self.length * (1 if self.real else 2)

    def build(self) -> NDArray[np.float64]:
        last = len(self.axes) - 1
        z = reduce(np.kron, [self._axis(axis, self.real and k == last) for k, axis in enumerate(self.axes)])
        if self.role == "output":  # Re and Im of z·Y
            parts = [np.stack([z.real, -z.imag], 1), np.stack([z.imag, z.real], 1)]
        else:  # Re and Im of z·x
            parts = [np.stack([z.real, z.imag], 1), np.stack([-z.imag, z.real], 1)]
        parts = [part.reshape(2 * len(z), -1) for part in parts]
        return parts[0] if self.real else np.concatenate(parts, axis=1)

    def _axis(self, axis: ConvAxis, half: bool) -> NDArray[Any]:
        """Of one axis, shape (frequencies, length), complex."""
        N = axis.period
        f = np.arange(N // 2 + 1 if half else N)[:, None]
        if self.role == "kernel":
            return _waves(f * (axis.dilation * np.arange(axis.taps) - axis.margin[0]), N)
        if self.role == "signal":
            return _waves(-f * np.arange(axis.size), N)
        # A frequency that is kept for its mirror image too counts twice.
        twice = 2 - (2 * f % N == 0) if half else 1
        return _waves(f * (axis.stride * np.arange(axis.outputs)), N) * twice / N


def _waves(turns: NDArray[Any], N: int) -> NDArray[np.complex128]:
    """e^{2πi turns/N}; reduced first, so that large numbers of turns cost no precision."""
    return np.exp(2j * np.pi * (turns % N) / N)


def runs(axes: Sequence[ConvAxis]) -> Iterator[tuple[ConvAxis, ...]]:
    """Neighbours that are transformed together: as many, from the last one on, as one matrix may hold."""
    groups: list[list[ConvAxis]] = []
    for axis in reversed(axes):
        if groups and axis.size * math.prod(a.size for a in groups[0]) <= JOINT:
            groups[0].insert(0, axis)
        else:
            groups.insert(0, [axis])
    return map(tuple, groups)
