"""A wavelet of one coefficient on the periodic grid where it acts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.wavelets.bank import fft_frequencies
from groupscat.wavelets.morlet import Gabor


@dataclass(frozen=True)
class Atom:
    """A filter with its role and its grid; spectrum and samples are made when asked for.

    Parameters
    ----------
    name : what it does: "order 1", "order 2", "along".
    wavelet : the filter in closed form: xi, sigma, j, n.
    grid : samples of the (padded) period, per axis.

    >>> atom = Atom("order 1", Gabor(xi=(0.25,), sigma=(0.05,)), (32,))
    >>> int(np.argmax(atom.spectrum)), atom.samples.dtype
    (8, dtype('complex128'))
    """

    name: str
    wavelet: Gabor
    grid: tuple[int, ...]

    @property
    def spectrum(self) -> NDArray[np.float64]:
        """Real, shape (*grid), in the order of ``numpy.fft.fftfreq``."""
        return self.wavelet.hat(fft_frequencies(self.grid), size=self.grid)

    @property
    def samples(self) -> NDArray[np.complex128]:
        """Complex, shape (*grid), the origin at index 0."""
        return np.asarray(np.fft.ifftn(self.spectrum))


def atoms(wavelets: Iterable[Any], grid: tuple[int, ...], first: int = 1) -> tuple[Atom, ...]:
    """The wavelets of successive orders, from order ``first`` on."""
    return tuple(Atom(f"order {order}", psi, grid) for order, psi in enumerate(wavelets, start=first))
