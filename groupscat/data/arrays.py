"""Arrays as signals, read a batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.data.source import Batch, Source
from groupscat.data.stored import open_stored
from groupscat.errors import DataError

EXTENSIONS = (".npy", ".npz")


class ArraySource(Source):
    """The signals of one or several arrays (n, *shape): axis 0 counts them.

    Parameters
    ----------
    paths : ``.npy`` or ``.npz`` files or Zarr stores, with arrays of the same trailing shape.
    key : which array of an ``.npz`` or a Zarr group; None: its only one with two axes or more, or one of
        ``stored.USUAL_KEYS``.
    skip_bad : leave out signals that hold NaN or infinity. A damaged file is an error in any case.

    Other 1-D arrays of the same length beside it (labels, say) become ``labels``.

    Raises
    ------
    DataError : a file cannot be read, or what it holds cannot be signals.
    """

    def __init__(self, paths: Sequence[Path], key: str | None = None, skip_bad: bool = False) -> None:
        super().__init__(skip_bad)
        self._members = [open_stored(path, key) for path in paths]
        shapes = {member.header.shape[1:]: member for member in self._members}
        if len(shapes) > 1:
            a, b, *_ = shapes.values()
            raise DataError(
                f"The signals differ in shape: {a.header.shape[1:]} in {a}, {b.header.shape[1:]} in {b}."
            )
        self.shape = self._members[0].header.shape[1:]
        self.is_complex = any(member.header.dtype.kind == "c" for member in self._members)
        #: Whether the signals are bytes, such as images of 8 bits.
        self.bytes = all(member.header.dtype == np.uint8 for member in self._members)
        self.files = list(paths)
        self.about |= {"key": self._members[0].key}
        self.names = tuple(f"{m.name}[{k}]" for m in self._members for k in range(m.header.shape[0]))
        if not self.names:
            raise DataError(
                f"There are no signals in {self._members[0]}: its shape is {self._members[0].header.shape}."
            )
        found = [member.labels(self.notes) for member in self._members]
        common = [name for name in found[0] if all(name in labels for labels in found)]
        self.labels = {name: np.concatenate([labels[name] for labels in found]) for name in common}

    def _read(self, span: range, dtype: str) -> Batch:
        parts, first = [], 0
        for member in self._members:
            count = member.header.shape[0]
            inside = range(max(span.start - first, 0), min(span.stop - first, count))
            if inside:
                with np.errstate(over="ignore"):  # what overflows is infinite, and reported as such
                    parts.append(member.rows(inside).astype(dtype))
            first += count
        return Batch(parts[0] if len(parts) == 1 else np.concatenate(parts), span)

    def _close(self) -> None:
        for member in self._members:
            member.close()


class OneSignal(Source):
    """One array, all of whose axes are the signal's."""

    def __init__(self, values: NDArray[Any], name: str) -> None:
        super().__init__(skip_bad=False)
        self._values, self.names, self.shape = values, (name,), values.shape
        self.is_complex = np.iscomplexobj(values)

    def _read(self, span: range, dtype: str) -> Batch:
        with np.errstate(over="ignore"):  # what overflows is infinite, and reported as such
            return Batch(self._values[None].astype(dtype), span)
