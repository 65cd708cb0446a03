"""Where a signal lives: named, sampled axes. A :class:`Space` carries no data.

A signal is a function on an index space P = G × B (Mallat 2016, section 5): *group* axes are the ones
a group moves the signal along, *fiber* axes index the set B of fibers (scattering paths, channels).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from groupscat.errors import ArgumentError
from groupscat.groups.group import Group

#: The name of the axis that holds the elements of a finite group; other group axes are those of R^d.
ELEMENTS = "h"


@dataclass(frozen=True)
class Axis:
    """One sampled axis: sample j of ``size`` lies at start + step·j, in input samples.

    A ``periodic`` axis goes on from its end to its start; elsewhere a signal is 0 outside of its axis.
    Along the elements of a finite group, the position is the element's number in ``elements()``.

    >>> str(Axis("u1", 8, step=4)), str(Axis("u1", 8, step=4, start=1.5, periodic=True))
    ('u1:8/4', 'u1:8/4@1.5~')
    >>> Axis("u1", 8, step=4).middle
    14.0
    """

    name: str
    size: int
    step: int = 1
    kind: Literal["group", "fiber"] = "group"
    start: float = 0
    periodic: bool = False

    @property
    def middle(self) -> float:
        """The position half-way between the first sample and the last."""
        return self.start + self.step * (self.size - 1) / 2

    def __str__(self) -> str:
        step = f"/{self.step}" if self.step != 1 else ""
        start = f"@{self.start:g}" if self.start else ""
        return f"{self.name}:{self.size}{step}{start}" + "~" * self.periodic


@dataclass(frozen=True)
class Space:
    """The trailing axes of an array, in order; leading (batch) axes are never part of a space.

    >>> space = Space((Axis("path", 17, kind="fiber"), Axis("u1", 8, step=4)))
    >>> print(space, space.shape, space.size)
    path:17 × u1:8/4 (17, 8) 136
    """

    axes: tuple[Axis, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(axis.size for axis in self.axes)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def base(self) -> dict[int, Axis]:
        """The axes of R^d by their (negative) places, in order."""
        return {k: a for k, a in self._group_axes.items() if a.name != ELEMENTS}

    @property
    def elements(self) -> dict[int, Axis]:
        """The axis of the elements of a finite group by its (negative) place; empty for a signal on R^d."""
        return {k: a for k, a in self._group_axes.items() if a.name == ELEMENTS}

    @property
    def _group_axes(self) -> dict[int, Axis]:
        places = range(-len(self.axes), 0)
        return {k: axis for k, axis in zip(places, self.axes, strict=True) if axis.kind == "group"}

    def __str__(self) -> str:
        return " × ".join(map(str, self.axes))


def signal_axes(
    sizes: tuple[int, ...],
    steps: tuple[int, ...],
    starts: tuple[float, ...] | None = None,
    periodic: bool = False,
) -> tuple[Axis, ...]:
    """The base axes u1 … ud of a sampled signal on R^d; ``starts`` is 0 everywhere by default."""
    places = zip(sizes, steps, starts or (0,) * len(sizes), strict=True)
    return tuple(
        Axis(f"u{k}", size, step, start=start, periodic=periodic)
        for k, (size, step, start) in enumerate(places, start=1)
    )


def signal_space(
    shape: tuple[int, ...],
    group: Group | None = None,
    *,
    step: int = 1,
    start: float = 0,
    periodic: bool = False,
) -> Space:
    """The space of a signal on R^d, or on R^d ⋊ H with the elements of H before the base axes.

    Parameters
    ----------
    shape : (N_1, …, N_d), the base axes only; arrays are (..., N_1, …, N_d) or (..., |H|, N_1, …, N_d).
    group : the signal has an axis of the elements of H = ``group.point_group``, which is finite.
    step, start : sample j of every base axis lies at start + step·j, in input samples.
    periodic : whether the base axes are.

    Raises
    ------
    ArgumentError : the group acts on another number of axes.

    >>> from groupscat.groups import SE2
    >>> print(signal_space((32, 48)))
    u1:32 × u2:48
    >>> print(signal_space((8, 8), SE2(4), step=4, periodic=True))
    h:4 × u1:8/4~ × u2:8/4~
    """
    d = len(shape)
    axes = signal_axes(tuple(shape), (step,) * d, (start,) * d, periodic)
    if group is None:
        return Space(axes)
    if group.ndim != d:
        raise ArgumentError(
            f"{group!r} acts on {group.ndim} axes, got shape {shape} of {d}. shape= are the base axes only: "
            "leave out channels and the elements of the group."
        )
    return Space((Axis(ELEMENTS, len(group.point_group.elements())), *axes))
