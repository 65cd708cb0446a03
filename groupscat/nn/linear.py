"""Linear layers without a place: matrices between channels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from groupscat.checks import choice, integer
from groupscat.errors import ArgumentError, ShapeError
from groupscat.nn.constraint import Constraint, Parseval, checked
from groupscat.nn.initial import Constant, Initial, Normal, Orthogonal
from groupscat.nn.layer import Layer, Lowering, channels
from groupscat.nn.pointwise import Pointwise, SoftThreshold
from groupscat.plan.nn_ops import MatrixVector, MixChannels, Shift
from groupscat.space import Axis, Space


@dataclass(frozen=True, repr=False)
class Dense(Layer):
    """y = W x + b, from all channels to ``features``; x has no axis but channels.

    Parameters "weight" (features, channels) and "bias" (features,); the weight starts normal, of deviation
    1/√channels: no ReLU is taken to follow. ``constraint``: what W is held to, for example
    ``SpectralBound()``, ‖W‖ ≤ 1.
    """

    features: int
    bias: bool = True
    constraint: Constraint | None = None

    def __post_init__(self) -> None:
        integer("features", self.features, 1)
        checked(self.constraint)

    def lower(self, to: Lowering, x: str) -> str:
        space = to.space(x)
        if len(space.axes) > 1:
            raise ShapeError(
                f"Dense takes channels alone, shape (batch, channels), got {space}. Put Flatten() before it, "
                "or Mean over the other axes."
            )
        (inputs,) = space.shape
        start = Normal(math.sqrt(1 / inputs))
        w = to.parameter("weight", (self.features, inputs), start, self.constraint)
        after = Space((channels(self.features),))
        return _shifted(self.bias, to, to.emit(MatrixVector((x, w), to.register("product")), after))


@dataclass(frozen=True, repr=False)
class Conv1x1(Layer):
    """y(u) = W x(u) + b at every point u, whatever the axes are.

    Parameters "weight" (out_channels, channels) and "bias"; ``initial``: "he" (normal, of deviation
    √(2/channels)) or "orthogonal". ``constraint``: what W is held to.
    """

    out_channels: int
    bias: bool = True
    initial: Literal["he", "orthogonal"] = "he"
    constraint: Constraint | None = None

    def __post_init__(self) -> None:
        integer("out_channels", self.out_channels, 1)
        checked(self.constraint)
        choice("initial", self.initial, ("he", "orthogonal"))

    def lower(self, to: Lowering, x: str) -> str:
        first, *rest = to.space(x).axes
        start: Initial = Orthogonal() if self.initial == "orthogonal" else Normal(math.sqrt(2 / first.size))
        w = to.parameter("weight", (self.out_channels, first.size), start, self.constraint)
        y = _mixed(to, _points(to, x), w, "mixed", self.out_channels)
        y = to.reshape(y, "product", Space((channels(self.out_channels), *rest)))
        return _shifted(self.bias, to, y)


@dataclass(frozen=True, repr=False)
class TightFrame(Layer):
    """y(u) = Fᵀ ρ(F x(u)) at every point u: from the channels to ``features`` and, what ρ leaves, back.

    Parameter "weight" F (features, channels), which starts orthogonal and is held to a tight frame, FᵀF = Id:
    without ρ the layer changes nothing.

    Parameters
    ----------
    features : p. rho : ρ; None: SoftThreshold(1.5/√p), for x of norm 1, as DivisiveNorm() makes it; the other
        published one is ReLU(threshold=1/√p). rate : of the constraint, :class:`Parseval`.

    Source: Zarka, Guth, Mallat 2021, "Separation and concentration in deep networks". The released code also
    gives the rows of F one norm; here the constraint is all that holds them.
    """

    features: int
    rho: Layer | None = None
    rate: float = 5e-4

    def __post_init__(self) -> None:
        integer("features", self.features, 1)
        Parseval(self.rate)
        if self.rho is None:
            object.__setattr__(self, "rho", SoftThreshold(1.5 / math.sqrt(self.features)))
        if not isinstance(self.rho, Pointwise):
            raise ArgumentError(
                f"rho={self.rho!r}: expected a nonlinearity such as groupscat.nn.ReLU(threshold=0.1)."
            )

    def lower(self, to: Lowering, x: str) -> str:
        space = to.space(x)
        first = space.axes[0]
        assert self.rho is not None
        f = to.parameter("weight", (self.features, first.size), Orthogonal(), Parseval(self.rate))
        y = _mixed(to, _points(to, x), f, "analysis", self.features)
        y = to.chain((self.rho,), y, "rho")
        y = _mixed(to, y, f, "synthesis", first.size, transposed=True)
        return to.reshape(y, "y", space)


def _points(to: Lowering, x: str) -> str:
    """(channels, …) → (channels, points)."""
    first, *rest = to.space(x).axes
    points = Axis("points", math.prod(axis.size for axis in rest), kind="fiber")
    return to.reshape(x, "flat", Space((first, points)))


def _mixed(to: Lowering, x: str, w: str, what: str, outputs: int, transposed: bool = False) -> str:
    """(channels, points) → (outputs, points)."""
    after = Space((channels(outputs), *to.space(x).axes[1:]))
    return to.emit(MixChannels((x, w), to.register(what), transposed), after)


def _shifted(bias: bool, to: Lowering, y: str) -> str:
    if not bias:
        return y
    space = to.space(y)
    b = to.parameter("bias", space.shape[:1], Constant(0))
    return to.emit(Shift((y, b), to.register("y")), space)
