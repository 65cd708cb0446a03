"""Pictures: what they show is read back from the figures, and every figure is drawn."""

from __future__ import annotations

import io
import math
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

import groupscat as gs
from groupscat import plot
from groupscat.errors import ArgumentError, ShapeError
from groupscat.plot.disk import INSIDE, cell

pytest.importorskip("matplotlib")
from matplotlib.figure import Figure


def draw(figure) -> None:
    """Render: errors of matplotlib, missing glyphs included, show only now."""
    assert isinstance(figure, Figure)
    figure.savefig(io.BytesIO(), format="png", dpi=40)


TWO_D = [
    {"J": 2, "shape": (16, 16)},
    {"J": 3, "shape": (24, 32), "L": 3},
    {"J": 1, "shape": (9, 8), "L": 1, "max_order": 1},
    {"J": 2, "shape": (16, 16), "L": 4, "method": "cascade"},
    {"J": 2, "shape": (16, 16), "L": 4, "complex_input": True},
]
ONE_D = [
    {"J": 5, "shape": 256, "Q": 4, "sampling_rate": 1000},
    {"J": 3, "shape": 100},
    {"J": 4, "shape": 128, "Q": 2, "method": "cascade"},
    {"J": 4, "shape": 128, "complex_input": True},
]


@pytest.mark.parametrize("arguments", TWO_D, ids=str)
def test_pictures_of_two_dimensions(arguments):
    S = gs.Scattering2D(**arguments)
    x = np.random.default_rng(0).normal(size=S.shape)
    y = S(x + 0j if S.complex_input else x)
    for figure in (
        plot.filters(S),
        plot.littlewood_paley(S),
        plot.scattering_disk(S, y, x),
        plot.scattering_disk(S, y.mean((1, 2))),
        plot.coefficients(S, y),
        plot.maps(S, y),
    ):
        draw(figure)


@pytest.mark.parametrize("arguments", ONE_D, ids=str)
def test_pictures_of_one_dimension(arguments):
    S = gs.Scattering1D(**arguments)
    x = np.random.default_rng(0).normal(size=S.shape)
    x = x + 0j if S.complex_input else x
    for figure in (
        plot.filters(S),
        plot.littlewood_paley(S),
        plot.littlewood_paley(S, order=2),
        plot.scalogram(S, x),
        plot.scalogram(S, y=S(x), db=True),
        plot.modulations(S, S(x)),
        plot.coefficients(S, S(x)),
    ):
        draw(figure)


THREE_D = [{"J": 2, "shape": (8, 8, 8)}, {"J": 1, "shape": (8, 10, 9), "L": 3, "method": "cascade"}]


@pytest.mark.parametrize("arguments", THREE_D, ids=str)
def test_pictures_of_three_dimensions(arguments):
    S = gs.Scattering3D(**arguments)
    y = S(np.random.default_rng(0).normal(size=S.shape))
    for figure in (plot.filters(S), plot.littlewood_paley(S), plot.maps(S, y), plot.coefficients(S, y)):
        draw(figure)


def test_filters_of_a_volume_run_along_their_axes():
    S = gs.Scattering3D(J=2, shape=(16, 16, 16), L=3)  # the three axes themselves
    panels = plot.filters(S).axes
    titles = [ax.get_title() for ax in panels[:4]]
    assert titles == ["φ", "θ = 0", "θ = 1", "θ = 2"]
    middle = [np.asarray(ax.images[0].get_array()) for ax in panels[4:8]]  # the plane of the axes 1 and 3
    oscillates = [[(w.sum(axis) / np.abs(w).sum()).min() < -0.01 for axis in (1, 0)] for w in middle[1:]]
    assert oscillates == [[True, False], [False, False], [False, True]]


def test_solid_harmonics_are_drawn_by_degree_and_order():
    S = gs.HarmonicScattering3D(J=1, shape=(8, 8, 8), L=2)
    figure = plot.filters(S)
    draw(figure)
    assert [ax.get_title() for ax in figure.axes] == [f"m = {m}" for l in range(3) for m in range(l + 1)]
    dipole = np.asarray(figure.axes[1].images[0].get_array())  # l = 1, m = 0: odd along the polar axis, down
    np.testing.assert_allclose(dipole, -dipole[::-1], atol=1e-12)


def test_modulations_show_how_fast_an_amplitude_varies():
    S = gs.Scattering1D(J=9, shape=8192, Q=8, sampling_rate=8192, T="global")
    t = np.arange(8192) / 8192
    y = S((1 + np.cos(2 * np.pi * 32 * t)) * np.cos(2 * np.pi * 1500 * t))
    ax = plot.modulations(S, y).axes[0]
    mesh = ax.collections[0]
    picture, corners = np.ma.filled(mesh.get_array(), -1.0), mesh.get_coordinates()
    row, column = np.unravel_index(picture.argmax(), picture.shape)
    assert corners[0, column, 0] / 1.2 < 1500 < corners[0, column + 1, 0] * 1.2
    assert corners[row, 0, 1] / 1.5 < 32 < corners[row + 1, 0, 1] * 1.5


