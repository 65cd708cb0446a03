"""Controls: planted faults. Each must turn the core checks red, or the suite proves nothing."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.fft

import groupscat as gs
from groupscat.backend import Backend
from groupscat.backend.numpy import NumPyBackend
from groupscat.plan import cascade, constants, geometry, harmonic, paths, plan, rho, translation
from groupscat.scattering import operator
from groupscat.scattering import translation as operators
from groupscat.wavelets import audio, bank, gaussian, morlet, oriented, sampling
from groupscat.wavelets import cascade as small_filters
from groupscat.wavelets import harmonic as solid
from tests.checks import first_failure

#: The kernels of groupscat_native would pass by the methods with a fault; tests/test_native.py has its own.
pytestmark = pytest.mark.usefixtures("plain_backends")

Patch = pytest.MonkeyPatch
FAULTS: dict[str, Callable[[Patch], None]] = {}


def fault(name: str) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    def register(plant: Callable[[Patch], None]) -> Callable[[Patch], None]:
        assert name not in FAULTS
        FAULTS[name] = plant
        return plant

    return register


def changed(owner: Any, name: str, change: Callable[..., Any]) -> Callable[[Patch], None]:
    """Replace owner.name by change(original, *its arguments)."""

    def plant(patch: Patch) -> None:
        original = getattr(owner, name)
        patch.setattr(owner, name, lambda *args, **options: change(original, *args, **options))

    return plant


def computed(owner: type, name: str, value: Callable[[Any], Any]) -> Callable[[Patch], None]:
    """Replace a property of a class."""
    return lambda patch: patch.setattr(owner, name, property(value))


def returns(transform: Callable[[Any], Any]) -> Callable[..., Any]:
    """A change that transforms what the original returns."""
    return lambda original, *args, **options: transform(original(*args, **options))


# ------------------------------------------------------------------------------------------- wavelets

FAULTS |= {
    "wrong sign of θ": changed(
        oriented,
        "_orientations",
        lambda f, d, L, count: (f(d, L, count)[0][::-1], f(d, L, count)[1]),
    ),
    "orientations turned by one": changed(
        oriented,
        "_orientations",
        lambda f, d, L, count: (f(d, L, count + (d == 2))[0][d == 2:], f(d, L, count)[1]),
    ),
    "no slant": changed(oriented, "_turned", lambda f, j, t, frame, slant, n: f(j, t, frame, 1.0, n)),
    "frequency of the mother wavelet": lambda p: p.setattr(oriented, "XI", 0.37),
    "width of the mother wavelet": lambda p: p.setattr(oriented, "SIGMA", 0.85),
    "no correction of the mean": lambda p: p.setattr(morlet.Morlet, "correction", 0.0),
    "correction of the continuous wavelet": computed(
        morlet.Morlet,
        "correction",
        lambda w: math.exp(-0.5 * float(np.array(w.xi) @ w.precision @ np.array(w.xi))),
    ),
    "no l1 normalisation": lambda p: p.setattr(morlet.Gabor, "_norm", lambda self, size: 1.0),
    "l1 norm of the infinite axis": changed(morlet.Gabor, "_norm", lambda f, self, size: f(self, None)),
    "sampled Gaussians without aliases": lambda p: p.setattr(morlet, "REACH", 3.0),
    "aliases of one side only": changed(
        morlet, "aliases", lambda f, x, centre, reach, p: f(x, centre, reach, p)[: 1 + int(reach / p)]
    ),
    "a wide filter not halved in space": changed(
        morlet.Gabor, "_samples", lambda f, self, t: f(self, t) * (1 + (len(t) > 1) * (t[0][0] == 0))
    ),
    "waves of the other sign": changed(
        gaussian, "waves", returns(lambda w: w * np.repeat([1.0, -1.0], w.shape[1] // 2))
    ),
    "wavelets crossing elsewhere": lambda p: p.setattr(audio, "CROSSING", 0.6),
    "bandwidth of the 1-D low-pass": lambda p: p.setattr(audio, "SIGMA_0", 0.11),
    "subsampling chosen too coarse": lambda p: p.setattr(audio, "ALPHA", 2.0),
    "negative frequencies left out": changed(
        operators, "audio_bank", lambda f, J, Q, T, negative=False: f(J, Q, T, False)
    ),
    "a wavelet dropped": changed(
        bank.Bank, "by_scale", returns(lambda blocks: [*blocks[:-1], blocks[-1][:-1] or blocks[-1]])
    ),
    "no normalisation": changed(operators, "normalised", lambda f, filters, shape: filters),
    "one harmonic weighted wrongly": changed(
        solid.SolidHarmonic, "hat",
        returns(lambda h: h * np.where(np.arange(len(h)) == 0, 1.01, 1.0)[:, None, None, None]),
    ),
    "a harmonic taken twice": changed(
        solid, "_harmonic", lambda f, l, m, *grid: f(l, m - (m == 2), *grid)
    ),
    "taps of the low-pass": lambda p: p.setattr(small_filters, "LOW_SIGMA", 0.75),
}  # fmt: skip


@fault("half of the harmonics without their weight")
def _(patch: Patch) -> None:
    original = solid.SolidHarmonic.hat

    def hat(self: solid.SolidHarmonic, freqs: Any) -> Any:
        filters = original(self, freqs)
        if self.which == "half":
            filters[1:] /= math.sqrt(2)
        return filters

    patch.setattr(solid.SolidHarmonic, "hat", hat)


@fault("reversed filters (missing conjugate)")
def _(patch: Patch) -> None:
    original = morlet.Gabor._unnormalised

    def mirrored(self: Any, freqs: Any, *arguments: Any) -> Any:
        return original(self, [-f for f in freqs], *arguments)

    patch.setattr(morlet.Gabor, "_unnormalised", mirrored)


# ------------------------------------------------------------------------------------------- geometry


def left_on_the_other_side(original: Any, *args: Any, **options: Any) -> Any:
    axis = original(*args, **options)
    return dataclasses.replace(axis, left=axis.padded - axis.size - axis.left)


def one_stride_short(original: Any, size: int, log2: int) -> Any:
    axis = original(size, log2)
    padded = axis.padded - 2**log2
    return dataclasses.replace(axis, padded=padded, left=(padded - size) // 2)


def repeated_border(original: Any, self: Any, padding: Any) -> Any:
    if padding != "reflect":
        return original(self, padding)
    t = np.mod(np.arange(self.padded) - self.left, 2 * self.size)
    return np.minimum(t, 2 * self.size - 1 - t)


def edge_instead_of_zero(original: Any, self: Any, padding: Any) -> Any:
    return original(self, "edge" if padding == "zero" else padding)


FAULTS |= {
    "padded on the wrong side": changed(operators, "image_axis", left_on_the_other_side),
    "padded on the wrong side in 1-D": changed(operators, "audio_axis", left_on_the_other_side),
    "reflection repeats the border": changed(geometry.AxisGeometry, "indices", repeated_border),
    "edge instead of zero": changed(geometry.AxisGeometry, "indices", edge_instead_of_zero),
    "unpadded one output late": changed(geometry.AxisGeometry, "start", returns(lambda n: n + 1)),
    "unpadded one output early": changed(geometry.AxisGeometry, "start", returns(lambda n: n - 1)),
    "last partial output dropped": changed(
        geometry.AxisGeometry, "count", lambda f, self, stride: max(1, self.size // stride)
    ),
    "padding one stride short": changed(operators, "image_axis", one_stride_short),
    "tight padding inside the reach": changed(
        operators, "audio_axis",
        lambda f, size, J, log2, reach, widest, exact: geometry.AxisGeometry(
            size, 2**log2 * -(-(size + 2) // 2**log2), 1, True),
    ),
}  # fmt: skip


# ----------------------------------------------------------------------------------- plans, constants


def nyquist_on_the_other_side(self: constants.FilterBlock) -> Any:
    freqs, periods = [], []
    for n, w in zip(self.sizes, self.windows, strict=True):
        bins = w.bins()
        if self.alias == "crop":
            half = (w.size - 1) // 2
            bins = np.mod(bins + half, w.size) - half
        freqs.append(bins / n)
        periods.append(1.0 if self.alias == "crop" else w.size / n)
    return enumerate([f.hat(freqs, periods, self.sizes) for f in self.filters])


def with_alias(wanted: str, given: str) -> Callable[..., Any]:
    def spectra(original: Any, self: Any) -> Any:
        return original(dataclasses.replace(self, alias=wanted) if self.alias == given else self)

    return spectra


def later_child(original: Any, low: Any, spectrum: Any, node: Any, *rest: Any) -> Any:
    child = original(low, spectrum, node, *rest)
    return dataclasses.replace(child, j=child.j - 1)


def mean_of_everything(original: Any, self: Any) -> Any:
    row = original(self)
    return np.full_like(row, 1 / row.size)


FAULTS |= {
    "folded with the mean": changed(
        constants.FilterBlock, "build", lambda f, self: f(self) / math.prod(self.fold)
    ),
    "folded with the sum": changed(
        constants.FilterBlock, "build", lambda f, self: f(self) * math.prod(self.fold)
    ),
    "folded, not cropped": changed(constants.FilterBlock, "_each", with_alias("fold", "crop")),
    "cropped, not folded": changed(constants.FilterBlock, "_each", with_alias("crop", "fold")),
    "Nyquist on the positive side": lambda p: p.setattr(
        constants.FilterBlock, "_each", nyquist_on_the_other_side
    ),
    "mirror images not turned": changed(
        sampling, "mirror", lambda f, bins, period: np.arange(len(bins))
    ),
    "mirrored along the other axis": changed(
        sampling, "reflection", returns(lambda axes: axes and tuple(1 - a for a in axes))
    ),
    "blocks of the spectrum out of order": changed(Backend, "blocks", returns(lambda parts: parts[::-1])),
    "window of the spectrum shifted": changed(
        constants.Window, "bins", returns(lambda bins: bins + 1)
    ),
    "φ not shifted to the input": computed(constants.Averaging, "first", lambda a: 0),
    "frames start one sample late": changed(
        constants, "periodic_runs", lambda f, start, length, period: f(start + 1, length, period)
    ),
    "mean over the padding": changed(constants.MeanMatrix, "build", mean_of_everything),
    "no average": changed(
        constants.AveragingMatrix, "build", returns(lambda m: (m == m.max(1, keepdims=True)) * 1.0)
    ),
    "wrong intermediate stride": changed(
        translation, "sampling", lambda f, low, node, finest, cap: f(low, node, finest + 1, cap)
    ),
    "no intermediate stride": changed(
        translation, "sampling", lambda f, low, node, finest, cap: f(low, node, 0, cap)
    ),
    "stride of the outputs ignored between": changed(
        translation, "sampling", lambda f, low, node, finest, cap: f(low, node, finest, None)
    ),
    "equal scales in a path": changed(translation, "bandpass", later_child),
    "paths not sorted": computed(paths.Path, "rank", lambda p: p.order),
    "paths sorted by the last wavelet": computed(
        paths.Path, "rank", lambda p: (p.order, p.key[::-1], p.l or 0)
    ),
    "a path dropped": changed(
        translation.Lowering, "finish", lambda f, self, *args: (self.outputs.pop(), f(self, *args))[1]
    ),
    "parents off by one": changed(
        paths.Path, "located", returns(lambda p: dataclasses.replace(p, parent=p.parent + 1))
    ),
    "sampling rate halved": changed(
        paths.Path, "located", lambda f, self, rows, rate: f(self, rows, rate and rate / 2)
    ),
    "rectifier turned the other way": changed(rho, "_unit", lambda f, k, n: f(-k, n)),
    "rectifier keeps the sign": lambda p: p.setattr(NumPyBackend, "relu", lambda self, x: np.abs(x)),
    "Nyquist bins ignored where they matter": lambda p: p.setattr(harmonic, "NYQUIST", 2.0),
    "taps of the cascade not flipped": changed(
        cascade.CascadeKernels, "build",
        returns(lambda k: k if len(k) == 1 else np.flip(k, axis=tuple(range(1, k.ndim)))),
    ),
    "real and imaginary taps swapped": changed(
        cascade.BandChannels, "__call__",
        lambda f, self, xp, y: f(
            self, xp, y[:, :, [0, *1 + np.roll(np.arange(2 * self.voices), self.voices)]]
        ),
    ),
    "cascade subsampled at odd samples": changed(
        NumPyBackend, "filterbank", lambda f, self, x, k, stride: f(self, np.roll(x, 1, -1), k, stride)
    ),
    "registers freed too early": computed(
        plan.Plan, "schedule", lambda p: tuple((op, op.srcs[:1]) for op in p.ops)
    ),
}  # fmt: skip


@fault("power of the integral ignored")
def _(patch: Patch) -> None:
    patch.setattr(NumPyBackend, "power", lambda self, x, q: x)


@fault("sign of x lost at order 0")
def _(patch: Patch) -> None:
    patch.setattr(harmonic.SignedPower, "__call__", lambda self, xp, x: np.abs(x) ** self.q)


# ------------------------------------------------------------------------------ primitives, execution

FAULTS |= {
    "transform of the wrong sign": changed(scipy.fft, "fftn", returns(np.conj)),
    "orthonormal transforms": changed(
        scipy.fft, "ifftn", lambda f, x, **options: f(x, **{**options, "norm": "ortho"})
    ),
    "inverse transform of one axis too few": changed(
        scipy.fft, "ifftn",
        lambda f, x, axes, **options: f(x, axes=axes[1:] if len(axes) > 1 else axes, **options),
    ),
    "transforms in single precision": changed(
        scipy.fft, "fftn", returns(lambda z: z.astype(np.complex64).astype(z.dtype))
    ),
    "double computed in single precision": lambda p: p.setitem(operator.COMPUTE, "float64", "float32"),
    "single computed in double precision": lambda p: p.setitem(operator.COMPUTE, "float32", "float64"),
    "constants rounded to single precision": changed(
        operator, "constant", returns(lambda c: c.astype(np.float32).astype(c.dtype))
    ),
    "modulus squared": changed(NumPyBackend, "modulus", returns(np.square)),
    "modulus of the real part": changed(
        NumPyBackend, "modulus", lambda f, self, z, axis=None: f(self, z.real, axis)
    ),
    "take from the end": changed(
        NumPyBackend, "take", lambda f, self, x, index, axis: f(self, x, index[::-1], axis)
    ),
    "zeros not written": lambda p: p.setattr(NumPyBackend, "where", lambda self, c, x, otherwise: x),
    "matrix reversed": changed(NumPyBackend, "linear", lambda f, self, x, m: f(self, x, m[:, ::-1])),
    "parts joined in the wrong order": changed(
        NumPyBackend, "concat", lambda f, self, xs, axis: f(self, xs[::-1], axis)
    ),
    "chunks joined in the wrong order": changed(
        NumPyBackend, "concat", lambda f, self, xs, axis: f(self, xs[::-1] if axis == 0 else xs, axis)
    ),
    "axes moved the wrong way": changed(
        NumPyBackend, "moveaxis", lambda f, self, x, a, b: f(self, x, b, a)
    ),
    "imaginary part negated": changed(NumPyBackend, "imag", returns(np.negative)),
    "complex from swapped parts": changed(NumPyBackend, "complex", lambda f, self, re, im: f(self, im, re)),
    "filters scaled by 1e-9": changed(
        NumPyBackend, "prepare", lambda f, self, c, kind: f(self, c * (1 + 1e-9 * (kind == "filter")), kind)
    ),
    "solid harmonics without the last m": changed(
        NumPyBackend, "harmonic_modulus", lambda f, self, x, h: f(self, x, h[: max(1, len(h) - 1)])
    ),
    "frames with the wrong hop": changed(
        NumPyBackend, "frame", lambda f, self, x, width, hop: np.roll(f(self, x, width, hop), 1, -2)
    ),
    "cast forgotten": lambda p: p.setattr(NumPyBackend, "cast", lambda self, x, dtype: x),
    "empty batches of another type": lambda p: p.setattr(
        NumPyBackend, "zeros", lambda self, shape, dtype, like: np.zeros(shape)
    ),
    "NaN accepted": lambda p: p.setattr(NumPyBackend, "all_finite", lambda self, x: True),
    "batch axes mixed up": changed(
        operator.Operator, "package", lambda f, self, outputs, leading, b: f(self, outputs, leading[::-1], b)
    ),
}  # fmt: skip


def in_torch(module: str, name: str, value: Any) -> Callable[[Patch], None]:
    def plant(patch: Patch) -> None:
        if importlib.util.find_spec("torch") is None:
            pytest.skip('needs torch: pip install "groupscat[torch]"')
        patch.setattr(f"groupscat_torch.{module}.{name}", value)

    return plant


FAULTS |= {
    "gradient of the modulus at zero unguarded": in_torch(
        "recompute", "_inverse_root", lambda squares: squares.rsqrt_()
    ),
    "gradient of a gradient at zero unguarded": in_torch(
        "power", "_derivative", lambda x, q: q * x ** (q - 1)
    ),
}


# ---------------------------------------------------------------------------------------------- tests


#: Faults that no result survives: the error they end in is what catches them.
CRASHES: dict[str, type[Exception]] = {
    "registers freed too early": KeyError,
    "axes moved the wrong way": ValueError,
    "stride of the outputs ignored between": ZeroDivisionError,
}


def test_without_a_fault_every_check_passes() -> None:
    assert first_failure(Exception) is None


@pytest.mark.parametrize("name", FAULTS)
def test_planted_fault_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a comparison that fails: an error would say only that the fault was planted badly."""
    with np.errstate(all="ignore"):
        FAULTS[name](monkeypatch)
        caught = first_failure(CRASHES.get(name, AssertionError))
    monkeypatch.undo()
    assert caught is not None, f"survived: {name}"


def test_there_are_many_faults() -> None:
    """The list covers wavelets, geometry, plans and every primitive; it only grows."""
    assert len(FAULTS) >= 80
    assert set(CRASHES) <= set(FAULTS)


def test_faults_are_undone() -> None:
    """After all that, the library computes what it computed."""
    assert gs.get_backend("numpy").chunk_bytes == NumPyBackend.chunk_bytes
    assert first_failure(Exception) is None
