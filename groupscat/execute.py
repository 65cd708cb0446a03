"""The executor: runs a plan on a backend. Everything the project computes goes through ``run``."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

from groupscat.backend.base import Array, Backend
from groupscat.backend.derivatives import Function
from groupscat.plan.constants import Recipe
from groupscat.plan.plan import Plan
from groupscat.plan.recompute import gradient_name, gradient_plan

#: Complex element types by precision.
COMPLEX = {"float32": "complex64", "float64": "complex128"}
#: How much larger a slice of the batch pays for 1-D signals, whose transforms want many rows at a time.
LONG_ROWS = 3
#: Of a batch: how many signals of it go through a plan at a time, and the bytes of their largest register.
SizeOf = Callable[[Array], tuple[int, int]]


def run(plan: Plan, inputs: Mapping[str, Array], backend: Backend) -> tuple[Array, ...]:
    """Execute the operations of ``plan``; pure.

    Parameters
    ----------
    inputs : the plan's data inputs and constants by name; data has shape (B, *register's space).

    Returns
    -------
    The plan's output registers, in order. Registers are freed after their last use.
    """
    registers = dict(inputs)
    for op, dead in plan.schedule:
        registers[op.dst] = op(backend, *(registers[name] for name in op.srcs))
        for name in dead:
            del registers[name]
    return tuple(registers[name] for name, _ in plan.outputs)


def runner(plan: Plan, backend: Backend) -> Function:
    """``run`` with plan and backend fixed, compiled where the backend wants whole plans compiled."""
    return _compiled(plan, backend) if backend.compiles_plans else partial(run, plan, backend=backend)


@lru_cache(maxsize=256)
def _compiled(plan: Plan, backend: Backend) -> Function:
    return backend.compile(partial(run, plan, backend=backend))


def run_batched(
    plan: Plan,
    x: Array,
    constants: Mapping[str, Array],
    backend: Backend,
    itemsize: int,
    most: int | None = None,
    recompute: bool = False,
) -> tuple[Array, ...]:
    """``run`` on one data input, split along the batch so that intermediates stay in the cache.

    ``constants``: those of the plan and its parameters. ``most``: bytes of an intermediate array at which
    the batch is split; by default what the backend finds best for transforms. ``recompute``: gradients come
    from the :func:`gradient_plan`, in slices too, instead of from all that was computed.

    While a framework traces the batch is never looked at: it may have no length yet.
    """
    (name,) = plan.inputs
    arrays = {name: x, **constants}
    if backend.is_tracing(x):
        execute = runner(plan, backend)
        if not recompute:
            return execute(arrays)
        return backend.recompute(execute, partial(_gradients, plan, backend, None), {name: x}, constants)
    if backend.shape(x)[0] == 0:
        dtype = backend.dtype(x)
        return tuple(
            backend.zeros((0, *plan.register[out].space.shape), _output_dtype(plan, out, dtype), x)
            for out, _ in plan.outputs
        )
    size_of = partial(_slice_size, plan, backend, itemsize, most)
    forward = partial(_in_slices, plan, backend, size_of)
    if not recompute:
        return forward(arrays)
    return backend.recompute(forward, partial(_gradients, plan, backend, size_of), {name: x}, constants)


def _slice_size(plan: Plan, backend: Backend, itemsize: int, most: int | None, x: Array) -> tuple[int, int]:
    """How many signals of a batch go through a plan at a time, and the bytes of their largest register."""
    size = batch = backend.shape(x)[0]
    limit = most or backend.chunk(x)
    bytes_per_signal = plan.largest_floats * itemsize
    if limit is not None:
        long = plan.ndim == 1 and most is None
        size = max(1, (limit * LONG_ROWS if long else limit) // bytes_per_signal)
        size = math.ceil(batch / math.ceil(batch / size))  # chunks of nearly equal length
    return size, size * bytes_per_signal


def _in_slices(plan: Plan, backend: Backend, size_of: SizeOf, arrays: dict[str, Array]) -> tuple[Array, ...]:
    """The plan on so many signals at a time, or all that the backend can do at once."""
    whole = backend.cascade(plan, arrays)
    if whole is not None:
        return whole
    x = arrays[plan.inputs[0]]
    batch, (size, nbytes) = backend.shape(x)[0], size_of(x)
    execute = backend.replayed(runner(plan, backend), plan, plan.inputs, nbytes)
    if size >= batch:
        return execute(arrays)
    chunks = [execute(_slice(plan, arrays, start, size)) for start in range(0, batch, size)]
    return tuple(backend.concat(parts, 0) for parts in zip(*chunks, strict=True))


def _slice(plan: Plan, arrays: dict[str, Array], start: int, size: int) -> dict[str, Array]:
    """Some signals of the data inputs of a plan, and all else."""
    data = {name: arrays[name][start : start + size, ...] for name in plan.inputs}
    return {**arrays, **data}


def _gradients(
    plan: Plan,
    backend: Backend,
    size_of: SizeOf | None,
    arrays: dict[str, Array],
    by: tuple[str, ...],
    gradients: tuple[Array | None, ...],
) -> dict[str, Array]:
    """The gradients by some arrays, from those of the outputs of a plan, slice by slice (None: whole).

    Slices are smaller than those of the plan itself, of whose signals less is alive at once.
    """
    given = {out: g for (out, _), g in zip(plan.outputs, gradients, strict=True) if g is not None}
    if by == plan.inputs and len(given) == len(plan.outputs) == 1:
        whole = backend.cascade_gradient(plan, arrays, *given.values())
        if whole is not None:
            return {by[0]: whole}
    backward = gradient_plan(plan, by, tuple(given))
    arrays = {**arrays, **{gradient_name(out): g for out, g in given.items()}}
    execute = runner(backward, backend)
    x = arrays[plan.inputs[0]]
    with backend.exact(x):
        at_once = backend.cascade(backward, arrays)
        if at_once is not None:
            found = [at_once]
        elif size_of is None:
            found = [execute(arrays)]
        else:
            size, nbytes = size_of(x)
            execute = backend.replayed(execute, backward, backward.inputs, nbytes)
            size = max(1, size * plan.peak_floats // backward.peak_floats)
            starts = range(0, backend.shape(x)[0], size)
            found = [execute(_slice(backward, arrays, start, size)) for start in starts]
    sums: dict[str, Array] = {}
    for (name, _), parts in zip(backward.outputs, zip(*found, strict=True), strict=True):
        batched = backward.register[name].batched
        sums[name] = backend.concat(parts, 0) if batched and len(parts) > 1 else sum(parts[1:], parts[0])
    return {name: sums[gradient_name(name)] for name in by if gradient_name(name) in sums}


def _output_dtype(plan: Plan, register: str, dtype: str) -> str:
    real = {"complex64": "float32", "complex128": "float64"}.get(dtype, dtype)
    if not plan.register[register].is_complex:
        return real
    return {"float32": "complex64", "float64": "complex128"}[real]


def constant(backend: Backend, recipe: Recipe, precision: str, like: Array | None) -> Array:
    """Build one constant, in the backend's layout, at a precision, on the device of ``like``."""
    values = recipe.build()
    if recipe.kind == "index":
        return backend.asarray(backend.prepare(values, recipe.kind), dtype="int32", like=like)
    rounded = values.astype(COMPLEX[precision] if recipe.kind == "complex_filter" else precision, copy=False)
    return backend.asarray(backend.prepare(rounded, recipe.kind), dtype=precision, like=like)


class ConstantCache:
    """Constants of functions that no operator keeps: the ones used last, up to ``numbers`` numbers."""

    def __init__(self, numbers: int) -> None:
        self.numbers = numbers
        self._kept: OrderedDict[Any, tuple[int, Array]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, plan: Plan, backend: Backend, precision: str, like: Array) -> dict[str, Array]:
        """The constants of a plan by name, on the device of ``like``."""
        return {name: self._get(recipe, backend, precision, like) for name, recipe in plan.constants}

    def _get(self, recipe: Recipe, backend: Backend, precision: str, like: Array) -> Array:
        key = (type(backend), backend.device(like), precision, recipe)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][1]
        array = constant(backend, recipe, precision, like)
        with self._lock:
            self._kept[key] = recipe.size, array
            while sum(size for size, _ in self._kept.values()) > self.numbers and len(self._kept) > 1:
                self._kept.popitem(last=False)
        return array
