"""The gradient of a plan as a plan: values are computed again where they are needed, and stored nowhere.

Walked in reverse, a depth-first plan is depth first: the subtree of a wavelet is computed again,
differentiated and freed before the next one. Results that only linear operations read (the averages of the
last layer, their moduli) are not computed again at all, because no derivative depends on them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from groupscat.backend.base import Array, Backend
from groupscat.plan.ops import Concat, Op
from groupscat.plan.plan import Plan, Register
from groupscat.plan.pullback import is_linear, pullback
from groupscat.plan.rho import Pointwise


@dataclass(frozen=True)
class Pullback(Op):
    """The gradient by source ``by`` of ``op``, from that of its result, which is the last of srcs.

    ``blanks``: per source of ``op`` its register where only its shape and field matter, as for the data of a
    linear operation. The others are the first of srcs.
    """

    op: Op
    by: int
    blanks: tuple[Register | None, ...]

    def __call__(self, xp: Backend, *args: Array) -> Array:
        *values, gradient = args
        given = iter(values)
        sources = [next(given) if blank is None else _blank(xp, blank, gradient) for blank in self.blanks]
        return pullback(self.op, xp, sources, self.by, gradient)


@dataclass(frozen=True)
class Sum(Op):
    """The sum of two gradients of one register; ``own``: nobody else has the memory of the first."""

    own: bool

    def __call__(self, xp: Backend, *args: Array) -> Array:
        total, x = args
        return xp.accumulate(total, x) if self.own else total + x


@dataclass(frozen=True)
class Part(Op):
    """Channels start … stop−1 of a gradient: that by one of the many registers that were joined."""

    start: int
    stop: int
    is_complex: bool

    def __call__(self, xp: Backend, *args: Array) -> Array:
        part = args[0][:, self.start : self.stop, ...]
        return part if self.is_complex or not xp.is_complex(part) else xp.real(part)


def _blank(xp: Backend, register: Register, gradient: Array) -> Array:
    """Something of the shape and field of a register, for the batch and precision of a gradient."""
    wide = xp.dtype(gradient) in ("float64", "complex128")
    dtype = (
        ("complex128" if wide else "complex64") if register.is_complex else "float64" if wide else "float32"
    )
    batch = xp.shape(gradient)[:1] if register.batched else ()
    return xp.blank((*batch, *register.space.shape), dtype, gradient)


def gradient_name(register: str) -> str:
    """The data input of a :func:`gradient_plan` that is the gradient by a register."""
    return f"{register}'"


@lru_cache(maxsize=256)
def gradient_plan(plan: Plan, by: tuple[str, ...], of: tuple[str, ...]) -> Plan:
    """The plan of the gradients by some inputs, from the gradients of some outputs.

    Parameters
    ----------
    by : names of data inputs, parameters or constants.
    of : output registers whose gradients are given; the others are zero.

    Returns
    -------
    A plan with the inputs of ``plan`` and ``gradient_name(out)`` for every one of ``of``. Its outputs are the
    gradients, in the order of ``by``; zeros, of an input that nothing reads, are left out.

    >>> import groupscat as gs
    >>> S = gs.Scattering1D(J=3, shape=64)
    >>> (out, _), = S.plan.outputs
    >>> backward = gradient_plan(S.plan, ("x",), (out,))
    >>> [name for name, _ in backward.outputs]
    ["x'"]
    """
    # What a user's function returns is not known to be real or complex before it has been called.
    known = not any(isinstance(getattr(op, "rho", None), Pointwise) for op in plan.ops)
    registers = dict(plan.registers)
    made = {op.dst: op for op in plan.ops}
    depends = set(by)
    for op in plan.ops:
        if depends.intersection(op.srcs):
            depends.add(op.dst)
    ops: list[Op] = []
    present = {name for name in registers if name not in made}
    names = {name: gradient_name(name) for name in of}
    registers |= {gradient_name(name): registers[name] for name in of}
    gradients = dict(names)

    def compute(name: str) -> None:
        """Emit what the value of a register takes, once."""
        if name in made and name not in present:
            for src in made[name].srcs:
                compute(src)
            present.add(name)
            ops.append(made[name])

    def emit(op: Op, register: Register) -> str:
        registers[op.dst] = register
        ops.append(op)
        return op.dst

    for op in reversed(plan.ops):
        if op.dst not in gradients or op.dst not in depends:
            continue
        gradient = gradients.pop(op.dst)
        for k, src in enumerate(op.srcs):
            if src not in depends:
                continue
            linear = known and is_linear(op) and src in registers
            blanks = tuple(registers.get(name) if linear else None for name in op.srcs)
            values = tuple(name for name, blank in zip(op.srcs, blanks, strict=True) if blank is None)
            for name in values:
                compute(name)
            register = registers.get(src, Register(registers[op.dst].space, batched=False))
            name = f"{op.dst}'{k}"
            if isinstance(op, Concat) and linear:  # blanks of all others for each one would take their square
                start = sum(registers[other].space.shape[0] for other in op.srcs[:k])
                stop = start + register.space.shape[0]
                part = emit(Part((gradient,), name, start, stop, register.is_complex), register)
            else:
                part = emit(Pullback((*values, gradient), name, op, k, blanks), register)
            if src in gradients:
                total = gradients[src]
                part = emit(Sum((total, part), f"{name}+", own=total.endswith("+")), register)
            gradients[src] = part
    for k, op in enumerate(ops):
        for name in by:
            if op.dst == gradients.get(name):
                ops[k] = replace(op, dst=gradient_name(name))
                registers[gradient_name(name)] = registers[op.dst]
    return Plan(
        inputs=(*plan.inputs, *names.values()),
        constants=plan.constants,
        ops=tuple(ops),
        registers=tuple(registers.items()),
        outputs=tuple((gradient_name(name), ()) for name in by if name in gradients),
        paths=plan.paths,
        parameters=plan.parameters,
        state=plan.state,
    )
