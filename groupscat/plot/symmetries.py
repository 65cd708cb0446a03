"""The picture of what the classes do when layers move along their attributes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groupscat.backend import Array
from groupscat.checks import integer
from groupscat.errors import ArgumentError, ShapeError
from groupscat.nn.symmetry import Symmetries
from groupscat.nn.translations import Translations
from groupscat.plot.figures import new_figure, on_host

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Curves and frames, told apart by colour-blind readers too (Okabe & Ito): the effect's colour and its label.
CURVES = {
    "agreement": ("#0072b2", "class stays"),
    "same_class": ("#e69f00", "nearest of its class"),
    "distance": ("#009e73", "distance to nearest"),
}
SAME, OTHER = (0.0, 0.45, 0.70), (0.84, 0.37, 0.0)
#: Classes whose likeliest other one is written into the matrix, at most, and letters of a name.
WRITTEN, LETTERS = 20, 5


def symmetries(
    found: Symmetries | Sequence[Symmetries],
    images: Array | None = None,
    *,
    names: Sequence[str] = (),
    examples: int = 3,
    figure: Figure | None = None,
) -> Figure:
    """What :func:`groupscat.nn.symmetries` has found, a column for each attribute axis.

    From the top: the mean probability of the right class against the shift, with the name of another class
    where that is likelier. How many images keep their class, how many have a nearest image of their class,
    and how far that is; beside the axis in random orders (dashed, with the range) and chance (dotted). The
    same for further layers. And some images with those that are nearest to them, moved, framed blue where
    they are of the same class, orange where not.

    Parameters
    ----------
    found : of one layer; or of several, the first of which is drawn in full.
    images : those that were given to it, shape (n, 1 or 3, H, W); without them there are none at the bottom.
    names : of the classes, 0 first. examples : how many images, of different classes as far as there are.

    Raises
    ------
    ArgumentError : nothing was found. ShapeError : images of another shape. ImportError : no matplotlib.
    """
    layers = [found] if isinstance(found, Symmetries) else list(found)
    if not layers:
        raise ArgumentError("There is nothing to draw: pass what groupscat.nn.symmetries returns.")
    first, *others = layers
    shown = _examples(first, integer("examples", examples, 1))
    pictures = None if images is None else _pictures(on_host(images), first)
    named = _Names(names)
    heights = [0.2 * len(first.classes) + 1.1, 2.4, *[2.1] * len(others)]
    heights += [] if pictures is None else [0.42 * len(shown) + 0.5]
    figure = new_figure(figure, 6.4 * len(first.along), sum(heights))
    rows: Any = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    for ax, along in zip(_axes(rows[0], len(first.along)), first.along, strict=True):
        _matrix(ax, first, along, named)
    for row, layer in zip(rows[1:], layers, strict=False):
        axes = _axes(row, 2 * len(layer.along))
        for k, along in enumerate(layer.along):
            _curves(axes[2 * k], axes[2 * k + 1], layer, along)
    _legend(rows[1])
    if pictures is not None:
        for ax, along in zip(_axes(rows[-1], len(first.along)), first.along, strict=True):
            _nearest(ax, first, along, pictures, shown, named)
    return figure


class _Names:
    """What classes are called: by their names, where there are some, or else by their numbers."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(map(str, names))

    def __getitem__(self, label: int) -> str:
        return self._names[label] if label < len(self._names) else str(label)


def _axes(row: Any, count: int) -> list[Axes]:
    return list(row.subplots(1, count, squeeze=False)[0])


