"""Symmetries that a network has learned: what the classes do when a layer moves along its attributes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from groupscat.backend import Array, backend_of
from groupscat.checks import integer
from groupscat.errors import ArgumentError, NotFiniteError, ShapeError
from groupscat.nn.axes import attributes
from groupscat.nn.files import Model
from groupscat.nn.network import Network
from groupscat.nn.split import split, split_arrays
from groupscat.nn.translations import F64, Numbers, Translations, arrange, arrangements, translations
from groupscat.space import Space

#: Images that go through the network together.
BATCH = 64


@dataclass(frozen=True, eq=False)
class Symmetries:
    """What :func:`symmetries` finds; ``groupscat.plot.symmetries`` draws it.

    Attributes
    ----------
    layer : its number. space : where its output lives. labels : of all images. rows : those that were moved.
    classes : theirs, which are the rows of ``probabilities``. accuracy : of the network, on all images.
    chance : share of the other images that have an image's own class, that is ``same_class`` by chance.
    along : an entry for every attribute axis, oldest first.
    """

    layer: int
    space: Space
    labels: tuple[int, ...]
    rows: tuple[int, ...]
    classes: tuple[int, ...]
    accuracy: float
    chance: float
    along: tuple[Translations, ...]

    def report(self) -> dict[str, Any]:
        """What is found, as dicts, lists, numbers and text."""
        own = ("layer", "accuracy", "chance", "classes", "labels", "rows")
        along = [each.report() for each in self.along]
        return {name: getattr(self, name) for name in own} | {"space": str(self.space), "along": along}

    def __str__(self) -> str:
        lines = [
            f"layer {self.layer}, {self.space}: {len(self.rows)} images; accuracy {self.accuracy:.3f}, "
            f"nearest of the same class by chance {self.chance:.3f}",
            f"{'axis':<6}{'agreement':>20}{'same class':>20}{'distance':>20}",
        ]
        for along in self.along:
            cells = [
                f"{own:.3f}" + (f" ({np.mean(others):.3f})" if others else "")
                for own, others in along.means().values()
            ]
            lines.append(f"{along.axis:<6}" + "".join(f"{cell:>20}" for cell in cells))
        return "\n".join([*lines, "means over all shifts but 0; in brackets, of the axis in random orders"])


def attribute_layers(network: Network) -> dict[int, Space]:
    """The layers whose output has attribute axes, by number: those that :func:`symmetries` can move.

    >>> from groupscat import nn
    >>> network = nn.hcnn(K=4, input_shape=(1, 8, 8), attributes=(3, 3))
    >>> [(k, space.shape) for k, space in attribute_layers(network).items()][:2]
    [(3, (1, 8, 8, 4)), (4, (4, 8, 8, 2))]
    """
    rows = [row for row in network.inference.rows if "." not in row.name]
    return {int(row.name): row.after for row in rows if attributes(row.after)}


def last_layer(network: Network) -> int:
    """The last layer with attribute axes and a base, x_J(u, v_{J−1}, v_J) of a hierarchical network.

    Raises
    ------
    ArgumentError : no layer has attribute axes.
    """
    known = attribute_layers(network)
    if not known:
        raise ArgumentError(
            f"{network!r} has no attribute axes, so no layer to move along them. NewAttribute() makes them, "
            "as in groupscat.nn.hcnn()."
        )
    return max([k for k, space in known.items() if space.base] or known)


def earlier_layer(network: Network, layer: int) -> int | None:
    """One half-way to ``layer``, with as many channels and attributes, to compare it with; None: no such."""
    known = attribute_layers(network)

    def kind(k: int) -> tuple[int, int]:
        return known[k].shape[0], len(attributes(known[k]))

    alike = [k for k in known if k < layer and kind(k) == kind(layer)]
    return alike[len(alike) // 2] if alike else None


def images_passed(space: Space, count: int, rows: int, orders: int) -> int:
    """How many images :func:`symmetries` puts through layers, with their translations and orders.

    >>> from groupscat.space import Axis
    >>> images_passed(Space((Axis("u1", 8), Axis("v1", 4, kind="fiber"))), count=100, rows=10, orders=3)
    260
    """
    return count + rows * (1 + orders) * sum(axis.size for axis in attributes(space))


def symmetries(
    model: Model,
    x: Array,
    labels: ArrayLike,
    layer: int | None = None,
    *,
    rows: Sequence[int] | None = None,
    periodic: bool = True,
    orders: int = 3,
    seed: int = 0,
    advance: Callable[[int], None] = lambda count: None,
) -> Symmetries:
    """Move a layer along each of its attribute axes, and look at what the classes do.

    The output x_j(u, v) of a layer becomes x_j(u, v − τ) for every shift τ. Where translations along v are
    symmetries that the network has learned, the layers after it keep the class or change it little by little,
    and the moved layer is near that of another image. That image is sought by the mean of x_j over u, in
    Euclidean distance, among all others.

    Two controls: the axis in random orders, where the same shift moves as many values but neighbours along v
    are none; and an earlier layer. The newest attribute of the last layer is itself in a random order:
    filters may be numbered in any way, unless a later layer is convolved along them.

    Parameters
    ----------
    model : a network whose output is a number per class.
    x : array, shape (n, *input_shape), of the model's framework and precision. labels : n classes, from 0.
    layer : its number, one of :func:`attribute_layers`; by default the last one that has a base too.
    rows : images to move; by default all. Each has its nearest among all of x, whatever the rows are.
    periodic : what leaves an axis comes back at its other end: translations are then a group, nothing is
        lost, and a mean over the axis does not change. Otherwise zeros come in.
    orders : how many random orders. seed : of them.
    advance : called with numbers of images that are done; :func:`images_passed` is their sum.

    Raises
    ------
    ArgumentError : the layer has no attribute axes (the message names those that have), labels that are no
        classes, rows that there are not. ShapeError : the network is no classifier, or x does not fit.
    NotFiniteError : the layer or the output holds NaN or infinity.

    Source: Jacobsen, Oyallon, Mallat, Smeulders 2017, "Multiscale hierarchical convolutional networks": the
    analysis of the last layer.

    >>> from groupscat import nn
    >>> network = nn.hcnn(K=4, input_shape=(1, 8, 8), classes=3, attributes=(3, 3))
    >>> x = np.random.default_rng(0).normal(size=(9, 1, 8, 8)).astype("float32")
    >>> found = symmetries(nn.Model(network, *nn.init(network)), x, [0, 1, 2] * 3)
    >>> found.layer, found.space.shape
    (52, (1, 2, 2, 2, 4))
    >>> found.along[1].axis, found.along[1].shifts, found.along[1].probabilities.shape
    ('v11', (-2, -1, 0, 1), (4, 3, 3))
    >>> found.along[0].effect.agreement.tolist()  # the next layer is the mean over v10
    [1.0, 1.0]
    """
    at = _layer(model.spec, layer)
    truth = _labels(model.spec, x, labels)
    chosen = _rows(rows, len(truth))
    orders, seed = integer("orders", orders, 0), integer("seed", seed, 0)
    head, tail = _parts(model, at + 1)
    space = head.spec.output_space
    base = tuple(1 + len(space.axes) + place for place in space.base)
    means, right = [], 0
    for batch in _batches(np.arange(len(truth))):
        y = head(_taken(x, batch))
        means.append(_host(y).mean(base, keepdims=True))
        right += int((_host(tail(y)).argmax(1) == truth[batch]).sum())
        advance(len(batch))
    points = np.concatenate(means)
    along = []
    for axis in attributes(space):
        place = space.axes.index(axis) - len(space.axes)
        tables = arrangements(axis.size, orders, seed, periodic)
        answers = []
        for batch in _batches(chosen):
            y = head(_taken(x, batch))
            found = []
            for index in tables.reshape(-1, axis.size):
                found.append(_softmax(_host(tail(arrange(y, index, place)))))
                advance(len(batch))
            answers.append(np.stack(found).reshape(*tables.shape[:2], len(batch), -1))
        moved = ([arrange(points[chosen], i, place) for i in table] for table in tables)
        along.append(translations(axis, np.concatenate(answers, 2), moved, points, truth, chosen))
    alike = (truth[chosen, None] == truth).sum(1) - 1
    return Symmetries(
        layer=at,
        space=space,
        labels=tuple(truth.tolist()),
        rows=tuple(chosen.tolist()),
        classes=tuple(np.unique(truth[chosen]).tolist()),
        accuracy=right / len(truth),
        chance=float(alike.mean() / (len(truth) - 1)),
        along=tuple(along),
    )


def _parts(model: Model, at: int) -> tuple[Model, Model]:
    specs, parameters = split(model.spec, at), split_arrays(model.parameters, at)
    state = split_arrays(model.state, at)
    return Model(specs[0], parameters[0], state[0]), Model(specs[1], parameters[1], state[1])


def _batches(rows: Numbers) -> list[Numbers]:
    return [rows[k : k + BATCH] for k in range(0, len(rows), BATCH)]


def _taken(x: Array, rows: Numbers) -> Array:
    xp = backend_of(x)
    return xp.take(x, xp.asarray(rows.astype(np.int32), "int32", x), 0)


def _host(y: Array) -> F64:
    """On the host, in the precision that distances need."""
    values: F64 = np.asarray(backend_of(y).to_numpy(y), np.float64)
    if not np.isfinite(values).all():
        raise NotFiniteError("The network gives NaN or infinity. Are its numbers and the images finite?")
    return values


def _softmax(y: F64) -> F64:
    powers: F64 = np.exp(y - y.max(1, keepdims=True))
    powers /= powers.sum(1, keepdims=True)
    return powers


def _layer(network: Network, layer: int | None) -> int:
    last, known = last_layer(network), attribute_layers(network)
    if layer is None:
        return last
    if integer("layer", layer, 0) not in known:
        found = "; ".join(f"{k}, {space}" for k, space in known.items())
        raise ArgumentError(f"layer={layer} has no attribute axes. Layers that have some: {found}.")
    return layer


def _labels(network: Network, x: Array, labels: ArrayLike) -> Numbers:
    space, count, numbers = network.output_space, backend_of(x).shape(x)[0], np.asarray(labels)
    if len(space.axes) > 1:
        raise ShapeError(f"The output of {network!r} lives on {space}; expected a number per class, as c:10.")
    if numbers.shape != (count,) or count < 2:
        raise ShapeError(f"{count} images, labels of shape {numbers.shape}: expected one each, of 2 or more.")
    known = np.isin(numbers, np.arange(space.size))
    if not known.all():
        wrong = np.unique(numbers[~known])[:5].tolist()
        raise ArgumentError(f"labels={wrong}: expected classes of {network!r}, 0 … {space.size - 1}.")
    return numbers.astype(np.intp)


def _rows(rows: Sequence[int] | None, count: int) -> Numbers:
    chosen = range(count) if rows is None else [integer("rows", k, 0) for k in rows]
    if not chosen or max(chosen) >= count:
        raise ArgumentError(f"rows={rows}: expected numbers of images in 0 … {count - 1}, one or more.")
    return np.array(chosen, np.intp)
