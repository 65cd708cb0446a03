"""The executor: runs a plan on a backend. Everything the project computes goes through ``run``."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

from groupscat.backend.base import Array, Backend
from groupscat.plan.constants import Recipe
from groupscat.plan.plan import Plan

#: Complex element types by precision.
COMPLEX = {"float32": "complex64", "float64": "complex128"}
#: How much larger a slice of the batch pays for 1-D signals, whose transforms want many rows at a time.
LONG_ROWS = 3


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


def runner(plan: Plan, backend: Backend) -> Callable[[dict[str, Array]], tuple[Array, ...]]:
    """``run`` with plan and backend fixed, compiled where the backend wants whole plans compiled."""
    return _compiled(plan, backend) if backend.compiles_plans else partial(run, plan, backend=backend)


@lru_cache(maxsize=256)
def _compiled(plan: Plan, backend: Backend) -> Callable[[dict[str, Array]], tuple[Array, ...]]:
    return backend.compile(partial(run, plan, backend=backend))


def run_batched(
    plan: Plan,
    x: Array,
    constants: Mapping[str, Array],
    backend: Backend,
    itemsize: int,
    most: int | None = None,
) -> tuple[Array, ...]:
    """``run`` on one data input, split along the batch so that intermediates stay in the cache.

    ``constants``: those of the plan and its parameters. ``most``: bytes of an intermediate array at which
    the batch is split; by default what the backend finds best for transforms.

    While a framework traces the batch is never looked at: it may have no length yet.
    """
    (name,) = plan.inputs
    execute = runner(plan, backend)
    if backend.is_tracing(x):
        return execute({name: x, **constants})
    batch = backend.shape(x)[0]
    if batch == 0:
        dtype = backend.dtype(x)
        return tuple(
            backend.zeros((0, *plan.register[out].space.shape), _output_dtype(plan, out, dtype), x)
            for out, _ in plan.outputs
        )
    size = batch
    limit = most or backend.chunk(x)
    bytes_per_signal = plan.largest_floats * itemsize
    if limit is not None:
        long = plan.ndim == 1 and most is None
        size = max(1, (limit * LONG_ROWS if long else limit) // bytes_per_signal)
        size = math.ceil(batch / math.ceil(batch / size))  # chunks of nearly equal length
    execute = backend.replayed(execute, plan, name, size * bytes_per_signal)
    if size >= batch:
        return execute({name: x, **constants})
    starts = range(0, batch, size)
    chunks = [execute({name: x[start : start + size, ...], **constants}) for start in starts]
    return tuple(backend.concat(parts, 0) for parts in zip(*chunks, strict=True))


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
