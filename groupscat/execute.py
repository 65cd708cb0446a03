"""The executor: runs a plan on a backend. Everything the project computes goes through ``run``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache, partial

from groupscat.backend.base import Array, Backend
from groupscat.plan.plan import Plan

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
    plan: Plan, x: Array, constants: Mapping[str, Array], backend: Backend, itemsize: int
) -> tuple[Array, ...]:
    """``run`` on one data input, split along the batch so that intermediates stay in the cache.

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
    limit = backend.chunk(x)
    if limit is not None:
        bytes_per_signal = plan.largest_floats * itemsize
        size = max(1, limit * LONG_ROWS // bytes_per_signal if plan.ndim == 1 else limit // bytes_per_signal)
        size = math.ceil(batch / math.ceil(batch / size))  # chunks of nearly equal length
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
