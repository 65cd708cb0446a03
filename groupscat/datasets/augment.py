"""Augmentation as data: random flips and shifts, a function of seed, epoch and sample alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from groupscat.checks import choice, integer
from groupscat.datasets.philox import philox
from groupscat.errors import ArgumentError, ShapeError

#: What a shift brings in from outside, in NumPy's words.
PADDING = {"zeros": "constant", "reflect": "reflect", "edge": "edge"}


@dataclass(frozen=True)
class Augment:
    """Flips and shifts of signals (b, channels, N_1, …, N_d), d ≤ 3.

    Parameters
    ----------
    flip : reverse the last axis of every second signal, at random.
    shift : the most that a signal is shifted by, both ways along each of its axes, every whole number of
        samples equally likely: samples (int), or a share of the axis (float).
    pad : what comes in from outside: "zeros", "reflect" (about the last sample, which is not repeated) or
        "edge" (the last sample). Zeros are black in images as stored, and the mean in normalised ones.

    What becomes of a signal depends on the seed, the epoch and its row in the data set, and on nothing
    else: not on how batches are made, and not on how many processes share them.

    Published ones: ``Augment(shift=0.125)`` (Jacobsen, Oyallon, Mallat, Smeulders 2017), and
    ``Augment(shift=4, pad="reflect")`` (Zagoruyko & Komodakis 2016).

    >>> x = np.arange(2 * 1 * 4 * 4, dtype="float32").reshape(2, 1, 4, 4)
    >>> augment = Augment(shift=1)
    >>> both = augment(x, seed=0, epoch=3, rows=[10, 11])
    >>> np.array_equal(augment(x[1:], seed=0, epoch=3, rows=[11]), both[1:])
    True
    """

    flip: bool = True
    shift: int | float = 0
    pad: Literal["zeros", "reflect", "edge"] = "zeros"

    def __post_init__(self) -> None:
        if not isinstance(self.flip, bool):
            raise ArgumentError(f"flip={self.flip!r}: expected True or False.")
        if isinstance(self.shift, float):
            if not 0 <= self.shift < 1:
                raise ArgumentError(
                    f"shift={self.shift}: expected a share of the axis, 0 ≤ shift < 1, or samples (int)."
                )
        else:
            object.__setattr__(self, "shift", integer("shift", self.shift, 0))
        choice("pad", self.pad, list(PADDING))

    def reach(self, length: int) -> int:
        """The most samples that an axis is shifted by.

        >>> Augment(shift=0.125).reach(32), Augment(shift=4).reach(32)
        (4, 4)
        """
        if isinstance(self.shift, float):
            return math.floor(self.shift * length + 0.5)
        return int(self.shift)

    def __call__(self, x: NDArray[Any], seed: int, epoch: int, rows: ArrayLike) -> NDArray[Any]:
        """Signals as they are seen in an epoch; ``x`` stays as it is, and is returned if nothing is done.

        Parameters
        ----------
        x : (b, channels, N_1, …, N_d). rows : (b,), their rows in the data set.

        Raises
        ------
        ShapeError : x has no axes to move along, or rows does not fit it.
        ArgumentError : a shift is longer than what can be reflected.
        """
        rows = np.asarray(rows, dtype=np.int64)
        lengths = x.shape[2:]
        if not 1 <= len(lengths) <= 3:
            raise ShapeError(
                f"x has shape {x.shape}; expected (b, channels, N_1, ...) with up to three axes."
            )
        if rows.shape != x.shape[:1] or (rows < 0).any():
            raise ShapeError(
                f"rows has shape {rows.shape}; expected one row ≥ 0 for each of {len(x)} signals."
            )
        words = _words(integer("seed", seed, 0), integer("epoch", epoch, 0), rows)
        if any(self.reach(n) for n in lengths):
            x = self._shifted(x, words[:, 1:])
        if self.flip:
            flipped = (words[:, 0] >> np.uint64(31)).astype(bool)
            x = np.where(flipped.reshape(-1, *[1] * (x.ndim - 1)), x[..., ::-1], x)
        return x

    def _shifted(self, x: NDArray[Any], words: NDArray[np.uint64]) -> NDArray[Any]:
        lengths = x.shape[2:]
        reaches = [self.reach(n) for n in lengths]
        for reach, n in zip(reaches, lengths, strict=True):
            if self.pad == "reflect" and reach >= n:
                raise ArgumentError(
                    f"shift={self.shift}: an axis of {n} samples can be reflected by {n - 1} at most."
                )
        padded = np.pad(x, [(0, 0), (0, 0), *((r, r) for r in reaches)], PADDING[self.pad])  # type: ignore[call-overload]
        axes = tuple(range(2, x.ndim))
        windows = np.moveaxis(sliding_window_view(padded, lengths, axes), 1, x.ndim - 1)
        starts = [
            ((words[:, k] * np.uint64(2 * r + 1)) >> np.uint64(32)).astype(np.int64)
            for k, r in enumerate(reaches)
        ]
        shifted: NDArray[Any] = windows[(np.arange(len(x)), *starts)]
        return shifted


def _words(seed: int, epoch: int, rows: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Four random words of 32 bits for every row."""
    counter = np.empty((len(rows), 4), np.uint64)
    counter[:, 0], counter[:, 1] = rows & 0xFFFFFFFF, rows >> 32
    counter[:, 2], counter[:, 3] = epoch & 0xFFFFFFFF, (epoch >> 32) & 0xFFFFFFFF
    return philox(counter, (seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF))
