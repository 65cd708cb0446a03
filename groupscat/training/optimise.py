"""How parameters follow their gradients: as data, in primitives, the same numbers in every framework.

Those of the frameworks differ in what they keep: Keras scales the momentum by the rate, Torch does not.
Training begun with one could not go on with the other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from groupscat.backend import Array, Backend
from groupscat.checks import positive, share
from groupscat.errors import ArgumentError


class Optimiser(ABC):
    """The rule of one parameter w with gradient g.

    ``slots``: the arrays that it keeps beside each parameter, zeros at first.
    """

    slots: ClassVar[tuple[str, ...]] = ()

    def numbers(self, rate: float, step: int) -> dict[str, float]:
        """What changes from step to step, of which the first is 1."""
        return {"rate": rate}

    @abstractmethod
    def update(
        self, xp: Backend, w: Array, g: Array, slots: tuple[Array, ...], numbers: dict[str, Array]
    ) -> tuple[Array, tuple[Array, ...]]:
        """The new parameter, and what is kept beside it."""


@dataclass(frozen=True)
class SGD(Optimiser):
    """Stochastic gradient descent: v ← momentum v + g; w ← w − rate (g + momentum v), or w − rate v.

    Parameters
    ----------
    momentum : 0 … 1. nesterov : the first of the two, which looks ahead.

    Source: Sutskever, Martens, Dahl, Hinton 2013, "On the importance of initialization and momentum", eq.
    3–4, in the form of Torch's SGD.
    """

    momentum: float = 0.9
    nesterov: bool = True
    slots: ClassVar[tuple[str, ...]] = ("momentum",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "momentum", share("momentum", self.momentum))
        if not isinstance(self.nesterov, bool):
            raise ArgumentError(f"nesterov={self.nesterov!r}: expected True or False.")

    def update(
        self, xp: Backend, w: Array, g: Array, slots: tuple[Array, ...], numbers: dict[str, Array]
    ) -> tuple[Array, tuple[Array, ...]]:
        (v,) = slots
        v = v * self.momentum + g
        step = g + v * self.momentum if self.nesterov else v
        return w - step * numbers["rate"], (v,)


@dataclass(frozen=True)
class Adam(Optimiser):
    """Steps by the mean gradient over the root of its mean square, both corrected for their start at 0.

    Parameters
    ----------
    beta1, beta2 : how slowly mean and mean square forget. eps : added to the root.

    Source: Kingma & Ba 2015, algorithm 1.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    slots: ClassVar[tuple[str, ...]] = ("mean", "square")

    def __post_init__(self) -> None:
        for name, check in (("beta1", share), ("beta2", share), ("eps", positive)):
            object.__setattr__(self, name, check(name, getattr(self, name)))

    def numbers(self, rate: float, step: int) -> dict[str, float]:
        return {"rate": rate / (1 - self.beta1**step), "correction": 1 / (1 - self.beta2**step)}

    def update(
        self, xp: Backend, w: Array, g: Array, slots: tuple[Array, ...], numbers: dict[str, Array]
    ) -> tuple[Array, tuple[Array, ...]]:
        mean, square = slots
        mean = mean * self.beta1 + g * (1 - self.beta1)
        square = square * self.beta2 + g * g * (1 - self.beta2)
        root = xp.power(square * numbers["correction"], 0.5) + self.eps
        return w - mean * xp.power(root, -1.0) * numbers["rate"], (mean, square)
