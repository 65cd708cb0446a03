"""Transforms of signals longer than memory: windows that overlap by the reach of the filters."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np

from groupscat.backend import Array
from groupscat.errors import ArgumentError, ShapeError
from groupscat.plan.geometry import AxisGeometry, smooth_multiple
from groupscat.scattering import Operator
from groupscat.scattering.restricted import Restricted
from groupscat.streaming.padded import Endless, Padded, Periodic, gather
from groupscat.streaming.reach import in_time, reach
from groupscat.streaming.signal import Signal, signal_of

#: A window advances by at least so many overlaps; it has two, so that at most a third is done twice.
ADVANCE = 6


def stream(
    operator: Any,
    x: Any,
    *,
    error: float = 1e-12,
    length: int | None = None,
    backend: str | None = None,
    device: str | None = None,
) -> Stream:
    """The transform of a signal of any length by an operator along time, a window at a time.

    Parameters
    ----------
    operator : a Scattering1D or TimeFrequencyScattering, or some coefficients of one (``restrict``), of any
        front door. Its shape is the block: no less is transformed at a time, more only where the filters
        reach further.
    x : an array (..., n) of any framework, or anything with a shape that gives slices ``x[..., a:b]``
        (numpy.memmap, h5py, Zarr, Dask); the path of an .npy file or a recording; or an iterable of blocks
        (..., b).
    error : of a coefficient, relative to the largest |x|; it sets the overlap, see :func:`reach`.
    length : of the signal, for blocks.
    backend, device : where to compute, by name; by default wherever the samples are.

    Returns
    -------
    Stream : iterate over it for arrays (..., paths, frames) that follow each other along the last axis.

    Joined, these are the coefficients of ``operator.replace(shape=n)(x)``, ends included. Blocks do not tell
    beforehand where they end: the signal is padded without end, while the two paddings of an operator meet,
    which makes a difference at the first and last coefficients (at most 1e-7 of the largest |x|, for two
    orders). And where coefficients are sampled depends on the length: give it, or they are where those of
    ``operator`` are. Blocks that fit in one window are transformed as an array.

    Raises
    ------
    ArgumentError : an operator that does not act along time, or whose coefficients depend on the length.
    DataError, DtypeError, ShapeError : a signal that cannot be read, is none, or has not the length.

    >>> import numpy as np, groupscat as gs
    >>> S = gs.Scattering1D(J=4, shape=1024)
    >>> x = np.random.default_rng(0).normal(size=50_000)
    >>> parts = list(gs.stream(S, x))
    >>> len(parts), bool(np.allclose(np.concatenate(parts, -1), S.replace(shape=50_000)(x), atol=1e-11))
    (35, True)
    >>> blocks = (x[k : k + 1000] for k in range(0, 50_000, 1000))
    >>> sum(y.shape[-1] for y in gs.stream(S, blocks, length=50_000))
    3125
    """
    if not isinstance(operator, Operator):
        operator = getattr(operator, "operator", operator)  # of a module or a layer
    if not isinstance(operator, Operator):
        raise ArgumentError(f"operator={operator!r}: expected a Scattering1D or TimeFrequencyScattering.")
    return Stream(operator, x, error, length, backend, device)


class Stream:
    """The coefficients of a long signal; see :func:`stream`.

    Attributes
    ----------
    overlap : samples that a window sees on each side of those it gives coefficients of.
    window : samples transformed at a time, overlaps included. step : samples by which a window advances.
    stride : samples between coefficients. paths : what each coefficient is.
    """

    def __init__(
        self,
        operator: Operator,
        x: Any,
        error: float,
        length: int | None,
        backend: str | None,
        device: str | None,
    ) -> None:
        time = in_time(operator)
        if time.output.stride is None or operator.out_type != "array":
            raise ArgumentError(
                f"T={time.T!r}, stride={time.output.stride}, out_type={operator.out_type!r}: a stream gives "
                'arrays of coefficients at one rate. Use out_type="array" with T in samples (coefficients '
                "can be averaged afterwards), or T=0 with a stride."
            )
        if time.normalize is not None:
            raise ArgumentError(
                f"normalize={time.normalize!r} scales the filters by their sum on the grid of the whole "
                "signal: coefficients depend on its length; use normalize=None."
            )
        self.operator, self.paths, self.stride = operator, operator.paths, time.output.stride
        self._time, self._x, self._length, self._on = time, x, length, (backend, device)
        # What windows start at: multiples of every stride on the way.
        self._grain = 2 ** max(time.J, time.output.log2_cap or 0)
        self.overlap = _round_up(reach(operator, error), self._grain)
        least = max(operator.shape[-1], ADVANCE * self.overlap)
        self.window = smooth_multiple(least + 2 * self.overlap, self._grain)
        self.step = self.window - 2 * self.overlap

    @cached_property
    def _transform(self) -> Operator:
        """What is done to a window, whose two ends meet: within the overlaps that changes nothing."""
        return _resized(self.operator, self.window, "circular")

    def __iter__(self) -> Iterator[Array]:
        signal = signal_of(self._x, *self._on)
        signal.fill(self.window)
        if signal.size == 0:
            raise ShapeError("The signal has no samples.")
        padding = self._time.padding
        if not signal.complete:
            if padding == "circular":
                raise ArgumentError(
                    'padding="circular" joins the end of the signal to its beginning, which blocks do not '
                    "tell; pass an array, or choose another padding."
                )
            return self._windows(signal, Endless(self._axis(self._length), padding, self.overlap))
        self._check(signal)
        if signal.size <= self.window:
            return iter([_resized(self.operator, signal.size)(signal.read(0, signal.size))])
        axis = self._axis(signal.size)
        if axis.padded % self._grain:
            raise ArgumentError(
                f'padding="circular" needs a length divisible by {self._grain}, got {signal.size}; choose '
                "another padding."
            )
        return self._windows(signal, Periodic(axis, padding))

    def _windows(self, signal: Signal, padded: Padded) -> Iterator[Array]:
        """The coefficients of one window after the other."""
        left = padded.axis.left
        first = padded.axis.start(self.stride) * self.stride
        begin = first // self._grain * self._grain
        while True:
            start = begin - self.overlap
            signal.fill(start + self.window - left)
            lo, hi = max(first, begin), begin + self.step
            if signal.complete:
                self._check(signal)
                hi = min(hi, first + padded.count(signal.size, self.stride) * self.stride)
            if lo >= hi:
                return
            at = padded.source(np.arange(start, start + self.window), signal.size)
            y = self._transform(gather(signal, at))
            yield y[..., (lo - start) // self.stride : -((start - hi) // self.stride)]
            begin += self.step
            signal.forget(begin - self.overlap - left)

    def _axis(self, length: int | None) -> AxisGeometry:
        """How the operator pads and samples so many samples; a plan for them would be as long as they are."""
        if length is None:
            return self._time.axes[0]
        return self._time.replace(shape=(length,), out_type="list").axes[0]

    def _check(self, signal: Signal) -> None:
        if self._length not in (None, signal.size):
            raise ShapeError(f"length={self._length}, but the signal has {signal.size} samples.")


#: Operators for windows and whole signals that are kept with their filters, for the next signal.
KEPT = 4


@lru_cache(maxsize=KEPT)
def _resized(operator: Operator, length: int, padding: Literal["circular"] | None = None) -> Operator:
    if isinstance(operator, Restricted):
        return _resized(operator.operator, length, padding).restrict(operator.rows)
    return operator.replace(shape=(length,), **({} if padding is None else {"padding": padding}))


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
