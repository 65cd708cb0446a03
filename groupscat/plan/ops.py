"""The operations of a plan. Each is data (names of registers, static numbers) with one call.

A register holds (batch, channel, *axes). The first of ``srcs`` is the signal, the others constants.
"""

from __future__ import annotations

from dataclasses import dataclass

from groupscat.backend.base import Array, Backend, Frames, Segments
from groupscat.plan.rho import Modulus, Rho


@dataclass(frozen=True)
class Op:
    """dst ← f(srcs)."""

    srcs: tuple[str, ...]
    dst: str

    def __call__(self, xp: Backend, *args: Array) -> Array:
        raise TypeError(f"{type(self).__name__} is not an operation")


@dataclass(frozen=True)
class Pad(Op):
    """Extend every axis by gathering; srcs[1:] are the positions per axis (−1: zero)."""

    zero: bool

    def __call__(self, xp: Backend, *args: Array) -> Array:
        x, *indices = args
        return xp.pad(x, indices, self.zero)


@dataclass(frozen=True)
class Spectrum(Op):
    """Fourier transform over the last ``ndim`` axes."""

    ndim: int

    def __call__(self, xp: Backend, *args: Array) -> Array:
        return xp.fft(args[0], tuple(range(-self.ndim, 0)))


@dataclass(frozen=True)
class Bandpass(Op):
    """ρ(x ⋆ ψ_p) subsampled, for wavelets p of a block (srcs[1]), from the spectrum of x.

    ``part``: the range of p; None: all of the block.
    """

    segments: tuple[Segments, ...]
    fold: tuple[int, ...]
    part: tuple[int, int] | None
    rho: Rho

    def __call__(self, xp: Backend, *args: Array) -> Array:
        spectrum, filters = args
        if self.part is not None:
            filters = filters[:, slice(*self.part), ...]
        if isinstance(self.rho, Modulus):
            return xp.bandpass_modulus(spectrum, filters, self.segments, self.fold)
        return self.rho(xp, xp.bandpass(spectrum, filters, self.segments, self.fold))


@dataclass(frozen=True)
class Lowpass(Op):
    """Average and subsample; srcs[1:] are the matrices of the axes."""

    frames: tuple[Frames | None, ...]
    counts: tuple[int, ...]

    def __call__(self, xp: Backend, *args: Array) -> Array:
        return xp.lowpass_subsample(args[0], args[1:], self.frames, self.counts)


@dataclass(frozen=True)
class Crop(Op):
    """Slices (start, stop, step) of the trailing axes: outputs without averaging.

    ``copy``: of a data input, whose memory a result must not share.
    """

    slices: tuple[tuple[int, int, int], ...]
    copy: bool

    def __call__(self, xp: Backend, *args: Array) -> Array:
        y = args[0][(..., *(slice(*s) for s in self.slices))]
        return xp.concat((y,), 1) if self.copy else y


@dataclass(frozen=True)
class Concat(Op):
    """Channels of all srcs, in order; complex if one of them is."""

    def __call__(self, xp: Backend, *args: Array) -> Array:
        wide = [xp.dtype(x) for x in args if xp.is_complex(x)]
        return xp.concat([xp.cast(x, wide[0]) for x in args] if wide else args, 1)


@dataclass(frozen=True)
class Take(Op):
    """Channels in the order of the positions srcs[1]."""

    def __call__(self, xp: Backend, *args: Array) -> Array:
        return xp.take(args[0], args[1], 1)


@dataclass(frozen=True)
class Power(Op):
    """x^q of non-negative x."""

    q: float

    def __call__(self, xp: Backend, *args: Array) -> Array:
        return xp.power(args[0], self.q)
