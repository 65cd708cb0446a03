"""Filtering along the angle θ: one real matrix on the planar (re, im) channels of each group."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from groupscat.backend.base import Array, Backend, ConstantKind
from groupscat.plan.ops import Op
from groupscat.wavelets.angular import AngularBank, spin
from groupscat.wavelets.bank import fft_frequencies
from groupscat.wavelets.morlet import Gabor


@dataclass(frozen=True)
class AngularAxis:
    """The samples V(θ) of responses and those of V ⋆ ψ̃.

    Parameters
    ----------
    bank : the filters.
    inputs : samples of V that are given: the circle, or half of it, V(θ+π) being V̄(θ). Then |V ⋆ ψ̃_k| of the
        negative sign is that of the positive one, half a turn further.
    spins : signs of the filters applied.
    cap : log2 of the coarsest sampling; a response of scale k is computed every 2^min(k, cap) samples, that
        of φ̃ as often as that of the coarsest wavelet.
    oversampling : log2 of how much more finely than that.
    whole : compute the average V ⋆ φ̃ on the whole circle, too, though half a turn only conjugates it.
    """

    bank: AngularBank
    inputs: int
    spins: tuple[int, ...]
    cap: int
    oversampling: int = 0
    whole: bool = False

    @property
    def half(self) -> bool:
        return self.inputs < self.bank.circle

    @cached_property
    def filters(self) -> tuple[Gabor, ...]:
        """The filters of these signs."""
        return tuple(w for w in self.bank.filters if spin(w) in self.spins)

    @cached_property
    def samples(self) -> tuple[tuple[int, int], ...]:
        """(filter, position) of every sample of V ⋆ ψ̃, filter by filter."""
        return tuple((i, t) for i, w in enumerate(self.filters) for t in self._positions(w))

    @cached_property
    def coefficients(self) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
        """What Re V and Im V of each input contribute to each sample, two arrays (samples, inputs)."""
        circle, inputs = self.bank.circle, self.inputs
        freqs = fft_frequencies((circle,))
        psi = np.stack([np.fft.ifft(w.hat(freqs, size=(circle,))) for w in self.filters])
        rows = np.stack([psi[i, np.mod(t - np.arange(circle), circle)] for i, t in self.samples])
        unit = np.eye(circle)[:, :inputs]
        mirror = np.roll(unit, inputs, axis=0) if self.half else np.zeros_like(unit)
        re, im = rows @ (unit + mirror), 1j * (rows @ (unit - mirror))
        return np.asarray(re, complex), np.asarray(im, complex)

    def _positions(self, w: Gabor) -> range:
        """Where the response to one filter is computed; where it repeats itself, once."""
        step = 1 << min(max(0, min(w.j, self.bank.K - 1) - self.oversampling), self.cap)
        repeats = spin(w) == 0 and not self.whole
        return range(0, self.inputs if repeats else self.bank.circle, step)


@dataclass(frozen=True)
class AngularMatrix:
    """V ↦ V ⋆ ψ̃ at the samples of an axis, shape (groups, 2·samples, 2·inputs).

    Rows and columns are real parts, then imaginary ones.

    Parameters
    ----------
    axis : where V is given.
    signs : per group and input −1 where the conjugate of V is given, else 1. Empty: nowhere, in no group.
    real : V is real, and half a turn changes nothing; columns are the ``inputs`` alone.
    """

    axis: AngularAxis
    signs: tuple[tuple[int, ...], ...] = ()
    real: bool = False
    kind: ClassVar[ConstantKind] = "matrix"

    @property
    def size(self) -> int:
        columns = self.axis.inputs * (1 if self.real else 2)
        return max(1, len(self.signs)) * 2 * len(self.axis.samples) * columns

    def build(self) -> NDArray[np.float64]:
        re, im = self.axis.coefficients
        if self.real:
            return np.concatenate([re.real, re.imag])[None]
        signs = self.signs or ((1,) * self.axis.inputs,)
        return np.stack([planar(re, im * np.array(s)) for s in signs])


def planar(re: NDArray[np.complex128], im: NDArray[np.complex128]) -> NDArray[np.float64]:
    """The real matrix of Σ re·Re V + im·Im V: rows and columns are real parts, then imaginary ones."""
    m = np.concatenate([re, im], axis=1)
    return np.concatenate([m.real, m.imag])


@dataclass(frozen=True)
class AngularMean:
    """The mean over θ of the samples of each filter, shape (filters, samples)."""

    axis: AngularAxis
    kind: ClassVar[ConstantKind] = "matrix"

    @property
    def size(self) -> int:
        return len(self.axis.filters) * len(self.axis.samples)

    def build(self) -> NDArray[np.float64]:
        of_filter = np.array([i for i, _ in self.axis.samples])
        member = (of_filter == np.arange(len(self.axis.filters))[:, None]).astype(float)
        return np.asarray(member / member.sum(1, keepdims=True))


@dataclass(frozen=True)
class MeanRow:
    """The mean over ``count`` channels, shape (1, count)."""

    count: int
    kind: ClassVar[ConstantKind] = "matrix"

    @property
    def size(self) -> int:
        return self.count

    def build(self) -> NDArray[np.float64]:
        return np.full((1, self.count), 1 / self.count)


@dataclass(frozen=True)
class AngularModulus(Op):
    """|V ⋆ ψ̃| along the channels of every group; srcs[1] is an :class:`AngularMatrix`.

    V has the channels (group, θ), the result (group, sample).
    """

    inputs: int

    def __call__(self, xp: Backend, *args: Array) -> Array:
        z, matrix = args
        return xp.channel_modulus(z, matrix, self.inputs)


@dataclass(frozen=True)
class Mix(Op):
    """Linear combinations of the channels of each group: srcs[1] is a matrix (outputs, inputs)."""

    inputs: int

    def __call__(self, xp: Backend, *args: Array) -> Array:
        x, matrix = args
        return xp.mix_channels(x, matrix, self.inputs)
