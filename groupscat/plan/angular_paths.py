"""The table of paths of roto-translation scattering: wavelets in space, and one along the angle θ."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from groupscat.plan.paths import Path
from groupscat.wavelets.angular import spin
from groupscat.wavelets.morlet import Gabor, Morlet


@dataclass(frozen=True)
class Orbit:
    """All orientations of one wavelet of the plane: what an average over θ leaves of it.

    ``xi`` is the modulus of the centre frequency, cycles/sample.
    """

    mother: Morlet
    theta: None = None

    @property
    def j(self) -> int:
        return self.mother.j

    @property
    def n(self) -> int:
        return self.mother.j

    @property
    def xi(self) -> tuple[float, ...]:
        return (math.hypot(*self.mother.xi),)

    @property
    def sigma(self) -> tuple[float, ...]:
        return self.mother.sigma


@dataclass(frozen=True, repr=False)
class AngularPath(Path):
    """One coefficient | |x ⋆ ψ_1| ⋆ ψ_2 ψ̃ | ⋆ φ with ψ̃ along the orientation θ1 of ψ_1.

    Parameters
    ----------
    wavelets : those in space: (ψ_1,), (ψ_1, ψ_2); (ψ_1,) at order 2 too, where ψ̃ filters averages. Where θ is
        averaged, each is an :class:`Orbit`.
    depth : the order. along : the filter along θ, at order 2.
    alpha : orientation of ψ_2 relative to θ1, in steps of π/L. at : the sample of θ1; None for the average.
    across : the filter along the scales j1, scale-rotation-translation scattering only.
    """

    depth: int = 0
    along: Gabor | None = None
    alpha: int | None = None
    at: int | None = None
    across: Gabor | None = None

    @property
    def order(self) -> int:
        return self.depth

    @property
    def k(self) -> int | None:
        """Scale of the filter along θ; the largest one is the average φ̃."""
        return None if self.along is None else self.along.j

    @property
    def spin(self) -> int | None:
        """Sign of its frequency along the index θ; 0 for φ̃."""
        return None if self.along is None else spin(self.along)

    @property
    def k_scale(self) -> int | None:
        """Scale of the filter along j1; the largest one is its average."""
        return None if self.across is None else self.across.j

    @property
    def spin_scale(self) -> int | None:
        """Sign of its frequency along j1, relative to that along θ where both are wavelets."""
        return None if self.across is None else spin(self.across)

    @property
    def address(self) -> tuple[Any, ...]:
        """Scales, orientations where they are fixed, number of the filter along θ."""
        if self.along is None:
            return self.n
        group = (self.alpha,) if self.alpha is not None else self.theta[1:]
        across = () if self.across is None else (self.across.n,)
        return (*self.j, *(g for g in (*group, self.at) if g is not None), self.along.n, *across)

    @property
    def identity(self) -> tuple[Any, ...]:
        return (self.depth, self.address)

    @property
    def rank(self) -> tuple[Any, ...]:
        if self.along is None:
            return (self.depth, *self.n)
        group = self.alpha if self.alpha is not None else (*self.theta, None)[1]
        alone = len(self.wavelets) == 1
        filters = (self.along.n, -1 if self.across is None else self.across.n)
        return (self.depth, self.j[0], alone, *self.j[1:], group or 0, *filters, self.at or 0)

    def located(self, rows: Mapping[tuple[Any, ...], int], rate: float | None) -> AngularPath:
        """The path with its sampling rate; its parent is the order 1 at the same θ1."""
        above = (1, (self.wavelets[0].n,)) if self.depth == 2 else (0, ())
        return replace(self, parent=rows.get(above, -1) if self.depth else -1, rate=rate)

    def row(self) -> dict[str, Any]:
        row: dict[str, Any] = {"order": self.order, "j": self.j}
        if any(t is not None for t in self.theta):
            row["theta"] = self.theta
        along = {"alpha": self.alpha, "k": self.k, "spin": self.spin, "at": self.at}
        along |= {"k_scale": self.k_scale, "spin_scale": self.spin_scale}
        row |= {name: value for name, value in along.items() if value is not None}
        row |= {"n": self.n, "xi": self.xi, "sigma": self.sigma}
        if self.rate is not None:
            row["hz"] = self.hz
        return row | {"parent": self.parent}
