"""Several filters on one grid; of those that mirror one another one is computed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from groupscat.wavelets.morlet import Gabor

#: Relative differences that rounding leaves between a filter and the mirror image of another one.
ROUNDING = 1e-14


def spectra(
    filters: Sequence[Gabor],
    bins: Sequence[NDArray[np.int64]],
    sizes: Sequence[int],
    periods: Sequence[int],
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """The position of every filter and its spectrum; not in their order.

    Parameters
    ----------
    bins : those of the spectrum that are asked for, one array per axis: bin k is the frequency k/size.
    sizes : samples of the periodic grid per axis. periods : bins after which a spectrum repeats itself.

    An array may be overwritten when the next one is asked for: new pages would cost more than the values.

    >>> pair = [Gabor(xi=(0.2, x), sigma=(0.1, 0.1)) for x in (0.1, -0.1)]
    >>> [k for k, _ in spectra(pair, [np.arange(8)] * 2, (8, 8), (8, 8))]
    [0, 1]
    """
    spectrum = np.empty([len(b) for b in bins])
    freqs = [b / n for b, n in zip(bins, sizes, strict=True)]
    period = [p / n for p, n in zip(periods, sizes, strict=True)]
    left = dict(enumerate(filters))
    for k, psi in enumerate(filters):
        if left.pop(k, None) is None:
            continue
        yield k, psi.hat(freqs, period, sizes, out=spectrum)
        for other, image in list(left.items()):
            axes = reflection(psi, image)
            turned = None if axes is None else mirrored(spectrum, axes, bins, periods)
            if turned is not None:
                del left[other]
                yield other, turned


def mirrored(
    spectrum: NDArray[np.float64],
    axes: Sequence[int],
    bins: Sequence[NDArray[np.int64]],
    periods: Sequence[int],
) -> NDArray[np.float64] | None:
    """A spectrum mirrored along some axes; None where the bins are not those of their mirror image."""
    for axis in axes:
        at = mirror(bins[axis], periods[axis])
        if at is None:
            return None
        spectrum = np.take(spectrum, at, axis)
    return spectrum


def mirror(bins: NDArray[np.int64], period: int) -> NDArray[np.intp] | None:
    """Where the negative of each bin is, up to multiples of the period; None where one is missing.

    >>> mirror(np.array([0, 1, -2, -1]), 4)
    array([0, 3, 2, 1])
    >>> mirror(np.array([-1, 0]), 4)
    """
    there, wanted = np.mod(bins, period), np.mod(-bins, period)
    order = np.argsort(there)
    found = order[np.minimum(np.searchsorted(there[order], wanted), len(bins) - 1)]
    return found if np.array_equal(there[found], wanted) else None


def reflection(psi: Gabor, image: Gabor) -> tuple[int, ...] | None:
    """The axes along which a filter must be mirrored to be another one; None: it is not its mirror image."""
    largest = ROUNDING * max(map(abs, psi.xi))
    if any(abs(abs(a) - abs(b)) > largest for a, b in zip(psi.xi, image.xi, strict=True)):
        return None
    same = {k: getattr(psi, k) for k in ("xi", "directions", "j", "n", "theta", "gain")}
    if replace(image, **same) != psi or not math.isclose(psi.gain, image.gain, rel_tol=ROUNDING):
        return None
    signs = [-1 if abs(a - b) > largest else 1 for a, b in zip(psi.xi, image.xi, strict=True)]
    p, q = psi.precision, image.precision
    if (abs(np.multiply.outer(signs, signs) * p - q) > ROUNDING * abs(p).max()).any():
        return None
    return tuple(k for k, sign in enumerate(signs) if sign < 0)
