"""Batches read and transformed on a Dask cluster; this process takes their results in order.

A worker gets operator and source once, as their recipes, and keeps them; a task is the number of a batch. So
the workers must see the files of the input under the same names as this process.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import threading
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import groupscat
from groupscat.data import Source
from groupscat.errors import ArgumentError, BackendError, DataError
from groupscat.features.compute import Result, Run, results
from groupscat.features.workers import share
from groupscat.scattering.operator import Operator

LOCAL = "local:"
#: Seconds in which a scheduler has to answer, and to have a worker.
PATIENCE = 15
#: Batches under way for each thread of the cluster: one more than is computed, so that none waits.
AHEAD = 2


def check_scheduler(text: str) -> str:
    """An address, or ``local:N``.

    Raises
    ------
    ArgumentError : neither.

    >>> check_scheduler("tcp://node7:8786"), check_scheduler("local:2")
    ('tcp://node7:8786', 'local:2')
    """
    count = text.removeprefix(LOCAL)
    if text.startswith(LOCAL) and (not count.isdecimal() or int(count) < 1):
        raise ArgumentError(f"{text!r}: expected a number of processes after {LOCAL!r}, for example local:2.")
    if not text.startswith(LOCAL) and "://" not in text:
        raise ArgumentError(f"{text!r}: expected the address of a scheduler, as tcp://host:8786, or local:2.")
    return text


@dataclass(frozen=True)
class Work:
    """What all batches have in common; the source is pickled."""

    operator: Operator
    source: bytes
    run: Run
    size: int
    count: int

    def batch(self, number: int) -> Result:
        (found,) = results(self.operator, self._own_source(), self.run, self.size, number, self.count)
        return found

    def _own_source(self) -> Source:
        """Each thread has one: a source keeps files open."""
        kept: tuple[bytes, Source] | None = getattr(_of_thread, "kept", None)
        if kept is None or kept[0] is not self.source:
            kept = _of_thread.kept = self.source, pickle.loads(self.source)
        return kept[1]


_of_thread = threading.local()


def _batch(work: Work, number: int) -> Result:
    return work.batch(number)


def results_of_cluster(
    operator: Operator, source: Source, run: Run, size: int, first: int = 0
) -> Generator[Result, None, None]:
    """As :func:`~groupscat.features.compute.results`, by the workers of ``run.scheduler``.

    Raises
    ------
    BackendError : Dask is not installed, or groupscat is not the same on the workers.
    ArgumentError : there is no such scheduler, or it has no workers.
    DataError : a signal cannot be used, or the cluster was lost.
    """
    assert run.scheduler is not None
    total = len(source.spans(size))
    with _client(run.scheduler) as client:
        from distributed import CancelledError, KilledWorker
        from distributed.comm import CommClosedError

        threads = sum(client.nthreads().values())
        try:
            # The result of a task, not data handed out: then what a lost worker had of it is made again.
            common = Work(operator, pickle.dumps(source), run, size, total)
            work = client.submit(pickle.loads, pickle.dumps(common))
            numbers = iter(range(first, total))
            under_way: deque[Any] = deque()
            for _ in range(first, total):
                while len(under_way) < AHEAD * threads and (number := next(numbers, None)) is not None:
                    under_way.append(client.submit(_batch, work, number, pure=False))
                result = under_way.popleft().result()
                source.skipped += source.named(result.bad)
                yield result
        except KilledWorker as error:
            raise DataError(
                "The workers of the cluster that took a batch ended unexpectedly, one after the other: they "
                "were killed, perhaps for want of memory. A smaller --batch-size takes less."
            ) from error
        except (CancelledError, CommClosedError) as error:
            raise DataError(f"The connection to the scheduler {run.scheduler} was lost.") from error


@contextlib.contextmanager
def _client(scheduler: str) -> Iterator[Any]:
    try:
        from distributed import Client
    except ImportError as error:
        raise BackendError('--scheduler needs Dask: pip install "groupscat[dask]"') from error
    with contextlib.ExitStack() as stack:
        stack.enter_context(_quiet())
        address: Any = scheduler
        if scheduler.startswith(LOCAL):
            address = stack.enter_context(local(int(scheduler.removeprefix(LOCAL))))
        try:
            client = stack.enter_context(Client(address, timeout=PATIENCE, set_as_default=False))
            client.wait_for_workers(1, timeout=PATIENCE)
            found = client.run(_version)
        except (OSError, TimeoutError, ValueError) as error:
            raise ArgumentError(
                f"--scheduler {scheduler}: no scheduler with workers answers there within {PATIENCE} s "
                f"({error}). Start one with: dask scheduler, dask worker ADDRESS."
            ) from error
        except ModuleNotFoundError as error:
            raise BackendError(
                f"The workers of {scheduler} cannot import {error.name}; install there what is here."
            ) from error
        other = {version for version in found.values() if version != groupscat.__version__}
        if other:
            raise BackendError(
                f"The workers of {scheduler} have groupscat {', '.join(sorted(other))}, but here it is "
                f"{groupscat.__version__}: results might differ. Install one version everywhere."
            )
        yield client


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without Dask's log, which is full of errors when a cluster ends; ours are told by our messages."""
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "distributed"]
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def _version() -> str:
    return groupscat.__version__


@contextlib.contextmanager
def local(count: int) -> Iterator[Any]:
    """A cluster of processes on this machine, each with its share of the cores."""
    import dask
    from distributed import LocalCluster

    # Dask lets the C library give memory back at once; a transform would get it again page by page.
    keeping = dask.config.set({"distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None})
    with share(count) as cores, keeping:
        started = LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        )
    with started as cluster:
        for k, worker in enumerate(cluster.workers.values()):
            if hasattr(os, "sched_setaffinity") and cores[k]:
                os.sched_setaffinity(worker.pid, cores[k])
        yield cluster
