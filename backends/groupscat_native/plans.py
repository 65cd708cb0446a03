"""Plans as the kernels run them, made once: a tree or a program of each."""

from __future__ import annotations

import math
import operator
import weakref
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from groupscat.plan.plan import Plan
from groupscat_native import kernels
from groupscat_native.bands import Kept
from groupscat_native.cascade import Cascade, known
from groupscat_native.parameters import halves
from groupscat_native.pointers import Memory
from groupscat_native.program import Make, Program, Steps, Unknown
from groupscat_native.steps import place, step
from groupscat_native.tree import tree


def steps(
    plan: Plan, constants: Mapping[str, NDArray[Any]], dtype: str, shared: bool, made: Make | None = None
) -> Steps:
    """The steps of a plan; the parameters are those of :class:`Steps`.

    Raises
    ------
    Unknown : the kernels do not know an operation, a length or a type.
    """
    found = Steps(plan, constants, dtype, shared, made or (lambda make, name, *x: make(constants[name], *x)))
    found.halves = halves(found)
    for op in reversed(plan.ops):
        place(op, found)
    for op, found.dead in plan.schedule:
        step(op, found)
    return found


class Programs:
    """The programs of a plan: for threads that have signals of their own, and for those that share one."""

    def __init__(
        self, plan: Plan, constants: Mapping[str, NDArray[Any]], dtype: str, made: Make | None = None
    ) -> None:
        self._plan, self._constants, self._dtype, self._tables = plan, constants, dtype, made
        self._made: dict[bool, Program] = {}
        # Here it is found out whether the kernels know the plan.
        self.made = self._of(False).arrays[len(plan.inputs) :]

    def _of(self, shared: bool) -> Program:
        if shared not in self._made:
            self._made[shared] = Program(
                steps(self._plan, self._constants, self._dtype, shared, self._tables)
            )
        return self._made[shared]

    def __call__(self, given: Sequence[Memory], out: Sequence[Memory], workers: int) -> bool:
        """Signals and results, all (B, …); whether they are what the plan reads and writes."""
        arrays, batch = [*given, *out], given[0].shape[0]
        alone = self._of(False)
        if not alone.fit(arrays):
            return False
        parts = kernels.parts(int(alone.cost) * batch, workers)
        if math.prod(arrays[0].shape) == 0:
            return False
        if batch >= 2 * workers or parts == 1:
            alone.alone(arrays, workers)
        else:
            self._of(True).together(arrays, parts)
        return True


Whole = Cascade | Programs


def whole(plan: Plan, constants: Mapping[str, NDArray[Any]], dtype: str, made: Make) -> Whole | None:
    """A plan for the kernels: a tree where it is one, or a program; None: they do not know it."""
    found = tree(plan)
    if found is not None and known(plan, found, constants, dtype):
        cascade = Cascade(plan, found, constants, dtype)
        if cascade.complete:
            return cascade
    try:
        return Programs(plan, constants, dtype, made)
    except Unknown:
        return None


class Arrays(Protocol):
    """What tells about the arrays of a framework."""

    def views(self, *xs: Any) -> list[NDArray[Any]] | None: ...

    def identity(self, x: Any) -> Hashable: ...

    def versions(self, xs: Sequence[Any]) -> Hashable: ...


@dataclass
class Entry:
    """A plan for the kernels with the constants that it was made of: nobody else has their memory."""

    plan: weakref.ref[Plan]
    names: list[str]
    constants: list[Any]
    versions: Hashable
    identities: list[Hashable]
    whole: Whole | None


class Wholes:
    """Plans for the kernels, one of each, its constants and type, as long as the plan lives."""

    def __init__(self, tables: Kept) -> None:
        self._kept: dict[Any, Entry] = {}
        self._tables = tables

    def of(self, plan: Plan, arrays: Mapping[str, Any], dtype: str, xp: Arrays) -> Whole | None:
        """What runs the plan, or None: the kernels do not know it, or somebody learns its constants."""
        key = id(plan), dtype
        kept = self._kept.get(key)
        if kept is None or kept.plan() is not plan:
            names = [name for name, _ in plan.constants]
        else:
            names = kept.names
        constants = [arrays[name] for name in names]
        versions = xp.versions(constants)
        if kept is not None and kept.plan() is plan:
            alike = all(map(operator.is_, constants, kept.constants))
            if alike and versions is not None and versions == kept.versions:
                return kept.whole
            if kept.identities == [xp.identity(each) for each in constants]:
                return kept.whole
        views = xp.views(*constants)
        if views is None:
            return None
        dense = dict(zip(names, map(np.ascontiguousarray, views), strict=True))
        given, tables = dict(zip(names, constants, strict=True)), self._tables
        made = whole(plan, dense, dtype, lambda make, name, *x: tables.of(make, given[name], dense[name], *x))
        alive = weakref.ref(plan, lambda _: self._kept.pop(key, None))
        identities = [xp.identity(each) for each in constants]
        self._kept[key] = Entry(alive, names, constants, versions, identities, made)
        return made
