"""A plan restricted to some of its coefficients: operations nobody needs are dropped, the others narrowed.

The constants stay those of the whole plan, so that a new subset costs no new filters: what is not needed of
them is left out when they are read. An operation is narrowed by a rule; one without a rule is done whole.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import singledispatch

from groupscat.backend.base import Array, Backend
from groupscat.plan.along import LowModulus, SpinModulus, Unfold
from groupscat.plan.angular import AngularMatrix, AngularModulus, Mix
from groupscat.plan.constants import Order, Recipe
from groupscat.plan.ops import Bandpass, Concat, Crop, Lowpass, Op, Power, Spectrum, Take
from groupscat.plan.paths import Paths
from groupscat.plan.plan import Plan, Register
from groupscat.plan.scale_rotation import ScaleAngularMatrix
from groupscat.space import Space

#: Channels of a register, or positions along an axis of a constant; in ascending order but for outputs.
Positions = tuple[int, ...]


@dataclass(frozen=True)
class Pick(Op):
    """Positions srcs[1] along one axis of a constant."""

    axis: int

    def __call__(self, xp: Backend, *args: Array) -> Array:
        return xp.take(args[0], args[1], self.axis)


@dataclass(frozen=True)
class Narrowed:
    """What is left of an operation that has to give some of its channels only.

    Parameters
    ----------
    op : the operation on narrower sources; None: the (only) source itself, in another order.
    given : the channels it gives, at least those asked for.
    needed : the channels of each data source; an empty tuple drops the source.
    picks : (source, axis, positions) of constants that are read in part.
    """

    op: Op | None
    given: Positions
    needed: tuple[Positions, ...]
    picks: tuple[tuple[str, int, Positions], ...] = ()


@dataclass(frozen=True)
class Context:
    """Looks up channels of registers and recipes of constants."""

    plan: Plan

    def sources(self, op: Op) -> tuple[str, ...]:
        """The sources that hold data."""
        registers = self.plan.register
        return tuple(name for name in op.srcs if name in registers and registers[name].batched)

    def channels(self, name: str) -> int:
        return self.plan.register[name].space.axes[0].size

    def recipe(self, name: str) -> Recipe:
        return dict(self.plan.constants)[name]


def restrict(plan: Plan, rows: Sequence[int]) -> Plan:
    """The plan of some coefficients, in the order given: rows of the path table of ``plan``.

    >>> import groupscat as gs
    >>> plan = gs.Scattering1D(J=3, shape=32, Q=2).plan
    >>> len(plan.ops), len(restrict(plan, [0]).ops)
    (14, 2)
    """
    context = Context(plan)
    wanted: dict[str, set[int]] = {}
    for name, table in plan.outputs:
        found = {channel for channel, row in enumerate(table) if row in set(rows)}
        if found:
            wanted.setdefault(name, set()).update(found)
    narrowed: dict[str, Narrowed] = {}
    for op in reversed(plan.ops):
        if op.dst not in wanted:
            continue
        narrow = rule(op, tuple(sorted(wanted[op.dst])), context)
        narrowed[op.dst] = narrow
        for source, channels in zip(context.sources(op), narrow.needed, strict=True):
            if channels:
                wanted.setdefault(source, set()).update(channels)
        for source in op.srcs:
            if source in plan.register and not plan.register[source].batched:  # a constant in the making
                wanted.setdefault(source, set())
    return _Rebuilt(plan, context).build(narrowed, tuple(rows))


class _Rebuilt:
    """Writes the narrowed operations down, with what picks the channels each one reads."""

    def __init__(self, plan: Plan, context: Context) -> None:
        self.plan, self.context = plan, context
        self.ops: list[Op] = []
        self.constants: dict[str, Recipe] = {}
        self.registers: dict[str, Register] = {name: plan.register[name] for name in plan.inputs}
        self.renamed: dict[str, str] = {}
        #: The channels that a register has, as numbered in the whole plan.
        self.given: dict[str, Positions] = {n: tuple(range(context.channels(n))) for n in plan.inputs}

    def build(self, narrowed: dict[str, Narrowed], rows: Positions) -> Plan:
        plan = self.plan
        for op in plan.ops:
            if op.dst in narrowed:
                self._add(op, narrowed[op.dst])
        outputs, position = [], {row: k for k, row in enumerate(rows)}
        for name, table in plan.outputs:
            found = sorted((position[row], channel) for channel, row in enumerate(table) if row in position)
            if found:
                register = self._channels(name, tuple(channel for _, channel in found))
                outputs.append((register, tuple(k for k, _ in found)))
        used = {name for op in self.ops for name in op.srcs}
        known = dict(plan.constants) | self.constants
        return Plan(
            inputs=plan.inputs,
            constants=tuple((name, recipe) for name, recipe in known.items() if name in used),
            ops=tuple(self.ops),
            registers=tuple(self.registers.items()),
            outputs=tuple(outputs),
            paths=_table(plan.paths, rows),
            parameters=plan.parameters,
        )

    def _add(self, op: Op, narrow: Narrowed) -> None:
        names = dict(zip(self.context.sources(op), narrow.needed, strict=True))
        if narrow.op is None:
            ((source, channels),) = [item for item in names.items() if item[1]]
            self.renamed[op.dst], self.given[op.dst] = self._channels(source, channels), narrow.given
            return
        picked = {source: self._picked(source, axis, at) for source, axis, at in narrow.picks}
        srcs: list[str] = []
        for source in op.srcs:
            if source not in names:
                srcs.append(picked.get(source, source))
            elif names[source]:
                srcs.append(self._channels(source, names[source]))
        register = self.plan.register[op.dst]
        self._emit(replace(narrow.op, srcs=tuple(srcs), dst=op.dst), register, narrow.given)

    def _channels(self, name: str, channels: Positions) -> str:
        """A register with exactly these channels of the one called ``name``."""
        given, source = self.given[name], self.renamed.get(name, name)
        if given == channels:
            return source
        index = self._index(tuple(given.index(c) for c in channels))
        dst = self._fresh(name)
        self._emit(Take((source, index), dst), self.plan.register[name], channels)
        return dst

    def _picked(self, name: str, axis: int, positions: Positions) -> str:
        dst = self._fresh(name)
        self.ops.append(Pick((name, self._index(positions)), dst, axis))
        self.registers[dst] = Register(Space(()), batched=False)
        return dst

    def _emit(self, op: Op, register: Register, given: Positions) -> None:
        self.ops.append(op)
        if register.batched:
            first, *rest = register.space.axes
            register = replace(register, space=Space((replace(first, size=len(given)), *rest)))
        self.registers[op.dst] = register
        self.given[op.dst] = given

    def _index(self, positions: Positions) -> str:
        recipe = Order(positions)
        for name, known in self.constants.items():
            if known == recipe:
                return name
        name = self._fresh("positions")
        self.constants[name] = recipe
        return name

    def _fresh(self, stem: str) -> str:
        """A name that is not in the plan yet."""
        taken = {*self.plan.register, *dict(self.plan.constants), *self.registers, *self.constants}
        return next(name for k in itertools.count() if (name := f"{stem}[{k}]") not in taken)


def _table(paths: Paths, rows: Positions) -> Paths:
    """The rows asked for; parents that are not among them become −1."""
    at = {row: k for k, row in enumerate(rows)}
    return Paths(tuple(replace(paths[row], parent=at.get(paths[row].parent, -1)) for row in rows))


# ------------------------------------------------------------------------------------------------ rules


@singledispatch
def rule(op: Op, channels: Positions, context: Context) -> Narrowed:
    """How ``op`` gives only ``channels``, in ascending order; by default it gives all."""
    every = tuple(tuple(range(context.channels(name))) for name in context.sources(op))
    return Narrowed(op, tuple(range(context.channels(op.dst))), every)


@rule.register(Spectrum)
@rule.register(Lowpass)
@rule.register(Crop)
@rule.register(Power)
def _channel_by_channel(op: Op, channels: Positions, context: Context) -> Narrowed:
    return Narrowed(op, channels, (channels,))


@rule.register
def _concat(op: Concat, channels: Positions, context: Context) -> Narrowed:
    needed, start = [], 0
    for name in op.srcs:
        stop = start + context.channels(name)
        needed.append(tuple(c - start for c in channels if start <= c < stop))
        start = stop
    alone = sum(map(bool, needed)) == 1
    return Narrowed(None if alone else op, channels, tuple(needed))


@rule.register
def _take(op: Take, channels: Positions, context: Context) -> Narrowed:
    recipe = context.recipe(op.srcs[1])
    if not isinstance(recipe, Order):
        return rule.dispatch(Op)(op, channels, context)
    return Narrowed(None, channels, (tuple(recipe.positions[c] for c in channels),))


@rule.register
def _pick(op: Pick, channels: Positions, context: Context) -> Narrowed:
    return Narrowed(op, (), ())


@rule.register
def _bandpass(op: Bandpass, channels: Positions, context: Context) -> Narrowed:
    """Channels are (signal, wavelet, phase): a product of some signals and some wavelets is given."""
    signals, total = context.channels(op.srcs[0]), context.channels(op.dst)
    phases = op.rho.phases
    wavelets = total // (signals * phases)
    some = sorted({c // (wavelets * phases) for c in channels})
    picked = sorted({c // phases % wavelets for c in channels})
    given = tuple((s * wavelets + w) * phases + k for s in some for w in picked for k in range(phases))
    if len(picked) == wavelets:
        return Narrowed(op, given, (tuple(some),))
    first = op.part[0] if op.part is not None else 0
    at = tuple(first + w for w in picked)
    if at == tuple(range(at[0], at[-1] + 1)):
        return Narrowed(replace(op, part=(at[0], at[-1] + 1)), given, (tuple(some),))
    return Narrowed(replace(op, part=None), given, (tuple(some),), ((op.srcs[1], 1, at),))


@rule.register
def _spin_modulus(op: SpinModulus, channels: Positions, context: Context) -> Narrowed:
    """Channels are (spin, row): a product of some spins and some rows is given."""
    total = context.channels(op.dst)
    rows = total // len(op.spins)
    spins, some = sorted({c // rows for c in channels}), sorted({c % rows for c in channels})
    given = tuple(s * rows + r for s in spins for r in some)
    every = tuple(range(context.channels(op.srcs[0])))
    averages = len(op.srcs) > 2
    at = some if averages else [*some, *(rows + r for r in some)]
    picks = ((op.srcs[2 if averages else 1], 0, tuple(at)),) if len(some) < rows else ()
    return Narrowed(replace(op, spins=tuple(op.spins[s] for s in spins)), given, (every,), picks)


@rule.register
def _low_modulus(op: LowModulus, channels: Positions, context: Context) -> Narrowed:
    every = tuple(range(context.channels(op.srcs[0])))
    picks = ((op.srcs[-1], 0, channels),) if len(channels) < context.channels(op.dst) else ()
    return Narrowed(op, channels, (every,), picks)


@rule.register
def _unfold(op: Unfold, channels: Positions, context: Context) -> Narrowed:
    return Narrowed(op, channels, (tuple(c * op.rows + r for c in channels for r in range(op.rows)),))


@rule.register(AngularModulus)
@rule.register(Mix)
def _by_groups(op: AngularModulus | Mix, channels: Positions, context: Context) -> Narrowed:
    """Channels are (group, output): some groups are given whole."""
    groups = context.channels(op.srcs[0]) // op.inputs
    outputs = context.channels(op.dst) // groups
    some = tuple(sorted({c // outputs for c in channels}))
    given = tuple(g * outputs + k for g in some for k in range(outputs))
    needed = tuple(g * op.inputs + k for g in some for k in range(op.inputs))
    # A matrix per group, unless all of them share one.
    recipe = context.recipe(op.srcs[1])
    per_group = isinstance(recipe, AngularMatrix | ScaleAngularMatrix) and len(recipe.signs) == groups
    picks = ((op.srcs[1], 0, some),) if per_group and len(some) < groups else ()
    return Narrowed(op, given, (needed,), picks)
