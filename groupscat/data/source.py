"""What every source of signals does: read batches ahead, tell good signals from bad, remember the bad."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.errors import DataError

#: Bad inputs named in one message; the rest are counted.
SHOWN = 20


@dataclass(frozen=True)
class Skipped:
    """A signal that could not be used: its name and why."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


@dataclass(frozen=True, eq=False)
class Batch:
    """Some signals: ``values`` of shape (b, *source.shape), and their positions in ``source.names``.

    bad : the positions that were to be read too, but cannot be used, and why.
    """

    values: NDArray[Any]
    rows: Sequence[int]
    bad: tuple[tuple[int, str], ...] = ()


class Source(ABC):
    """Signals of one shape, read a batch at a time. It can be pickled, so that several processes read.

    Attributes
    ----------
    names : one per signal, in order. shape : of one signal, channels included.
    is_complex : whether the values are complex. unit : what one signal is called.
    files : what the signals are in. sampling_rate : of recordings, in Hz.
    labels : 1-D arrays as long as ``names`` that came with the signals.
    skip_bad : leave out what cannot be read, rather than stop. skipped : what has been left out so far.
    notes : what the user should know about how the input was understood. about : the same as data.
    threads : how many may decode at a time.
    """

    unit = "signal"

    def __init__(self, skip_bad: bool) -> None:
        self.names: tuple[str, ...] = ()
        self.shape: tuple[int, ...] = ()
        self.is_complex = False
        self.sampling_rate: float | None = None
        self.files: Sequence[Path] = ()
        self.labels: dict[str, NDArray[Any]] = {}
        self.skip_bad = skip_bad
        self.skipped: list[Skipped] = []
        self.notes: list[str] = []
        self.about: dict[str, Any] = {"unit": self.unit}
        self.threads = min(8, os.cpu_count() or 1)

    def spans(self, size: int) -> list[range]:
        """The positions of each batch: whatever turns out to be bad, a signal keeps its company."""
        return [range(k, min(k + size, len(self.names))) for k in range(0, len(self.names), size)]

    def batches(self, size: int, dtype: str = "float32", first: int = 0, step: int = 1) -> Iterator[Batch]:
        """The good signals in order, at most ``size`` at a time; the next batch is read meanwhile.

        Parameters
        ----------
        dtype : "float32" or "float64"; complex signals come as complex64 or complex128.
        first, step : only the batches ``first``, ``first + step`` … of all.

        Raises
        ------
        DataError : a signal cannot be read or holds NaN or infinity, and ``skip_bad`` is off.
        """
        reader = ThreadPoolExecutor(1)
        ahead: deque[Future[Batch]] = deque()
        try:
            for span in self.spans(size)[first::step]:
                ahead.append(reader.submit(self.read, span, dtype))
                if len(ahead) > 1:
                    yield self._noted(ahead.popleft().result())
            while ahead:
                yield self._noted(ahead.popleft().result())
        finally:
            reader.shutdown(cancel_futures=True)
            self._close()

    def _noted(self, batch: Batch) -> Batch:
        self.skipped.extend(self.named(batch.bad))
        return batch

    def named(self, bad: Sequence[tuple[int, str]]) -> list[Skipped]:
        """Bad signals by name."""
        return [Skipped(self.names[row], why) for row, why in bad]

    def read(self, span: range, dtype: str) -> Batch:
        """The signals at ``span``; see :meth:`batches`."""
        kind = {"float32": "complex64", "float64": "complex128"}[dtype] if self.is_complex else dtype
        batch = self._read(span, kind)
        values = batch.values.reshape(len(batch.rows), *self.shape)
        # After the conversion: a float64 may be too large for float32.
        finite = np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
        wrong = [r for r, good in zip(batch.rows, finite, strict=True) if not good]
        bad = sorted([*batch.bad, *((row, f"holds NaN or infinity (read as {kind})") for row in wrong)])
        if bad and not self.skip_bad:
            raise self._refused(self.named(bad))
        if not wrong:
            return Batch(values, batch.rows, tuple(bad))
        return Batch(
            values[finite], [r for r, good in zip(batch.rows, finite, strict=True) if good], tuple(bad)
        )

    @abstractmethod
    def _read(self, span: range, dtype: str) -> Batch:
        """Everything at ``span`` that can be decoded, converted to ``dtype``."""

    def _close(self) -> None:  # noqa: B027 -- most sources keep nothing open
        """Close what reading keeps open."""

    def _leave_out(self, bad: Sequence[Skipped]) -> None:
        """Remember what is bad, or refuse it."""
        if bad and not self.skip_bad:
            raise self._refused(bad)
        self.skipped.extend(bad)

    def _refused(self, bad: Sequence[Skipped]) -> DataError:
        lines = [f"  {item}" for item in bad[:SHOWN]]
        if len(bad) > SHOWN:
            lines.append(f"  ... and {len(bad) - SHOWN} more")
        what = f"One {self.unit}" if len(bad) == 1 else f"{len(bad)} {self.unit}s"
        return DataError(
            "\n".join([f"{what} cannot be used:", *lines, "Pass --skip-bad to leave such inputs out."])
        )

    def fingerprint(self) -> Iterator[str]:
        """Size in bytes, time of modification in ns and name of every file, each a line of JSON.

        Of a folder (a Zarr array) these are the sum and the latest of all files in it.
        """
        for path in self.files:
            try:
                inside = [path, *(p for p in Path(path).rglob("*") if p.is_file())]
                states = [os.stat(p) for p in inside]
                size, time = sum(s.st_size for s in states), max(s.st_mtime_ns for s in states)
                yield json.dumps([size, time, printable(path)])
            except OSError as error:
                yield json.dumps([None, None, printable(path), error.strerror])


def printable(path: str | Path) -> str:
    """A file name as text that can be printed and stored, whatever bytes it is made of."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
