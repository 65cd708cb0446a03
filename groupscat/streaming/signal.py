"""Where a long signal comes from: an array that is read in parts, or blocks that follow each other."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from groupscat.backend import Array, Backend, backend_of, get_backend
from groupscat.errors import DataError, DtypeError, ShapeError


class Signal(Protocol):
    """Samples along the last axis."""

    @property
    def size(self) -> int:
        """How many are known."""

    @property
    def complete(self) -> bool:
        """Whether there are no more."""

    def fill(self, size: int) -> None:
        """Take in what there is, up to ``size`` samples."""

    def forget(self, start: int) -> None:
        """Samples before ``start`` will not be read any more."""

    def read(self, start: int, stop: int) -> Array:
        """Samples ``start`` … ``stop`` − 1, shape (..., stop − start)."""


class Whole:
    """An array (..., n) of any framework, or anything that has a shape and gives slices: a file, a store."""

    def __init__(self, x: Any) -> None:
        if len(x.shape) == 0:
            raise ShapeError("x has no axes; expected a signal of shape (..., n).")
        self.size, self.complete = int(x.shape[-1]), True
        self._x = x

    def fill(self, size: int) -> None:
        """Nothing: all is there."""

    def forget(self, start: int) -> None:
        """Nothing: nothing is kept."""

    def read(self, start: int, stop: int) -> Array:
        return _array(self._x[..., start:stop])


class Blocks:
    """Arrays (..., b) that follow each other along the last axis, each of any length."""

    def __init__(self, blocks: Iterable[Any]) -> None:
        self._blocks = iter(blocks)
        self._kept: list[tuple[int, Array]] = []
        self.size, self.complete = 0, False

    def fill(self, size: int) -> None:
        while self.size < size and not self.complete:
            try:
                block = _array(next(self._blocks))
            except StopIteration:
                self.complete = True
                return
            self._check(block)
            length = _shape(block)[-1]
            if length:
                self._kept.append((self.size, block))
                self.size += length

    def _check(self, block: Array) -> None:
        shape = _shape(block)
        if not shape:
            raise ShapeError("A block has no axes; expected blocks of shape (..., b), b samples each.")
        if not self._kept:
            return
        first = self._kept[-1][1]
        if shape[:-1] != _shape(first)[:-1]:
            raise ShapeError(
                f"The block at sample {self.size} has shape {shape}, but {_shape(first)} came before it. "
                "Blocks may differ in length only, which is their last axis."
            )
        kinds = [backend_of(b).dtype(b) for b in (block, first)]
        if kinds[0] != kinds[1]:
            raise DtypeError(
                f"The block at sample {self.size} is {kinds[0]}, but {kinds[1]} came before it. Convert the "
                "blocks to one type."
            )

    def forget(self, start: int) -> None:
        # The last one tells what the next has to look like.
        self._kept = [item for item in self._kept[:-1] if item[0] + _shape(item[1])[-1] > start] + self._kept[
            -1:
        ]

    def read(self, start: int, stop: int) -> Array:
        parts = []
        for first, block in self._kept:
            lo, hi = max(start - first, 0), min(stop - first, _shape(block)[-1])
            if lo < hi:
                parts.append(block[..., lo:hi])
        return parts[0] if len(parts) == 1 else backend_of(parts[0]).concat(parts, -1)


class Recording:
    """A file that soundfile reads as an array (n,) or (channels, n), full scale ±1."""

    def __init__(self, path: Path) -> None:
        from groupscat.data.audio import soundfile

        try:
            self._file = soundfile().SoundFile(path)
        except RuntimeError as error:
            raise DataError(f"Cannot read {path}: {error}.") from error
        channels = self._file.channels
        self.shape = (self._file.frames,) if channels == 1 else (channels, self._file.frames)

    def __getitem__(self, at: tuple[Any, slice]) -> NDArray[np.float64]:
        start, stop, _ = at[-1].indices(self.shape[-1])
        self._file.seek(start)
        values = self._file.read(stop - start, dtype="float64", always_2d=True)
        if len(values) < stop - start:
            raise DataError(
                f"{self._file.name} is cut off: {start + len(values)} of {self.shape[-1]} samples."
            )
        return np.asarray(values[:, 0] if len(self.shape) == 1 else values.T)


def signal_of(x: Any, backend: str | None, device: str | None) -> Signal:
    """What a user may pass as a long signal.

    Raises
    ------
    DataError : a file that cannot be read. DtypeError : not a signal.
    """
    if isinstance(x, str | Path):
        x = _opened(Path(x))
    if hasattr(x, "shape") and hasattr(x, "__getitem__"):
        signal: Signal = Whole(x)
    elif isinstance(x, Iterable):
        signal = Blocks(x)
    else:
        raise DtypeError(
            "Expected an array (..., n), an iterable of blocks of one, or the path of a file, got "
            f"{type(x).__name__}."
        )
    return signal if backend is None else On(signal, get_backend(backend), device)


class On:
    """A signal whose samples are put on a backend as they are read."""

    def __init__(self, signal: Signal, backend: Backend, device: str | None) -> None:
        self._signal, self._backend, self._device = signal, backend, device
        self.fill, self.forget = signal.fill, signal.forget

    @property
    def size(self) -> int:
        return self._signal.size

    @property
    def complete(self) -> bool:
        return self._signal.complete

    def read(self, start: int, stop: int) -> Array:
        x = self._signal.read(start, stop)
        source = backend_of(x)
        values = source.to_numpy(x)
        native = np.ascontiguousarray(values, values.dtype.newbyteorder("="))
        return self._backend.put(native, str(source.dtype(x)), self._device)


def _opened(path: Path) -> Any:
    try:
        if path.suffix.lower() == ".npy":
            return np.load(path, mmap_mode="r")
        if path.is_file():
            return Recording(path)
        with open(path, "rb"):  # for the system's own words
            pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"Cannot read {path}: {reason}.") from error
    raise DataError(f"Cannot read {path}: expected an .npy file or a recording; open others as arrays.")


def _array(x: Any) -> Array:
    """An array of a framework; what is none yet (of a file, a store, a Dask array) is read into NumPy's."""
    if isinstance(x, np.ndarray):
        return np.asarray(x)
    try:
        backend_of(x)
    except DtypeError:
        values = np.asarray(x)
        if values.dtype.kind == "O":
            raise
        return values
    return x


def _shape(x: Array) -> tuple[int, ...]:
    return tuple(backend_of(x).shape(x))
