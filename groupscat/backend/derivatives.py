"""The part of the backend protocol that gradients of plans are made of.

Gradients follow the convention of Torch and TensorFlow: that by a complex array holds the derivatives by its
real and imaginary part. So the gradient of a linear operation is its adjoint, the conjugate transpose.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from groupscat.backend.base import Frames, Segments

Array = Any
#: A pure function of arrays by name.
Function = Callable[[dict[str, Array]], tuple[Array, ...]]
#: From the arrays of a :data:`Function`, the names of those to differentiate by, and the gradients of its
#: results (None where zero): the gradients by name; what is left out is zero.
Gradient = Callable[[dict[str, Array], tuple[str, ...], tuple[Array | None, ...]], dict[str, Array]]


class Derivatives:
    """What a backend needs for backward passes that compute values again: a base of ``Backend``."""

    # ------------------------------------------------------------------------------- primitives

    def recompute(
        self,
        function: Function,
        gradient: Gradient,
        data: Mapping[str, Array],
        constants: Mapping[str, Array],
    ) -> tuple[Array, ...]:
        """``function`` of data and constants; a backward pass keeps only these, and calls ``gradient``.

        The result can be differentiated as often as without, by the constants too where a framework can tell
        that this is wanted. Backends that do not record what happens to their arrays have nothing to do; nor
        need those that trace, whose compilers decide what is kept.
        """
        return function({**data, **constants})

    def pullback(self, function: Callable[[Array], Array], x: Array, gradient: Array) -> Array:
        """The gradient by x of a function of one array, from that of its result.

        Raises
        ------
        NotImplementedError : the framework does not differentiate.
        """
        raise NotImplementedError(f"{type(self).__name__} does not differentiate.")

    def blank(self: Any, shape: Sequence[int], dtype: str, like: Array) -> Array:
        """Zeros that nobody writes to, without memory of their own where a framework has such."""
        return self.zeros(shape, dtype, like)

    def accumulate(self, total: Array, x: Array) -> Array:
        """total + x, in the memory of ``total`` where it can be written to: nobody else has it."""
        return total + x

    # ------------------------------------------------------------------------------- composites

    def unwindow(self: Any, x: Array, segments: Sequence[Segments], sizes: Sequence[int]) -> Array:
        """The adjoint of :meth:`window`: segments go back to where they are from, and add up."""
        for axis, parts, size in zip(range(-len(sizes), 0), segments, sizes, strict=True):
            if parts is None:
                continue
            trailing, start = (slice(None),) * (-1 - axis), 0
            total: Array = None
            for lo, hi in parts:
                piece = x[(..., slice(start, start + hi - lo), *trailing)]
                piece = self.surround(piece, [(lo, size - hi), *((0, 0),) * (-1 - axis)])
                total = piece if total is None else total + piece
                start += hi - lo
            x = total
        return x

    def bandpass_adjoint(
        self: Any,
        y: Array,
        filters: Array,
        segments: Sequence[Segments],
        fold: Sequence[int],
        sizes: Sequence[int],
    ) -> Array:
        """The adjoint of :meth:`bandpass`, from signals (B, C·P, n_1, …) to a spectrum (B, C, N_1, …).

        ``sizes``: N_1, …, N_d. The transform of y times each block of the filters, summed over the wavelets,
        is that block of the window.
        """
        d = len(fold)
        count = self.shape(filters)[1]
        z = self.fft(y, tuple(range(-d, 0)))
        channels, *small = self.shape(z)[1:]
        z = self.reshape(z, (-1, channels // count, count, *small))
        parts = [self.sum(self.scale(z, filters[k, ...]), (2,)) for k in range(self.shape(filters)[0])]
        for axis, copies in zip(range(-1, -1 - d, -1), reversed(fold), strict=True):
            parts = [self.concat(parts[k : k + copies], axis) for k in range(0, len(parts), copies)]
        return self.unwindow(parts[0], segments, sizes)

    def bandpass_modulus_gradient(
        self: Any,
        spectrum: Array,
        filters: Array,
        segments: Sequence[Segments],
        fold: Sequence[int],
        gradient: Array,
    ) -> Array:
        """The gradient of :meth:`bandpass_modulus` by the spectrum; the response is computed once."""
        z = self.bandpass(spectrum, filters, segments, fold)
        z = self.pullback(self.modulus, z, gradient)
        return self.bandpass_adjoint(z, filters, segments, fold, self.shape(spectrum)[2:])

    def harmonic_modulus_gradient(self: Any, spectrum: Array, filters: Array, gradient: Array) -> Array:
        """The gradient of :meth:`harmonic_modulus` by a spectrum of real x: its Hermitian part counts."""
        axes = tuple(range(2 - len(self.shape(filters)), 0))
        z = self.backward_fft(self.multiply(spectrum[:, :, None, ...], filters), axes)
        z = self.fft(self.pullback(lambda z: self.modulus(z, 2), z, gradient), axes)
        # The filters' conjugates, which this backend may lay out in its own way.
        turned = self.multiply(self.complex(self.real(z), self.imag(z) * -1.0), filters)
        y = self.sum(turned, (2,))
        return self.complex(self.real(y), self.imag(y) * -1.0)

    def lowpass_adjoint(
        self: Any,
        y: Array,
        matrices: Sequence[Array],
        frames: Sequence[Frames | None],
        sizes: Sequence[int],
    ) -> Array:
        """The adjoint of :meth:`lowpass_subsample`, to axes of the given sizes."""
        if self.is_complex(y):
            re, im = (self.lowpass_adjoint(p, matrices, frames, sizes) for p in (self.real(y), self.imag(y)))
            return self.complex(re, im)
        for axis in range(-len(sizes), 0):
            y = self.moveaxis(y, axis, -1)
            matrix, frame, size = matrices[axis], frames[axis], sizes[axis]
            outputs, width = self.shape(matrix)
            count = 1 if frame is None else frame.count
            y = self.surround(y, [(0, outputs * count - self.shape(y)[-1])])
            lead = self.shape(y)[1:-1]
            y = self.matmul(self.reshape(y, (-1, outputs)), matrix)
            if frame is None:
                y = self.reshape(y, (-1, *lead, width))
            else:
                y = self.overlap(self.reshape(y, (-1, *lead, count, width)), frame.hop)
                y = self.unwindow(y, [frame.segments], [size])
            y = self.moveaxis(y, -1, axis)
        return y

    def overlap(self: Any, y: Array, hop: int) -> Array:
        """The adjoint of :meth:`frame`: (…, frames, width) → (…, n), overlapping samples summed."""
        count, width = self.shape(y)[-2:]
        lead = self.shape(y)[1:-2]
        length = (count - 1) * hop + width
        total: Array = None
        for start in range(0, width, hop):
            piece = y[..., start : start + hop]
            piece = self.surround(piece, [(0, hop - self.shape(piece)[-1])])
            piece = self.reshape(piece, (-1, *lead, count * hop))
            stop = min(length, start + count * hop)
            piece = self.surround(piece[..., : stop - start], [(start, length - stop)])
            total = piece if total is None else total + piece
        return total

    def hypot_gradient(self: Any, re: Array, im: Array, gradient: Array) -> tuple[Array, Array]:
        """The gradients of :meth:`hypot` by re and im: ``gradient`` times (re, im)/√(re² + im²), 0 at 0."""
        squares = re * re + im * im
        positive = squares > 0
        inverse = self.power(self.where(positive, squares, 1.0), -0.5)
        slope = self.where(positive, inverse, 0.0) * gradient
        return re * slope, im * slope

    def channel_modulus_gradient(self: Any, z: Array, matrix: Array, inputs: int, gradient: Array) -> Array:
        """The gradient of :meth:`channel_modulus` by z; the products are computed once."""
        y = self.matmul(matrix, self._planar_groups(z, inputs))
        groups, positions, samples = self.shape(y)[1], self.shape(y)[3], self.shape(matrix)[1] // 2
        slope = self.reshape(gradient, (-1, groups, samples, positions))
        parts = self.hypot_gradient(y[:, :, :samples, ...], y[:, :, samples:, ...], slope)
        x = self.matmul(self.moveaxis(matrix, 1, 2), self.concat(parts, 2))
        found = [
            self.reshape(x[:, :, k : k + inputs, ...], (-1, *self.shape(z)[1:]))
            for k in range(0, self.shape(matrix)[2], inputs)
        ]
        return self.complex(*found) if self.is_complex(z) else found[0]

    def mix_channels_adjoint(self: Any, y: Array, matrix: Array, inputs: int) -> Array:
        """The adjoint of :meth:`mix_channels`, to ``inputs`` channels of each group."""
        outputs = self.shape(matrix)[0]
        channels, *sizes = self.shape(y)[1:]
        groups = channels // outputs
        grouped = self.reshape(y, (-1, groups, outputs, math.prod(sizes)))
        x = self.matmul(self.moveaxis(matrix, 0, 1), grouped)
        return self.reshape(x, (-1, groups * inputs, *sizes))