def test_maps_show_where_an_edge_is():
    S = gs.Scattering2D(J=2, shape=(32, 32), L=4)
    image = np.zeros((32, 32))
    image[:, 16:] = 1  # a vertical edge: the wave runs horizontally
    panels = [ax for ax in plot.maps(S, S(image)).axes if ax.images]
    order_0, *pictures = [np.asarray(ax.images[0].get_array()) for ax in panels]
    assert order_0.shape == (8, 8)
    strongest = max(range(len(pictures)), key=lambda k: pictures[k].max())
    assert panels[1 + strongest % 4].get_title().endswith("\n0°")
    assert pictures[strongest].mean(0).argmax() in (3, 4)


def test_units():
    with_rate = gs.Scattering1D(J=4, shape=256, Q=4, sampling_rate=1000)
    without = gs.Scattering1D(J=4, shape=256, Q=4)
    for S, frequency, time in ((with_rate, "Hz", "time, s"), (without, "cycles/sample", "time, samples")):
        assert frequency in plot.filters(S).axes[-1].get_xlabel()
        ax = plot.scalogram(S, np.ones(256)).axes[1]
        assert frequency in ax.get_ylabel()
        assert ax.get_xlabel() == time
    np.testing.assert_allclose(plot.scalogram(with_rate, np.ones(256)).axes[1].get_xlim(), (0, 0.256))


def test_scalogram_shows_a_tone_at_its_frequency():
    S = gs.Scattering1D(J=6, shape=2048, Q=8, sampling_rate=2048)
    tone = np.sin(2 * np.pi * 300 * np.arange(2048) / 2048)
    ax = plot.scalogram(S, tone).axes[1]
    mesh = ax.collections[0]
    row = np.asarray(mesh.get_array()).mean(axis=1).argmax()
    edges = mesh.get_coordinates()[:, 0, 1]
    assert edges[row] < 300 < edges[row + 1] or abs(edges[row] / 300 - 1) < 0.1


@pytest.mark.parametrize("size", [1000, 1024, 1500])
def test_scalogram_shows_a_click_at_its_time(size):
    S = gs.Scattering1D(J=5, shape=size, T=32)  # of 1000 samples the first output lies at 20
    for at in (400, 500, 613):
        mesh = plot.scalogram(S, np.eye(size)[at]).axes[1].collections[0]
        column = np.asarray(mesh.get_array()).sum(axis=0).argmax()
        edges = mesh.get_coordinates()[0, :, 0]
        assert edges[column] <= at <= edges[column + 1]


@pytest.mark.parametrize("L", [3, 4, 8])
def test_cells_of_the_disk_cover_it_once(L):
    S = gs.Scattering2D(J=4, shape=(32, 32), L=L)
    for order, rings in ((1, 4), (2, 3)):
        cells = [cell(S, row, rings) for row in S.paths.select(order=order)]
        area = sum((stop - start) * (hi**2 - lo**2) / 2 for lo, hi, start, stop in cells)
        assert area == pytest.approx(math.pi / 2 * ((INSIDE + rings) ** 2 - INSIDE**2))
        random = np.random.default_rng(0)
        for radius, angle in zip(
            random.uniform(INSIDE, INSIDE + rings, 300), random.uniform(0, 2 * math.pi, 300), strict=True
        ):
            hits = [
                lo < radius < hi and (angle - start) % math.pi < stop - start for lo, hi, start, stop in cells
            ]
            assert sum(hits) == 1


@pytest.mark.parametrize(("angle", "down", "right"), [(0, 0, 6), (90, 6, 0), (135, 4, 4), (45, -4, 4)])
def test_disk_lights_up_where_the_wave_goes(angle, down, right):
    S = gs.Scattering2D(J=3, shape=(32, 32), L=8)
    rows, columns = np.mgrid[:32, :32] / 32
    wave = np.cos(2 * np.pi * (down * rows + right * columns))  # about 0.18 cycles/pixel: j = 1
    values = S(wave).mean((1, 2))
    best = max(S.paths.select(order=1), key=lambda row: values[row])
    lo, hi, start, stop = cell(S, best, 3)
    assert (lo, hi) == (INSIDE + 1, INSIDE + 2)
    off = math.degrees((start + stop) / 2) - angle
    assert (off + 90) % 180 == pytest.approx(90)


