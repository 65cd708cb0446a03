"""The composites: an override gives what its generic body gives, and both what the formula says."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.fft
from numpy.typing import NDArray

from groupscat.backend import COMPOSITES, Array, Backend, get_backend
from groupscat.backend.base import Frames
from groupscat.testing.base import COMPLEX, PRECISIONS, Contract, noise
from groupscat.testing.tolerances import assert_close


class CompositeContract(Contract):
    """Every composite, with and without its override."""

    def both(self, name: str, call: Callable[[Backend], Array], precision: str = "float64") -> None:
        """A composite and its generic body give the same; only where it is overridden can they differ."""
        assert name in COMPOSITES
        found, generic = call(self.xp), call(self.xp.generic)
        assert self.xp.dtype(found) == self.xp.dtype(generic)
        self.same(found, self.xp.to_numpy(generic), precision)

    def filters(self, backend: Backend, values: Any, kind: Any, precision: str) -> Array:
        """Filters as this backend (or its generic body) lays them out."""
        prepared = backend.prepare(values, kind)
        return self.put(prepared.astype(precision))

    def test_generic_body_is_generic(self) -> None:
        for name in COMPOSITES:
            assert getattr(type(self.xp.generic), name) is getattr(Backend, name)
        assert self.xp.generic.name == self.name

    @pytest.mark.parametrize("kind", ["matrix", "index"])
    def test_matrices_and_indices_are_kept_as_they_are(self, kind: Any) -> None:
        values = np.arange(6.0).reshape(2, 3)
        np.testing.assert_array_equal(self.xp.prepare(values, kind), values)

    @pytest.mark.parametrize("precision", PRECISIONS)
    def test_scale(self, precision: str) -> None:
        z, f = noise((2, 3, 1, 6, 5), is_complex=True), noise((4, 6, 5), 1)
        x = self.put(z.astype(COMPLEX[precision]))
        self.both("scale", lambda b: b.scale(x, self.filters(b, f, "filter", precision)), precision)
        self.same(self.xp.scale(x, self.filters(self.xp, f, "filter", precision)), z * f, precision)

    @pytest.mark.parametrize("precision", PRECISIONS)
    def test_multiply(self, precision: str) -> None:
        z, f = noise((2, 1, 1, 6, 5), is_complex=True), noise((4, 6, 5), 1, is_complex=True)
        x = self.put(z.astype(COMPLEX[precision]))
        self.both(
            "multiply",
            lambda b: b.multiply(x, self.filters(b, f, "complex_filter", precision)),
            precision,
        )
        self.same(
            self.xp.multiply(x, self.filters(self.xp, f, "complex_filter", precision)), z * f, precision
        )

    @pytest.mark.parametrize("zero", [True, False])
    def test_pad(self, zero: bool) -> None:
        x = self.put(noise((2, 1, 3, 4)))
        rows, columns = [2, 1, 0, 1, 2, 1], [0, 0, 1, 2, 3, 3, 3]
        if zero:
            rows, columns = [-1, 0, 1, 2, -1], [0, 1, 2, 3, -1, -1]
        index = [self.put(np.array(i, np.int32)) for i in (rows, columns)]
        self.both("pad", lambda b: b.pad(x, index, zero))
        values = np.pad(self.xp.to_numpy(x), [(0, 0), (0, 0), (0, 1), (0, 1)])  # row and column −1 are zero
        self.same(self.xp.pad(x, index, zero), values[:, :, rows][..., columns])

    @pytest.mark.parametrize("zero", [True, False])
    @pytest.mark.parametrize("left_alone", [0, 1])
    def test_pad_leaves_axes_alone(self, left_alone: int, zero: bool) -> None:
        x = noise((2, 1, 3, 4))
        rows: list[Any] = [[2, 0, 0, 1], [3, 1, 1, 0, 2]]
        if zero:
            rows[1 - left_alone] = [-1, *rows[1 - left_alone]]
        index: list[Any] = [self.put(np.array(i, np.int32)) for i in rows]
        rows[left_alone], index[left_alone] = range(x.shape[2 + left_alone]), None
        self.both("pad", lambda b: b.pad(self.put(x), index, zero))
        values = np.pad(x, [(0, 0), (0, 0), (0, 1), (0, 1)])  # row and column −1 are zero
        self.same(self.xp.pad(self.put(x), index, zero), values[:, :, list(rows[0])][..., list(rows[1])])

    def test_pad_with_zeros_hides_nan(self) -> None:
        """What index −1 would read is not multiplied away: NaN stays inside."""
        x = self.put(np.array([[[np.nan, 1.0, 2.0]]]))
        index = [self.put(np.array([-1, 1, 2], np.int32))]
        self.same(self.xp.pad(x, index, True), [[[0.0, 1.0, 2.0]]])

    @pytest.mark.parametrize(
        "segments", [[None, ((0, 2), (5, 8))], [((3, 6), (0, 1)), None], [((1, 2),), ((2, 3),)]]
    )
    def test_window(self, segments: Any) -> None:
        x = noise((2, 3, 6, 8))
        self.both("window", lambda b: b.window(self.put(x), segments))
        wanted = x
        for axis, parts in zip((-2, -1), segments, strict=True):
            if parts is not None:
                keep = np.concatenate([np.arange(lo, hi) for lo, hi in parts])
                wanted = np.take(wanted, keep, axis)
        self.same(self.xp.window(self.put(x), segments), wanted)

    @pytest.mark.parametrize("precision", PRECISIONS)
    @pytest.mark.parametrize("name", ["bandpass", "bandpass_modulus"])
    @pytest.mark.parametrize(
        ("sizes", "segments", "fold"),
        [
            ((12,), [None], (1,)),
            ((12,), [None], (3,)),
            ((12,), [((0, 3), (9, 12))], (2,)),
            ((8, 6), [None, None], (2, 1)),
            ((8, 6), [((4, 8), (0, 2)), None], (3, 2)),
            ((4, 4, 6), [None, None, ((1, 5),)], (2, 1, 2)),
        ],
    )
    def test_bandpass(
        self, name: str, sizes: tuple[int, ...], segments: Any, fold: Any, precision: str
    ) -> None:
        spectrum = noise((3, 2, *sizes), is_complex=True)
        cut = get_backend("numpy").window(spectrum, segments)
        whole = noise((4, *cut.shape[2:]), 1)
        parts: list[list[Any]] = [np.split(np.arange(n), k) for n, k in zip(cut.shape[2:], fold, strict=True)]
        f = np.stack([whole[:, *np.ix_(*part)] for part in itertools.product(*parts)])
        x = self.put(spectrum.astype(COMPLEX[precision]))
        self.both(
            name,
            lambda b: getattr(b, name)(x, self.filters(b, f, "filter", precision), segments, fold),
            precision,
        )
        # Directly: blocks of the windowed product, summed.
        product = cut[:, :, None] * whole
        for axis, k in enumerate(fold, start=3):
            shape = list(product.shape)
            shape[axis : axis + 1] = [k, shape[axis] // k]
            product = product.reshape(shape).sum(axis)
        z = scipy.fft.ifftn(product, axes=tuple(range(3, product.ndim)), norm="forward")
        z = z.reshape(3, 8, *z.shape[3:])
        found = getattr(self.xp, name)(x, self.filters(self.xp, f, "filter", precision), segments, fold)
        self.same(found, np.abs(z) if name == "bandpass_modulus" else z, precision)
        self.same(x, spectrum, precision)  # left as it was

    @pytest.mark.parametrize(("sizes", "fold"), [((12,), (3,)), ((4, 6), (2, 1)), ((4, 4, 6), (2, 2, 3))])
    def test_blocks(self, sizes: tuple[int, ...], fold: tuple[int, ...]) -> None:
        x = noise((2, 3, *sizes))
        parts: list[list[Any]] = [np.split(np.arange(n), k) for n, k in zip(sizes, fold, strict=True)]
        for backend in (self.xp, self.xp.generic):
            found = backend.blocks(self.put(x), fold)
            wanted = [x[..., *np.ix_(*part)] for part in itertools.product(*parts)]
            for a, b in zip(found, wanted, strict=True):
                self.same(a, b)

    @pytest.mark.parametrize("precision", PRECISIONS)
    @pytest.mark.parametrize("count", [1, 3])
    def test_harmonic_modulus(self, count: int, precision: str) -> None:
        spectrum = scipy.fft.fftn(noise((2, 1, 4, 3, 5)), axes=(-3, -2, -1))
        f = noise((count, 4, 3, 5), 1, is_complex=True)
        x = self.put(spectrum.astype(COMPLEX[precision]))
        self.both(
            "harmonic_modulus",
            lambda b: b.harmonic_modulus(x, self.filters(b, f, "complex_filter", precision)),
            precision,
        )
        z = scipy.fft.ifftn(spectrum * f, axes=(-3, -2, -1), norm="forward")
        wanted = np.sqrt((np.abs(z) ** 2).sum(1))[:, None]
        found = self.xp.harmonic_modulus(x, self.filters(self.xp, f, "complex_filter", precision))
        self.same(found, wanted, precision)

    @pytest.mark.parametrize("precision", PRECISIONS)
    def test_hypot(self, precision: str) -> None:
        re, im = noise((2, 3, 5)), noise((2, 3, 5), 1)
        re[0, 0], im[0, 0] = 0, 0
        a, b = self.put(re.astype(precision)), self.put(im.astype(precision))
        self.both("hypot", lambda backend: backend.hypot(a, b), precision)
        self.same(self.xp.hypot(a, b), np.hypot(re, im), precision)
        self.same(a, re, precision)
        self.same(b, im, precision)

    @pytest.mark.parametrize("precision", PRECISIONS)
    @pytest.mark.parametrize("groups", [1, 3])
    @pytest.mark.parametrize("is_complex", [True, False])
    def test_channel_modulus(self, is_complex: bool, groups: int, precision: str) -> None:
        z, parts = noise((2, 12, 5, 3), is_complex=is_complex), 2 if is_complex else 1
        z[0, :4, 1] = 0
        matrix = noise((groups, 10, 4 * parts), 1)
        given = self.put(z.astype(COMPLEX[precision] if is_complex else precision))
        m = self.put(matrix.astype(precision))
        self.both("channel_modulus", lambda b: b.channel_modulus(given, m, 4), precision)
        v = z.reshape(2, 3, 4, 15)
        y = matrix @ (np.concatenate([v.real, v.imag], 2) if is_complex else v)
        re, im = y[:, :, :5], y[:, :, 5:]
        wanted = np.hypot(re, im).reshape(2, 15, 5, 3)
        self.same(self.xp.channel_modulus(given, m, 4), wanted, precision)
        self.same(given, z, precision)
        g = noise((2, 15, 5, 3), 2)
        slope = g.reshape(re.shape) / np.where(re**2 + im**2 > 0, np.hypot(re, im), np.inf)
        back = matrix.swapaxes(1, 2) @ np.concatenate([re * slope, im * slope], 2)
        back = back[:, :, :4] + 1j * back[:, :, 4:] if is_complex else back
        name, gradient = "channel_modulus_gradient", self.put(g.astype(precision))
        self.both(name, lambda b: b.channel_modulus_gradient(given, m, 4, gradient), precision)
        found = self.xp.channel_modulus_gradient(given, m, 4, gradient)
        self.same(found, back.reshape(z.shape), precision)

    @pytest.mark.parametrize("precision", PRECISIONS)
    def test_mix_channels(self, precision: str) -> None:
        x, matrix = noise((2, 12, 5, 3)), noise((3, 4), 1)
        given, m = self.put(x.astype(precision)), self.put(matrix.astype(precision))
        self.both("mix_channels", lambda b: b.mix_channels(given, m, 4), precision)
        wanted = np.einsum("oi,bgiuv->bgouv", matrix, x.reshape(2, 3, 4, 5, 3)).reshape(2, 9, 5, 3)
        self.same(self.xp.mix_channels(given, m, 4), wanted, precision)
        self.both("mix_channels_adjoint", lambda b: b.mix_channels_adjoint(given, m, 4), precision)
        wanted = np.einsum("oi,bgouv->bgiuv", matrix, x.reshape(2, 4, 3, 5, 3)).reshape(2, 16, 5, 3)
        self.same(self.xp.mix_channels_adjoint(given, m, 4), wanted, precision)

    @pytest.mark.parametrize("precision", PRECISIONS)
    @pytest.mark.parametrize("is_complex", [True, False])
    def test_lowpass_subsample(self, is_complex: bool, precision: str) -> None:
        x = noise((2, 3, 12, 6), is_complex=is_complex)
        frames = Frames(segments=((10, 12), (0, 12), (0, 2)), width=6, hop=4, count=3)
        a, b = noise((2, 6), 1), noise((4, 6), 2)
        given = self.put(x.astype(COMPLEX[precision] if is_complex else precision))
        matrices = [self.put(m.astype(precision)) for m in (a, b)]
        self.both(
            "lowpass_subsample",
            lambda body: body.lowpass_subsample(given, matrices, [frames, None], [5, 4]),
            precision,
        )
        wrapped = np.take(x, np.arange(-2, 14) % 12, -2)
        rows = np.stack([wrapped[:, :, k : k + 6] for k in (0, 4, 8)], -2)  # (B, C, 6, F, n)
        wanted = np.einsum("bcwfn,ow,pn->bcfop", rows, a, b).reshape(2, 3, 6, 4)[:, :, :5]
        self.same(self.xp.lowpass_subsample(given, matrices, [frames, None], [5, 4]), wanted, precision)

    @pytest.mark.parametrize(("width", "hop"), [(3, 1), (4, 2), (10, 1), (5, 7)])
    def test_frame(self, width: int, hop: int) -> None:
        x = noise((2, 3, 10))
        self.both("frame", lambda b: b.frame(self.put(x), width, hop))
        starts = range(0, 10 - width + 1, hop)
        wanted = np.stack([x[..., s : s + width] for s in starts], -2)
        self.same(self.xp.frame(self.put(x), width, hop), wanted)

    @pytest.mark.parametrize("precision", PRECISIONS)
    @pytest.mark.parametrize(
        ("sizes", "taps", "stride"),
        [((8,), (3,), 2), ((8,), (5,), 1), ((4,), (7,), 2), ((6, 4), (3, 5), 2), ((4, 2, 6), (3, 1, 3), 2)],
    )
    def test_filterbank(
        self, sizes: tuple[int, ...], taps: tuple[int, ...], stride: int, precision: str
    ) -> None:
        x, w = noise((2, 3, *sizes)), noise((4, *taps), 1)
        given, kernels = (self.put(v.astype(precision)) for v in (x, w))
        self.both("filterbank", lambda b: b.filterbank(given, kernels, stride), precision)
        y = np.zeros((2, 3, 4, *sizes))
        for tap in np.ndindex(*taps):
            shift = [n // 2 - t for t, n in zip(tap, taps, strict=True)]
            rolled = np.roll(x, shift, tuple(range(2, x.ndim)))
            y += rolled[:, :, None] * w[(slice(None), *tap)].reshape(4, *[1] * len(sizes))
        kept: Any = (..., *[slice(None, None, stride)] * len(sizes))
        wanted = y[kept]
        self.same(self.xp.filterbank(given, kernels, stride), wanted, precision)

    @pytest.mark.parametrize("radius", [(0, 1), (2, 0), (7, 9)])
    def test_wrap(self, radius: tuple[int, int]) -> None:
        x = noise((2, 3, 4, 5))
        self.both("wrap", lambda b: b.wrap(self.put(x), radius))
        widths = [(0, 0), (0, 0), *((r, r) for r in radius)]
        self.same(self.xp.wrap(self.put(x), radius), np.pad(x, widths, mode="wrap"))

    @pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 3, 1), (3, 0, 2, 1), (0, 3, 1, 2), (1, 0, 3, 2)])
    def test_permute(self, order: tuple[int, ...]) -> None:
        x = noise((2, 3, 4, 5))
        self.both("permute", lambda b: b.permute(self.put(x), order))
        self.same(self.xp.permute(self.put(x), order), np.transpose(x, order))

    @pytest.mark.parametrize("margin", [((0, 0),), ((2, 1),), ((0, 2), (1, 0)), ((1, 0), (0, 0), (2, 3))])
    def test_surround(self, margin: tuple[tuple[int, int], ...]) -> None:
        x = noise((2, 3, 4, 5, 2)[: len(margin) + 2])
        self.both("surround", lambda b: b.surround(self.put(x), margin))
        self.same(self.xp.surround(self.put(x), margin), np.pad(x, ((0, 0), (0, 0), *margin)))

    @pytest.mark.parametrize("precision", PRECISIONS)
    @pytest.mark.parametrize("alpha", [1.0, 0.3])
    def test_elu(self, alpha: float, precision: str) -> None:
        x = np.concatenate([noise((40,)), [0.0, 800.0, -800.0]]).astype(precision).reshape(1, 1, -1)
        self.both("elu", lambda b: b.elu(self.put(x), alpha), precision)
        wanted = np.where(x > 0, x, alpha * (np.exp(np.minimum(x, 0.0)) - 1))
        # Beside 800 nothing else would count.
        self.same(self.xp.elu(self.put(x[..., :-2]), alpha), wanted[..., :-2], precision)
        self.same(self.xp.elu(self.put(x), alpha), wanted, precision)

    @pytest.mark.parametrize("alpha", [1.0, 0.3])
    def test_gradient_of_the_elu(self, alpha: float) -> None:
        x = np.concatenate([noise((10,)), [800.0, -800.0]])
        slope = self.gradient(lambda z: self.xp.sum(self.xp.elu(z, alpha), (0,)), x)
        assert_close(slope, np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0.0))))

    @pytest.mark.parametrize("precision", PRECISIONS)
    def test_squared_difference(self, precision: str) -> None:
        x, y = noise((2, 3, 4)).astype(precision), noise((1, 3, 1), 1).astype(precision)
        given = self.put(x), self.put(y)
        self.both("squared_difference", lambda b: b.squared_difference(*given), precision)
        self.same(self.xp.squared_difference(*given), (x - y) ** 2, precision)

    def test_gradient_of_the_squared_difference(self) -> None:
        x, y, g = noise((2, 3, 4)), noise((1, 3, 1), 1), noise((2, 3, 4), 2)
        a, b, c = map(self.put, (x, y, g))
        xp, every = self.xp, (0, 1, 2)
        slope = self.gradient(lambda z: xp.sum(xp.squared_difference(z, b) * c, every), x)
        assert_close(slope, 2 * (x - y) * g)
        slope = self.gradient(lambda z: xp.sum(xp.squared_difference(a, z) * c, every), y)
        assert_close(slope, (2 * (y - x) * g).sum((0, 2), keepdims=True))

    @pytest.mark.parametrize("precision", PRECISIONS)
    @pytest.mark.parametrize("learned", [False, True])
    @pytest.mark.parametrize("own", [False, True])
    @pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 3, 1, 2), (0, 2, 3, 1), (1, 0, 2, 3), (0, 1)])
    def test_batch_norm(self, order: tuple[int, ...], own: bool, learned: bool, precision: str) -> None:
        """Whatever the order of the axes in memory."""
        x = np.transpose(noise((4, 3, 2, 5)[: len(order)]), order).astype(precision)
        given = self.xp.permute(self.put(np.transpose(x, np.argsort(order))), order)
        mean, variance, weight, bias = _statistics(x, own)
        affine = [weight, bias] if learned else []
        numbers = [self.put(n.astype(precision)) for n in (mean, variance, *affine)]

        def call(b: Backend) -> Array:
            return b.batch_norm(given, numbers[0], numbers[1], numbers[2:], 0.1, own)

        self.both("batch_norm", call, precision)
        self.same(call(self.xp), _normalised(x, mean, variance, *affine), precision)

    @pytest.mark.parametrize("own", [False, True])
    def test_batch_norm_far_from_zero(self, own: bool) -> None:
        """Small integers about 2^20 are exact in float32, and so is their mean."""
        x = (2.0**20 + np.array([-3, 3, -1, 1, -2, 2])).reshape(3, 1, 2)
        mean, variance = np.array([x.mean()]), np.array([x.var()])
        given, m, v = (self.put(a.astype("float32")) for a in (x, mean, variance))
        y = self.xp.batch_norm(given, m, v, [], 0.1, own)
        self.same(y, _normalised(x, mean, variance), "float32")

    @pytest.mark.parametrize("own", [False, True])
    def test_gradient_of_the_batch_norm(self, own: bool) -> None:
        """With statistics of its own they follow x; with others they do not."""
        x, g = noise((3, 2, 4)), noise((3, 2, 4), 5)
        xp = self.xp
        mean, variance, weight, _ = given = _statistics(x, own)
        rest = [self.put(n) for n in given]
        shape = (1, -1, 1)

        def value(z: Array) -> Array:
            m, v = rest[:2]
            if own:
                m = xp.sum(z, (0, 2)) * (1 / 12)
                v = xp.sum(xp.squared_difference(z, xp.reshape(m, shape)), (0, 2)) * (1 / 12)
            return xp.sum(xp.batch_norm(z, m, v, rest[2:], 0.1, own) * self.put(g), (0, 1, 2))

        scale = (weight / np.sqrt(variance + 0.1)).reshape(shape)
        wanted = g * scale
        if own:
            u = _normalised(x, mean, variance)
            wanted = wanted - scale * g.mean((0, 2), keepdims=True)
            wanted = wanted - scale * u * (g * u).mean((0, 2), keepdims=True)
        assert_close(self.gradient(value, x), wanted)

    def test_compile_returns_a_function_that_gives_the_same(self) -> None:
        x = self.put(noise((3,)))
        self.same(self.xp.compile(lambda v: v * 2.0)(x), 2 * self.xp.to_numpy(x))


def _statistics(x: NDArray[Any], own: bool) -> tuple[NDArray[Any], ...]:
    """Mean, variance, weight and bias of every channel; the first two those of x, or any."""
    channels = x.shape[1]
    flat = np.moveaxis(x, 1, 0).reshape(channels, -1).astype("float64")
    weight, bias, mean, deviation = (noise((channels,), 1 + k) for k in range(4))
    if own:
        return flat.mean(1), flat.var(1), weight, bias
    return mean, deviation**2, weight, bias


def _normalised(x: Any, mean: Any, variance: Any, weight: Any = 1.0, bias: Any = 0.0) -> NDArray[Any]:
    y = (np.moveaxis(x, 1, -1).astype("float64") - mean) / np.sqrt(variance + 0.1) * weight + bias
    return np.moveaxis(y, -1, 1)
