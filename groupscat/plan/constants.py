"""Constants of a plan as recipes: hashable, built in float64 on demand, never stored or pickled."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from groupscat.backend.base import ConstantKind, Frames, Segments, periodic_runs
from groupscat.plan.geometry import AxisGeometry, Padding
from groupscat.wavelets.morlet import REACH, Gabor
from groupscat.wavelets.sampling import spectra


class Recipe(Protocol):
    """How to make one constant array."""

    @property
    def kind(self) -> ConstantKind: ...

    @property
    def size(self) -> int:
        """Number of elements, known without building."""
        ...

    def build(self) -> NDArray[Any]:
        """The array: float64, or int64 for an index."""
        ...


@dataclass(frozen=True)
class Window:
    """The frequencies k = start … start+width−1 of a periodic axis of ``size`` bins.

    Bin k is stored at position k mod width. As width is a multiple of every size the result is folded
    to, folding then is a sum of equal blocks and leaves each frequency where it belongs.
    """

    start: int
    width: int
    size: int

    def bins(self) -> NDArray[np.int64]:
        """The bin k of each stored position, not reduced modulo ``size``."""
        return np.roll(np.arange(self.start, self.start + self.width), self.start % self.width)

    def segments(self) -> Segments:
        """The slices of the full axis that make up the window; None for the whole axis."""
        if self.width == self.size:
            return None
        rolled = self.start % self.width
        last, first = self.start + self.width - rolled, self.start
        return (
            *periodic_runs(last, rolled, self.size),
            *periodic_runs(first, self.width - rolled, self.size),
        )


@dataclass(frozen=True)
class FilterBlock:
    """Spectra of filters on a (sub)grid, inside a window, cut into the blocks that folding adds up.

    Shape (K, P, n_1, …, n_d) with K = Π fold blocks of P filters. They carry the factor 1/N of the inverse
    transform and that of folding, 1/Π window.size together. The padded input grid has ``sizes`` samples; the
    grid of the signal to be filtered has window.size of them. ``alias``: see
    :class:`groupscat.wavelets.Bank`.
    """

    filters: tuple[Gabor, ...]
    sizes: tuple[int, ...]
    windows: tuple[Window, ...]
    alias: str
    fold: tuple[int, ...]
    kind: ClassVar[ConstantKind] = "filter"

    @property
    def size(self) -> int:
        return len(self.filters) * math.prod(w.width for w in self.windows)

    def build(self) -> NDArray[np.float64]:
        d, count = len(self.fold), len(self.filters)
        cut = [n for w, k in zip(self.windows, self.fold, strict=True) for n in (k, w.width // k)]
        blocks = np.empty((*cut[::2], count, *cut[1::2]))
        scale = 1 / math.prod(w.size for w in self.windows)
        order = (*range(0, 2 * d, 2), *range(1, 2 * d, 2))
        block = np.moveaxis(blocks, d, 0)
        for k, spectrum in self._each():
            np.multiply(spectrum.reshape(cut).transpose(order), scale, out=block[k])
        return blocks.reshape(-1, count, *cut[1::2])

    def spectra(self) -> NDArray[np.float64]:
        """The spectra in their windows, shape (P, W_1, …, W_d)."""
        found = np.empty((len(self.filters), *(w.width for w in self.windows)))
        for k, spectrum in self._each():
            found[k] = spectrum
        return found

    def _each(self) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """The position of every filter and its spectrum, as :func:`spectra` gives them."""
        bins, periods = [], []
        for n, w in zip(self.sizes, self.windows, strict=True):
            found = w.bins()
            if self.alias == "crop":  # low frequencies of the full filter, Nyquist on the negative side
                found = np.mod(found + w.size // 2, w.size) - w.size // 2
            bins.append(found)
            periods.append(n if self.alias == "crop" else w.size)
        return spectra(self.filters, bins, self.sizes, periods)


@dataclass(frozen=True)
class Averaging:
    """φ along one axis, from the grid subsampled by 2^log2 to ``count`` outputs ``stride`` apart.

    ``frames`` overlapping frames of ``width`` samples, each giving ``outputs`` outputs by one matrix;
    a single frame is the whole (periodic) axis.
    """

    phi: Gabor
    geometry: AxisGeometry
    log2: int
    stride: int
    alias: str
    count: int
    frames: int
    outputs: int
    width: int

    @property
    def grid(self) -> int:
        """Samples of the subsampled periodic axis."""
        return self.geometry.padded >> self.log2

    @property
    def hop(self) -> int:
        return self.stride >> self.log2

    @property
    def first(self) -> int:
        """Where the first output sits on the subsampled grid."""
        return self.geometry.start(self.stride) * self.hop

    @property
    def layout(self) -> Frames | None:
        """The frames as slices of the axis; None for a single one."""
        if self.frames == 1:
            return None
        step = self.outputs * self.hop
        span = periodic_runs(self.first - self.margin, (self.frames - 1) * step + self.width, self.grid)
        return Frames(span, self.width, step, self.frames)

    @property
    def margin(self) -> int:
        """Samples of a frame before its first output."""
        return (self.width - 1 - (self.outputs - 1) * self.hop) // 2


#: Axes up to this length are averaged by one dense matrix.
DENSE = 512


def averaging(phi: Gabor, geometry: AxisGeometry, log2: int, stride: int, alias: str) -> Averaging:
    """Choose frames for the low-pass of one axis: a pure function of sizes."""
    size, hop, count = geometry.padded >> log2, stride >> log2, geometry.count(stride)
    reach = math.ceil(REACH / (2 * math.pi * phi.sigma[0] * 2**log2)) + 1
    outputs = min(count, max(1, math.ceil(2 * reach / hop)))
    frames = -(-count // outputs)
    width = (outputs - 1) * hop + 2 * reach + 1
    # A cropped filter that has not decayed at the new Nyquist frequency is not compact in space.
    compact = alias == "fold" or 0.5 / 2**log2 > REACH * phi.sigma[0]
    dense = size <= DENSE or count * size <= frames * outputs * width
    if dense or frames == 1 or width > size or not compact:
        return Averaging(phi, geometry, log2, stride, alias, count, 1, count, size)
    return Averaging(phi, geometry, log2, stride, alias, count, frames, outputs, width)


@dataclass(frozen=True)
class AveragingMatrix:
    """The matrix of an :class:`Averaging`, shape (outputs, width): entry φ(hop·o − v)."""

    averaging: Averaging
    kind: ClassVar[ConstantKind] = "matrix"

    @property
    def size(self) -> int:
        return self.averaging.width * self.averaging.outputs

    def build(self) -> NDArray[np.float64]:
        a = self.averaging
        window = Window(0, a.grid, a.grid)
        hat = FilterBlock((_along_axis(a.phi),), (a.geometry.padded,), (window,), a.alias, (1,)).spectra()[0]
        phi = np.fft.ifft(hat).real
        outputs = a.hop * np.arange(a.outputs)[:, None]
        if a.frames == 1:
            return np.asarray(phi[np.mod(a.first + outputs - np.arange(a.grid), a.grid)])
        lag = a.margin + outputs - np.arange(a.width)
        return np.asarray(np.where(2 * np.abs(lag) < a.grid, phi[np.mod(lag, a.grid)], 0.0))


@dataclass(frozen=True)
class MeanMatrix:
    """Mean over the samples of a subsampled axis that lie inside the input, shape (1, size).

    ``total`` gives their sum times the subsampling instead: the integral over the axis.
    """

    geometry: AxisGeometry
    log2: int
    total: bool = False
    kind: ClassVar[ConstantKind] = "matrix"

    @property
    def size(self) -> int:
        return self.geometry.padded >> self.log2

    def build(self) -> NDArray[np.float64]:
        step = 2**self.log2
        start, count = self.geometry.start(step), self.geometry.count(step)
        row = np.zeros((1, self.geometry.padded // step))
        row[:, start : start + count] = step if self.total else 1 / count
        return row


@dataclass(frozen=True)
class PadIndex:
    """Input position of each padded sample of one axis."""

    geometry: AxisGeometry
    padding: Padding
    kind: ClassVar[ConstantKind] = "index"

    @property
    def size(self) -> int:
        return self.geometry.padded

    def build(self) -> NDArray[np.int64]:
        return self.geometry.indices(self.padding).astype(np.int64)


@dataclass(frozen=True)
class Order:
    """A permutation of channels."""

    positions: tuple[int, ...]
    kind: ClassVar[ConstantKind] = "index"

    @property
    def size(self) -> int:
        return len(self.positions)

    def build(self) -> NDArray[np.int64]:
        return np.array(self.positions, np.int64)


def _along_axis(phi: Gabor) -> Gabor:
    """The 1-D factor of an isotropic Gaussian: along one axis it is a Gaussian of the same width.

    The gain is split evenly, so that the product over the axes has it once.
    """
    d = phi.ndim
    return Gabor(xi=(0.0,), sigma=phi.sigma[:1], j=phi.j, l1=phi.l1, gain=phi.gain ** (1 / d))
