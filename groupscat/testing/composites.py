"""The composites: an override gives what its generic body gives, and both what the formula says."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.fft

from groupscat.backend import COMPOSITES, Array, Backend, get_backend
from groupscat.backend.base import Frames
from groupscat.testing.base import COMPLEX, PRECISIONS, Contract, noise


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
        spectrum = noise((2, 1, 4, 3, 5), is_complex=True)
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

    def test_compile_returns_a_function_that_gives_the_same(self) -> None:
        x = self.put(noise((3,)))
        self.same(self.xp.compile(lambda v: v * 2.0)(x), 2 * self.xp.to_numpy(x))
