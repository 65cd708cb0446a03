"""Batches of signals through an operator on a backend, in this process or in several."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from groupscat.backend import Backend, get_backend
from groupscat.data import Source
from groupscat.scattering.operator import Operator


@dataclass(frozen=True)
class Run:
    """How to compute: backend and device, element type, signals per batch (None: by memory), processes.

    ``scheduler``: of a Dask cluster that computes instead, see :mod:`groupscat.features.cluster`.
    """

    backend: Backend
    device: str | None = None
    dtype: str = "float32"
    size: int | None = None
    workers: int = 1
    scheduler: str | None = None

    def __reduce__(self) -> Any:  # another process has a backend of its own
        values = (self.backend.name, self.device, self.dtype, self.size, self.workers, self.scheduler)
        return _run_named, values


def _run_named(name: str, *values: Any) -> Run:
    return Run(get_backend(name), *values)


@dataclass(frozen=True, eq=False)
class Result:
    """Features of a batch (b, ...), None where b = 0, the positions of its signals, and those left out."""

    features: NDArray[Any] | None
    rows: Sequence[int]
    bad: tuple[tuple[int, str], ...]


def results(
    operator: Operator, source: Source, run: Run, size: int, first: int = 0, step: int = 1
) -> Generator[Result, None, None]:
    """The batches ``first``, ``first + step`` … of ``size`` signals, transformed in this process.

    Raises
    ------
    DataError : a signal cannot be used. DeviceError : the backend has no such device.
    """
    kind = {"float32": "complex64", "float64": "complex128"}[run.dtype] if source.is_complex else run.dtype
    with _one_blas_thread():
        for batch in source.batches(size, run.dtype, first, step):
            features = None
            if batch.rows:
                x = run.backend.put(batch.values, kind, run.device)
                features = run.backend.to_numpy(operator(x))
            yield Result(features, batch.rows, batch.bad)


@contextlib.contextmanager
def _one_blas_thread() -> Iterator[None]:
    """Limit NumPy's matrix products to one thread, where threadpoolctl is installed.

    They are too small here to gain from more, and threads that wait for each other are three times slower
    beside another busy process.
    """
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        yield
        return
    with threadpool_limits(1, "blas"):
        yield
