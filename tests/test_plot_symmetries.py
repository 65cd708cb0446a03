"""The picture of layers moved along their attributes shows what was found."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

import groupscat as gs
from groupscat import nn
from tests.test_nn import TINY, numbers
from tests.test_symmetries import COUNT, IMAGES, LABELS, LAYER, of_tiny

pytest.importorskip("matplotlib", reason='pip install "groupscat[plot]"')
from groupscat import plot
from groupscat.plot.symmetries import OTHER, SAME, _framed

PICTURES = np.random.default_rng(0).uniform(2, 5, size=(COUNT, 3, 6, 4))
NAMES = ("cat", "dog", "elephant")


def panels(figure: Any) -> list[list[Any]]:
    """The axes of every row, without bars of colours."""
    return [[ax for ax in row.axes if ax.get_label() != "<colorbar>"] for row in figure.subfigs]


def test_matrices_are_the_probabilities_of_the_right_class() -> None:
    found = of_tiny()
    top = panels(plot.symmetries(found, names=NAMES))[0]
    for ax, along in zip(top, found.along, strict=True):
        own = [[row[k] for row in along.probabilities[:, k]] for k in range(3)]
        np.testing.assert_array_equal(ax.images[0].get_array(), own)
        assert [label.get_text() for label in ax.get_yticklabels()] == list(NAMES)
        written = {tuple(map(int, t.get_position())): t.get_text() for t in ax.texts}
        likeliest = along.probabilities.argmax(-1)
        wanted = {(s, k): NAMES[c][:5] for (s, k), c in np.ndenumerate(likeliest) if c != k}
        assert written == wanted
        assert wanted  # else nothing is looked at
    assert "0" in [label.get_text() for label in top[0].get_xticklabels()]


def test_curves_are_the_effects_with_their_controls() -> None:
    main, other = of_tiny(orders=2), of_tiny(layer=3, orders=0)
    _, first, second = panels(plot.symmetries([main, other]))
    along = main.along[1]
    shares, distances = first[2:]
    lines = [line.get_ydata() for line in shares.lines]
    controls = {name: [getattr(c, name) for c in along.controls] for name in ("agreement", "same_class")}
    np.testing.assert_array_equal(lines[0], along.effect.agreement)
    np.testing.assert_allclose(lines[1], np.mean(controls["agreement"], 0))
    np.testing.assert_array_equal(lines[2], along.effect.same_class)
    np.testing.assert_allclose(lines[3], np.mean(controls["same_class"], 0))
    assert lines[4][0] == main.chance
    assert distances.lines[0].get_ydata()[along.zero] == 1
    assert len(second) == 2  # the one axis of layer 3
    assert len(second[0].lines) == 3  # no control


def test_nearest_images_are_those_that_were_found() -> None:
    found = of_tiny(rows=[7, 0, 4, 3])
    bottom = panels(plot.symmetries(found, PICTURES, examples=3))[-1]
    for ax, along in zip(bottom, found.along, strict=True):
        picture = ax.images[0].get_array()
        assert picture.shape == (3 * (6 + 4), (1 + len(along.shifts)) * (4 + 4), 3)
        # One of each class, by its number: images 0, 3 and 7.
        for line, row in enumerate((1, 3, 0)):
            own = LABELS[found.rows[row]]
            assert ax.get_yticklabels()[line].get_text() == str(own)
            for column, number in enumerate([found.rows[row], *along.nearest[:, row]]):
                cell = picture[10 * line : 10 * (line + 1), 8 * column : 8 * (column + 1)]
                scaled = (PICTURES[number] - PICTURES.min()) / np.ptp(PICTURES)
                np.testing.assert_allclose(cell[2:-2, 2:-2], np.moveaxis(scaled, 0, -1), atol=1e-12)
                frame = (1, 1, 1) if column == 0 else SAME if LABELS[number] == own else OTHER
                np.testing.assert_array_equal(cell[1, 1], frame)
                np.testing.assert_array_equal(cell[0, 0], (1, 1, 1))


def test_a_frame_leaves_the_picture() -> None:
    picture = np.random.default_rng(0).uniform(size=(4, 5, 3))
    np.testing.assert_array_equal(_framed(picture, 1, False)[2:-2, 2:-2], picture)


@pytest.mark.parametrize("dims", [1, 3])
def test_it_draws(dims: int) -> None:
    buffer = io.BytesIO()
    plot.symmetries(of_tiny(), PICTURES[:, :dims], examples=99).savefig(buffer, format="png")
    assert buffer.getvalue().startswith(b"\x89PNG")


def test_images_of_one_value_and_one_sample_draw() -> None:
    plot.symmetries(of_tiny(layer=8, orders=0), np.ones((COUNT, 1, 4, 4))).savefig(io.BytesIO())


def test_errors() -> None:
    with pytest.raises(gs.ArgumentError, match="nothing to draw"):
        plot.symmetries([])
    with pytest.raises(gs.ShapeError, match=r"images of shape \(9, 2, 4, 2\): expected \(9, 1 or 3, H, W\)"):
        plot.symmetries(of_tiny(), IMAGES)
    with pytest.raises(gs.ShapeError, match=r"expected \(9, 1 or 3"):
        plot.symmetries(of_tiny(), PICTURES[:8])
    with pytest.raises(gs.ArgumentError, match="examples=0"):
        plot.symmetries(of_tiny(), PICTURES, examples=0)


def test_torch_tensors_are_drawn() -> None:
    torch = pytest.importorskip("torch", reason='pip install "groupscat[torch]"')
    found = nn.symmetries(nn.Model(TINY, *numbers(TINY)), IMAGES, LABELS, LAYER, rows=[0, 1])
    assert len(panels(plot.symmetries(found, torch.from_numpy(PICTURES)))) == 3
