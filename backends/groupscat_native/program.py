"""Plans as programs: every operation a step of the kernels, all of them in one call.

A tree of moduli is walked depth first (:mod:`groupscat_native.cascade`); this is for all other plans whose
operations the kernels know, and for gradients of plans, which are plans.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.plan.ops import Op
from groupscat.plan.plan import Plan
from groupscat_native import kernels, shapes
from groupscat_native.library import library
from groupscat_native.memory import places
from groupscat_native.pointers import Memory, Pointers, addresses, fits
from groupscat_native.shapes import COMPLEX, MOST, Shape

#: Steps, in the order of the source of the kernels.
KINDS = (
    "pad",
    "pad_vjp",
    "spectrum",
    "transform",
    "real_back",
    "bandpass",
    "bandpass_vjp",
    "bandpass_vjp_shared",
    "lowpass",
    "lowpass_vjp",
    "along",
    "along_vjp",
    "angular",
    "angular_vjp",
    "mix",
    "harmonic",
    "harmonic_vjp",
    "half_back",
    "power",
    "power_lowpass",
    "power_vjp",
    "sum",
    "take",
    "copy",
    "clear",
)
#: Complex numbers transformed that a thread takes of a step at once.
GRAIN = 1 << 13
#: From a function of a constant, its name and what else the function takes, to what it gives.
Make = Callable[..., Any]


class Unknown(Exception):
    """An operation that the kernels do not know; its plan is run one operation after the other."""


@dataclass(frozen=True)
class View:
    """Where a register lies: behind number ``at`` of a storage.

    ``apart``: how far its imaginary parts are behind the real ones; 0: they are side by side.
    """

    storage: int
    at: int = 0
    apart: int = 0


@dataclass
class Step:
    """A call of a kernel.

    Parameters
    ----------
    units, cost : of what threads take, and complex numbers transformed in all.
    operands : four at most; the last one is written.
    describe : tells a program in memory, and its place there, what else the kernel takes.
    add : whether a gradient is added to what is there; ``can_add``: whether it could be.
    """

    kind: str
    units: int
    cost: float
    operands: list[View | None]
    shape: Shape | None = None
    index: NDArray[np.int32] | None = None
    numbers: tuple[int, ...] = ()
    describe: Callable[[int, int, bool], Any] | None = None
    add: bool = False
    can_add: bool = False


@dataclass
class Steps:
    """The steps of a plan while they are collected, and the storages of its registers.

    Parameters
    ----------
    constants : contiguous, by name. dtype : of the numbers.
    shared : threads share the work on one signal.
    made : what ``make(constant, *rest)`` gives, kept where others may want it, too.
    """

    plan: Plan
    constants: Mapping[str, NDArray[Any]]
    dtype: str
    shared: bool
    made: Make
    steps: list[Step] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    views: dict[str, View] = field(default_factory=dict)
    pointers: Pointers = field(default_factory=Pointers)
    #: Registers that have their storage for themselves: they may be written to again.
    owned: set[str] = field(default_factory=set)
    #: Registers that nobody reads after the operation at hand.
    dead: tuple[str, ...] = ()
    #: Spectra of real arrays that are stored up to the bin n/2 of the last axis.
    halves: frozenset[str] = frozenset()
    #: Where responses are kept for gradients, by the register of their moduli.
    responses: dict[str, View] = field(default_factory=dict)
    #: Operations that the one which reads their result does on the way, by that result.
    fused: dict[str, Op] = field(default_factory=dict)

    def __post_init__(self) -> None:
        plan = self.plan
        outputs = [name for name, _ in plan.outputs]
        arrays = [*plan.inputs, *outputs]
        batched = all(register.batched for _, register in plan.registers)
        alike = len(set(arrays)) < len(arrays)
        if alike or not batched or plan.parameters or plan.state:
            raise Unknown
        self._readers: dict[str, list[Op]] = {}
        for op in plan.ops:
            for name in op.srcs:
                self._readers.setdefault(name, []).append(op)
        #: Storages of the caller come first.
        self.arrays = arrays
        for name in arrays:
            self.allocate(name)

    def reader(self, name: str) -> Op | None:
        """The one operation that reads a register, if there is one and nobody else wants it."""
        found = self._readers.get(name, [])
        return found[0] if len(found) == 1 and name not in self.arrays else None

    def numbers(self, name: str) -> int:
        """Real numbers of a register as it is stored."""
        floats = self.plan.register[name].floats
        return floats if name not in self.halves else floats // self.shape(name)[-1] * self.bins(name)

    def bins(self, name: str) -> int:
        """Of a row of a spectrum, those that are stored."""
        last = self.shape(name)[-1]
        return last // 2 + 1 if name in self.halves else last

    def shape(self, name: str) -> tuple[int, ...]:
        return self.plan.register[name].space.shape

    def is_complex(self, name: str) -> bool:
        return self.plan.register[name].is_complex

    def storage(self, size: int) -> int:
        self.sizes.append(size)
        return len(self.sizes) - 1

    def allocate(self, name: str) -> View:
        """A storage for a register alone."""
        self.views[name] = View(self.storage(self.numbers(name)))
        return self.views[name]

    def view(self, name: str) -> View:
        """Where a register is, side by side."""
        found = self.views[name]
        if found.apart:
            raise Unknown
        return found

    def result(self, name: str) -> View:
        """Where an operation writes its result: where it was placed, or a new storage."""
        if name not in self.views:
            self.allocate(name)
            self.owned.add(name)
        return self.views[name]

    def view_of_result(self, name: str) -> View:
        """The same, side by side."""
        self.result(name)
        return self.view(name)

    def alias(self, dst: str, view: View) -> None:
        """``dst`` is what lies there already."""
        if dst not in self.views:
            self.views[dst] = view
        elif self.views[dst] != view:
            self.copy(view, self.view(dst), self.numbers(dst))

    def copy(self, src: View, dst: View, size: int) -> None:
        if src.apart or dst.apart:
            raise Unknown
        self.add("copy", size, size / 8, [src, dst])

    def add(self, kind: str, units: int, cost: float, operands: Sequence[View | None], **more: Any) -> Step:
        if units > MOST:
            raise Unknown
        step = Step(kind, units, cost, [*operands], **more)
        if units > 0:
            self.steps.append(step)
        return step

    def form(self, sizes: Sequence[int]) -> Shape:
        """How arrays of some shape are transformed."""
        found = shapes.shape(tuple(sizes), self.dtype)
        if found is None:
            raise Unknown
        self.pointers.keep(found)
        return found

    def table(self, make: Callable[..., Any], name: str, *rest: Any) -> Any:
        """``make(constant, *rest)`` of real numbers, found again where somebody made it before."""
        self.real(name)
        return self.made(make, name, *rest)

    def real(self, name: str) -> NDArray[Any]:
        """A constant of real numbers of the type of the signals."""
        found = self.constants[name]
        if found.dtype != self.dtype or not found.size:
            raise Unknown
        return found


def placed(steps: Steps) -> tuple[list[int], int]:
    """Where each storage begins in the memory of a program, and the numbers of all; the caller's: nowhere."""
    lives: list[tuple[int, int] | None] = [None] * len(steps.sizes)
    for k, step in enumerate(steps.steps):
        for view in step.operands:
            if view is not None and view.storage >= len(steps.arrays):
                life = lives[view.storage]
                lives[view.storage] = (k if life is None else life[0], k)
    return places(steps.sizes, lives)


