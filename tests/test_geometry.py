"""Padding, subsampling and trimming of axes; windows of spectra."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import groupscat as gs
from groupscat.plan.constants import AveragingMatrix, Window, averaging
from groupscat.plan.geometry import (
    AxisGeometry,
    audio_axis,
    gaussian_tail,
    image_axis,
    periodic_axis,
    smooth_multiple,
)
from groupscat.testing.tolerances import assert_close
from groupscat.wavelets import audio_bank
from tests import oracle
from tests.checks import noise
from tests.strategies import PADDINGS

NUMPY_MODES = {"reflect": "reflect", "zero": "constant", "circular": "wrap", "edge": "edge"}


@given(
    size=st.integers(1, 12),
    left=st.integers(0, 60),
    right=st.integers(0, 60),
    padding=st.sampled_from(PADDINGS),
)
def test_every_mode_is_numpys(size: int, left: int, right: int, padding: Any) -> None:
    """Also where the signal is reflected or repeated several times over."""
    axis = AxisGeometry(size, left + size + right, left, partial=False)
    x = np.arange(1.0, size + 1)
    index = axis.indices(padding)
    padded = np.where(index < 0, 0.0, x[index])
    np.testing.assert_array_equal(padded, np.pad(x, (left, right), mode=NUMPY_MODES[padding]))  # type: ignore[call-overload]


@given(size=st.integers(2, 500), log2=st.integers(0, 7))
def test_image_padding_is_kymatios(size: int, log2: int) -> None:
    axis = image_axis(size, log2)
    step = 2**log2
    assert axis.padded == ((size + step) // step + 1) * step
    assert axis.left == (axis.padded - size) // 2
    if size >= step:
        # Kymatio drops one output on either side of the padded axis.
        outputs = step * np.arange(axis.padded // step)[1:-1]
        if size % step == 0:
            np.testing.assert_array_equal(outputs, step * (axis.start(step) + np.arange(axis.count(step))))


@given(
    size=st.integers(2, 4000),
    J=st.integers(1, 9),
    reach=st.integers(1, 400),
    wider=st.integers(0, 200),
    exact=st.booleans(),
)
def test_audio_padding_holds_the_signal(size: int, J: int, reach: int, wider: int, exact: bool) -> None:
    if size < 2**J:
        return
    axis = audio_axis(size, J, J, reach, reach + wider, exact)
    kymatio = min(2 ** math.ceil(math.log2(size + 6 * reach)), 2 ** math.floor(math.log2(3 * size - 2)))
    assert 0 <= axis.left <= axis.padded - size
    assert axis.padded % 2**J == 0
    assert axis.padded <= max(kymatio, 2**J)
    if exact:
        assert (axis.padded, axis.left) == (kymatio, (kymatio - size) // 2)
    else:
        # Outputs stand on the same samples of the signal as with the exact padding.
        other = audio_axis(size, J, J, reach, reach + wider, True)
        assert (other.left - axis.left) % 2**J == 0
    if axis.padded < kymatio:
        assert min(axis.left, axis.padded - size - axis.left) >= 3 * (reach + wider)


@pytest.mark.parametrize(("size", "padded"), [(512, 1024), (1000, 2048), (1024, 2048)])
def test_exact_audio_padding_is_that_of_the_golden_files(size: int, padded: int) -> None:
    (axis,) = gs.Scattering1D(J=6 if size == 512 else 5, shape=size, Q=8, exact_padding=True).axes
    assert axis.padded == padded


@pytest.mark.parametrize("size", [128, 200, 600, 1000, 5000])
@pytest.mark.parametrize("J", [3, 5, 7])
def test_exact_audio_padding_is_computed_from_the_lowpass(size: int, J: int) -> None:
    S = gs.Scattering1D(J=J, shape=size, exact_padding=True)
    (grid,) = oracle.grids(S)
    assert (grid.padded, grid.left) == (S.axes[0].padded, S.axes[0].left)


@given(
    size=st.integers(1, 300),
    left=st.integers(0, 100),
    log2=st.integers(0, 6),
)
def test_partial_outputs_are_kymatios_repeated_halving(size: int, left: int, log2: int) -> None:
    """Unpad: from (left, left+N) apply ⌈·/2⌉ log2 times."""
    axis = AxisGeometry(size, 2 * left + size, left, partial=True)
    start, end = left, left + size
    for _ in range(log2):
        start, end = -(-start // 2), -(-end // 2)
    assert axis.start(2**log2) == start
    assert axis.count(2**log2) == max(1, end - start)


def test_periodic_axis_is_not_padded() -> None:
    axis = periodic_axis(7, partial=False)
    assert (axis.padded, axis.left, axis.log2_divisor) == (7, 0, 0)
    assert periodic_axis(24, partial=False).log2_divisor == 3


@given(least=st.integers(1, 10**6), multiple=st.sampled_from([1, 2, 8, 256]))
def test_smooth_multiple_is_the_smallest(least: int, multiple: int) -> None:
    found = smooth_multiple(least, multiple)
    assert found >= least
    assert found % multiple == 0

    def smooth(k: int) -> bool:
        for p in (2, 3, 5, 7):
            while k % p == 0:
                k //= p
        return k == 1

    assert smooth(found // multiple)
    below = range(-(-least // multiple), found // multiple)
    assert not any(smooth(k) for k in below)


@given(start=st.integers(-60, 60), blocks=st.integers(1, 4), out=st.integers(1, 8), size=st.integers(1, 48))
def test_window_folds_each_frequency_to_its_place(start: int, blocks: int, out: int, size: int) -> None:
    """The window's segments, cut in blocks of ``out`` and summed, are the spectrum folded to ``out`` bins."""
    width = blocks * out
    size *= out
    if width > size:
        return
    window = Window(0, size, size) if width == size else Window(start, width, size)
    bins = window.bins()
    spectrum = noise((size,))
    segments = window.segments()
    cut = spectrum if segments is None else np.concatenate([spectrum[lo:hi] for lo, hi in segments])
    np.testing.assert_array_equal(cut, spectrum[np.mod(bins, size)])
    assert sorted(bins) == list(range(window.start, window.start + window.width))
    expected = np.zeros(out)
    for k in bins:
        expected[k % out] += spectrum[k % size]
    assert_close(cut.reshape(-1, out).sum(0), expected)


