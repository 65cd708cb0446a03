"""The nonlinearities ρ: layers that act on every number alike."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass

from groupscat.backend import Array, Backend
from groupscat.checks import positive
from groupscat.errors import ArgumentError
from groupscat.nn.layer import Layer, Lowering
from groupscat.plan.nn_ops import Activate


@dataclass(frozen=True, repr=False)
class Pointwise(Layer):
    """y = ρ(x), of the shape of x. A subclass of one's own says what ρ is, in primitives of a backend."""

    @abstractmethod
    def __call__(self, xp: Backend, x: Array) -> Array: ...

    def lower(self, to: Lowering, x: str) -> str:
        return to.emit(Activate((x,), to.register("y"), self), to.space(x))


@dataclass(frozen=True, repr=False)
class ReLU(Pointwise):
    """max(x − threshold, 0), on the first ⌊fraction · C⌋ of C channels; the others pass.

    Source: Oyallon 2017, "Building a regular decision boundary with deep networks"; with a threshold: Zarka,
    Guth, Mallat 2021, "Separation and concentration in deep networks".

    >>> import numpy as np
    >>> from groupscat.backend import get_backend
    >>> ReLU(fraction=0.5)(get_backend("numpy"), np.array([[-1.0, -2.0]])).tolist()
    [[0.0, -2.0]]
    """

    fraction: float = 1.0
    threshold: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.threshold < math.inf:
            raise ArgumentError(f"threshold={self.threshold!r}: expected a number ≥ 0.")
        if not 0 <= self.fraction <= 1:
            raise ArgumentError(f"fraction={self.fraction!r}: expected a number between 0 and 1.")

    def __call__(self, xp: Backend, x: Array) -> Array:
        channels = xp.shape(x)[1]
        # A decimal fraction of the channels is meant exactly: ⌊.29 · 100⌋ is 29.
        count = math.floor(self.fraction * channels + 1e-9)
        if count in (0, channels):
            return self._above(xp, x) if count else x
        return xp.concat([self._above(xp, x[:, :count, ...]), x[:, count:, ...]], 1)

    def _above(self, xp: Backend, x: Array) -> Array:
        return xp.relu(x - self.threshold if self.threshold else x)


@dataclass(frozen=True, repr=False)
class ELU(Pointwise):
    """x where x > 0, elsewhere alpha (e^x − 1).

    Source: Clevert, Unterthiner, Hochreiter 2016, "Fast and accurate deep network learning by ELUs".
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        positive("alpha", self.alpha)

    def __call__(self, xp: Backend, x: Array) -> Array:
        return xp.elu(x, self.alpha)


@dataclass(frozen=True, repr=False)
class Modulus(Pointwise):
    """|x|; its gradient at 0 is 0."""

    def __call__(self, xp: Backend, x: Array) -> Array:
        return xp.modulus(x)


@dataclass(frozen=True, repr=False)
class SoftThreshold(Pointwise):
    """sign(x) max(|x| − threshold, 0).

    Source: Zarka, Guth, Mallat 2021, "Separation and concentration in deep networks".
    """

    threshold: float

    def __post_init__(self) -> None:
        positive("threshold", self.threshold)

    def __call__(self, xp: Backend, x: Array) -> Array:
        return xp.relu(x - self.threshold) - xp.relu(x * -1.0 - self.threshold)


@dataclass(frozen=True, repr=False)
class SignedRoot(Pointwise):
    """sign(x) (√(|x| + eps) + jump): odd, not continuous, growing slower than x.

    Source: Oyallon 2017, "Building a regular decision boundary with deep networks".
    """

    eps: float = 1e-5
    jump: float = 0.1

    def __post_init__(self) -> None:
        positive("eps", self.eps)
        positive("jump", self.jump)

    def __call__(self, xp: Backend, x: Array) -> Array:
        size = xp.power(xp.modulus(x) + self.eps, 0.5) + self.jump
        return xp.where(x > 0, size, 0.0) - xp.where(x < 0, size, 0.0)
