"""Where a signal lives: named, sampled axes. A :class:`Space` carries no data.

A signal is a function on an index space P = G × B (Mallat 2016, section 5): *group* axes are the ones
a group moves the signal along, *fiber* axes index the set B of fibers (scattering paths, channels).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Axis:
    """One sampled axis: ``size`` samples, ``step`` input samples apart.

    >>> str(Axis("u1", 8, step=4))
    'u1:8/4'
    """

    name: str
    size: int
    step: int = 1
    kind: Literal["group", "fiber"] = "group"

    def __str__(self) -> str:
        return f"{self.name}:{self.size}" + (f"/{self.step}" if self.step != 1 else "")


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

    def __str__(self) -> str:
        return " × ".join(map(str, self.axes))


def signal_axes(sizes: tuple[int, ...], steps: tuple[int, ...]) -> tuple[Axis, ...]:
    """The base axes u1 … ud of a sampled signal on R^d."""
    return tuple(
        Axis(f"u{k}", size, step) for k, (size, step) in enumerate(zip(sizes, steps, strict=True), start=1)
    )
