"""The verbs of the backend protocol that the kernels do, for every framework whose arrays NumPy can view."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.backend.base import Array, Backend, ConstantKind, Frames, Segments
from groupscat.plan.plan import Plan
from groupscat_native import along_channels, kernels
from groupscat_native.bands import Band, Kept, Rows, band
from groupscat_native.cascade import Cascade
from groupscat_native.plans import Wholes
from groupscat_native.pointers import Memory
from groupscat_native.shapes import COMPLEX
from groupscat_native.solid import Solid, solid

PRECISION = {**{name: name for name in COMPLEX}, **{z: x for x, z in COMPLEX.items()}}


class NativeVerbs(Backend):
    """A base in front of a backend's class: what the kernels do not know is left to the class behind.

    That is: other types of numbers, more than three axes, lengths with large prime factors, axes in another
    order; and arrays that :meth:`views` does not show.
    """

    def __init__(self) -> None:
        super().__init__()
        self._kept = Kept(self.identity)
        self._wholes = Wholes(self._kept)

    # ------------------------------------------------------------------- what a framework supplies

    @abstractmethod
    def views(self, *xs: Array) -> list[NDArray[Any]] | None:
        """The arrays as NumPy sees them, or None where the kernels should not have them."""

    def memory(self, *xs: Array) -> list[Memory] | None:
        """The arrays as whole plans take them, copies of those that are not contiguous; None as above."""
        seen = self._seen(*xs)
        return None if seen is None else [Memory.of(x) for x in seen]

    @abstractmethod
    def fresh(self, shape: Sequence[int], dtype: str) -> Array:
        """An array that will be written to."""

    @abstractmethod
    def identity(self, x: Array) -> Hashable:
        """What tells, as long as an array lives, that another one is the same and has not changed."""

    @abstractmethod
    def versions(self, xs: Sequence[Array]) -> Hashable:
        """What changes when somebody writes to one of some arrays; None where this cannot be told at once."""

    @property
    @abstractmethod
    def workers(self) -> int:
        """Threads to use."""

    # --------------------------------------------------------------------------------- constants

    def prepare(self, constant: NDArray[Any], kind: ConstantKind) -> NDArray[Any]:
        return Backend.prepare(self, constant, kind)

    def scale(self, z: Array, filters: Array) -> Array:
        return z * filters[..., 0]

    # -------------------------------------------------------------------------------- transforms

    def fft(self, x: Array, axes: tuple[int, ...]) -> Array:
        found = self._transform(x, axes, back=False)
        # The class behind is a whole backend.
        return super().fft(x, axes) if found is None else found  # type: ignore[safe-super]

    def backward_fft(self, x: Array, axes: tuple[int, ...]) -> Array:
        found = self._transform(x, axes, back=True) if self.is_complex(x) else None
        return super().backward_fft(x, axes) if found is None else found  # type: ignore[safe-super]

    def _transform(self, x: Array, axes: tuple[int, ...], back: bool) -> Array | None:
        n = x.ndim
        if tuple(a % n for a in axes) != tuple(range(n - len(axes), n)):
            return None
        seen = self._seen(x)
        if seen is None or 0 in x.shape:
            return None
        out = self.fresh(x.shape, COMPLEX[PRECISION[self.dtype(x)]])
        done = kernels.transform(seen[0], len(axes), self._view(out), back, self.workers)
        return out if done else None

    # ---------------------------------------------------------------------------------- wavelets

    def bandpass(
        self, spectrum: Array, filters: Array, segments: Sequence[Segments], fold: Sequence[int]
    ) -> Array:
        found = self._responses(spectrum, filters, segments, fold, self.dtype(spectrum))
        return super().bandpass(spectrum, filters, segments, fold) if found is None else found

    def bandpass_modulus(
        self, spectrum: Array, filters: Array, segments: Sequence[Segments], fold: Sequence[int]
    ) -> Array:
        found = self._responses(spectrum, filters, segments, fold, self.dtype(filters))
        return super().bandpass_modulus(spectrum, filters, segments, fold) if found is None else found

    def _responses(
        self, spectrum: Array, filters: Array, segments: Sequence[Segments], fold: Sequence[int], dtype: str
    ) -> Array | None:
        seen = self._filtering(spectrum, filters)
        if seen is None:
            return None
        x, psi = seen
        batch, channels = spectrum.shape[:2]
        out = self.fresh((batch, channels * filters.shape[1], *filters.shape[2:-1]), dtype)
        done = kernels.bandpass(x, psi, segments, fold, self._view(out), self.workers)
        return out if done else None

    def bandpass_adjoint(
        self,
        y: Array,
        filters: Array,
        segments: Sequence[Segments],
        fold: Sequence[int],
        sizes: Sequence[int],
    ) -> Array:
        seen = self._filtering(y, filters)
        if seen is not None and filters.shape[1]:
            g, psi = seen
            out = self.fresh((y.shape[0], y.shape[1] // filters.shape[1], *sizes), self.dtype(y))
            view = self._view(out)
            if kernels.bandpass_vjp(view, psi, segments, fold, g, view, self.workers):
                return out
        return super().bandpass_adjoint(y, filters, segments, fold, sizes)

    def bandpass_modulus_gradient(
        self,
        spectrum: Array,
        filters: Array,
        segments: Sequence[Segments],
        fold: Sequence[int],
        gradient: Array,
    ) -> Array:
        seen = self._filtering(spectrum, filters)
        given = self._seen(gradient)
        if seen is not None and given is not None and given[0].dtype == seen[1].dtype:
            x, psi = seen
            out = self.fresh(spectrum.shape, self.dtype(spectrum))
            if kernels.bandpass_vjp(x, psi, segments, fold, given[0], self._view(out), self.workers):
                return out
        return super().bandpass_modulus_gradient(spectrum, filters, segments, fold, gradient)

    def harmonic_modulus(self, spectrum: Array, filters: Array) -> Array:
        found = self._harmonic(spectrum, filters, None)
        return super().harmonic_modulus(spectrum, filters) if found is None else found

    def harmonic_modulus_gradient(self, spectrum: Array, filters: Array, gradient: Array) -> Array:
        found = self._harmonic(spectrum, filters, gradient)
        if found is None:
            return super().harmonic_modulus_gradient(spectrum, filters, gradient)
        return found

    def _harmonic(self, spectrum: Array, filters: Array, gradient: Array | None) -> Array | None:
        dtype = self.dtype(filters)
        if self.dtype(spectrum) != COMPLEX.get(dtype) or not 3 <= filters.ndim <= 5:
            return None
        given = [] if gradient is None else [gradient]
        seen = self._seen(spectrum, filters, *given)
        if seen is None or any(self.dtype(g) != dtype for g in given) or 0 in filters.shape:
            return None
        x, psi, *rest = seen
        found: Solid = self._kept.of(solid, filters, psi, kernels.lanes(dtype))
        out = self.fresh(spectrum.shape, self.dtype(spectrum) if given else dtype)
        return out if kernels.harmonic(x, found, self._view(out), self.workers, *rest) else None

    # ---------------------------------------------------------------------------------- averages

    def lowpass_subsample(
        self, x: Array, matrices: Sequence[Array], frames: Sequence[Frames | None], counts: Sequence[int]
    ) -> Array:
        d = len(counts)
        found = self._averages(x, matrices, frames, x.shape[-d:], counts)
        if found is not None:
            seen, bands = found
            out = self.fresh((*x.shape[:-d], *counts), self.dtype(x))
            if kernels.lowpass(seen, bands, self._view(out), self.workers):
                return out
        return super().lowpass_subsample(x, matrices, frames, counts)

    def lowpass_adjoint(
        self,
        y: Array,
        matrices: Sequence[Array],
        frames: Sequence[Frames | None],
        sizes: Sequence[int],
    ) -> Array:
        d = len(sizes)
        found = self._averages(y, matrices, frames, sizes, y.shape[-d:])
        if found is not None:
            seen, bands = found
            out = self.fresh((*y.shape[:-d], *sizes), self.dtype(y))
            if kernels.lowpass(seen, bands, self._view(out), self.workers, adjoint=True):
                return out
        return super().lowpass_adjoint(y, matrices, frames, sizes)

    def _averages(
        self,
        x: Array,
        matrices: Sequence[Array],
        frames: Sequence[Frames | None],
        sizes: Sequence[int],
        counts: Sequence[int],
    ) -> tuple[NDArray[Any], list[Band]] | None:
        dtype = self.dtype(x)
        if dtype not in COMPLEX or len(counts) > 3 or any(self.dtype(m) != dtype for m in matrices):
            return None
        seen = self._seen(x, *matrices)
        if seen is None or not all(matrix.size for matrix in seen[1:]):
            return None
        return seen[0], [
            self._kept.of(band, matrix, view, frame, n, count)
            for matrix, view, frame, n, count in zip(matrices, seen[1:], frames, sizes, counts, strict=True)
        ]

    # ----------------------------------------------------------------------------- along channels

    def channel_modulus(self, z: Array, matrix: Array, inputs: int) -> Array:
        found = self._along_channels(z, matrix, inputs, None)
        return super().channel_modulus(z, matrix, inputs) if found is None else found

    def channel_modulus_gradient(self, z: Array, matrix: Array, inputs: int, gradient: Array) -> Array:
        found = self._along_channels(z, matrix, inputs, gradient)
        return super().channel_modulus_gradient(z, matrix, inputs, gradient) if found is None else found

    def _along_channels(self, z: Array, matrix: Array, inputs: int, gradient: Array | None) -> Array | None:
        given = [matrix] if gradient is None else [matrix, gradient]
        dtype = self.dtype(matrix)
        if PRECISION.get(self.dtype(z)) != dtype or any(self.dtype(a) != dtype for a in given):
            return None
        parts, seen = 2 if self.is_complex(z) else 1, self._seen(z, *given)
        if seen is None or not matrix.size or matrix.shape[2] != parts * inputs:
            return None
        table = self._kept.of(along_channels.channels, matrix, seen[1], parts)
        made = (z.shape[0], z.shape[1] // inputs * table.samples, *z.shape[2:])
        out = self.fresh(*((made, dtype) if gradient is None else (z.shape, self.dtype(z))))
        slope = seen[2] if gradient is not None else None
        done = along_channels.angular(seen[0], table, self._view(out), self.workers, slope)
        return out if done else None

    def mix_channels(self, x: Array, matrix: Array, inputs: int) -> Array:
        found = self._mixed(x, matrix, inputs, along_channels.combinations)
        return super().mix_channels(x, matrix, inputs) if found is None else found

    def mix_channels_adjoint(self, y: Array, matrix: Array, inputs: int) -> Array:
        found = self._mixed(y, matrix, matrix.shape[0], along_channels.transposed)
        return super().mix_channels_adjoint(y, matrix, inputs) if found is None else found

    def _mixed(self, x: Array, matrix: Array, inputs: int, make: Callable[..., Rows]) -> Array | None:
        dtype = self.dtype(x)
        seen = self._seen(x, matrix) if dtype in COMPLEX and self.dtype(matrix) == dtype else None
        if seen is None or not matrix.size:
            return None
        table: Rows = self._kept.of(make, matrix, seen[1])
        groups = x.shape[1] // inputs
        out = self.fresh((x.shape[0], groups * len(table.matrix), *x.shape[2:]), dtype)
        return out if along_channels.mix(seen[0], table, self._view(out), self.workers) else None

    # ------------------------------------------------------------------------------- whole plans

    def cascade(self, plan: Plan, arrays: Mapping[str, Array]) -> tuple[Array, ...] | None:
        given = [arrays[name] for name in plan.inputs]
        dtype = self.dtype(given[0])
        seen = self.memory(*given) if dtype in COMPLEX else None
        found = None if seen is None else self._wholes.of(plan, arrays, dtype, self)
        if found is None or seen is None:
            return None
        batch = seen[0].shape[0]
        out = [self.fresh((batch, *shape), made) for shape, made in found.made]
        written = self.memory(*out)
        return tuple(out) if written is not None and found(seen, written, self.workers) else None

    def cascade_gradient(self, plan: Plan, arrays: Mapping[str, Array], gradient: Array) -> Array | None:
        x = arrays[plan.inputs[0]]
        dtype = self.dtype(x)
        seen = self._seen(x, gradient) if dtype in COMPLEX and self.dtype(gradient) == dtype else None
        found = None if seen is None else self._wholes.of(plan, arrays, dtype, self)
        if seen is None or not isinstance(found, Cascade):
            return None
        out = self.fresh(x.shape, self.dtype(x))
        return out if found.gradient(seen[0], seen[1], self._view(out), self.workers) else None

    # ------------------------------------------------------------------------------------ details

    def _seen(self, *xs: Array) -> list[NDArray[Any]] | None:
        """Contiguous views (copies of what is not) of arrays whose numbers the kernels know."""
        if any(self.dtype(x) not in PRECISION for x in xs):
            return None
        found = self.views(*xs)
        return None if found is None else [np.ascontiguousarray(x) for x in found]

    def _view(self, x: Array) -> NDArray[Any]:
        found = self.views(x)
        assert found is not None
        return found[0]

    def _filtering(self, z: Array, filters: Array) -> list[NDArray[Any]] | None:
        """Complex arrays, contiguous, and filters, whose blocks may be apart (some of many filters)."""
        if filters.shape[-1] != 1 or COMPLEX.get(self.dtype(filters)) != self.dtype(z):
            return None
        found = self.views(z, filters)
        if found is None:
            return None
        z, psi = found
        inner = [psi.itemsize * math.prod(psi.shape[k + 1 :]) for k in range(1, psi.ndim)]
        together = list(psi.strides[1:-1]) == inner[:-1] and psi.strides[0] % max(1, inner[0]) == 0
        return [np.ascontiguousarray(z), psi if together else np.ascontiguousarray(psi)]
