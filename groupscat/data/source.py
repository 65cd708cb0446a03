"""What every source of signals does: hand out batches, tell good signals from bad, remember the bad."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
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
    """Some signals: ``values`` of shape (b, *source.shape), and their positions in ``source.names``."""

    values: NDArray[Any]
    rows: Sequence[int]


class Source(ABC):
    """Signals of one shape, read a batch at a time.

    Attributes
    ----------
    names : one per signal, in order. shape : of one signal, channels included.
    is_complex : whether the values are complex. unit : what one signal is called.
    labels : 1-D arrays as long as ``names`` that came with the signals.
    skip_bad : leave out what cannot be read, rather than stop. skipped : what has been left out so far.
    notes : what the user should know about how the input was understood. about : the same as data.
    """

    unit = "signal"

    def __init__(self, skip_bad: bool) -> None:
        self.names: tuple[str, ...] = ()
        self.shape: tuple[int, ...] = ()
        self.is_complex = False
        self.labels: dict[str, NDArray[Any]] = {}
        self.skip_bad = skip_bad
        self.skipped: list[Skipped] = []
        self.notes: list[str] = []
        self.about: dict[str, Any] = {"unit": self.unit}

    def batches(self, size: int, dtype: str = "float32") -> Iterator[Batch]:
        """The good signals in order, at most ``size`` at a time.

        Parameters
        ----------
        dtype : "float32" or "float64"; complex signals come as complex64 or complex128.

        Raises
        ------
        DataError : a signal cannot be read or holds NaN or infinity, and ``skip_bad`` is off.
        """
        kind = {"float32": "complex64", "float64": "complex128"}[dtype] if self.is_complex else dtype
        for batch in self._read(size, kind):
            values = batch.values.reshape(len(batch.rows), *self.shape)
            # After the conversion: a float64 may be too large for float32.
            finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
            for row in (r for r, good in zip(batch.rows, finite, strict=True) if not good):
                self._bad(self.names[row], f"holds NaN or infinity (read as {kind})")
            rows = [r for r, good in zip(batch.rows, finite, strict=True) if good]
            if rows:
                yield Batch(values if len(rows) == len(values) else values[finite], rows)

    @abstractmethod
    def _read(self, size: int, dtype: str) -> Iterator[Batch]:
        """Batches of everything that can be decoded, converted to ``dtype``."""

    def _bad(self, name: str, reason: str) -> None:
        self._all_bad([Skipped(name, reason)])

    def _all_bad(self, bad: Sequence[Skipped]) -> None:
        if bad and not self.skip_bad:
            lines = [f"  {item}" for item in bad[:SHOWN]]
            if len(bad) > SHOWN:
                lines.append(f"  ... and {len(bad) - SHOWN} more")
            what = f"One {self.unit}" if len(bad) == 1 else f"{len(bad)} {self.unit}s"
            raise DataError(
                "\n".join([f"{what} cannot be used:", *lines, "Pass --skip-bad to leave such inputs out."])
            )
        self.skipped.extend(bad)


def printable(path: str | Path) -> str:
    """A file name as text that can be printed and stored, whatever bytes it is made of."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
