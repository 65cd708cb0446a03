"""A plan: what is computed, as data. Built once per configuration, it runs on every backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from groupscat.errors import ArgumentError
from groupscat.plan.constants import Recipe
from groupscat.plan.ops import Op
from groupscat.plan.paths import Paths
from groupscat.space import Axis, Space


@dataclass(frozen=True)
class Register:
    """What a named array is: its trailing space (channel axis first), its field, whether a batch leads."""

    space: Space
    is_complex: bool = False
    batched: bool = True

    @property
    def floats(self) -> int:
        """Real numbers per sample of the batch."""
        return self.space.size * (2 if self.is_complex else 1)


@dataclass(frozen=True)
class Plan:
    """Frozen operations on registers, the recipes of their constants, and the table of paths.

    Parameters
    ----------
    inputs : names of the data inputs.
    parameters : names of the inputs that are learned; they have no batch.
    state : names of the inputs that running changes, as averages; no batch. Where they are changed, their new
        values are the last outputs, in this order.
    constants : (name, recipe) of every constant an operation reads.
    ops : in execution order, depth first, so that few registers live at a time.
    registers : (name, register) of every input and result.
    outputs : (register, rows of the path table that its channels are), in the table's order when one.
    paths : one row per coefficient.
    """

    inputs: tuple[str, ...]
    constants: tuple[tuple[str, Recipe], ...]
    ops: tuple[Op, ...]
    registers: tuple[tuple[str, Register], ...]
    outputs: tuple[tuple[str, tuple[int, ...]], ...]
    paths: Paths
    parameters: tuple[str, ...] = ()
    state: tuple[str, ...] = ()

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        inputs = self.inputs, self.parameters, self.state, self.constants
        return hash((*inputs, self.ops, self.registers, self.outputs, self.paths))

    @cached_property
    def register(self) -> dict[str, Register]:
        return dict(self.registers)

    @property
    def ndim(self) -> int:
        """Dimension of the signals."""
        return len(self.register[self.inputs[0]].space.axes) - 1

    @cached_property
    def schedule(self) -> tuple[tuple[Op, tuple[str, ...]], ...]:
        """Each operation with the registers that nobody reads after it."""
        keep = {name for name, _ in (*self.outputs, *self.constants)} | {*self.parameters, *self.state}
        last: dict[str, int] = dict.fromkeys(self.inputs, -1)
        for k, op in enumerate(self.ops):
            last |= dict.fromkeys((*op.srcs, op.dst), k)
        free: list[list[str]] = [[] for _ in self.ops]
        for name, k in last.items():
            if name not in keep and k >= 0:
                free[k].append(name)
        return tuple((op, tuple(sorted(names))) for op, names in zip(self.ops, free, strict=True))

    @cached_property
    def peak_floats(self) -> int:
        """Most real numbers alive at once per sample of the batch, constants excluded."""
        live = {name: self.register[name].floats for name in self.inputs}
        peak = sum(live.values())
        for op, dead in self.schedule:
            live[op.dst] = self.register[op.dst].floats if self.register[op.dst].batched else 0
            peak = max(peak, sum(live.values()))
            for name in dead:
                del live[name]
        return peak

    @cached_property
    def largest_floats(self) -> int:
        """Real numbers of the largest register per sample: what a chunk is sized by.

        Responses are counted as complex: so they are before ρ.
        """
        return max(r.space.size * 2 for _, r in self.registers if r.batched)

    def __str__(self) -> str:
        lines = [
            f"plan: {len(self.ops)} operations, {len(self.constants)} constants, {len(self.paths)} paths"
        ]
        for name in self.inputs:
            lines.append(f"  {name}: {self.register[name].space}")
        for op in self.ops:
            lines.append(
                f"  {op.dst} ← {type(op).__name__}({', '.join(op.srcs)}): {self.register[op.dst].space}"
            )
        return "\n".join(lines)


@dataclass
class PlanBuilder:
    """Collects operations; every register is written once."""

    ops: list[Op] = field(default_factory=list)
    constants: dict[Recipe, str] = field(default_factory=dict)
    registers: dict[str, Register] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    parameters: list[str] = field(default_factory=list)
    state: list[str] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)

    def input(self, name: str, space: Space, is_complex: bool = False) -> str:
        self._define(name, Register(space, is_complex))
        self.inputs.append(name)
        return name

    def parameter(self, name: str, space: Space, is_complex: bool = False) -> str:
        """A learned input of the whole shape ``space``."""
        self._define(name, Register(space, is_complex, batched=False))
        self.parameters.append(name)
        return name

    def changing(self, name: str, space: Space) -> str:
        """A state of the whole shape ``space``."""
        self._define(name, Register(space, batched=False))
        self.state.append(name)
        return name

    def constant(self, recipe: Recipe) -> str:
        """The name of a constant; equal recipes share one."""
        name = self.constants.setdefault(recipe, f"{type(recipe).__name__}_{len(self.constants)}")
        self._names.add(name)
        return name

    def emit(self, op: Op, space: Space, is_complex: bool = False, batched: bool = True) -> str:
        missing = [name for name in op.srcs if name not in self.registers and name not in self._names]
        if missing:
            raise ArgumentError(f"operation {op.dst!r} reads {missing}, which nothing before it writes")
        self._define(op.dst, Register(space, is_complex, batched))
        self.ops.append(op)
        return op.dst

    def splice(
        self, plan: Plan, inputs: Mapping[str, str], prefix: str, space: Space, copies: tuple[Axis, ...] = ()
    ) -> str:
        """Add the operations of another plan; the register of its one output.

        Parameters
        ----------
        inputs : the registers here of its data and parameters, by their names there.
        prefix : of the names of its registers here.
        space : of its output.
        copies : axes that the batch here holds beside that of the plan.
        """
        names = dict(inputs) | {name: self.constant(recipe) for name, recipe in plan.constants}
        ((out, _),) = plan.outputs
        for op in plan.ops:
            names[op.dst] = f"{prefix}.{op.dst}"
            register = plan.register[op.dst]
            there = Space((*copies, *register.space.axes)) if register.batched else register.space
            self.emit(
                replace(op, srcs=tuple(names[name] for name in op.srcs), dst=names[op.dst]),
                space if op.dst == out else there,
                register.is_complex,
                register.batched,
            )
        return names[out]

    def build(self, outputs: list[tuple[str, tuple[int, ...]]], paths: Paths) -> Plan:
        return Plan(
            inputs=tuple(self.inputs),
            constants=tuple((name, recipe) for recipe, name in self.constants.items()),
            ops=tuple(self.ops),
            registers=tuple(self.registers.items()),
            outputs=tuple(outputs),
            paths=paths,
            parameters=tuple(self.parameters),
            state=tuple(self.state),
        )

    def _define(self, name: str, register: Register) -> None:
        if name in self.registers:
            raise ArgumentError(f"register {name!r} is written twice")
        self.registers[name] = register
