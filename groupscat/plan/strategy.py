"""How to compute a convolution: a pure function of shapes, so that every machine builds the same plan."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from groupscat.errors import ArgumentError
from groupscat.plan.conv_axis import ConvAxis

STRATEGIES = ("native", "fft", "toeplitz", "taps")

#: A signal is computed in a batch of about so many; the kernel is transformed once for all of them.
BATCH = 8
#: Time per multiplication, in that of a dense convolution in two dimensions, and per number moved.
#: Fitted by ``python -m benchmarks.convolution --calibrate`` on a CPU.
GROUPED, MATRIX, NATIVE_3D, MOVE = 1.5, 0.6, 2.0, 10.0
#: Memory that a strategy may take beyond input and output together.
BLOW_UP = 16


@dataclass(frozen=True)
class Split:
    """A strategy, the axes that it leaves to the framework's convolution, and those that it folds away."""

    strategy: str
    native: tuple[int, ...]
    folded: tuple[int, ...]


@lru_cache(maxsize=4096)
def choose(
    axes: tuple[ConvAxis, ...], channels: int, outputs: int, groups: int, strategy: str | None = None
) -> Split:
    """The cheapest split of a convolution, among those of ``strategy`` where it is given.

    Raises
    ------
    ArgumentError : there is no such strategy.
    """
    if strategy is not None and strategy not in STRATEGIES:
        raise ArgumentError(
            f"strategy={strategy!r}: expected one of {', '.join(map(repr, STRATEGIES))}, or None to choose."
        )
    model = Cost(axes, channels, outputs, groups)
    found = [s for s in _splits(len(axes)) if strategy in (None, s.strategy)]
    fits = [s for s in found if model.numbers(s) <= BLOW_UP * model.least] or found
    return min(fits, key=model.time)


def _splits(d: int) -> Iterator[Split]:
    yield Split("native", tuple(range(d)), ())
    for native in itertools.combinations(range(d), min(2, d - 1)):
        folded = tuple(k for k in range(d) if k not in native)
        for strategy in STRATEGIES[1:]:
            yield Split(strategy, native, folded)


@dataclass(frozen=True)
class Cost:
    """Time and memory of one signal, by split."""

    axes: Sequence[ConvAxis]
    channels: int
    outputs: int
    groups: int

    @property
    def least(self) -> int:
        """Numbers of the input and the output."""
        return self._input + self._output

    @property
    def _input(self) -> int:
        return self.channels * math.prod(a.size for a in self.axes)

    @property
    def _output(self) -> int:
        return self.outputs * math.prod(a.outputs for a in self.axes)

    def numbers(self, split: Split) -> float:
        """Numbers that a split keeps beyond input and output, the kernel's share of the batch included."""
        return self._moved(split)[1]

    def time(self, split: Split) -> float:
        work, moved = self._moved(split)
        return work + MOVE * moved

    def _moved(self, split: Split) -> tuple[float, float]:
        """Weighted multiplications, and numbers of intermediate arrays."""
        pairs = self.channels // self.groups * self.outputs
        native = [self.axes[k] for k in split.native]
        folded = [self.axes[k] for k in split.folded]
        taps = math.prod(a.taps for a in native)
        P, Q = math.prod(a.size for a in native), math.prod(a.outputs for a in native)
        n, m = math.prod(a.size for a in folded), math.prod(a.outputs for a in folded)
        t = math.prod(a.taps for a in folded)
        dense = GROUPED if self.groups > 1 else 1.0
        if split.strategy == "native":
            d = len(native)
            if d > 3:  # a column per tap
                return MATRIX * pairs * taps * Q, self.channels * taps * Q
            return (NATIVE_3D if d == 3 else dense) * pairs * taps * Q, 0
        if split.strategy == "toeplitz":
            kernel = pairs * taps * n * m / BATCH
            return dense * pairs * n * m * taps * Q, self._input + self._output + 2 * kernel
        if split.strategy == "taps":
            return dense * m * pairs * t * taps * Q, 2 * m * t * self.channels * P + self._output
        N = math.prod(a.period for a in folded)
        F = 2 * N / folded[-1].period * (folded[-1].period // 2 + 1)
        transforms = MATRIX * F * (self.channels * P * n + self.outputs * Q * m + pairs * taps * t / BATCH)
        products = GROUPED * 2 * F * pairs * taps * Q
        return transforms + products, F * (self.channels * P + self.outputs * Q + 4 * pairs * taps / BATCH)
