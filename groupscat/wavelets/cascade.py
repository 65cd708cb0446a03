"""Small low-pass and oriented band-pass filters whose cascade builds the large wavelets.

φ_j = w_0 ⋆ φ_{j−1} and ψ_{j,k} = w_k ⋆ φ_{j−1}, each layer subsampled by 2 (Mallat 2016, eq. 11-12): the
work of a layer is a convolution of a few taps per sample, whatever the scale.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from groupscat.wavelets.audio import CROSSING
from groupscat.wavelets.littlewood_paley import LittlewoodPaley
from groupscat.wavelets.morlet import Gabor, Morlet
from groupscat.wavelets.oriented import SIGMA, oriented_bank

#: Width of w_0 in samples. The variances of the layers add up to σ₀²(4^J − 1)/3, which for this σ₀ is the
#: variance (SIGMA·2^{J−1})² of the Gaussian φ_J up to the finest layer's share.
LOW_SIGMA = SIGMA * math.sqrt(3) / 2
#: Filters are cut where their envelope falls below this fraction of its maximum, ...
CUT = 0.02
#: ... and never longer than this in two and three dimensions, where every tap is squared or cubed.
MAX_TAPS = 9


@dataclass(frozen=True)
class CascadeBank:
    """Filters of one layer: a low-pass w_0 and ``voices`` complex band-pass filters w_k.

    The same filters serve every layer. In one dimension the voices divide an octave, in two and three
    they are orientations. ``normalised`` scales them for a Littlewood-Paley sum of at most 1 at layer 1.

    >>> bank = CascadeBank(ndim=2, voices=8)
    >>> bank.low.shape, bank.band.shape
    ((5, 5), (8, 9, 9))
    >>> bool(abs(bank.band.sum()) < 1e-12)
    True
    """

    ndim: int
    voices: int
    normalised: bool = False

    @cached_property
    def wavelets(self) -> tuple[Morlet, ...]:
        """The closed-form wavelets that the band-pass filters are samples of (layer 1, j = 0)."""
        if self.ndim > 1:
            return oriented_bank(self.ndim, J=1, L=self.voices, T=2).wavelets(1)
        step = 2 ** (1 / self.voices)
        xi = max(1 / (1 + 2 ** (3 / self.voices)), 0.35)
        ratio = (1 - 1 / step) / (1 + 1 / step) / math.sqrt(2 * math.log(1 / CROSSING))
        centres = [xi / step**k for k in range(self.voices)]
        return tuple(Morlet(xi=(x,), sigma=(x * ratio,), n=k) for k, x in enumerate(centres))

    def at_scale(self, j: int) -> tuple[Morlet, ...]:
        """Labels of the wavelets of layer j+1: frequency and bandwidth 2^j times smaller."""
        return tuple(
            Morlet(
                xi=tuple(x / 2**j for x in w.xi),
                sigma=tuple(s / 2**j for s in w.sigma),
                directions=w.directions,
                j=j,
                n=j * self.voices + k,
                theta=w.theta,
            )
            for k, w in enumerate(self.wavelets)
        )

    @cached_property
    def low(self) -> NDArray[np.float64]:
        """w_0, real, shape (taps,)*ndim, sum 1 (before normalisation)."""
        return self._scale * self._low

    @cached_property
    def band(self) -> NDArray[np.complex128]:
        """w_1 … w_K, shape (voices, taps, …), each with sum exactly 0."""
        return self._scale * self._band

    @cached_property
    def _low(self) -> NDArray[np.float64]:
        radius = math.ceil(LOW_SIGMA * math.sqrt(2 * math.log(1 / CUT)))
        t = np.arange(-radius, radius + 1)
        line = np.exp(-0.5 * (t / LOW_SIGMA) ** 2)
        line /= line.sum()
        low = np.ones(())
        for _ in range(self.ndim):
            low = np.multiply.outer(low, line)
        return np.asarray(low)

    @cached_property
    def _band(self) -> NDArray[np.complex128]:
        widest = min(min(w.sigma) for w in self.wavelets)
        radius = math.ceil(math.sqrt(2 * math.log(1 / CUT)) / (2 * math.pi * widest))
        if self.ndim > 1:
            radius = min(radius, MAX_TAPS // 2)
        line = np.arange(-radius, radius + 1)
        grid = np.stack(np.meshgrid(*[line] * self.ndim, indexing="ij"), axis=-1)
        return np.stack([_sample(w, grid) for w in self.wavelets])

    @cached_property
    def _scale(self) -> float:
        """√ of the inverse Littlewood-Paley maximum of one layer, on a grid fine enough to see it."""
        if not self.normalised:
            return 1.0
        grid = (64 if self.ndim < 3 else 24,) * self.ndim
        return float(layer_sum(self._low, self._band, grid).upper ** -0.5)

    def equivalent(self, level: int) -> tuple[NDArray[np.float64], NDArray[np.complex128]]:
        """φ_level and ψ_{level,1…K} at the finest grid, by eq. 18: filters of layer i spread by 2^{i−1}.

        Returns
        -------
        phi : real, shape (taps, …). psi : complex, shape (voices, taps, …). Odd sizes, centred.
        """
        phi = np.ones((1,) * self.ndim, complex)
        for i in range(level - 1):
            phi = _convolve(phi, _spread(self.low, 2**i))
        last = 2 ** (level - 1)
        psi = np.stack([_convolve(phi, _spread(w, last)) for w in self.band])
        return np.asarray(_convolve(phi, _spread(self.low, last)).real), psi

    def littlewood_paley(self, J: int, grid: tuple[int, ...]) -> LittlewoodPaley:
        """|φ̂_J|² + ½ Σ_{j,k} (|ψ̂_{j,k}(ω)|² + |ψ̂_{j,k}(−ω)|²) of the equivalent filters."""
        total = np.zeros(grid)
        for level in range(1, J + 1):
            phi, psi = self.equivalent(level)
            total += _energy(psi, grid)
        return LittlewoodPaley(total + np.abs(_spectrum(phi, grid)) ** 2)


def layer_sum(
    low: NDArray[np.float64], band: NDArray[np.complex128], grid: tuple[int, ...]
) -> LittlewoodPaley:
    """The Littlewood-Paley sum of one layer's filters on a periodic grid."""
    return LittlewoodPaley(np.abs(_spectrum(low, grid)) ** 2 + _energy(band, grid))


