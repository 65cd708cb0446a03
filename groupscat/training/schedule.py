"""How the rate of learning changes: a function of the share of training that is done."""

from __future__ import annotations

import bisect
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from groupscat.checks import positive, share
from groupscat.errors import ArgumentError


class Schedule(ABC):
    """The rate at a time from 0 to 1: a shorter training goes through the same rates, faster."""

    @abstractmethod
    def rate(self, time: float) -> float: ...


@dataclass(frozen=True)
class Steps(Schedule):
    """``rates[k]`` from the time ``at[k − 1]`` on.

    >>> Steps(rates=(0.1, 0.02), at=(0.5,)).rate(0.5)
    0.02
    """

    rates: Sequence[float]
    at: Sequence[float]

    def __post_init__(self) -> None:
        try:
            rates, at = tuple(self.rates), tuple(map(float, self.at))
        except (TypeError, ValueError):
            raise ArgumentError(
                f"rates={self.rates!r}, at={self.at!r}: expected numbers, such as (0.1, 0.01) and (0.5,)."
            ) from None
        rates = tuple(positive("rates", rate) for rate in rates)
        if len(rates) != len(at) + 1 or list(at) != sorted(set(at)) or any(not 0 < t < 1 for t in at):
            raise ArgumentError(
                f"rates={rates}, at={at}: expected rising times between 0 and 1, one fewer than rates."
            )
        object.__setattr__(self, "rates", rates)
        object.__setattr__(self, "at", at)

    def rate(self, time: float) -> float:
        return self.rates[bisect.bisect_right(self.at, time)]


@dataclass(frozen=True)
class Cosine(Schedule):
    """From ``peak`` to 0 by half a cosine, after a straight rise over the share ``warmup`` of the time.

    Source: Loshchilov & Hutter 2017, "SGDR", eq. 5, without restarts.

    >>> Cosine(0.1).rate(0.5)
    0.05
    """

    peak: float
    warmup: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "peak", positive("peak", self.peak))
        object.__setattr__(self, "warmup", share("warmup", self.warmup))

    def rate(self, time: float) -> float:
        if time < self.warmup:
            return self.peak * (time / self.warmup)
        return self.peak * (0.5 + 0.5 * math.cos(math.pi * (time - self.warmup) / (1 - self.warmup)))
