"""Networks as data: layers that fit together, lowered to one plan."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from groupscat.checks import integer
from groupscat.errors import ArgumentError, ShapeError
from groupscat.nn.adapt import as_layers
from groupscat.nn.constraint import Constraint
from groupscat.nn.initial import Initial
from groupscat.nn.layer import Lowering, Row, channels, checked_axes
from groupscat.plan.paths import Paths
from groupscat.plan.plan import Plan
from groupscat.space import Axis, Space, signal_axes


@dataclass(frozen=True)
class Lowered:
    """A network as a plan: its outputs are the network's, and in training the new state after it."""

    plan: Plan
    initial: dict[str, Initial]
    constraints: dict[str, Constraint]
    masks: dict[str, float]
    rows: tuple[Row, ...]


@dataclass(frozen=True, repr=False)
class Network:
    """Layers, each on the output of the one before: frozen, hashable, without numbers.

    Parameters
    ----------
    layers : of groupscat.nn; ``ConvNdSpec``, ``LiftSpec``, ``GroupConvSpec`` and ``GroupPoolSpec`` of
        ``groupscat.convolution``; scattering transforms.
    input_shape : (channels, N_1, …, N_d) of the input, without the batch. Its axes are c, u1, …, ud.
    input_axes : the axes of the input, where they are others: channels c, then of any names, steps and kinds,
        as inside of another network. ``input_shape`` are their sizes.

    Raises
    ------
    ShapeError : a layer does not fit on the one before; the message names it and the shapes.
    ArgumentError : something that is no layer, a layer that cannot be on this input.

    Attributes
    ----------
    input_space, output_space : where input and output live.
    parameters, state, masks : shapes by name: "0.weight" is the weight of layer 0, "3.body.1.bias" the bias
        of layer 1 in the body of the residual block 3. Masks without their batch.

    ``print(network)`` shows the layers, their outputs and the numbers of their parameters.

    >>> from groupscat.nn import Dense, Flatten, ReLU
    >>> print(Network([Flatten(), Dense(100), ReLU(), Dense(10)], input_shape=(1, 28, 28)))
    layer                   output               parameters
       input                c:1 × u1:28 × u2:28
    0  Flatten()            c:784
    1  Dense(features=100)  c:100                    78,500
    2  ReLU()               c:100
    3  Dense(features=10)   c:10                      1,010
    79,510 parameters
    """

    layers: Any
    input_shape: tuple[int, ...]
    input_axes: tuple[Axis, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", as_layers(self.layers))
        sizes = self.input_shape
        if isinstance(sizes, int | str) or not sizes:
            raise ArgumentError(f"input_shape={sizes!r}: expected (channels, N_1, …), such as (3, 32, 32).")
        object.__setattr__(self, "input_shape", tuple(integer("input_shape", n, 1) for n in sizes))
        if self.input_axes is not None:
            axes = checked_axes(self.input_axes, self.input_shape)
            # One network, one way to write it down.
            object.__setattr__(self, "input_axes", None if axes == self._usual_axes else axes)
        _ = self.inference  # what does not fit together is found now

    @property
    def input_space(self) -> Space:
        return Space(self.input_axes or self._usual_axes)

    @property
    def _usual_axes(self) -> tuple[Axis, ...]:
        first, *sizes = self.input_shape
        return channels(first), *signal_axes(tuple(sizes), (1,) * len(sizes))

    @cached_property
    def inference(self) -> Lowered:
        """The plan of the trained network."""
        return self._lowered(training=False)

    @cached_property
    def training(self) -> Lowered:
        """The plan while it is trained: statistics of the batch, masks as inputs, new state as outputs."""
        return self._lowered(training=True)

    def lowered(self, training: bool) -> Lowered:
        return self.training if training else self.inference

    def _lowered(self, training: bool) -> Lowered:
        to = Lowering(training)
        x = to.b.input("x", self.input_space)
        try:
            y = to.chain(self.layers, x)
        except (ArgumentError, ShapeError) as error:
            name, layer, space = to.trail[-1]
            raise type(error)(f"Layer {name}, {layer!r}, does not fit on {space}. {error}") from error
        plan = to.b.build([(name, ()) for name in (y, *to.updates)], Paths(()))
        return Lowered(plan, to.initial, to.constraints, to.masks, tuple(to.rows))

    @cached_property
    def parameters(self) -> dict[str, tuple[int, ...]]:
        return self._shapes(self.inference.plan, self.inference.plan.parameters)

    @property
    def constraints(self) -> dict[str, Constraint]:
        """What parameters are held to, by their names: :func:`groupscat.nn.constrain` does it."""
        return dict(self.inference.constraints)

    @cached_property
    def state(self) -> dict[str, tuple[int, ...]]:
        return self._shapes(self.inference.plan, self.inference.plan.state)

    @cached_property
    def masks(self) -> dict[str, tuple[int, ...]]:
        return self._shapes(self.training.plan, tuple(self.training.masks))

    @property
    def size(self) -> int:
        """The number of parameters."""
        return sum(map(math.prod, self.parameters.values()))

    @property
    def output_space(self) -> Space:
        plan = self.inference.plan
        return plan.register[plan.outputs[0][0]].space

    @staticmethod
    def _shapes(plan: Plan, names: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
        return {name: plan.register[name].space.shape for name in names}

    def __repr__(self) -> str:
        return f"Network({len(self.layers)} layers, input_shape={self.input_shape}, {self.size:,} parameters)"

    def __str__(self) -> str:
        lines = [("", "input", str(self.input_space), "")]
        for row in self.inference.rows:
            depth = row.name.count(".")
            own = [name for name in self.parameters if name.rpartition(".")[0] == row.name]
            count = sum(math.prod(self.parameters[name]) for name in own)
            shown = "  " * depth + repr(row.layer)
            lines.append((row.name, shown, str(row.after), f"{count:,}" if count else ""))
        widths = [max(len(line[k]) for line in lines) for k in range(4)]
        widths[3] = max(widths[3], len("parameters"))
        head = f"{'layer':<{widths[0] + 2 + widths[1]}}  {'output':<{widths[2]}}  parameters"
        table = [
            f"{name:<{widths[0]}}  {layer:<{widths[1]}}  {space:<{widths[2]}}  {count:>{widths[3]}}".rstrip()
            for name, layer, space, count in lines
        ]
        total = f"{self.size:,} parameters"
        numbers = sum(map(math.prod, self.state.values()))
        return "\n".join([head, *table, f"{total}, {numbers:,} numbers of state" if numbers else total])

    def __reduce__(self) -> tuple[Callable[..., Network], tuple[Any, ...]]:
        return Network, (self.layers, self.input_shape, self.input_axes)
