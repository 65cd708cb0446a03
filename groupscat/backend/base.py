"""The backend protocol: primitives that a framework supplies, composites that are written in them.

A backend is one stateless object. Arrays stay plain arrays of the framework. In all composites an
array is (batch, channel, *axes): axis 0 has any length, possibly unknown while a framework traces;
the other lengths are Python ints.

What every framework does alike is used as it is, no more: ``x[part]`` with slices, integers and None, one
per axis or with an Ellipsis; + − * between arrays of one type, or with a Python number; comparison with a
number; ~ of booleans. Arrays of two types never meet. This is what the Python array API standard promises.
"""

from __future__ import annotations

import itertools
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from groupscat.backend.derivatives import Derivatives
from groupscat.errors import BackendError, DeviceError

Array = Any
Arrays = dict[str, Array]
#: Slices [start, stop) of an axis, concatenated in order; None means the whole axis.
Segments = tuple[tuple[int, int], ...] | None
#: The message of a gradient that does not exist.
NO_PATH = (
    "The value does not depend on x by operations that {name} can differentiate. Keep the function within "
    "{name}: no conversion to NumPy, no detaching, no rounding."
)
#: What a constant is used for; a backend may lay filters out in its own way.
ConstantKind = Literal["filter", "complex_filter", "matrix", "index"]


@dataclass(frozen=True)
class Frames:
    """``count`` frames of ``width`` samples, ``hop`` apart, on the part of an axis that ``segments`` cut."""

    segments: Segments
    width: int
    hop: int
    count: int


class Processes:
    """Processes that compute parts of one batch; this one is the only one.

    Attributes
    ----------
    rank : the number of this process, from 0. count : of all. device : of this one; None: any.
    """

    rank, count = 0, 1
    device: str | None = None

    def total(self, xs: Arrays) -> Arrays:
        """The sums of the arrays of all processes: the same everywhere."""
        return xs

    def same(self, text: str) -> str:
        """What the first process says."""
        return text