@given(
    size=st.integers(20, 3000),
    T=st.sampled_from([1, 2, 7, 8, 32]),
    log2=st.integers(0, 3),
)
def test_frames_average_like_the_dense_matrix(size: int, T: int, log2: int) -> None:
    phi = audio_bank(3, (1, 1), T).phi
    axis = audio_axis(size, 5, 5, 3 * T, 3 * T, False)
    stride = max(2**log2, 2 ** int(math.log2(T)))
    a = averaging(phi, axis, log2, stride, "fold")
    x = noise((a.grid,))
    (y,) = gs.get_backend("numpy").lowpass_subsample(
        x[None, None], [AveragingMatrix(a).build()], [a.layout], [a.count]
    )[0]
    at = (axis.start(stride) + np.arange(axis.count(stride))) * (stride >> log2)
    kernel = oracle.lowpass(1, T).sampled((axis.padded,)).real[:: 2**log2] * 2**log2
    assert_close(y, [(np.roll(kernel[::-1], k + 1) * x).sum() for k in at], x)


def test_long_axes_are_framed() -> None:
    """So that the test above is about frames."""
    (axis,) = gs.Scattering1D(J=3, shape=3000, T=8).axes
    assert averaging(audio_bank(3, (1, 1), 8).phi, axis, 0, 8, "fold").frames > 1


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("name", ["numpy"])
def test_backend_pads_several_axes(padding: Any, name: str) -> None:
    axes = (AxisGeometry(3, 9, 4, False), AxisGeometry(5, 8, 1, False))
    x = noise((2, 1, 3, 5))
    indices = [a.indices(padding) for a in axes]
    padded = gs.get_backend(name).pad(x, indices, padding == "zero")
    widths = [(0, 0), (0, 0), (4, 2), (1, 2)]
    np.testing.assert_array_equal(padded, np.pad(x, widths, mode=NUMPY_MODES[padding]))  # type: ignore[call-overload]


@given(sigma=st.floats(1e-3, 1.0))
def test_tail_of_a_gaussian_is_the_first_that_holds_a_thousandth(sigma: float) -> None:
    width = 1 / (2 * math.pi * sigma)
    values = [math.exp(-0.5 * (t / width) ** 2) for t in range(math.ceil(10 * width) + 2)]
    allowed = 1e-3 * (2 * sum(values) - 1)
    reach = gaussian_tail(sigma)
    assert sum(values[reach:]) <= allowed * (1 + 1e-9)
    assert reach == 1 or sum(values[reach - 1 :]) > allowed * (1 - 1e-9)
