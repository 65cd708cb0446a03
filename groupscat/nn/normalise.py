"""Layers that centre and scale, and the dropout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from groupscat.checks import integer, positive
from groupscat.errors import ArgumentError, ShapeError
from groupscat.nn.initial import Constant
from groupscat.nn.layer import Layer, Lowering
from groupscat.plan.convnd import space_of
from groupscat.plan.nn_ops import (
    CentreScale,
    ChannelMean,
    ChannelVariance,
    DivideByNeighbours,
    MovingAverage,
    Multiply,
    Normalise,
    Numbers,
)


@dataclass(frozen=True, repr=False)
class Standardise(Layer):
    """(x − mean) / deviation per channel, by fixed numbers: with it a saved model takes raw pixels.

    Parameters
    ----------
    mean, deviation : one number per channel each, in the units of x; deviations > 0. Neither is learned.

    Raises
    ------
    ArgumentError : numbers that are not finite, a deviation that is not positive, not as many of both.
    ShapeError, on making the network : not as many as there are channels.

    >>> import numpy as np
    >>> from groupscat.nn import Network, apply
    >>> network = Network([Standardise(mean=(128, 64), deviation=(32, 16))], (2, 1))
    >>> apply(network, {}, {}, np.array([[[192.0], [48.0]]]))[0].tolist()
    [[[2.0], [-1.0]]]
    """

    mean: Sequence[float]
    deviation: Sequence[float]

    def __post_init__(self) -> None:
        for name, least in (("mean", -math.inf), ("deviation", 0.0)):
            object.__setattr__(self, name, _numbers(name, getattr(self, name), least))
        if len(self.mean) != len(self.deviation):
            raise ArgumentError(
                f"mean={self.mean} and deviation={self.deviation}: expected as many numbers of both, one per "
                "channel."
            )

    def lower(self, to: Lowering, x: str) -> str:
        space = to.space(x)
        if space.axes[0].size != len(self.mean):
            raise ShapeError(
                f"It has numbers for {len(self.mean)} channels, got {space}: expected {space.axes[0].size} "
                "means and deviations, one for each channel."
            )
        mean = to.b.constant(Numbers(tuple(self.mean)))
        scale = to.b.constant(Numbers(tuple(1 / d for d in self.deviation)))
        return to.emit(CentreScale((x, mean, scale), to.register("y")), space)


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
        norm = Normalise((x, mean, variance, *affine), to.register("y"), self.eps, own=to.training)
        return to.emit(norm, space)


@dataclass(frozen=True, repr=False)
class DivisiveNorm(Layer):
    """x / (constant + scale · Σ x²)^exponent, summed over the neighbours in space and among channels.

    By default the sum is over all channels at the same point: x / ‖x(u, ·)‖, ℓ² normalisation. Where there is
    an axis of group elements or of attributes, each of its places is on its own.

    Parameters
    ----------
    window : samples along every base axis u1, u2, …, an odd number, centred; signals are 0 outside.
    channels : channels c − channels//2 … c + channels//2, an odd number; None: all.
    constant : > 0, so that 0 / 0 does not happen. scale, exponent : > 0.

    Source: Carandini & Heeger 2012, "Normalization as a canonical neural computation"; over channels:
    Krizhevsky, Sutskever, Hinton 2012, section 3.3, DivisiveNorm(channels=5, constant=2, scale=1e-4,
    exponent=0.75); in space: Jarrett, Kavukcuoglu, Ranzato, LeCun 2009; ℓ²: Zarka, Guth, Mallat 2021.

    >>> import numpy as np
    >>> from groupscat.nn import Network, apply
    >>> network = Network([DivisiveNorm()], (2, 1))
    >>> apply(network, {}, {}, np.array([[[3.0], [4.0]]]))[0].round(9).tolist()
    [[[0.6], [0.8]]]
    """

    window: int = 1
    channels: int | None = None
    constant: float = 1e-12
    scale: float = 1.0
    exponent: float = 0.5

    def __post_init__(self) -> None:
        for name in ("window", "channels"):
            value = getattr(self, name)
            if value is not None and integer(name, value, 1) % 2 == 0:
                raise ArgumentError(
                    f"{name}={value}: expected an odd number, so that the window has a centre."
                )
        for name in ("constant", "scale", "exponent"):
            positive(name, getattr(self, name))

    def lower(self, to: Lowering, x: str) -> str:
        space = to.space(x)
        windows: list[int | None] = [1] * len(space.axes)
        windows[0] = self.channels
        if self.window != 1 and not space.base:
            raise ShapeError(
                f"window={self.window} needs base axes, got {space}. Leave it out: channels alone."
            )
        for axis in space.base:
            windows[axis] = self.window
        op = DivideByNeighbours(
            (x,), to.register("y"), tuple(windows), self.constant, self.scale, self.exponent
        )
        return to.emit(op, space)


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


def _numbers(name: str, values: object, above: float) -> tuple[float, ...]:
    """``values`` as finite floats > ``above``."""
    try:
        numbers = tuple(map(float, values))  # type: ignore[call-overload]
    except (TypeError, ValueError):
        numbers = ()
    if not numbers or isinstance(values, str) or not all(above < n < math.inf for n in numbers):
        wanted = "positive numbers" if above == 0 else "finite numbers"
        raise ArgumentError(
            f"{name}={values!r}: expected {wanted}, one per channel, such as (0.5, 0.5, 0.5)."
        )
    return numbers
