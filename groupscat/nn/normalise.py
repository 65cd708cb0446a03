"""Layers that do one thing while a network is trained and another one afterwards."""

from __future__ import annotations

from dataclasses import dataclass

from groupscat.checks import positive
from groupscat.errors import ArgumentError
from groupscat.nn.initial import Constant
from groupscat.nn.layer import Layer, Lowering
from groupscat.plan.convnd import space_of
from groupscat.plan.nn_ops import ChannelMean, ChannelVariance, MovingAverage, Multiply, Normalise


@dataclass(frozen=True, repr=False)
class BatchNorm(Layer):
    """(x − mean) / √(variance + eps) · weight + bias per channel, over the batch and all other axes.

    In training, mean and variance are those of the batch, and the state "mean" and "variance" moves towards
    them by ``momentum``; afterwards they are the state. The variance divides by the number of values.

    Parameters
    ----------
    affine : whether there are a "weight" and a "bias", one number per channel each.
    momentum : 0 … 1. eps : > 0.

    Source: Ioffe & Szegedy 2015, algorithm 1.
    """

    affine: bool = True
    momentum: float = 0.1
    eps: float = 1e-5

    def __post_init__(self) -> None:
        positive("eps", self.eps)
        if not 0 <= self.momentum <= 1:
            raise ArgumentError(f"momentum={self.momentum!r}: expected a number between 0 and 1.")

    def lower(self, to: Lowering, x: str) -> str:
        space = to.space(x)
        shape = (space.axes[0].size,)
        affine: tuple[str, ...] = ()
        if self.affine:
            affine = to.parameter("weight", shape, Constant(1)), to.parameter("bias", shape, Constant(0))
        mean, variance = to.state("mean", shape, Constant(0)), to.state("variance", shape, Constant(1))
        if to.training:
            old, numbers = (mean, variance), space_of(*shape)
            mean = to.emit(ChannelMean((x,), to.register("batch_mean")), numbers, batched=False)
            op = ChannelVariance((x, mean), to.register("batch_variance"))
            variance = to.emit(op, numbers, batched=False)
            for before, now in zip(old, (mean, variance), strict=True):
                average = MovingAverage((before, now), f"{before}.new", self.momentum)
                to.updates.append(to.emit(average, numbers, batched=False))
        return to.emit(Normalise((x, mean, variance, *affine), to.register("y"), self.eps), space)


@dataclass(frozen=True, repr=False)
class Dropout(Layer):
    """In training, x · mask / keep, the input "mask" being 1 with probability ``keep`` and 0 elsewhere.

    Source: Srivastava et al. 2014.
    """

    keep: float

    def __post_init__(self) -> None:
        if not 0 < self.keep <= 1:
            raise ArgumentError(
                f"keep={self.keep!r}: expected the share of numbers that stay, above 0 and at most 1."
            )

    def lower(self, to: Lowering, x: str) -> str:
        if not to.training:
            return x
        mask = to.mask(to.space(x), self.keep)
        return to.emit(Multiply((x, mask), to.register("y"), 1 / self.keep), to.space(x))