def _matrix(ax: Axes, found: Symmetries, along: Translations, named: _Names) -> None:
    own = along.probabilities[:, np.arange(len(found.classes)), list(found.classes)]
    picture = ax.imshow(own.T, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    ax.figure.colorbar(picture, ax=ax, label="probability of the class", pad=0.01)
    ax.set_xticks(range(len(along.shifts)), [_signed(shift) for shift in along.shifts])
    ax.set_yticks(range(len(found.classes)), [named[label] for label in found.classes])
    ax.set_title(f"layer {found.layer} moved along {along.axis}")
    if len(found.classes) > WRITTEN:
        return
    for (shift, k), likeliest in np.ndenumerate(along.probabilities.argmax(-1)):
        if likeliest != found.classes[k]:
            colour = "white" if own[shift, k] > 0.6 else "black"
            text = named[int(likeliest)][:LETTERS]
            ax.text(shift, k, text, ha="center", va="center", size=6, color=colour)


def _curves(shares: Axes, distances: Axes, found: Symmetries, along: Translations) -> None:
    unit = along.effect.distance[along.zero] or 1.0
    for name, (colour, label) in CURVES.items():
        ax, scale = (distances, unit) if name == "distance" else (shares, 1.0)
        values = getattr(along.effect, name) / scale
        ax.plot(along.shifts, values, color=colour, marker="o", ms=3, label=label)
        if along.controls:
            others = np.array([getattr(control, name) for control in along.controls]) / scale
            ax.plot(along.shifts, others.mean(0), "--", color=colour, lw=1, label="in random orders")
            ax.fill_between(along.shifts, others.min(0), others.max(0), color=colour, alpha=0.15, lw=0)
    shares.axhline(found.chance, color="0.4", ls=":", lw=1, label="by chance")
    shares.set(ylim=(-0.03, 1.03), ylabel="share of the images")
    distances.set(ylabel="distance / not moved")
    for ax in (shares, distances):
        ax.set_xticks([shift for shift in along.shifts if shift % max(1, len(along.shifts) // 8) == 0])
        ax.set_xlabel(f"shift of layer {found.layer} along {along.axis}", fontsize=9)
        ax.grid(alpha=0.3)


def _legend(row: Any) -> None:
    """One for all curves, whose labels are the same in every panel."""
    handles: dict[tuple[str, str], Any] = {}
    for ax in row.axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            handles.setdefault((label, handle.get_color()), handle)
    labels = [label for label, _ in handles]
    row.legend(handles.values(), labels, loc="outside upper center", ncols=len(labels), fontsize=8)


def _signed(shift: int) -> str:
    return f"{shift:+d}" if shift else "0"


def _nearest(
    ax: Axes,
    found: Symmetries,
    along: Translations,
    pictures: NDArray[Any],
    shown: list[int],
    named: _Names,
) -> None:
    """A line for each example: itself, then the images nearest to it, moved, all in one picture."""
    height, width = pictures.shape[1:3]
    frame = max(1, min(height, width) // 10)
    lines, own = [], [found.labels[found.rows[row]] for row in shown]
    for row, label in zip(shown, own, strict=True):
        cells = [_framed(pictures[found.rows[row]], frame, None)]
        near = along.nearest[:, row]
        cells += [_framed(pictures[number], frame, found.labels[number] == label) for number in near]
        lines.append(np.concatenate(cells, 1))
    ax.imshow(np.concatenate(lines), interpolation="nearest")
    wide, high = width + 4 * frame, height + 4 * frame
    marks = ["image", *map(_signed, along.shifts)]
    ax.set_xticks(wide * (np.arange(len(marks)) + 0.5) - 0.5, marks)
    ax.set_yticks(high * (np.arange(len(shown)) + 0.5) - 0.5, [named[label] for label in own])
    ax.tick_params(length=0, labelsize=8)
    ax.spines[:].set_visible(False)
    ax.set_title(f"nearest images, layer {found.layer} moved along {along.axis}", fontsize=9)


def _framed(picture: NDArray[Any], frame: int, same: bool | None) -> NDArray[Any]:
    """An image in the colour of what it is, and in white."""
    colour = {None: (1.0, 1.0, 1.0), True: SAME, False: OTHER}[same]
    height, width = picture.shape[:2]
    framed = np.ones((height + 4 * frame, width + 4 * frame, 3))
    framed[frame:-frame, frame:-frame] = colour
    framed[2 * frame : -2 * frame, 2 * frame : -2 * frame] = picture
    return framed


def _examples(found: Symmetries, count: int) -> list[int]:
    """Places among the rows, of every class one before there is a second one."""
    labels = [found.labels[row] for row in found.rows]
    order = sorted(range(len(labels)), key=lambda k: (labels[:k].count(labels[k]), labels[k]))
    return order[:count]


def _pictures(images: NDArray[Any], found: Symmetries) -> NDArray[Any]:
    """As (n, H, W, 3) between 0 and 1, by the least and the greatest value."""
    shape = images.shape
    if len(shape) != 4 or shape[1] not in (1, 3) or len(images) != len(found.labels):
        raise ShapeError(f"images of shape {shape}: expected ({len(found.labels)}, 1 or 3, H, W).")
    low, high = float(images.min()), float(images.max())
    scaled = np.moveaxis((images - low) / ((high - low) or 1.0), 1, -1)
    return np.broadcast_to(scaled, (*scaled.shape[:3], 3))