class Program:
    """Steps in memory, ready to be called."""

    def __init__(self, steps: Steps) -> None:
        self._library, self._dtype = library(), steps.dtype
        self._pointers, plan = steps.pointers, steps.plan
        self._pointers.keep(steps.constants)
        self.cost = sum(step.cost for step in steps.steps)
        count = len(steps.arrays)
        #: Shapes and types of one signal in each array of a call, inputs first.
        registers = [plan.register[name] for name in steps.arrays]
        self.arrays = [
            (r.space.shape, COMPLEX[self._dtype] if r.is_complex else self._dtype) for r in registers
        ]
        begins, memory = placed(steps)
        new = self._library["program_new", self._dtype]
        per = self._pointers.numbers(steps.sizes[:count])
        self.pointer = new(len(steps.steps), memory, count, per)
        if not self.pointer:
            raise MemoryError("No memory for the program of a plan.")
        for k, step in enumerate(steps.steps):
            self._step(k, step, count, begins)

    def __del__(self) -> None:
        if getattr(self, "pointer", None):
            self._library["program_free", self._dtype](self.pointer)

    def _step(self, k: int, step: Step, count: int, begins: Sequence[int]) -> None:
        where = []
        for view in (*step.operands, *(None,) * (4 - len(step.operands))):
            if view is None:
                where += [-1, 0]
            elif view.storage < count:
                where += [view.storage + 1, view.at]
            else:
                where += [0, begins[view.storage] + view.at]
        pieces = max(1, min(step.units, int(step.cost) // GRAIN))
        numbers = (*step.numbers, *(0,) * (4 - len(step.numbers)))
        self._library["program_step", self._dtype](
            self.pointer, k, KINDS.index(step.kind), step.units, -(-step.units // pieces),
            self._pointers.numbers(where), None if step.shape is None else step.shape.pointer,
            None if step.index is None else self._pointers.data(step.index), self._pointers.numbers(numbers),
        )  # fmt: skip
        if step.describe is not None:
            step.describe(self.pointer, k, step.add)

    def fit(self, given: Sequence[Memory]) -> bool:
        """Whether arrays are what the program reads and writes: (B, *shape) each."""
        batch = given[0].shape[0]
        return all(
            fits(x, (batch, *shape), dtype) for x, (shape, dtype) in zip(given, self.arrays, strict=True)
        )

    def alone(self, given: Sequence[Memory], workers: int) -> None:
        """Every thread some of the signals."""
        call, batch = self._library["program", self._dtype], given[0].shape[0]
        p, arrays = self.pointer, addresses([x.address for x in given])
        cost = int(self.cost) * batch
        kernels.run(lambda s, lo, hi: call(s, p, arrays, lo, hi), batch, cost, workers, (self, given))

    def together(self, given: Sequence[Memory], parts: int) -> None:
        """One signal after the other, its steps shared among threads."""
        call, batch = self._library["program_shared", self._dtype], given[0].shape[0]
        p, arrays = self.pointer, addresses([x.address for x in given])
        kernels.together(lambda s, team, leads: call(s, p, team, arrays, batch, leads), parts, (self, given))
