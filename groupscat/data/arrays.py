"""Arrays as signals: ``.npy`` and ``.npz`` files read a batch at a time."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from groupscat.data.source import Batch, Source, printable
from groupscat.errors import ArgumentError, DataError

EXTENSIONS = (".npy", ".npz")
#: The array of an ``.npz`` that is taken where several could be meant.
USUAL_KEYS = ("x", "X", "features", "data", "images", "signals", "arr_0")
#: Read at a time where signals are passed over.
SKIP_BYTES = 1 << 24
#: What reading a damaged file raises.
DAMAGED = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError)


@dataclass(frozen=True)
class Header:
    """Shape, type and memory order of a stored array."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]


class ArraySource(Source):
    """The signals of one or several arrays (n, *shape): axis 0 counts them.

    Parameters
    ----------
    paths : ``.npy`` or ``.npz`` files with arrays of the same trailing shape.
    key : which array of an ``.npz``; None: its only one with two axes or more, or one of ``USUAL_KEYS``.
    skip_bad : leave out signals that hold NaN or infinity. A damaged file is an error in any case.

    Other 1-D arrays of the same length in an ``.npz`` (labels, say) become ``labels``.

    Raises
    ------
    DataError : a file cannot be read, or what it holds cannot be signals.
    """

    def __init__(self, paths: Sequence[Path], key: str | None = None, skip_bad: bool = False) -> None:
        super().__init__(skip_bad)
        self._members = [_Member(path, key) for path in paths]
        shapes = {member.header.shape[1:]: member for member in self._members}
        if len(shapes) > 1:
            a, b, *_ = shapes.values()
            raise DataError(
                f"The signals differ in shape: {a.header.shape[1:]} in {a}, {b.header.shape[1:]} in {b}."
            )
        self.shape = self._members[0].header.shape[1:]
        self.is_complex = any(member.header.dtype.kind == "c" for member in self._members)
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


class _Member:
    """One stored array, its header read and checked."""

    def __init__(self, path: Path, key: str | None) -> None:
        self.path = path
        self.name = printable(path)
        self.key: str | None = None
        self.others: dict[str, Header] = {}
        self._file: IO[bytes] | None = None
        self._at = 0
        self._whole: NDArray[Any] | None = None
        try:
            if path.suffix.lower() == ".npz":
                self._choose(key)
            else:
                if key is not None:
                    raise ArgumentError(f"--key {key} names an array of an .npz; {self.name} holds just one.")
                with open(path, "rb") as file:
                    self.header = _header(file)
        except DAMAGED as error:
            if isinstance(error, DataError | ArgumentError):
                raise
            raise DataError(f"Cannot read {self}: {reason(error)}.") from error
        shape, dtype = self.header.shape, self.header.dtype
        if dtype.kind not in "biufc":
            raise DataError(f"{self} holds elements of type {dtype}; expected numbers.")
        if len(shape) < 2:
            raise DataError(
                f"{self} has shape {shape}; expected (n, ...), n signals along axis 0. "
                "A single signal has shape (1, ...)."
            )
        if 0 in shape[1:]:
            raise DataError(f"{self} has shape {shape}: its signals are empty.")

    def __str__(self) -> str:
        return self.name if self.key is None else f"{self.key} of {self.name}"

    def _choose(self, key: str | None) -> None:
        with zipfile.ZipFile(self.path) as archive:
            headers = {}
            for info in archive.infolist():
                if info.filename.endswith(".npy"):
                    with archive.open(info) as file:
                        headers[info.filename.removesuffix(".npy")] = _header(file)
        listing = ", ".join(f"{name} {header.shape}" for name, header in headers.items()) or "nothing"
        usable = [n for n, h in headers.items() if len(h.shape) > 1 and h.dtype.kind in "biufc"]
        if key is None:
            usual = [name for name in USUAL_KEYS if name in usable]
            if len(usable) != 1 and not usual:
                raise DataError(f"{self.name} holds {listing}; name the array of signals with --key.")
            key = usable[0] if len(usable) == 1 else usual[0]
        elif key not in headers:
            raise DataError(f"{self.name} has no array {key!r}; it holds {listing}.")
        self.key, self.header = key, headers.pop(key)
        self.others = headers

    def labels(self, notes: list[str]) -> dict[str, NDArray[Any]]:
        """The other 1-D arrays with one element per signal."""
        found = {}
        for name, header in self.others.items():
            if header.shape != self.header.shape[:1]:
                continue
            if header.dtype.hasobject:
                notes.append(f"{name} of {self.name} is an array of Python objects and is not carried over.")
                continue
            try:
                with np.load(self.path, allow_pickle=False) as archive:
                    found[name] = archive[name]
            except DAMAGED as error:
                raise DataError(f"Cannot read {name} of {self.name}: {reason(error)}.") from error
        return found

    def rows(self, span: range) -> NDArray[Any]:
        """The signals at ``span``; reading on is cheap, going back in a compressed file is not."""
        try:
            if self.key is None:
                # Mapped: only the pages in use are in memory, whatever the order of the axes.
                whole = np.load(self.path, mmap_mode="r", allow_pickle=False)
                return np.asarray(whole[span.start : span.stop])
            if self.header.fortran:
                if self._whole is None:
                    with np.load(self.path, allow_pickle=False) as archive:
                        self._whole = archive[self.key]
                return self._whole[span.start : span.stop]
            return self._stream(span)
        except DAMAGED as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"Cannot read {self}: {reason(error)}.") from error

    def _stream(self, span: range) -> NDArray[Any]:
        count, *shape = self.header.shape
        dtype = self.header.dtype
        step = math.prod(shape) * dtype.itemsize
        if self._file is None or self._at > span.start:
            self.close()
            archive = zipfile.ZipFile(self.path)  # closed with its only member
            self._file, self._at = archive.open(f"{self.key}.npy"), 0
            _header(self._file)
        while self._at < span.start:
            rows = min(span.start - self._at, max(1, SKIP_BYTES // step))
            self._take(self._file, rows, step)
        values = np.frombuffer(self._take(self._file, len(span), step), dtype)
        if self._at == count:
            self._file.read(1)  # the end of the member, where its checksum is compared
            self.close()
        return values.reshape(len(span), *shape)

    def _take(self, file: IO[bytes], rows: int, step: int) -> bytes:
        data = file.read(rows * step)
        if len(data) != rows * step:
            missing = self._at + len(data) // step
            raise DataError(f"{self} is cut off: signal {missing} of {self.header.shape[0]} is missing.")
        self._at += rows
        return data

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = self._whole = None

    def __getstate__(self) -> dict[str, Any]:
        """Without open files: another process opens its own."""
        return self.__dict__ | {"_file": None, "_whole": None}


def _header(file: IO[bytes]) -> Header:
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    return Header(*read(file))


def reason(error: BaseException) -> str:
    """Why something cannot be read, for the end of a sentence."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error) or type(error).__name__).rstrip(".")