def test_labels_of_colour_bars_do_not_touch():
    S = gs.Scattering2D(J=2, shape=(16, 16), L=4)
    y = np.linspace(0.0005, 0.015, len(S.paths))
    figure = plot.scattering_disk(S, y, np.zeros((16, 16)))
    figure.draw_without_rendering()
    bars = [ax for ax in figure.axes if ax.get_label() == "<colorbar>"]
    assert len(bars) == 3
    for bar in bars:
        low, high = bar.get_xlim()
        boxes = [
            tick.label1.get_window_extent()
            for tick in bar.xaxis.get_major_ticks()
            if low <= tick.get_loc() <= high
        ]
        assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_bars_show_the_means_in_order():
    S = gs.Scattering2D(J=2, shape=(16, 16), L=4)
    y = S(np.random.default_rng(0).uniform(size=(16, 16)))
    ax = plot.coefficients(S, y).axes[0]
    heights = [bar.get_height() for bar in ax.patches]
    np.testing.assert_allclose(heights, y.mean((1, 2)), rtol=1e-6)
    assert ax.get_yscale() == "log"
    assert [t.get_text() for t in ax.get_legend().get_texts()] == [
        "order 0 (1)",
        "order 1 (8)",
        "order 2 (16)",
    ]


def test_harmonic_coefficients():
    S = gs.HarmonicScattering3D(J=1, shape=(8, 8, 8), L=1)
    y = S(np.random.default_rng(0).uniform(size=(8, 8, 8)))
    figure = plot.coefficients(S, y)
    np.testing.assert_allclose([bar.get_height() for bar in figure.axes[0].patches], y.reshape(-1), rtol=1e-6)


def test_given_figure_and_axes_are_used():
    S = gs.Scattering2D(J=1, shape=(8, 8), L=2)
    figure = Figure()
    assert plot.filters(S, figure=figure) is figure
    figure = Figure()
    ax = figure.subplots()
    assert plot.coefficients(S, S(np.ones((8, 8))), ax=ax) is figure
    assert ax.patches


def test_arrays_of_other_frameworks():
    torch = pytest.importorskip("torch")
    S = gs.Scattering2D(J=1, shape=(8, 8), L=2)
    x = torch.ones(8, 8, requires_grad=True)
    draw(plot.scattering_disk(S, S(x), x))


def test_what_cannot_be_drawn():
    S1, S2 = gs.Scattering1D(J=2, shape=64), gs.Scattering2D(J=1, shape=(8, 8))
    harmonic = gs.HarmonicScattering3D(J=1, shape=(8, 8, 8))
    with pytest.raises(ArgumentError, match="draws a"):
        plot.littlewood_paley(harmonic)
    with pytest.raises(ArgumentError, match="paths of order 2"):
        plot.modulations(S1.replace(max_order=1), np.ones((4, 16)))
    with pytest.raises(ArgumentError, match="Scattering2D or Scattering3D"):
        plot.maps(S1, S1(np.ones(64)))
    with pytest.raises(ArgumentError, match="in space"):
        plot.maps(S2.replace(T="global"), np.ones((9, 1, 1)))
    with pytest.raises(ArgumentError, match="max_order=0"):
        plot.maps(S2.replace(max_order=0), np.ones((1, 4, 4)))
    with pytest.raises(ShapeError, match="with their grid"):
        plot.maps(S2, np.ones(len(S2.paths)))
    with pytest.raises(ArgumentError, match="Scattering2D"):
        plot.scattering_disk(S1, S1(np.ones(64)))
    with pytest.raises(ArgumentError, match="Scattering1D"):
        plot.scalogram(S2, np.ones((8, 8)))
    with pytest.raises(ArgumentError, match="one of them"):
        plot.scalogram(S1)
    with pytest.raises(ArgumentError, match="common time axis"):
        plot.scalogram(S1.replace(T="global"), np.ones(64))
    with pytest.raises(ArgumentError, match="max_order=0"):
        plot.scalogram(S1.replace(max_order=0), np.ones(64))
    with pytest.raises(ArgumentError, match="max_order=0"):
        plot.scattering_disk(S2.replace(max_order=0), np.ones((1, 4, 4)))
    with pytest.raises(ArgumentError, match="one array"):
        plot.coefficients(S2, S2.replace(out_type="list")(np.ones((8, 8))))
    with pytest.raises(ShapeError, match=r"y\[0\]"):
        plot.coefficients(S2, S2(np.ones((3, 8, 8))))
    with pytest.raises(ShapeError, match=r"x\[0\]"):
        plot.scalogram(S1, np.ones((3, 64)))


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "groupscat\[plot\]"'):
        plot.filters(gs.Scattering2D(J=1, shape=(8, 8)))


def test_no_pyplot():
    code = (
        "import sys, numpy as np, groupscat as gs; from groupscat import plot;"
        "S = gs.Scattering2D(J=1, shape=(8, 8)); plot.filters(S);"
        "plot.scattering_disk(S, S(np.ones((8, 8))));"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
