"""How an axis is padded, subsampled and trimmed again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Padding = Literal["reflect", "zero", "circular", "edge"]
PADDINGS: tuple[Padding, ...] = ("reflect", "zero", "circular", "edge")


@dataclass(frozen=True)
class AxisGeometry:
    """One axis: ``size`` input samples sit at [left, left+size) of ``padded`` periodic samples.

    ``partial``: whether the last output may stand for less than a full stride (the 1-D convention).
    """

    size: int
    padded: int
    left: int
    partial: bool

    @property
    def log2_divisor(self) -> int:
        """log2 of the largest power of two by which the periodic grid may be subsampled."""
        return (self.padded & -self.padded).bit_length() - 1

    def start(self, stride: int) -> int:
        """First output that lies inside the input, in strides from the start of the padded axis."""
        return -(-self.left // stride)

    def count(self, stride: int) -> int:
        """Number of outputs at this stride."""
        if self.partial or stride > self.size:
            return max(1, -(-(self.left + self.size) // stride) - self.start(stride))
        return self.size // stride

    def indices(self, padding: Padding) -> NDArray[np.int64]:
        """Input position of each padded sample; −1 stands for zero."""
        return self.source(np.arange(self.padded) - self.left, padding)

    def source(self, t: NDArray[np.int64], padding: Padding) -> NDArray[np.int64]:
        """Input position of the samples ``t``, which count from its first one; −1 stands for zero."""
        if padding == "reflect":  # without repeating the border sample, as often as it takes
            period = max(1, 2 * (self.size - 1))
            t = np.mod(t, period)
            return np.minimum(t, period - t)
        if padding == "circular":
            return np.mod(t, self.size)
        if padding == "edge":
            return np.clip(t, 0, self.size - 1)
        return np.where((t >= 0) & (t < self.size), t, -1)


def audio_axis(size: int, J: int, log2_stride: int, reach: int, widest: int, exact: bool) -> AxisGeometry:
    """Padding of a 1-D signal.

    Parameters
    ----------
    reach : samples after which φ is negligible (its one-sided tail holds ≤ 1e-3).
    widest : the same for the widest filter of the bank, ≥ ``reach``.
    exact : pad to Kymatio's power of two even where a shorter length gives the same coefficients.

    Kymatio pads by three reaches on both sides, rounds up to a power of two and caps the result so
    that reflecting once suffices. Where the cap is not met, all borders are out of reach, and any
    length that holds them gives the same coefficients: then the next 7-smooth multiple of the
    coarsest stride is used, up to 1.8 times shorter.
    """
    kymatio = 2 ** math.ceil(math.log2(size + 6 * reach))
    cap = 2 ** math.floor(math.log2(max(1, 3 * size - 2)))
    padded = min(kymatio, cap)
    # A stride that does not divide the period cannot be used, so both must divide it.
    multiple = 2 ** max(J, log2_stride)
    padded = max(padded, multiple)
    left, margin = (padded - size) // 2, 3 * widest
    if not exact and left >= margin:
        # Moving the signal by whole strides keeps every output on the same input samples.
        left -= (left - margin) // multiple * multiple
        padded = min(padded, smooth_multiple(left + size + margin, multiple))
    return AxisGeometry(size, padded, left, partial=True)


def image_axis(size: int, log2_margin: int) -> AxisGeometry:
    """Padding of an image or volume axis: about one coarsest stride 2^log2_margin on each side."""
    step = 2**log2_margin
    padded = ((size + step) // step + 1) * step
    return AxisGeometry(size, padded, (padded - size) // 2, partial=False)


def periodic_axis(size: int, partial: bool) -> AxisGeometry:
    """No padding: the signal is one period."""
    return AxisGeometry(size, size, 0, partial)


def smooth_multiple(least: int, multiple: int) -> int:
    """The smallest k·multiple ≥ least with k a product of 2, 3, 5 and 7 (fast for every FFT library).

    >>> smooth_multiple(73_000, 256)
    73728
    """
    k = -(-least // multiple)
    while not _is_smooth(k):
        k += 1
    return k * multiple


def _is_smooth(k: int) -> bool:
    for p in (2, 3, 5, 7):
        while k % p == 0:
            k //= p
    return k == 1


def gaussian_tail(sigma: float) -> int:
    """Smallest t with at most 1e-3 of Σ|φ| at t, t+1, …, for a Gaussian of frequency width sigma."""
    width = 1 / (2 * math.pi * sigma)
    radius = math.ceil(8 * width) + 1
    values = np.exp(-0.5 * (np.arange(radius + 1) / width) ** 2)
    total = 2 * values.sum() - 1
    tails = np.cumsum(values[:0:-1])  # at radius, radius−1, …, 1
    return radius + 1 - int(np.searchsorted(tails, 1e-3 * total, side="right"))
