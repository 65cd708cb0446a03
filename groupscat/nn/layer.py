"""What a layer of a network is, and where it writes its operations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

from groupscat.checks import integer
from groupscat.errors import ArgumentError, ShapeError
from groupscat.nn.constraint import Constraint
from groupscat.nn.initial import Initial
from groupscat.plan.conv_ops import Rearrange
from groupscat.plan.convnd import space_of
from groupscat.plan.ops import Op
from groupscat.plan.plan import Plan, PlanBuilder
from groupscat.space import Axis, Space

#: The name of the axis of channels, the first of every space of a network.
CHANNELS = "c"


def channels(size: int) -> Axis:
    return Axis(CHANNELS, size, kind="fiber")


def checked_axes(axes: Sequence[Axis], sizes: tuple[int, ...]) -> tuple[Axis, ...]:
    """Axes that an input can have, of these sizes.

    Raises
    ------
    ArgumentError : they are no such axes.
    """
    found = tuple(axes) if isinstance(axes, Sequence) else ()
    good = all(
        isinstance(axis, Axis)
        and isinstance(axis.name, str)
        and axis.kind in ("group", "fiber")
        and isinstance(axis.periodic, bool)
        and isinstance(axis.start, int | float)
        and integer(f"step of axis {axis.name}", axis.step, 1)
        for axis in found
    )
    shown = f"input_axes={Space(found) if good and found else repr(axes)}"
    if not good or len({axis.name for axis in found}) < len(found) or found[:1] != (channels(sizes[0]),):
        raise ArgumentError(
            f"{shown}: expected groupscat.space.Axis of different names, first {channels(sizes[0])} of kind "
            '"fiber", such as the axes of a network\'s output_space.'
        )
    if tuple(axis.size for axis in found) != sizes:
        raise ArgumentError(f"{shown}: expected the sizes of input_shape={sizes}.")
    return found


@dataclass(frozen=True)
class Row:
    """A layer by its place in a network, the space that it is on, and its own output's."""

    name: str
    layer: Layer
    before: Space
    after: Space


@dataclass
class Lowering:
    """A plan in the making, seen by the layer at ``name``: the names of all it adds begin so.

    ``initial``: how parameters and state start. ``constraints``: what parameters are held to. ``updates``:
    the registers of the new values of the state. ``masks``: the share of ones in each. ``rows``: the layers
    that are done. ``trail``: those that are not, each inside of the one before, and the space that it is on.
    """

    training: bool
    b: PlanBuilder = field(default_factory=PlanBuilder)
    name: str = ""
    initial: dict[str, Initial] = field(default_factory=dict)
    constraints: dict[str, Constraint] = field(default_factory=dict)
    updates: list[str] = field(default_factory=list)
    masks: dict[str, float] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    trail: list[tuple[str, Layer, Space]] = field(default_factory=list)

    def chain(self, layers: tuple[Layer, ...], x: str, name: str = "") -> str:
        """Lower layers one after the other, as 0, 1, … inside of ``name`` inside of this layer."""
        for k, layer in enumerate(layers):
            path = ".".join(filter(None, (self.name, name, str(k))))
            before = self.space(x)
            self.trail.append((path, layer, before))
            at = len(self.rows)
            x = layer.lower(replace(self, name=path), x)
            self.rows.insert(at, Row(path, layer, before, self.space(x)))
            self.trail.pop()
        return x

    def space(self, x: str) -> Space:
        """Where a register lives: channels first."""
        return self.b.registers[x].space

    def parameter(
        self, name: str, shape: tuple[int, ...], initial: Initial, constraint: Constraint | None = None
    ) -> str:
        name = self.b.parameter(f"{self.name}.{name}", space_of(*shape))
        if constraint is not None:
            self.constraints[name] = constraint
            initial = constraint.start(initial)
        return self._kept(name, initial)

    def state(self, name: str, shape: tuple[int, ...], initial: Initial) -> str:
        return self._kept(self.b.changing(f"{self.name}.{name}", space_of(*shape)), initial)

    def _kept(self, name: str, initial: Initial) -> str:
        self.initial[name] = initial
        return name

    def mask(self, space: Space, keep: float) -> str:
        """An input of zeros and ones, drawn outside; ``keep``: the share of ones."""
        name = self.b.input(f"{self.name}.mask", space)
        self.masks[name] = keep
        return name

    def register(self, what: str) -> str:
        """The name of a new register."""
        return f"{self.name}.{what}"

    def emit(self, op: Op, space: Space, batched: bool = True) -> str:
        return self.b.emit(op, space, batched=batched)

    def reshape(self, x: str, what: str, space: Space, joined: bool = False) -> str:
        """The same numbers on other axes; ``joined``: the first of them is part of the batch."""
        shape = (-1, *space.shape[joined:])
        return self.emit(Rearrange((x,), self.register(what), shape, tuple(range(len(shape))), shape), space)

    def splice(
        self, plan: Plan, inputs: Mapping[str, str], space: Space, copies: tuple[Axis, ...] = ()
    ) -> str:
        return self.b.splice(plan, inputs, self.name, space, copies)


class Layer(ABC):
    """A layer: frozen, hashable, without numbers. What it computes is what it lowers to."""

    @abstractmethod
    def lower(self, to: Lowering, x: str) -> str:
        """Add the operations on the register ``x``; the register of the output.

        Raises
        ------
        ShapeError : the layer does not take what lives at the space of x.
        """

    def __repr__(self) -> str:
        given = ((f.name, getattr(self, f.name), f.default) for f in fields(self))  # type: ignore[arg-type]
        shown = ", ".join(f"{name}={value!r}" for name, value, default in given if value != default)
        return f"{type(self).__name__}({shown})"


def place(layer: Layer, space: Space, name: str) -> int:
    """The (negative) place of the axis of a name.

    Raises
    ------
    ShapeError : there is none.
    """
    names = [axis.name for axis in space.axes]
    if name not in names:
        raise ShapeError(f"{layer!r} needs an axis {name!r}, got {space}: expected one of {names}.")
    return names.index(name) - len(names)
