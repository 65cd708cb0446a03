"""How to compute a convolution: a pure function of shapes, so that every machine builds the same plan."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from groupscat.errors import ArgumentError
from groupscat.plan.conv_axis import ConvAxis
from groupscat.plan.conv_tables import bands
from groupscat.plan.fourier import runs

STRATEGIES = ("native", "fft", "toeplitz", "taps")

#: A signal is computed in a batch of about so many; the kernel is transformed once for all of them.
BATCH = 8
#: Time, in that of a multiplication by a framework's convolution: of one in many small groups, of one in a
#: matrix product, of a number written by a transform, moved, or gathered for taps, of starting an operation.
#: Fitted to forward and backward of Torch on a CPU (``python -m benchmarks.convolution_fit``).
GROUPED, MATRIX, TRANSFORM, MOVE, GATHER, START = 1.8, 1.5, 53.0, 77.0, 220.0, 2.7e6
#: Channels that a convolution, or each group of one, takes the time of at least: those of a vector.
CHANNELS, GROUP_CHANNELS = 16, 8
#: In how many bands a Toeplitz matrix may be cut, the more time each takes for being smaller.
BANDS, SMALLER = (1, 2, 4), 0.03
#: Memory that a strategy may take, in that of input and output together.
BLOW_UP = 16


@dataclass(frozen=True)
class Split:
    """A strategy, the axes that it leaves to the framework's convolution, and those that it folds away.

    ``bands``: in how many a Toeplitz matrix is cut.
    """

    strategy: str
    native: tuple[int, ...]
    folded: tuple[int, ...]
    bands: int = 1


@lru_cache(maxsize=4096)
def choose(
    axes: tuple[ConvAxis, ...], channels: int, outputs: int, groups: int, strategy: str | None = None
) -> Split:
    """The cheapest split of a convolution, among those of ``strategy`` where it is given.

    Raises
    ------
    ArgumentError : there is no such strategy.
    """
    check_strategy(strategy)
    found = [s for s in _splits(len(axes)) if strategy in (None, s.strategy)]
    if strategy is None and len(axes) <= 2:  # every framework does these well, on every device
        return found[0]
    model = Cost(axes, channels, outputs, groups)
    fits = [s for s in found if model.numbers(s) <= BLOW_UP * model.least] or found
    return min(fits, key=model.time)


def check_strategy(strategy: Any) -> None:
    """Refuse what is no strategy by an ArgumentError."""
    if strategy is not None and not (isinstance(strategy, str) and strategy in STRATEGIES):
        raise ArgumentError(
            f"strategy={strategy!r}: expected one of {', '.join(map(repr, STRATEGIES))}, or None to choose."
        )


def _splits(d: int) -> Iterator[Split]:
    yield Split("native", tuple(range(d)), ())
    for native in itertools.combinations(range(d), min(2, d - 1)):
        folded = tuple(k for k in range(d) if k not in native)
        for strategy in STRATEGIES[1:]:
            for count in BANDS if strategy == "toeplitz" else (1,):
                yield Split(strategy, native, folded, count)


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
        """Numbers that a split writes beside the output, for one signal of a batch."""
        return self._of(split)[1]

    def time(self, split: Split) -> float:
        """Forward and backward, for one signal of a batch."""
        return self._of(split)[0]

    def _of(self, split: Split) -> tuple[float, float]:
        native, folded = ([self.axes[k] for k in places] for places in (split.native, split.folded))
        if split.strategy == "toeplitz":
            return self._toeplitz(native, split)
        of = {"native": self._native, "fft": self._fft, "taps": self._taps}
        return of[split.strategy](native, folded)

    @property
    def _pairs(self) -> int:
        return self.channels // self.groups * self.outputs

    def _conv(self, native: Sequence[ConvAxis], depth: int, outputs: int, groups: int) -> float:
        """Multiplications of a framework's convolution, of ``groups`` groups of these channels each."""
        least = CHANNELS if groups == 1 else GROUP_CHANNELS
        return groups * max(depth, least) * max(outputs, least) * _total(native, "taps", "outputs")

    def _native(self, native: Sequence[ConvAxis], folded: Sequence[ConvAxis]) -> tuple[float, float]:
        depth, outputs = self.channels // self.groups, self.outputs // self.groups
        work = self._conv(native, depth, outputs, self.groups) + START / BATCH
        if len(native) <= 3:
            return work, 0
        columns = self.channels * _total(native, "taps", "outputs")
        return work + GATHER * columns, columns

    def _toeplitz(self, native: Sequence[ConvAxis], split: Split) -> tuple[float, float]:
        banded = band_axis(self.axes, split.folded)
        axis, rest = self.axes[banded], [self.axes[k] for k in split.folded if k != banded]
        if split.bands > 1 and (self.groups > 1 or axis.outputs < 2 * split.bands):
            return math.inf, math.inf
        depth, outputs = (
            count // self.groups * _total(rest, what)
            for count, what in ((self.channels, "size"), (self.outputs, "outputs"))
        )
        found = bands(axis, split.bands)
        work: float = sum(self._conv(native, depth * b.size, outputs * b.outputs, self.groups) for b in found)
        kernel: float = depth * outputs * self.groups * sum(b.size * b.outputs for b in found)
        kernel *= _total(native, "taps") / BATCH
        moved = self._input + self._output + 2 * kernel
        if split.bands > 1:
            moved += self._output  # joined
        work *= 1 + SMALLER * (split.bands - 1)
        return work + MOVE * moved + (2 + split.bands) * START / BATCH, moved

    def _taps(self, native: Sequence[ConvAxis], folded: Sequence[ConvAxis]) -> tuple[float, float]:
        m, t = _total(folded, "outputs"), _total(folded, "taps")
        work = m * self._conv(
            native, self.channels // self.groups * t, self.outputs // self.groups, self.groups
        )
        gathered = m * t * self.channels * _total(native, "size")
        return work + MOVE * self._output + GATHER * gathered + 3 * START / BATCH, gathered + self._output

    def _fft(self, native: Sequence[ConvAxis], folded: Sequence[ConvAxis]) -> tuple[float, float]:
        together, taps = list(runs(folded)), _total(native, "taps")
        rows = self.channels * _total(native, "size"), self.outputs * _total(native, "outputs")
        signal, moved, F = _transform(together, "size", rows[0])
        output, written, _ = _transform(together, "outputs", rows[1])
        kernel, small, _ = _transform(together, "taps", self._pairs * taps)
        depth, outputs = self.channels // self.groups, self.outputs // self.groups
        products = GROUPED * self._conv(native, 2 * depth, 2 * outputs, F * self.groups)
        numbers = moved + written + (small + 8 * F * self._pairs * taps) / BATCH
        work = products + MATRIX * (signal + output + kernel / BATCH)
        return work + TRANSFORM * numbers + 6 * START / BATCH, numbers


def band_axis(axes: Sequence[ConvAxis], folded: Sequence[int]) -> int:
    """The folded axis that bands of outputs are cut along: the one with most of them."""
    return max(folded, key=lambda k: (axes[k].outputs, k))


def _total(axes: Sequence[ConvAxis], *what: str) -> int:
    return math.prod(getattr(axis, name) for axis in axes for name in what)


def _transform(together: Sequence[tuple[ConvAxis, ...]], of: str, rows: int) -> tuple[float, float, int]:
    """Multiplications, numbers written and frequencies of a Fourier transform by groups of axes."""
    work, moved, done, field = 0.0, 0.0, 1, 1
    for g, axes in reversed(list(enumerate(together))):
        n, left = _total(axes, of), rows * math.prod(_total(a, of) for a in together[:g])
        last = axes[-1].period
        F = _total(axes, "period") // last * (last if field == 2 else last // 2 + 1)
        work += 2 * done * left * field * n * F
        moved += 2 * done * left * (F + (n if field == 2 else 0))
        done, field = done * F, 2
    return work, moved, done
