"""One descent: the best point met, the error of every iterate, and when to stop."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from groupscat.errors import NotFiniteError
from groupscat.inversion.methods import Evaluate, Vector

if TYPE_CHECKING:
    from groupscat.data.progress import Counter

#: A descent ends where the error falls by less than this fraction in ``patience`` steps.
LEAST_FALL = 1e-3


class Stopped(Exception):
    """The descent is over; its only argument says why, a key of ``result.REASONS``."""


class Descent:
    """Makes a loss small, the square of an error, and remembers the best point that it meets.

    Parameters
    ----------
    loss : value and gradient. start : the first point.
    tolerance : the error at which all is well. patience : steps that may pass without a fall.
    """

    def __init__(
        self, loss: Evaluate, start: Vector, tolerance: float, patience: int, counter: Counter
    ) -> None:
        self.loss, self.tolerance, self.patience, self.counter = loss, tolerance, patience, counter
        # Methods work with numbers about 1: their first steps are as long as that.
        self.unit = math.sqrt(np.mean(start**2)) or 1.0
        self.best, self.error = start, math.inf
        self.errors: list[float] = []
        self.evaluations = 0

    def run(self, method: Callable[..., bool], steps: int, low: float, high: float, rate: float) -> str:
        """Descend from the start by one of ``methods.METHODS``; why it ended."""
        z = np.clip(self.best, low, high) / self.unit
        try:
            value, _ = self.evaluate(z)
            self.accepted(value)
            done = method(self.evaluate, z, steps, low / self.unit, high / self.unit, rate, self.step)
        except Stopped as stop:
            return str(stop)
        except KeyboardInterrupt:
            if not self.errors:
                raise
            return "interrupted"
        return "steps" if done else "no progress"

    def evaluate(self, z: Vector) -> tuple[float, Vector]:
        """Loss and gradient by z, the point in units of ``unit``."""
        value, gradient = self.loss(z * self.unit)
        self.evaluations += 1
        if not (math.isfinite(value) and np.isfinite(gradient).all()):
            if self.errors:
                raise Stopped("not finite")
            raise NotFiniteError(
                "S or its gradient is not finite at the start. Pass another start=, or an S whose derivative "
                "is bounded there (that of √ at 0 is not)."
            )
        if math.sqrt(value) < self.error:
            self.error, self.best = math.sqrt(value), z * self.unit
        if self.error <= self.tolerance:  # also in the middle of a line search
            self.errors.append(self.error)
            raise Stopped("tolerance")
        return value, gradient * self.unit

    def step(self, value: float) -> None:
        """The method went to a new point; its loss."""
        self.accepted(value)
        self.counter.advance(1)
        self.counter.say(f"error {self.error:.2e}")
        recent, before = self.errors[-self.patience :], self.errors[: -self.patience]
        if before and min(recent) > (1 - LEAST_FALL) * min(before):
            raise Stopped("no progress")

    def accepted(self, value: float) -> None:
        self.errors.append(math.sqrt(value))