class Backend(Derivatives, ABC):
    """One array framework.

    Third parties subclass this, implement the primitives, override a composite only for speed, and
    register the class under the entry-point group ``groupscat.backends`` with the import name of
    their framework as the entry's name.
    """

    #: The name under which the backend is registered.
    name: ClassVar[str]
    #: Bytes of intermediate arrays worth keeping in the cache; None: never split a batch.
    chunk_bytes: int | None = None
    #: Whether arrays can be written to; memory is shared only among frameworks that agree on it.
    mutable: ClassVar[bool] = True
    #: Whether plans are to be compiled whole, because single operations are slow to start.
    compiles_plans: ClassVar[bool] = False
    #: What somebody who asks why it is fast or slow should know, as ``groupscat info`` shows it; "": nothing.
    details: str = ""

    # ---------------------------------------------------------------- primitives: arrays and types

    @abstractmethod
    def owns(self, x: object) -> bool:
        """Whether ``x`` is an array of this framework."""

    @abstractmethod
    def asarray(self, x: object, dtype: str | None = None, like: Array | None = None) -> Array:
        """An array of this framework, on the device of ``like``; no copy where none is needed."""

    def put(self, x: NDArray[Any], dtype: str, device: str | None = None) -> Array:
        """A host array on a device by name ("cpu", "cuda:1"; None: the framework's default).

        Raises
        ------
        DeviceError : there is no such device.
        """
        if device not in (None, "cpu"):
            raise DeviceError(f"device={device!r}: the {self.name} backend computes on the CPU only.")
        return self.asarray(x, dtype=dtype)

    def devices(self) -> tuple[str, ...]:
        """The devices that :meth:`put` accepts, with a description each where there is one."""
        return ("cpu",)

    @abstractmethod
    def to_numpy(self, x: Array) -> NDArray[Any]:
        """The values on the host, detached from any gradient."""

    def from_dlpack(self, x: Any) -> Array:
        """An array on the memory of ``x``, which another backend's :meth:`to_dlpack` returned.

        Raises
        ------
        BufferError : this framework cannot read that device, layout or type.
        """
        raise BufferError(f"The {self.name} backend does not share memory.")

    def to_dlpack(self, x: Array) -> Any:
        """``x`` as an object with ``__dlpack__`` and ``__dlpack_device__``.

        Raises
        ------
        BufferError : the memory of x must not be shared (it is read-only, say).
        """
        raise BufferError(f"The {self.name} backend does not share memory.")

    def scope(self, x: Array) -> AbstractContextManager[Any]:
        """What an operator works in: the device of ``x`` made current, where a framework needs that."""
        return nullcontext()

    @abstractmethod
    def shape(self, x: Array) -> tuple[Any, ...]:
        """The shape; only a leading length may be other than an int."""

    @abstractmethod
    def dtype(self, x: Array) -> str:
        """The element type's NumPy name, or ``"bfloat16"``."""

    @abstractmethod
    def device(self, x: Array) -> Hashable:
        """Where the array lives: arrays that may be combined have equal devices."""

    @abstractmethod
    def cast(self, x: Array, dtype: str) -> Array:
        """Elements converted to ``dtype``."""

    @abstractmethod
    def is_tracing(self, x: Array) -> bool:
        """Whether a compiler or exporter is recording: then no policy may look at values or sizes."""

    @abstractmethod
    def all_finite(self, x: Array) -> bool:
        """Whether no element is NaN or infinite."""

    @abstractmethod
    def zeros(self, shape: Sequence[int], dtype: str, like: Array) -> Array:
        """Zeros on the device of ``like``."""

    # ------------------------------------------------------------------- primitives: rearrangement

    @abstractmethod
    def reshape(self, x: Array, shape: Sequence[int]) -> Array: ...

    @abstractmethod
    def moveaxis(self, x: Array, source: int, destination: int) -> Array: ...

    @abstractmethod
    def concat(self, xs: Sequence[Array], axis: int) -> Array: ...

    @abstractmethod
    def take(self, x: Array, index: Array, axis: int) -> Array:
        """x with the positions of the 1-D int32 array ``index`` along ``axis``."""

    @abstractmethod
    def where(self, condition: Array, x: Array, otherwise: float) -> Array: ...

    # ----------------------------------------------------------------------- primitives: arithmetic

    @abstractmethod
    def linear(self, x: Array, matrix: Array) -> Array:
        """x @ matrixᵀ, both real and 2-D: (n, w), (o, w) → (n, o)."""

    @abstractmethod
    def matmul(self, x: Array, y: Array) -> Array:
        """The matrix products x @ y of the last two axes, both real; the axes before them are broadcast."""

    @abstractmethod
    def sum(self, x: Array, axes: tuple[int, ...]) -> Array: ...

    @abstractmethod
    def max(self, x: Array, axes: tuple[int, ...]) -> Array: ...

    @abstractmethod
    def relu(self, x: Array) -> Array:
        """max(x, 0) of real or integer x."""

    @abstractmethod
    def exp(self, x: Array) -> Array:
        """e^x of real x."""

    @abstractmethod
    def log(self, x: Array) -> Array:
        """The natural logarithm of real x > 0."""

    @abstractmethod
    def real(self, x: Array) -> Array: ...

    @abstractmethod
    def imag(self, x: Array) -> Array: ...

    @abstractmethod
    def complex(self, re: Array, im: Array) -> Array: ...

    @abstractmethod
    def modulus(self, z: Array, axis: int | None = None) -> Array:
        """|z|, or √Σ|z|² over ``axis``, of real or complex z; its gradient at 0 is 0."""

    @abstractmethod
    def power(self, x: Array, q: float) -> Array:
        """x^q for x ≥ 0; its gradient at 0 is 0 where the derivative is unbounded."""

    @abstractmethod
    def fft(self, x: Array, axes: tuple[int, ...]) -> Array:
        """Unnormalised discrete Fourier transform of real or complex x: Σ x(u) exp(−2πi uk/N)."""

    @abstractmethod
    def backward_fft(self, x: Array, axes: tuple[int, ...]) -> Array:
        """Σ x(k) exp(+2πi uk/N), complex: :meth:`fft` undone but for the factor 1/N, which filters carry."""

    # --------------------------------------------------------------------------- composites

    def prepare(self, constant: NDArray[Any], kind: ConstantKind) -> NDArray[Any]:
        """The layout in which this backend keeps a constant (a float64, complex128 or integer array).

        Filters get a last axis of their own: real ones for whatever :meth:`scale` of this backend makes
        of it, complex ones for (re, im), because frameworks convert complex constants unreliably.
        """
        if kind == "complex_filter":
            return np.stack([constant.real, constant.imag], axis=-1)
        return constant[..., None] if kind == "filter" else constant

    def scale(self, z: Array, filters: Array) -> Array:
        """Complex z times real filters, broadcast; the filters as :meth:`prepare` laid them out."""
        psi = filters[..., 0]
        return self.complex(self.real(z) * psi, self.imag(z) * psi)

    def multiply(self, z: Array, filters: Array) -> Array:
        """Complex z times complex filters, broadcast; the filters as :meth:`prepare` laid them out."""
        return z * self.complex(filters[..., 0], filters[..., 1])

    def compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function`` compiled by the framework, where it has a compiler."""
        return function

    def gradients(
        self, function: Callable[[Arrays], tuple[Array, Arrays]], xs: Arrays
    ) -> tuple[Array, Arrays, Arrays]:
        """A real function of several arrays, and its gradients by them, at ``xs``; nothing else is changed.

        Parameters
        ----------
        function : of arrays by name; gives an array without axes, and whatever arrays are to be known too.
        xs : real or complex, detached from any gradient.

        Returns
        -------
        The value; the other arrays; the gradients by name, each of the shape and type of its array: for a
        complex one the real and imaginary part are the derivatives by those of it. Zeros where the value
        does not depend on one. All detached.

        Raises
        ------
        BackendError : the framework does not differentiate.
        ArgumentError : the value depends on none by differentiable operations (where that shows).
        """
        raise BackendError(
            f"The {self.name} backend has no gradients. Use arrays of torch, tensorflow or jax, or name one "
            'of these with backend=; pip install "groupscat[torch]" installs the first.'
        )

    @property
    def differentiates(self) -> bool:
        """Whether there is a :meth:`gradients`."""
        return type(self).gradients is not Backend.gradients

    def value_and_grad(self, function: Callable[[Array], Array], x: Array) -> tuple[Array, Array]:
        """:meth:`gradients` of a function of one array: its value and its gradient."""
        value, _, found = self.gradients(lambda xs: (function(xs["x"]), {}), {"x": x})
        return value, found["x"]

    def mixed(self, x: Array) -> AbstractContextManager[Any]:
        """Convolutions and matrix products in bfloat16 where x lives, all else as precise as before.

        Raises
        ------
        BackendError : the framework does not do this.
        """
        raise BackendError(
            f"The {self.name} backend has no mixed precision. Use torch, or another precision."
        )

    def exact(self, x: Array) -> AbstractContextManager[Any]:
        """What a transform that is exact by contract works in: no factor of a product is rounded."""
        return nullcontext()

    def replayed(
        self,
        function: Callable[[Arrays], tuple[Array, ...]],
        key: Hashable,
        data: tuple[str, ...],
        nbytes: int,
    ) -> Callable[[Arrays], tuple[Array, ...]]:
        """``function`` as it is to be called when nobody traces: what it does may be recorded and replayed.

        Parameters
        ----------
        function : of arrays by name; pure. key : equal only for functions that do the same.
        data : the names of the arrays that are new in each call; the others are the same again and again.
        nbytes : of the largest intermediate array.
        """
        return function

    def processes(self) -> Processes:
        """The processes that work together on this; one alone, unless the framework was started in several.

        Raises
        ------
        BackendError : there are several, but the framework's do not know of each other.
        """
        if int(os.environ.get("WORLD_SIZE", 1)) > 1:
            raise BackendError(
                f"WORLD_SIZE={os.environ['WORLD_SIZE']}: this is one of several processes, and those of "
                f"{self.name} do not work together. Use torch, or start one process."
            )
        return Processes()

    def cascade(self, plan: Any, arrays: Mapping[str, Array]) -> tuple[Array, ...] | None:
        """The outputs of a whole :class:`groupscat.plan.plan.Plan` at once; None: run its operations.

        Parameters
        ----------
        arrays : data inputs, constants, parameters and state by name; they are not changed.
        """
        return None

    def cascade_gradient(self, plan: Any, arrays: Mapping[str, Array], gradient: Array) -> Array | None:
        """The gradient by the data input of a whole plan, from that of its one output; None as above."""
        return None

    def chunk(self, x: Array) -> int | None:
        """Bytes of intermediate arrays to work on at a time where x lives; None: all at once."""
        return self.chunk_bytes

    def is_complex(self, x: Array) -> bool:
        return self.dtype(x).startswith("complex")

    def pad(self, x: Array, indices: Sequence[Array | None], zero: bool) -> Array:
        """Extend the trailing axes: axis k becomes x[indices[k]]; with ``zero``, index −1 gives 0.

        None leaves an axis as it is.
        """
        for axis, index in zip(range(-len(indices), 0), indices, strict=True):
            if index is None:
                continue
            if not zero:
                x = self.take(x, index, axis)
                continue
            x = self.take(x, self.relu(index), axis)
            inside = self.reshape(index >= 0, (-1,) + (1,) * (-1 - axis))
            x = self.where(inside, x, 0.0)
        return x

    def window(self, x: Array, segments: Sequence[Segments]) -> Array:
        """Keep the given segments of each trailing axis."""
        for axis, parts in zip(range(-len(segments), 0), segments, strict=True):
            if parts is not None:
                trailing = (slice(None),) * (-1 - axis)
                pieces = [x[(..., slice(lo, hi), *trailing)] for lo, hi in parts]
                x = pieces[0] if len(pieces) == 1 else self.concat(pieces, axis)
        return x

    def bandpass(
        self, spectrum: Array, filters: Array, segments: Sequence[Segments], fold: Sequence[int]
    ) -> Array:
        """Filter by every wavelet of a block and subsample by ``fold``, from spectrum to signal.

        y_{c,p}(u) = (x_c ⋆ ψ_p)(fold·u): multiply the spectrum inside the window, sum the ``fold``
        aliases of each axis, inverse transform at the small size.

        Parameters
        ----------
        spectrum : complex, shape (B, C, N_1, …, N_d).
        filters : real, prepared, shape (K, P, n_1, …, n_d, ·) -- ψ̂ in the window, cut into K = Π fold
            blocks, the factor 1/Π N_k included.
        segments : per axis the part of the spectrum that the window holds, fold_k·n_k samples.
        fold : aliases per axis.

        Returns
        -------
        complex, shape (B, C·P, n_1, …, n_d).

        Source: Mallat 2016, eq. 10 with subsampling.
        """
        total: Array = None
        for k, block in enumerate(self.blocks(self.window(spectrum, segments), fold)):
            term = self.scale(block[:, :, None, ...], filters[k, ...])
            total = term if total is None else total + term
        channels, count, *sizes = self.shape(total)[1:]
        z = self.reshape(total, (-1, channels * count, *sizes))
        return self.backward_fft(z, tuple(range(-len(fold), 0)))

    def blocks(self, x: Array, fold: Sequence[int]) -> list[Array]:
        """The trailing axes cut into ``fold`` equal parts each: Π fold arrays (B, C, n_1, …, n_d)."""
        sizes = self.shape(x)[-len(fold) :]
        parts = [
            [slice(b * n // k, (b + 1) * n // k) for b in range(k)] for n, k in zip(sizes, fold, strict=True)
        ]
        return [x[(..., *part)] for part in itertools.product(*parts)]

    def bandpass_modulus(
        self, spectrum: Array, filters: Array, segments: Sequence[Segments], fold: Sequence[int]
    ) -> Array:
        """|:meth:`bandpass`|, real: the hot loop of every scattering transform."""
        return self.modulus(self.bandpass(spectrum, filters, segments, fold))

    def harmonic_modulus(self, spectrum: Array, filters: Array) -> Array:
        """√(Σ_m |x ⋆ ψ_m|²) over the harmonics of one degree: a modulus that no rotation changes.

        Parameters
        ----------
        spectrum : of real x, complex, shape (B, 1, N_1, …, N_d).
        filters : "complex_filter", prepared, shape (M, N_1, …, N_d, 2), the factor 1/Π N_k included.

        Returns
        -------
        real, shape (B, 1, N_1, …, N_d).

        Source: Eickenberg et al. 2017, section 3.
        """
        axes = tuple(range(2 - len(self.shape(filters)), 0))
        z = self.backward_fft(self.multiply(spectrum[:, :, None, ...], filters), axes)
        return self.modulus(z, axis=2)

    def hypot(self, re: Array, im: Array) -> Array:
        """√(re² + im²) of real arrays; its gradient where both are 0 is 0."""
        return self.power(re * re + im * im, 0.5)

    def channel_modulus(self, z: Array, matrix: Array, inputs: int) -> Array:
        """√(re² + im²) of a real matrix on the channels of each group: |V ⋆ ψ̃| along the orientation.

        Parameters
        ----------
        z : real or complex, shape (B, groups·inputs, …).
        matrix : shape (groups or 1, 2·samples, inputs), of complex z 2·inputs. Rows and columns are real
            parts, then imaginary ones.

        Returns
        -------
        real, shape (B, groups·samples, …).

        Source: Sifre & Mallat 2013, section 3.
        """
        y = self.matmul(matrix, self._planar_groups(z, inputs))
        samples = self.shape(matrix)[1] // 2
        moduli = self.hypot(y[:, :, :samples, ...], y[:, :, samples:, ...])
        return self.reshape(moduli, (-1, self.shape(z)[1] // inputs * samples, *self.shape(z)[2:]))

    def _planar_groups(self, z: Array, inputs: int) -> Array:
        """Channels by group, real parts before imaginary ones: (B, groups, inputs or 2·inputs, ·)."""
        channels, *sizes = self.shape(z)[1:]
        shape = (-1, channels // inputs, inputs, math.prod(sizes))
        parts = (self.real(z), self.imag(z)) if self.is_complex(z) else (z,)
        return self.concat([self.reshape(p, shape) for p in parts], 2)

    def mix_channels(self, x: Array, matrix: Array, inputs: int) -> Array:
        """Linear combinations of the channels of each group.

        Parameters
        ----------
        x : real, shape (B, groups·inputs, …).
        matrix : shape (outputs, inputs).

        Returns
        -------
        shape (B, groups·outputs, …).
        """
        channels, *sizes = self.shape(x)[1:]
        groups = channels // inputs
        y = self.matmul(matrix, self.reshape(x, (-1, groups, inputs, math.prod(sizes))))
        return self.reshape(y, (-1, groups * self.shape(matrix)[0], *sizes))

    def lowpass_subsample(
        self, x: Array, matrices: Sequence[Array], frames: Sequence[Frames | None], counts: Sequence[int]
    ) -> Array:
        """Average along the trailing axes and keep every stride-th sample.

        y(u) = Σ_v x(v) φ(stride·u − v): one matrix per axis, φ being separable. On a long axis the
        matrix is banded, so the same small one is applied to overlapping frames.

        Parameters
        ----------
        x : shape (B, C, n_1, …, n_d).
        matrices : shape (o_k, w_k) per axis.
        frames : per axis None (w_k = n_k), or F_k overlapping frames of w_k samples.
        counts : outputs kept per axis, at most F_k·o_k.

        Returns
        -------
        shape (B, C, counts_1, …, counts_d).

        Source: Mallat 2016, eq. 9 and 13.
        """
        if self.is_complex(x):
            re, im = (
                self.lowpass_subsample(p, matrices, frames, counts) for p in (self.real(x), self.imag(x))
            )
            return self.complex(re, im)
        for axis in reversed(range(-len(counts), 0)):
            x = self.moveaxis(x, axis, -1)
            matrix, frame, count = matrices[axis], frames[axis], counts[axis]
            lead = self.shape(x)[1:-1]
            if frame is not None:
                x = self.frame(self.window(x, [frame.segments]), frame.width, frame.hop)
            outputs, width = self.shape(matrix)
            x = self.linear(self.reshape(x, (-1, width)), matrix)
            total = outputs * (1 if frame is None else frame.count)
            x = self.reshape(x, (-1, *lead, total))
            if total != count:
                x = x[..., :count]
            x = self.moveaxis(x, -1, axis)
        return x

    def frame(self, x: Array, width: int, hop: int) -> Array:
        """Overlapping frames of the last axis: (…, n) → (…, 1 + (n − width)//hop, width)."""
        starts = range(0, self.shape(x)[-1] - width + 1, hop)
        return self.concat([x[..., None, s : s + width] for s in starts], -2)

    def filterbank(self, x: Array, kernels: Array, stride: int) -> Array:
        """Small filters on a periodic grid: y_{c,k}(u) = Σ_t x_c(stride·u + t − t₀) w_k(t).

        Parameters
        ----------
        x : real, shape (B, C, n_1, …, n_d), circular; each n a multiple of ``stride``.
        kernels : real, shape (K, t_1, …, t_d), odd sizes, t₀ their centre.

        Returns
        -------
        shape (B, C, K, n_1/stride, …, n_d/stride).

        Source: Mallat 2016, eq. 12.
        """
        count, *taps = self.shape(kernels)
        channels, *sizes = self.shape(x)[1:]
        x = self.wrap(x, [t // 2 for t in taps])
        out = [n // stride for n in sizes]
        columns = []
        for tap in itertools.product(*map(range, taps)):
            part = tuple(slice(t, t + (n - 1) * stride + 1, stride) for t, n in zip(tap, out, strict=True))
            columns.append(self.reshape(x[(slice(None), slice(None), *part)], (-1, math.prod(out), 1)))
        columns = self.reshape(self.concat(columns, -1), (-1, len(columns)))
        y = self.linear(columns, self.reshape(kernels, (count, -1)))
        y = self.reshape(y, (-1, channels, math.prod(out), count))
        return self.reshape(self.moveaxis(y, -1, -2), (-1, channels, count, *out))

    def wrap(self, x: Array, radius: Sequence[int]) -> Array:
        """Extend each trailing axis periodically by ``radius`` samples on both sides."""
        sizes = self.shape(x)[-len(radius) :]
        for axis, r, n in zip(range(-len(radius), 0), radius, sizes, strict=True):
            if r:
                runs = periodic_runs(-r, n + 2 * r, n)
                x = self.window(x, [None] * (len(radius) + axis) + [runs] + [None] * (-1 - axis))
        return x

    def permute(self, x: Array, order: Sequence[int]) -> Array:
        """x with its axes in another order: axis k of the result is axis ``order[k]`` of x."""
        axes = list(range(len(order)))
        for k, axis in enumerate(order):
            at = axes.index(axis)
            if at != k:
                x = self.moveaxis(x, at, k)
                axes.insert(k, axes.pop(at))
        return x

    def conv(
        self,
        x: Array,
        w: Array,
        stride: Sequence[int],
        dilation: Sequence[int],
        margin: Sequence[tuple[int, int]],
        groups: int,
    ) -> Array:
        """Cross-correlation as frameworks have it: y_o(u) = Σ_c Σ_t x_c(s·u + d·t − before) w_{o,c}(t).

        Parameters
        ----------
        x : real, shape (B, C, n_1, …, n_d).
        w : real, shape (O, C/groups, k_1, …, k_d); outputs of group g see the inputs of group g.
        stride, dilation : samples, per axis.
        margin : zeros (before, after) per axis.

        Returns
        -------
        shape (B, O, m_1, …, m_d), m = (before + n + after − (k−1)·dilation − 1)//stride + 1.
        """
        outputs, depth, *taps = self.shape(w)
        x = self.surround(x, margin)
        channels, *sizes = self.shape(x)[1:]
        out = [
            (n - (k - 1) * d - 1) // s + 1 for n, k, d, s in zip(sizes, taps, dilation, stride, strict=True)
        ]
        parts = [
            tuple(
                slice(t * d, t * d + (m - 1) * s + 1, s)
                for t, d, m, s in zip(tap, dilation, out, stride, strict=True)
            )
            for tap in itertools.product(*map(range, taps))
        ]
        w = self.reshape(w, (groups, outputs // groups, depth, len(parts)))
        # A column of every tap at once would need their number times the memory.
        step = max(1, COLUMN_FLOATS // max(1, channels * math.prod(out)))
        total: Array = None
        for start in range(0, len(parts), step):
            stop = min(start + step, len(parts))
            some = [
                self.reshape(x[(..., *part)], (-1, groups, depth, 1, math.prod(out)))
                for part in parts[start:stop]
            ]
            columns = self.reshape(self.concat(some, 3), (-1, groups, depth * len(some), math.prod(out)))
            rows = w[:, :, :, start:stop]
            y = self.matmul(self.reshape(rows, (groups, outputs // groups, depth * len(some))), columns)
            total = y if total is None else total + y
        return self.reshape(total, (-1, outputs, *out))

    def elu(self, x: Array, alpha: float) -> Array:
        """x where x > 0, elsewhere alpha (e^x − 1)."""
        # The exponent is never positive: e^x of large x would overflow, and its gradient with it.
        below = self.relu(x * -1.0) * -1.0
        return self.relu(x) + (self.exp(below) - 1.0) * alpha

    def squared_difference(self, x: Array, y: Array) -> Array:
        """(x − y)² of real arrays; y is broadcast to the shape of x."""
        rest = x - y
        return rest * rest

    def batch_norm(
        self, x: Array, mean: Array, variance: Array, affine: Sequence[Array], eps: float, own: bool
    ) -> Array:
        """(x − mean) / √(variance + eps) · weight + bias, by channel.

        Parameters
        ----------
        x : real, shape (B, C, …). mean, variance : shape (C,).
        affine : weight and bias, shape (C,) each, or nothing.
        own : mean and variance are those of x over all axes but 1. Then, and only then, gradients may be
            taken by x alone, as of a function that computes them itself.

        Source: Ioffe & Szegedy 2015, algorithm 1.
        """
        shape = (1, -1) + (1,) * (len(self.shape(x)) - 2)
        scale = self.power(variance + eps, -0.5)
        if affine:
            scale = scale * affine[0]
        # Centred first: a mean far above the deviation would leave no digits.
        y = (x - self.reshape(mean, shape)) * self.reshape(scale, shape)
        return y + self.reshape(affine[1], shape) if affine else y

    def surround(self, x: Array, margin: Sequence[tuple[int, int]]) -> Array:
        """Zeros (before, after) around the trailing axes."""
        for axis, (before, after) in zip(range(-len(margin), 0), margin, strict=True):
            shape = list(self.shape(x))
            pieces = []
            for length in (before, None, after):
                shape[axis] = length
                pieces += [x] if length is None else [self.zeros(shape, self.dtype(x), x)] if length else []
            x = self.concat(pieces, axis) if len(pieces) > 1 else x
        return x

    @property
    def generic(self) -> Backend:
        """This backend with every composite in its generic body: what overrides are tested against."""
        bodies = {name: getattr(Backend, name) for name in COMPOSITES}
        generic: Backend = type(f"Generic{type(self).__name__}", (type(self),), bodies)()
        return generic


#: The composites a backend may override for speed.
COMPOSITES = (
    "prepare",
    "scale",
    "multiply",
    "pad",
    "window",
    "bandpass",
    "blocks",
    "bandpass_modulus",
    "harmonic_modulus",
    "hypot",
    "channel_modulus",
    "mix_channels",
    "lowpass_subsample",
    "frame",
    "filterbank",
    "wrap",
    "permute",
    "conv",
    "elu",
    "squared_difference",
    "batch_norm",
    "surround",
    "unwindow",
    "bandpass_adjoint",
    "bandpass_modulus_gradient",
    "harmonic_modulus_gradient",
    "lowpass_adjoint",
    "overlap",
    "hypot_gradient",
    "channel_modulus_gradient",
    "mix_channels_adjoint",
)

#: Numbers of one signal that the generic convolution keeps in columns at a time.
COLUMN_FLOATS = 1 << 20


def periodic_runs(start: int, length: int, period: int) -> tuple[tuple[int, int], ...]:
    """The samples start … start+length−1 of a periodic axis as slices of one period.

    >>> periodic_runs(-2, 6, period=4)
    ((2, 4), (0, 4))
    """
    runs = []
    stop = start + length
    while start < stop:
        lo = start % period
        hi = min(period, lo + stop - start)
        runs.append((lo, hi))
        start += hi - lo
    return tuple(runs)
