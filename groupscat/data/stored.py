"""One array on the disk, read a piece at a time: a ``.npy`` file, a member of an ``.npz``, a Zarr array."""

from __future__ import annotations

import math
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from groupscat.data.source import printable
from groupscat.errors import ArgumentError, DataError

#: The array that is taken where several could be meant.
USUAL_KEYS = ("x", "X", "features", "data", "images", "signals", "arr_0")
#: Read at a time where signals are passed over, bytes.
SKIP_BYTES = 1 << 24
#: What reading a damaged file raises.
DAMAGED = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError)
#: The attribute of a Zarr store's root group that says that groupscat wrote it, and whether it is complete.
ATTRIBUTE = "groupscat"


@dataclass(frozen=True)
class Header:
    """Shape, type and memory order of a stored array."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]


class Stored(ABC):
    """An array (n, *shape) and what is stored beside it.

    Attributes
    ----------
    key : its name there. header : its own. others : those of the arrays beside it.

    Raises
    ------
    DataError : it cannot be read, or cannot hold signals.
    """

    key: str | None = None
    header: Header

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = printable(path)
        self.others: dict[str, Header] = {}

    def __str__(self) -> str:
        return self.name if self.key is None else f"{self.key} of {self.name}"

    @abstractmethod
    def rows(self, span: range) -> NDArray[Any]:
        """The signals at ``span``; reading on is cheap, going back in a compressed file is not."""

    def labels(self, notes: list[str]) -> dict[str, NDArray[Any]]:
        """The other 1-D arrays with one element per signal."""
        found = {}
        for name, header in self.others.items():
            if header.shape != self.header.shape[:1]:
                continue
            if header.dtype.hasobject and header.dtype.kind != "T":
                notes.append(f"{name} of {self.name} is an array of Python objects and is not carried over.")
                continue
            found[name] = self._other(name)
        return found

    def _other(self, name: str) -> NDArray[Any]:
        """Another array of the same file; a format of one array has none."""
        raise KeyError(name)

    def close(self) -> None:  # noqa: B027 -- most keep nothing open
        """Close what reading keeps open."""

    def _choose(self, key: str | None, headers: Mapping[str, Header]) -> None:
        """The array that is meant."""
        listing = ", ".join(f"{name} {header.shape}" for name, header in headers.items()) or "nothing"
        usable = [n for n, h in headers.items() if len(h.shape) > 1 and h.dtype.kind in "biufc"]
        if key is None:
            usual = [name for name in USUAL_KEYS if name in usable]
            if len(usable) != 1 and not usual:
                raise DataError(f"{self.name} holds {listing}; name the array of signals with --key.")
            key = usable[0] if len(usable) == 1 else usual[0]
        elif key not in headers:
            raise DataError(f"{self.name} has no array {key!r}; it holds {listing}.")
        self.key, self.header = key, headers[key]
        self.others = {name: header for name, header in headers.items() if name != key}

    def _only(self, key: str | None) -> None:
        if key is not None:
            raise ArgumentError(f"--key {key} names an array among several; {self.name} holds just one.")

    def _check(self) -> None:
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


def open_stored(path: Path, key: str | None) -> Stored:
    """The array in a file or folder; ``key``: its name, where there are several."""
    kind = ZarrArray if path.is_dir() else NpzArray if path.suffix.lower() == ".npz" else NpyArray
    return kind(path, key)


class NpyArray(Stored):
    """The array of a ``.npy`` file."""

    def __init__(self, path: Path, key: str | None) -> None:
        super().__init__(path)
        self._only(key)
        try:
            with open(path, "rb") as file:
                self.header = array_header(file)
        except DAMAGED as error:
            raise unreadable(self, error) from error
        self._check()

    def rows(self, span: range) -> NDArray[Any]:
        try:
            # Mapped: only the pages in use are in memory, whatever the order of the axes.
            whole = np.load(self.path, mmap_mode="r", allow_pickle=False)
            return np.asarray(whole[span.start : span.stop])
        except DAMAGED as error:
            raise unreadable(self, error) from error


class NpzArray(Stored):
    """A member of an ``.npz``, compressed or not, read as a stream."""

    def __init__(self, path: Path, key: str | None) -> None:
        super().__init__(path)
        self._file: IO[bytes] | None = None
        self._at = 0
        self._whole: NDArray[Any] | None = None
        headers = {}
        try:
            with zipfile.ZipFile(path) as archive:
                for info in archive.infolist():
                    if info.filename.endswith(".npy"):
                        with archive.open(info) as file:
                            headers[info.filename.removesuffix(".npy")] = array_header(file)
        except DAMAGED as error:
            raise unreadable(self, error) from error
        self._choose(key, headers)
        self._check()

    def _other(self, name: str) -> NDArray[Any]:
        try:
            with np.load(self.path, allow_pickle=False) as archive:
                values: NDArray[Any] = archive[name]
                return values
        except DAMAGED as error:
            raise DataError(f"Cannot read {name} of {self.name}: {reason(error)}.") from error

    def rows(self, span: range) -> NDArray[Any]:
        try:
            if not self.header.fortran:
                return self._stream(span)
            if self._whole is None:
                with np.load(self.path, allow_pickle=False) as archive:
                    self._whole = archive[self.key]
            return self._whole[span.start : span.stop]
        except DAMAGED as error:
            raise unreadable(self, error) from error

    def _stream(self, span: range) -> NDArray[Any]:
        count, *shape = self.header.shape
        dtype = self.header.dtype
        step = math.prod(shape) * dtype.itemsize
        if self._file is None or self._at > span.start:
            self.close()
            archive = zipfile.ZipFile(self.path)  # closed with its only member
            self._file, self._at = archive.open(f"{self.key}.npy"), 0
            array_header(self._file)
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


class ZarrArray(Stored):
    """An array in a Zarr store, of format 2 or 3."""

    def __init__(self, path: Path, key: str | None) -> None:
        super().__init__(path)
        self._array: Any = None
        node = open_zarr(path)
        try:
            if not hasattr(node, "arrays"):
                self._only(key)
                self.header = _zarr_header(node)
            else:
                about = dict(node.attrs).get(ATTRIBUTE, {"complete": True})
                if not about.get("complete"):
                    raise DataError(f"{self.name} is not complete; the run that makes it was interrupted.")
                self._choose(key, {name: _zarr_header(array) for name, array in node.arrays()})
        except DataError:
            raise
        except Exception as error:  # as in open_zarr
            raise unreadable(self, error) from error
        self._check()

    def rows(self, span: range) -> NDArray[Any]:
        try:
            if self._array is None:
                node = open_zarr(self.path)
                self._array = node if self.key is None else node[self.key]
            return np.asarray(self._array[span.start : span.stop])
        except Exception as error:  # as in open_zarr
            raise unreadable(self, error) from error

    def _other(self, name: str) -> NDArray[Any]:
        try:
            return plain(open_zarr(self.path)[name][...])
        except Exception as error:  # as in open_zarr
            raise DataError(f"Cannot read {name} of {self.name}: {reason(error)}.") from error

    def close(self) -> None:
        self._array = None

    def __getstate__(self) -> dict[str, Any]:
        """Without the open array: another process opens its own."""
        return self.__dict__ | {"_array": None}


def _zarr_header(array: Any) -> Header:
    return Header(tuple(array.shape), False, np.dtype(array.dtype))


def zarr_module() -> Any:
    """The zarr module.

    Raises
    ------
    ImportError : it is not installed, or too old; the message names the extra.
    """
    try:
        import zarr
    except ImportError as error:
        raise ImportError('Zarr stores need zarr: pip install "groupscat[zarr]"') from error
    if int(zarr.__version__.split(".")[0]) < 3:
        raise ImportError(f'zarr {zarr.__version__} is too old: pip install "groupscat[zarr]"')
    return zarr


def open_zarr(path: Path) -> Any:
    """The group or array stored in a folder, to read only.

    Raises
    ------
    DataError : there is none. ImportError : zarr is not installed; the message names the extra.
    """
    zarr = zarr_module()
    try:
        return zarr.open(path, mode="r")
    except Exception as error:  # zarr raises many kinds of error for what is damaged
        raise DataError(f"Cannot read {printable(path)} as a Zarr store: {reason(error)}.") from error


def plain(array: Any) -> NDArray[Any]:
    """Text as NumPy's own type of fixed width, which everything understands."""
    values = np.asarray(array)
    if values.dtype.kind not in "TO":
        return values
    return np.array(values.tolist(), dtype=np.str_).reshape(values.shape)


def array_header(file: IO[bytes]) -> Header:
    """What stands before the numbers of a ``.npy`` file."""
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    return Header(*read(file))


def unreadable(what: Stored, error: Exception) -> Exception:
    """The error to raise: our own as it is."""
    if isinstance(error, DataError | ArgumentError):
        return error
    return DataError(f"Cannot read {what}: {reason(error)}.")


def reason(error: BaseException) -> str:
    """Why something cannot be read, for the end of a sentence."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error) or type(error).__name__).rstrip(".")
