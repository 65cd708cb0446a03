"""Blocks whose input is added to their output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from groupscat.errors import ShapeError
from groupscat.nn.adapt import as_layers
from groupscat.nn.layer import Layer, Lowering
from groupscat.plan.nn_ops import Add


@dataclass(frozen=True, repr=False)
class Residual(Layer):
    """y = body(x) + shortcut(x).

    Parameters
    ----------
    body, shortcut : layers, each on the one before; no shortcut: x itself.

    Source: He, Zhang, Ren, Sun 2016, "Deep residual learning for image recognition", eq. 1 and 2.
    """

    body: Any
    shortcut: Any = ()

    def __post_init__(self) -> None:
        for name in ("body", "shortcut"):
            object.__setattr__(self, name, as_layers(getattr(self, name)))

    def __repr__(self) -> str:
        return f"Residual({len(self.body)} layers{', and a shortcut' if self.shortcut else ''})"

    def lower(self, to: Lowering, x: str) -> str:
        y, z = to.chain(self.body, x, "body"), to.chain(self.shortcut, x, "shortcut")
        if to.space(y).shape != to.space(z).shape:
            other = "The shortcut gives" if self.shortcut else "Without a shortcut it is added to"
            raise ShapeError(
                f"The body gives {to.space(y)}. {other} {to.space(z)}: expected the same shape. A shortcut "
                "with the strides of the body, to as many channels, makes it so."
            )
        return to.emit(Add((y, z), to.register("sum")), to.space(y))
