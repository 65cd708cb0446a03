"""Signals to deform: random ones that are known between the samples, and those of a user."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

#: Standard deviation of the envelope in parts of a side: 3·10⁻⁶ is left of it at the border.
ENVELOPE = 0.1
#: Of the splines.
ORDER = 5


@dataclass(frozen=True)
class Packets:
    """Sums of ``count`` plane waves with |k| ≤ kmax under a Gaussian envelope about the middle.

    Parameters
    ----------
    shape : (..., N_1, …, N_d), of the arrays; the axes before the last ``ndim`` hold different signals.
    kmax : largest frequency, in radians per sample; π is the highest that a grid holds.

    >>> Packets((5, 64), ndim=1)().shape
    (5, 64)
    >>> still, shifted = Packets((64,), ndim=1)(), Packets((64,), ndim=1)(np.full((64, 1), 3.0))
    >>> bool(np.allclose(np.roll(still, 3), shifted, atol=1e-4))
    True
    """

    shape: tuple[int, ...]
    ndim: int
    kmax: float = math.pi / 2
    count: int = 16
    seed: int = 0
    notes: ClassVar[tuple[str, ...]] = ()

    def __call__(self, g: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """x(u − g(u)) at every sample u, for a displacement g of shape (N_1, …, N_d, d)."""
        d, rng = self.ndim, np.random.default_rng(self.seed)
        lead, sides = self.shape[:-d], np.array(self.shape[-d:])
        u = np.indices(self.shape[-d:]).reshape(d, -1).T - (sides - 1) / 2
        points = u if g is None else u - np.asarray(g, np.float64).reshape(-1, d)
        direction = rng.standard_normal((*lead, self.count, d))
        radius = self.kmax * rng.uniform(size=(*lead, self.count, 1)) ** (1 / d)
        k = radius * direction / np.linalg.norm(direction, axis=-1, keepdims=True)
        amplitude = rng.standard_normal((*lead, 1, self.count))
        phase = rng.uniform(0, 2 * math.pi, (*lead, self.count, 1))
        envelope = np.exp(-(((points / (ENVELOPE * sides)) ** 2).sum(axis=-1)) / 2)
        waves = amplitude @ np.cos(k @ points.T + phase)
        return np.asarray((waves * envelope).reshape(self.shape))


@dataclass(frozen=True, eq=False)
class Splines:
    """Given signals (..., N_1, …, N_d), interpolated between their samples and reflected at their ends."""

    x: NDArray[Any]
    ndim: int
    notes: ClassVar[tuple[str, ...]] = (
        f"x was deformed by splines of order {ORDER}: their error is among the errors",
    )

    @property
    def shape(self) -> tuple[int, ...]:
        return self.x.shape

    def __call__(self, g: NDArray[np.float64] | None = None) -> NDArray[Any]:
        """x(u − g(u)) at every sample u."""
        if g is None:
            return self.x
        from scipy.ndimage import map_coordinates

        sides = self.shape[-self.ndim :]
        places = np.indices(sides) - np.moveaxis(g, -1, 0)
        signals = self.x.reshape(-1, *sides)
        moved = [map_coordinates(one, places, order=ORDER, mode="mirror") for one in signals]
        return np.stack(moved).reshape(self.shape)
