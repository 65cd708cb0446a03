"""Layers of any framework, as data: their arguments, parameters, plans, and the places of their outputs."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np

from groupscat.checks import choice, integer
from groupscat.convolution.arguments import axes_of, per_axis
from groupscat.errors import ArgumentError, ShapeError
from groupscat.plan.conv_axis import BOUNDARIES, ConvAxis
from groupscat.plan.convnd import ConvShape, convolution_plan
from groupscat.plan.plan import Plan
from groupscat.plan.strategy import check_strategy
from groupscat.space import ELEMENTS, Axis, Space

#: The parameters of a layer by the names that they have in plans.
PLAN_NAMES = {"weight": "w", "mix": "mix"}


class LayerSpec(ABC):
    """What a layer is: frozen, hashable, printable. x has shape (batch, channels, *elements, *axes)."""

    @property
    @abstractmethod
    def ndim(self) -> int:
        """d, the number of base axes."""

    @property
    def order(self) -> int | None:
        """|H| of a layer on a group."""
        return None

    @abstractmethod
    def output_shape(self, shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """The shape of the output for an input of a shape whose batch may be None.

        Raises
        ------
        ShapeError : the layer takes other shapes.
        """

    @abstractmethod
    def plan(self, shape: tuple[int | None, ...]) -> Plan:
        """The plan for real inputs of a shape; its parameters have the names of ``PLAN_NAMES``.

        Raises
        ------
        ArgumentError, ShapeError : as the function of the same name.
        """

    @abstractmethod
    def output_space(self, space: Space) -> Space:
        """Where the outputs lie, for an input that lies at ``space``; without axes of fibers."""

    def base_of(self, space: Space) -> list[Axis]:
        """The base axes of an input's space.

        Raises
        ------
        ShapeError : there are not d of them, or not at the end.
        """
        base = space.base
        if list(base) != list(range(-self.ndim, 0)):
            raise ShapeError(
                f"The space {space} has base axes at {list(base)}; expected {self.ndim} of them, the last "
                "ones. groupscat.space.signal_space makes such a space."
            )
        return list(base.values())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.arguments})"

    @property
    def arguments(self) -> str:
        """The arguments but those that have their default."""
        given = ((f.name, getattr(self, f.name), f.default) for f in fields(self))  # type: ignore[arg-type]
        return ", ".join(f"{name}={value!r}" for name, value, default in given if value != default)


@dataclass(frozen=True, kw_only=True, repr=False)
class ConvSpec(LayerSpec):
    """What convolutions have in common: ``out_channels`` from ``in_channels`` channels.

    ``stride``, ``dilation``, ``padding`` hold for all base axes, or are one each.

    Raises
    ------
    ArgumentError : a value that no convolution can have.
    """

    in_channels: int
    out_channels: int
    stride: int | Sequence[int] = 1
    dilation: int | Sequence[int] = 1
    padding: str | Sequence[str] = "zero"
    groups: int = 1
    bias: bool = True
    strategy: str | None = None

    def __post_init__(self) -> None:
        for name in ("in_channels", "out_channels", "groups"):
            self._set(name, integer(name, getattr(self, name), 1))
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise ArgumentError(
                f"groups={self.groups} must divide in_channels={self.in_channels} and "
                f"out_channels={self.out_channels}."
            )
        for name, check in (
            ("stride", lambda s: integer("stride", s, 1)),
            ("dilation", lambda s: integer("dilation", s, 1)),
            ("padding", lambda p: choice("padding", p, BOUNDARIES)),
        ):
            values = tuple(map(check, per_axis(name, getattr(self, name), self.ndim)))
            self._set(name, values[0] if len(set(values)) == 1 else values)
        check_strategy(self.strategy)

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    @property
    @abstractmethod
    def taps(self) -> tuple[int, ...]:
        """Taps of the filters along the base axes, after the group has moved them."""

    @property
    @abstractmethod
    def parameters(self) -> dict[str, tuple[int, ...]]:
        """The shapes of "weight", and of "mix" and "bias" where there are any."""

    @property
    @abstractmethod
    def deviations(self) -> dict[str, float]:
        """Standard deviations of the normal initial values, He's for ReLU; the bias starts at 0.

        Source: He, Zhang, Ren, Sun 2015, "Delving deep into rectifiers", eq. 10.
        """

    @abstractmethod
    def build_plan(self, sizes: tuple[int, ...]) -> Plan: ...

    @property
    def before(self) -> tuple[int, ...]:
        """Lengths of the axes of the input between the channels and the base: (|H|,) or ()."""
        return ()

    @property
    def after(self) -> tuple[int, ...]:
        """Those of the output."""
        return ()

    @property
    def depth(self) -> int:
        """Input channels that one output sees."""
        return self.in_channels // self.groups

    def axes(self, sizes: Sequence[int]) -> tuple[ConvAxis, ...]:
        """The base axes, of the given lengths.

        Raises
        ------
        ShapeError : without padding, fewer samples than the filters span.
        """
        return axes_of(sizes, self.taps, self.stride, self.dilation, self.padding)

    def plan(self, shape: tuple[int | None, ...]) -> Plan:
        return _plan(self, self.sizes(shape))

    def sizes(self, shape: Sequence[int | None]) -> tuple[int, ...]:
        """The lengths of the base axes of an input of a shape.

        Raises
        ------
        ShapeError : the layer takes other shapes.
        """
        lead = (self.in_channels, *self.before)
        sizes = tuple(shape)[1 + len(lead) :]
        if tuple(shape)[1 : 1 + len(lead)] != lead or len(sizes) != self.ndim:
            wanted = ", ".join(["batch", *map(str, lead), *(f"N_{k}" for k in range(1, self.ndim + 1))])
            raise ShapeError(f"x has shape {tuple(shape)}; expected ({wanted}), for {self!r}.{self._way_out}")
        return known(sizes)

    @property
    def _way_out(self) -> str:
        return " A signal on the base is lifted first: Lift." if self.before else ""

    def output_shape(self, shape: Sequence[int | None]) -> tuple[int | None, ...]:
        results = (axis.outputs for axis in self.axes(self.sizes(shape)))
        return (shape[0], self.out_channels, *self.after, *results)

    def output_space(self, space: Space) -> Space:
        base = self.base_of(space)
        axes = [
            Axis(
                a.name,
                c.outputs,
                a.step * c.stride,
                start=a.start + a.step * c.first,
                periodic=a.periodic and c.padding == "circular" and c.size % c.stride == 0,
            )
            for a, c in zip(base, self.axes([a.size for a in base]), strict=True)
        ]
        return Space((*(Axis(ELEMENTS, n) for n in self.after), *axes))


@dataclass(frozen=True, kw_only=True, repr=False)
class ConvNdSpec(ConvSpec):
    """A convolution along as many axes as ``kernel_size`` has.

    >>> spec = ConvNdSpec(in_channels=3, out_channels=8, kernel_size=(3, 3, 3, 3), stride=(1, 1, 2, 2))
    >>> spec.parameters["weight"], spec.output_shape((None, 3, 9, 9, 9, 9))
    ((8, 3, 3, 3, 3, 3), (None, 8, 9, 9, 5, 5))
    """

    kernel_size: Sequence[int]

    def __post_init__(self) -> None:
        size = self.kernel_size
        size = size.tolist() if isinstance(size, np.ndarray) else size
        if isinstance(size, (int, str)) or not isinstance(size, Sequence) or not size:
            raise ArgumentError(
                f"kernel_size={size!r}: expected one number of taps per axis, for example (3, 3) for images."
            )
        self._set("kernel_size", tuple(integer("kernel_size", k, 1) for k in size))
        super().__post_init__()

    @property
    def ndim(self) -> int:
        return len(self.kernel_size)

    @property
    def taps(self) -> tuple[int, ...]:
        return tuple(self.kernel_size)

    @property
    def parameters(self) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {"weight": (self.out_channels, self.depth, *self.kernel_size)}
        return shapes | ({"bias": (self.out_channels,)} if self.bias else {})

    @property
    def deviations(self) -> dict[str, float]:
        return {"weight": math.sqrt(2 / (self.depth * math.prod(self.kernel_size)))}

    def shape(self, sizes: Sequence[int]) -> ConvShape:
        return ConvShape(self.in_channels, self.out_channels, self.axes(sizes), self.groups)

    def build_plan(self, sizes: tuple[int, ...]) -> Plan:
        return convolution_plan(self.shape(sizes), self.strategy)


def output_space(layers: Any, space: Space) -> Space:
    """Where the outputs of a stack of layers lie: what ``out_space=`` of ``equivariance_error`` is.

    Parameters
    ----------
    layers : a layer with an ``output_space`` method; or layers in order, as a list, a Torch or a Keras
        Sequential, nested as they are. Others, as nonlinearities and normalisation, are taken to leave every
        output where its input was.
    space : where the input lies, as from :func:`groupscat.space.signal_space`.

    >>> from groupscat.space import signal_space
    >>> smooth = ConvNdSpec(in_channels=1, out_channels=1, kernel_size=(3, 3), stride=2, padding="none")
    >>> print(output_space([smooth, abs, smooth], signal_space((15, 15))))
    u1:3/4@3 × u2:3/4@3
    """
    if callable(getattr(layers, "output_space", None)):
        found: Space = layers.output_space(space)
        return found
    inner = getattr(layers, "layers", layers)
    for layer in inner if isinstance(inner, Iterable) else ():
        space = output_space(layer, space)
    return space


def known(sizes: tuple[int | None, ...]) -> tuple[int, ...]:
    known = tuple(n for n in sizes if n is not None)
    if len(known) != len(sizes):
        raise ShapeError(
            f"x has the unknown lengths {sizes}; a plan needs all but the batch. Say them where x comes "
            "from, for example keras.Input(shape=(3, 28, 28))."
        )
    return known


@lru_cache(maxsize=1024)
def _plan(spec: ConvSpec, sizes: tuple[int, ...]) -> Plan:
    return spec.build_plan(sizes)
