"""Linear layers without a place: matrices between channels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from groupscat.checks import choice, integer
from groupscat.errors import ShapeError
from groupscat.nn.initial import Constant, Initial, Normal, Orthogonal
from groupscat.nn.layer import Layer, Lowering, channels
from groupscat.plan.nn_ops import MatrixVector, MixChannels, Shift
from groupscat.space import Axis, Space


@dataclass(frozen=True, repr=False)
class Dense(Layer):
    """y = W x + b, from all channels to ``features``; x has no axis but channels.

    Parameters "weight" (features, channels) and "bias" (features,); the weight starts normal, of deviation
    1/√channels: no ReLU is taken to follow.
    """

    features: int
    bias: bool = True

    def __post_init__(self) -> None:
        integer("features", self.features, 1)

    def lower(self, to: Lowering, x: str) -> str:
        space = to.space(x)
        if len(space.axes) > 1:
            raise ShapeError(
                f"Dense takes channels alone, shape (batch, channels), got {space}. Put Flatten() before it, "
                "or Mean over the other axes."
            )
        (inputs,) = space.shape
        w = to.parameter("weight", (self.features, inputs), Normal(math.sqrt(1 / inputs)))
        after = Space((channels(self.features),))
        return _shifted(self.bias, to, to.emit(MatrixVector((x, w), to.register("product")), after))


@dataclass(frozen=True, repr=False)
class Conv1x1(Layer):
    """y(u) = W x(u) + b at every point u, whatever the axes are.

    Parameters "weight" (out_channels, channels) and "bias"; ``initial``: "he" (normal, of deviation
    √(2/channels)) or "orthogonal".
    """

    out_channels: int
    bias: bool = True
    initial: Literal["he", "orthogonal"] = "he"

    def __post_init__(self) -> None:
        integer("out_channels", self.out_channels, 1)
        choice("initial", self.initial, ("he", "orthogonal"))

    def lower(self, to: Lowering, x: str) -> str:
        first, *rest = to.space(x).axes
        points = Axis("points", math.prod(axis.size for axis in rest), kind="fiber")
        start: Initial = Orthogonal() if self.initial == "orthogonal" else Normal(math.sqrt(2 / first.size))
        w = to.parameter("weight", (self.out_channels, first.size), start)
        flat = to.reshape(x, "flat", Space((first, points)))
        mixed = Space((channels(self.out_channels), points))
        y = to.emit(MixChannels((flat, w), to.register("mixed")), mixed)
        y = to.reshape(y, "product", Space((channels(self.out_channels), *rest)))
        return _shifted(self.bias, to, y)


def _shifted(bias: bool, to: Lowering, y: str) -> str:
    if not bias:
        return y
    space = to.space(y)
    b = to.parameter("bias", space.shape[:1], Constant(0))
    return to.emit(Shift((y, b), to.register("y")), space)
