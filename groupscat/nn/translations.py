"""Translations of the samples of an axis, in their order and in random ones, and what they do to points."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.backend import Array, backend_of
from groupscat.space import Axis

F64 = NDArray[np.float64]
Index = NDArray[np.int32]
Numbers = NDArray[np.intp]
#: The names of what an :class:`Effect` holds.
EFFECTS = ("agreement", "same_class", "distance")


@dataclass(frozen=True, eq=False)
class Effect:
    """What translations do to images, for every shift; arrays of shape (shifts,).

    Attributes
    ----------
    agreement : share of the images whose predicted class is that without a shift.
    same_class : share of the images whose nearest other image has their own class.
    distance : to the nearest other image, the mean over the images.
    """

    agreement: F64
    same_class: F64
    distance: F64


@dataclass(frozen=True, eq=False)
class Translations:
    """A layer moved along one of its axes.

    Attributes
    ----------
    axis : its name. shifts : in samples, −⌊size/2⌋ … ⌈size/2⌉ − 1.
    probabilities : shape (shifts, classes, outputs): the mean over the images of a class.
    nearest : shape (shifts, images): the number of the image that is nearest to the moved one.
    effect : of the translations. controls : of those along the axis in a random order, one for each order.
    """

    axis: str
    shifts: tuple[int, ...]
    probabilities: F64
    nearest: Numbers
    effect: Effect
    controls: tuple[Effect, ...]

    @property
    def zero(self) -> int:
        """The place of no shift."""
        return self.shifts.index(0)

    def report(self) -> dict[str, Any]:
        """What is found, as dicts, lists and numbers."""
        own, *controls = (
            {name: getattr(effect, name).tolist() for name in EFFECTS}
            for effect in (self.effect, *self.controls)
        )
        return {
            "axis": self.axis,
            "shifts": list(self.shifts),
            **own,
            "controls": controls,
            "probabilities": self.probabilities.tolist(),
            "nearest": self.nearest.tolist(),
        }

    def means(self) -> dict[str, tuple[float, tuple[float, ...]]]:
        """By the name of an effect, its mean over all shifts but 0, and that of each control.

        Distances are in units of that without a shift.
        """
        unit = self.effect.distance[self.zero] or 1.0
        found = {}
        for name in EFFECTS:
            rows = np.array([getattr(effect, name) for effect in (self.effect, *self.controls)])
            others = np.delete(rows, self.zero, axis=1)
            # An axis of one sample has no other shift.
            own, *controls = (others if others.size else rows).mean(1) / (unit if name == "distance" else 1.0)
            found[name] = float(own), tuple(map(float, controls))
        return found


def shifts_of(size: int) -> tuple[int, ...]:
    """Every shift of a periodic axis once, 0 in the middle."""
    return tuple(range(-(size // 2), size - size // 2))


def arrangements(size: int, orders: int = 0, seed: int = 0, periodic: bool = True) -> Index:
    """Where the samples come from: in translations of an axis, then in those of the axis in random orders.

    Returns
    -------
    array, shape (1 + orders, shifts, size), the number of the sample that is put at each place; −1: a zero.

    >>> arrangements(3)[0].tolist()  # shifts −1, 0, 1
    [[1, 2, 0], [0, 1, 2], [2, 0, 1]]
    >>> arrangements(3, periodic=False)[0].tolist()
    [[1, 2, -1], [0, 1, 2], [-1, 0, 1]]
    """
    rng = np.random.default_rng(seed)
    source = np.arange(size) - np.array(shifts_of(size))[:, None]
    source = source % size if periodic else np.where((source >= 0) & (source < size), source, -1)
    tables = [source]
    for _ in range(orders):
        order = rng.permutation(size)
        # Into the order, moved, and back. The −1 of a zero picks what is after the last one: −1 again.
        tables.append(np.append(order, -1)[source][:, np.argsort(order)])
    return np.stack(tables).astype(np.int32)


def arrange(x: Array, index: Index, place: int) -> Array:
    """x with the samples ``index`` of the axis at ``place`` (negative), −1 being zeros."""
    xp = backend_of(x)
    return xp.pad(x, [xp.asarray(index, "int32", x), *[None] * (-place - 1)], True)


def translations(
    axis: Axis,
    answers: F64,
    moved: Iterable[Sequence[F64]],
    points: F64,
    truth: Numbers,
    rows: Numbers,
) -> Translations:
    """What translations, and those in random orders, do to points and to the answers.

    Parameters
    ----------
    answers : probabilities, shape (1 + orders, shifts, rows, classes). moved : the points of the rows, moved:
        for the translations and every order, shift by shift.
    points, truth : of all images, and their classes. rows : which of them were moved.
    """
    shifts = shifts_of(axis.size)
    effects, near = [], []
    for predicted, of_shifts in zip(answers.argmax(-1), moved, strict=True):
        found = [nearest(each, points, rows) for each in of_shifts]
        near.append(np.stack([number for number, _ in found]))
        effects.append(
            Effect(
                agreement=(predicted == predicted[shifts.index(0)]).mean(1),
                same_class=(truth[near[-1]] == truth[rows]).mean(1),
                distance=np.array([distance.mean() for _, distance in found]),
            )
        )
    own = truth[rows]
    probabilities = np.stack([answers[0][:, own == label].mean(1) for label in np.unique(own)], 1)
    return Translations(axis.name, shifts, probabilities, near[0], effects[0], tuple(effects[1:]))


def nearest(moved: F64, points: F64, rows: Numbers) -> tuple[Numbers, F64]:
    """The number of the nearest point to each moved one, the one at ``rows`` excepted, and how far it is.

    >>> number, distance = nearest(np.array([[1.0]]), np.array([[1.0], [3.0], [0.0]]), np.array([0]))
    >>> number.tolist(), distance.tolist()
    ([2], [1.0])
    """
    a, b = moved.reshape(len(moved), -1), points.reshape(len(points), -1)
    squares = (a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * a @ b.T
    squares[np.arange(len(a)), rows] = np.inf
    number = squares.argmin(1)
    return number, np.linalg.norm(a - b[number], axis=1)
