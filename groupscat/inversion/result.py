"""What a reconstruction returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from groupscat.backend import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Why a descent ends, and what to tell the user.
REASONS = {
    "tolerance": "the tolerance is reached",
    "steps": "all steps are done",
    "no progress": "the error no longer falls",
    "not finite": "the error is no longer finite",
    "interrupted": "interrupted",
}


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """A signal with given coefficients, and how it was found.

    Attributes
    ----------
    x : the best signal met, an array of the target's framework.
    error : ‖S(x) − target‖ / ‖target‖ there (without the division for a target of zeros).
    errors : that of the start, then of every iterate.
    stopped : "tolerance", "steps", "no progress", "not finite" or "interrupted".
    evaluations : values and gradients that were computed. seconds : they took.
    """

    x: Array
    error: float
    errors: tuple[float, ...]
    stopped: str
    evaluations: int
    seconds: float

    @property
    def iterations(self) -> int:
        return len(self.errors) - 1

    @property
    def losses(self) -> tuple[float, ...]:
        """What was minimised, the squares of ``errors``."""
        return tuple(error**2 for error in self.errors)

    def plot(self, ax: Axes | None = None) -> Figure:
        """The error against the steps."""
        from groupscat.plot.reconstruction import errors

        return errors(self, ax)

    def __str__(self) -> str:
        fall = f", {self.errors[0] / self.error:.3g} times less than at the start" if self.error else ""
        return (
            f"relative error {self.error:.2e}{fall}; {self.iterations} steps, "
            f"{self.evaluations} evaluations, {self.seconds:.1f} s; {REASONS[self.stopped]}"
        )
