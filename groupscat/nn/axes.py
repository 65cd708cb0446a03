"""Layers that change axes: new ones, means over old ones, pooling."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from groupscat.checks import choice, integer
from groupscat.errors import ArgumentError, ShapeError
from groupscat.nn.layer import Layer, Lowering, channels, place
from groupscat.plan.conv_ops import Rearrange, Reduce
from groupscat.plan.nn_ops import Surround
from groupscat.space import Axis, Space

#: Attribute axes are v1, v2, …, in the order of the layers that made them.
ATTRIBUTE = re.compile(r"v(\d+)")


def attributes(space: Space) -> list[Axis]:
    """The attribute axes, oldest first."""
    return [axis for axis in space.axes if ATTRIBUTE.fullmatch(axis.name)]


@dataclass(frozen=True, repr=False)
class NewAttribute(Layer):
    """The channels become the newest attribute axis, the last one, along which filters can move.

    (channels, …) becomes (1, …, channels): x_j(u, v_{j−1}, v_j) of a hierarchical network, v_j being what was
    the number of a filter.

    Source: Jacobsen, Oyallon, Mallat, Smeulders 2017, "Multiscale hierarchical convolutional networks".
    """

    def lower(self, to: Lowering, x: str) -> str:
        first, *rest = to.space(x).axes
        numbers = [int(axis.name[1:]) for axis in attributes(to.space(x))]
        newest = Axis(f"v{max(numbers, default=0) + 1}", first.size, kind="fiber")
        after = Space((channels(1), *rest, newest))
        before = (-1, *to.space(x).shape)
        order = (0, *range(2, len(before)), 1)
        return to.emit(Rearrange((x,), to.register("y"), before, order, (-1, *after.shape)), after)


@dataclass(frozen=True, repr=False)
class Mean(Layer):
    """The mean over the axes of some names, for example Mean(("u1", "u2"))."""

    axes: str | Sequence[str]

    def __post_init__(self) -> None:
        names = (self.axes,) if isinstance(self.axes, str) else tuple(self.axes)
        if not names or "c" in names or len(set(names)) < len(names):
            raise ArgumentError(
                f'axes={self.axes!r}: expected names of axes, each once, such as ("u1", "u2"); channels stay.'
            )
        object.__setattr__(self, "axes", names)

    def lower(self, to: Lowering, x: str) -> str:
        space = to.space(x)
        places = tuple(place(self, space, name) for name in self.axes)
        after = Space(tuple(axis for axis in space.axes if axis.name not in self.axes))
        count = math.prod(space.axes[k].size for k in places)
        return to.emit(Reduce((x,), to.register("y"), places, "mean", count), after)


@dataclass(frozen=True, repr=False)
class Pool(Layer):
    """The maximum or the mean of windows side by side, ``window`` samples along every base axis u1, u2, …"""

    window: int = 2
    reduce: Literal["max", "mean"] = "max"

    def __post_init__(self) -> None:
        integer("window", self.window, 1)
        choice("reduce", self.reduce, ("max", "mean"))

    def lower(self, to: Lowering, x: str) -> str:
        space, k = to.space(x), self.window
        base = {len(space.axes) + at for at in space.base}
        cut: list[Axis] = []
        places, after = [], []
        for at, axis in enumerate(space.axes):
            if at not in base:
                cut.append(axis)
                after.append(axis)
                continue
            if axis.size % k:
                raise ShapeError(
                    f"A window of {k} does not divide the {axis.size} samples of axis {axis.name}. "
                    "Choose one that does, or a stride that halves the axis before."
                )
            windows = replace(
                axis, size=axis.size // k, step=axis.step * k, start=axis.start + axis.step * (k - 1) / 2
            )
            cut += [windows, Axis(f"{axis.name} within", k, kind="fiber")]
            places.append(len(cut))
            after.append(windows)
        if not base:
            raise ShapeError(f"Pool needs base axes, got {space}.")
        x = to.reshape(x, "windows", Space(tuple(cut)))
        op = Reduce((x,), to.register("y"), tuple(places), self.reduce, k ** len(base))
        return to.emit(op, Space(tuple(after)))


@dataclass(frozen=True, repr=False)
class Pad(Layer):
    """``margin`` zeros at both ends of every base axis u1, u2, …

    Before a convolution of 3 taps with padding="none" and a stride, it makes the filters sit on the first
    sample, whatever the size, where those of a shortcut with the same stride and one tap sit too.
    """

    margin: int = 1

    def __post_init__(self) -> None:
        integer("margin", self.margin, 1)

    def lower(self, to: Lowering, x: str) -> str:
        space = to.space(x)
        if not space.base:
            raise ShapeError(f"Pad needs base axes, got {space}.")
        margin, after = [(0, 0)] * len(space.axes), list(space.axes)
        for at, axis in space.base.items():
            margin[at] = (self.margin, self.margin)
            after[at] = replace(
                axis, size=axis.size + 2 * self.margin, start=axis.start - axis.step * self.margin
            )
        return to.emit(Surround((x,), to.register("y"), tuple(margin)), Space(tuple(after)))


@dataclass(frozen=True, repr=False)
class Flatten(Layer):
    """All axes become channels: shape (batch, channels · …)."""

    def lower(self, to: Lowering, x: str) -> str:
        return to.reshape(x, "y", Space((channels(to.space(x).size),)))
