"""The rose of time-frequency scattering: what it shows is read back from the figure."""

from __future__ import annotations

import io

import numpy as np
import pytest

import groupscat as gs
from groupscat import plot
from groupscat.errors import ArgumentError, ShapeError

pytest.importorskip("matplotlib")

SIZE, RATE = 2048, 1000


def chirp(octaves: float) -> np.ndarray:
    """From 60 Hz by so many octaves within the signal, if they fall from 60·2^|octaves| Hz."""
    t = np.arange(SIZE) / SIZE
    slope = abs(octaves) * np.log(2)
    x = np.sin(2 * np.pi * 60 * SIZE / RATE * np.expm1(slope * t) / slope) * np.sin(np.pi * t) ** 2
    return x if octaves > 0 else x[::-1].copy()


def panels(figure):
    """The colours of the falling and of the rising side, (scales, rates) each, and their axes."""
    sides = [ax for ax in figure.axes if ax.get_title().startswith(("falling", "rising"))]
    return [(ax.collections[0].get_array().reshape(-1, rates(ax)), ax) for ax in sides]


def rates(ax) -> int:
    return ax.collections[0].get_coordinates().shape[1] - 1


@pytest.mark.parametrize("format", ["time", "joint"])
def test_the_rose_shows_which_way_a_chirp_goes(format):
    S = gs.TimeFrequencyScattering(J=8, J_fr=3, shape=SIZE, Q=8, format=format, sampling_rate=RATE)
    sides = {}
    for octaves in (2, -2):
        (falling, _), (rising, _) = panels(plot.rose(S, S(chirp(octaves))))
        sides[octaves] = falling, rising
        assert max(falling.max(), rising.max()) == 1
        assert (rising.sum() > 4 * falling.sum()) == (octaves > 0)
        assert (falling.sum() > 4 * rising.sum()) == (octaves < 0)
    # Backwards in time is the mirror image, but for what falls between the samples of the averages.
    np.testing.assert_allclose(sides[2], sides[-2][::-1], atol=0.05)


@pytest.mark.parametrize("format", ["time", "joint"])
def test_colours_are_sums_of_squares(format):
    S = gs.TimeFrequencyScattering(J=7, J_fr=3, shape=SIZE, Q=8, format=format)
    y = S(np.random.default_rng(0).normal(size=SIZE))
    expected = {}
    for row, path in enumerate(S.paths):
        if path.kind.startswith("psi_t psi_f"):
            key = path.spin, abs(path.xi_fr), path.xi[-1]
            expected[key] = expected.get(key, 0) + (y[row] ** 2).sum()
    top = max(expected.values())
    scales, frequencies = (sorted({key[k] for key in expected}) for k in (1, 2))
    for spin, (colours, ax) in zip((-1, 1), panels(plot.rose(S, y)), strict=True):
        wanted = [[expected[spin, scale, xi] / top for xi in frequencies] for scale in scales]
        np.testing.assert_allclose(colours, wanted, rtol=1e-12)
        lowest, highest = sorted(ax.get_ylim())
        assert lowest < 8 * scales[0] < 8 * scales[-1] < highest  # Q = 8 rows make an octave
        assert "cycles/sample" in ax.get_xlabel()


def test_labels_and_the_scalogram_beside():
    S = gs.TimeFrequencyScattering(J=8, J_fr=2, shape=SIZE, Q=8, sampling_rate=RATE)
    x = chirp(2)
    figure = plot.rose(S, S(x), x)
    figure.savefig(io.BytesIO(), format="png", dpi=40)
    (_, left), (_, right) = panels(figure)
    assert left.get_xlabel() == right.get_xlabel() == "rate μ, Hz"
    assert left.get_ylabel() == "scale ℓ, cycles/octave"
    assert left.get_xlim() == right.get_xlim()[::-1]  # as in a mirror
    assert any(ax.get_xlabel() == "time, s" for ax in figure.axes)


def test_silence_is_drawn():
    S = gs.TimeFrequencyScattering(J=6, J_fr=2, shape=512, Q=4)
    (falling, _), (rising, _) = panels(plot.rose(S, np.zeros(S.output_shape)))
    assert falling.max() == rising.max() == 0


def test_errors_name_the_way_out():
    S = gs.TimeFrequencyScattering(J=6, J_fr=2, shape=512, Q=4)
    y = S(np.ones(512))
    with pytest.raises(ArgumentError, match="draws a TimeFrequencyScattering, got Scattering1D"):
        plot.rose(S.time, y)
    with pytest.raises(ShapeError, match="one signal"):
        plot.rose(S, S(np.ones((2, 512))))
    for arguments in ({"separable": True}, {"exclude": "psi_t psi_f-"}):
        other = S.replace(**arguments)
        with pytest.raises(ArgumentError, match="without excluding"):
            plot.rose(other, other(np.ones(512)))