def _energy(psi: NDArray[np.complex128], grid: tuple[int, ...]) -> NDArray[np.float64]:
    energy = np.zeros(grid)
    for w in psi:
        energy += np.abs(_spectrum(w, grid)) ** 2
    mirror = np.ix_(*(-np.arange(n) % n for n in grid))
    return np.asarray((energy + energy[mirror]) / 2)


def _spectrum(
    w: NDArray[np.complex128] | NDArray[np.float64], grid: tuple[int, ...]
) -> NDArray[np.complex128]:
    """Transform of a small filter wrapped on the grid (its position only turns the phase)."""
    wrapped = np.zeros(grid, complex)
    index = np.ix_(*(np.arange(n) % size for n, size in zip(w.shape, grid, strict=True)))
    np.add.at(wrapped, index, w)
    return np.asarray(np.fft.fftn(wrapped))


def _sample(w: Gabor, grid: NDArray[np.int64]) -> NDArray[np.complex128]:
    """A Morlet wavelet on a finite grid of points (…, d), made zero-mean there."""
    frame = np.array(w.directions) if w.directions else np.eye(w.ndim)
    along = grid @ frame.T
    spread = 2 * math.pi * np.array(w.sigma)
    envelope = np.exp(-0.5 * ((along * spread) ** 2).sum(-1))
    envelope *= math.prod(spread) / (2 * math.pi) ** (w.ndim / 2)
    wave = np.exp(2j * math.pi * (grid @ np.array(w.xi)))
    mean = (envelope * wave).sum() / envelope.sum()
    return np.asarray(envelope * (wave - mean))


def _spread(w: NDArray[np.complex128] | NDArray[np.float64], factor: int) -> NDArray[np.complex128]:
    """w with factor−1 zeros between its taps."""
    out = np.zeros([(n - 1) * factor + 1 for n in w.shape], complex)
    out[(slice(None, None, factor),) * w.ndim] = w
    return out


def _convolve(
    a: NDArray[np.complex128] | NDArray[np.float64], b: NDArray[np.complex128]
) -> NDArray[np.complex128]:
    size = [n + m - 1 for n, m in zip(a.shape, b.shape, strict=True)]
    axes = tuple(range(a.ndim))
    product = np.fft.fftn(a, size, axes) * np.fft.fftn(b, size, axes)
    return np.asarray(np.fft.ifftn(product, axes=axes))
