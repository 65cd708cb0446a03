"""Several processes that read and transform batches; this one takes their results in order.

Process w of N does the batches w, w + N … on its own and waits where its results are not taken, which bounds
the memory. A pipe is all that connects it: when either side is gone, the other one notices and ends.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Generator, Iterator
from multiprocessing.connection import Connection
from typing import Any

from groupscat.data import Source
from groupscat.errors import DataError
from groupscat.features.compute import Result, Run, results
from groupscat.scattering.operator import Operator

#: What numerical libraries take their number of threads from.
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
#: The same of NumPy's BLAS, whose products are too small here to gain from more than one.
BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
#: Seconds a process gets to end on its own.
PATIENCE = 5.0


def results_of_workers(
    operator: Operator, source: Source, run: Run, size: int, first: int = 0
) -> Generator[Result, None, None]:
    """As :func:`~groupscat.features.compute.results`, by ``run.workers`` processes.

    Each gets its share of the cores. Errors of a process are raised here.

    Raises
    ------
    DataError : a signal cannot be used, or a process was killed.
    DeviceError : the backend has no such device.
    """
    total = len(source.spans(size)) - first
    count = max(1, min(run.workers, total))
    workers = []
    try:
        with share(count) as cores:
            for w in range(count):
                workers.append(_Worker((operator, source, run, size, first + w, count, cores[w])))
        for k in range(total):
            result = workers[k % count].receive()
            source.skipped += source.named(result.bad)
            yield result
    finally:
        for worker in workers:
            worker.end()


class _Worker:
    """A process, and this side of its pipe."""

    def __init__(self, work: tuple[Any, ...]) -> None:
        # Not forked: threads and devices of this process would be in an unknown state there.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        # By the pipe, not as an argument: unpickling may fail, and this is where errors are told.
        with contextlib.suppress(BrokenPipeError):
            self._pipe.send(work)

    def receive(self) -> Result:
        try:
            answer = self._pipe.recv()
        except (EOFError, ConnectionError) as error:
            self._process.join(PATIENCE)
            code = self._process.exitcode
            raise DataError(
                f"A worker process ended unexpectedly (exit status {code}): it was killed, perhaps for want "
                "of memory. Fewer --workers or a smaller --batch-size take less."
            ) from error
        if isinstance(answer, Result):
            return answer
        failure, text = answer
        failure.add_note(f"In a worker process:\n{text}")
        raise failure

    def end(self) -> None:
        self._pipe.close()
        if self._process.is_alive():
            self._process.terminate()
            self._process.join(PATIENCE)
            if self._process.is_alive():
                self._process.kill()
                self._process.join()
        self._process.close()


def _work(pipe: Connection) -> None:
    try:
        try:
            operator, source, run, size, first, step, cores = pipe.recv()
            if hasattr(os, "sched_setaffinity") and cores:
                os.sched_setaffinity(0, cores)
            source.threads = max(1, min(source.threads, len(cores) or 1))
            for result in results(operator, source, run, size, first, step):
                pipe.send(result)
        except (BrokenPipeError, ConnectionError, EOFError):
            raise
        except Exception as error:
            pipe.send((_sendable(error), traceback.format_exc()))
    except (BrokenPipeError, ConnectionError, EOFError):
        pass  # the first process is gone or has had enough
    finally:
        pipe.close()


def _sendable(error: Exception) -> Exception:
    """The error, or one that says the same and can be pickled."""
    try:
        multiprocessing.reduction.ForkingPickler.loads(multiprocessing.reduction.ForkingPickler.dumps(error))
        return error
    except Exception:  # an error with a constructor of its own, from any library
        return RuntimeError(f"{type(error).__name__}: {error}")


@contextlib.contextmanager
def share(count: int) -> Iterator[list[set[int]]]:
    """The cores of each of ``count`` processes; those started meanwhile use as many threads."""
    if hasattr(os, "sched_getaffinity"):
        every = sorted(os.sched_getaffinity(0))
    else:
        every = list(range(os.cpu_count() or 1))
    per = max(1, len(every) // count)
    cores = [{every[(w * per + k) % len(every)] for k in range(per)} for w in range(count)]
    wanted = dict.fromkeys(THREADS, str(per)) | dict.fromkeys(BLAS_THREADS, "1")
    added = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(added)
    # What is ignored at its start a process ignores: Ctrl-C, which reaches every process of a terminal, must
    # not end one in the middle of its imports.
    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if main else None
    try:
        yield cores
    finally:
        if main:
            signal.signal(signal.SIGINT, before)
        for name in added:
            del os.environ[name]
