"""An ``.npz`` file written row by row, which appears under its name only when it is complete."""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from groupscat.data.source import printable
from groupscat.errors import ArgumentError, DataError

COPY_BYTES = 1 << 22


class NpzWriter:
    """Writes one large array row by row and small ones whole; :meth:`commit` puts the file in place.

    Until then everything is in a hidden ``.part`` file in the same folder, which has no table of contents
    (so that nothing reads it as an ``.npz``) and is removed if the ``with`` block ends without a commit.

    Parameters
    ----------
    path : the file to make. overwrite : whether it may exist already.

    Raises
    ------
    ArgumentError : it exists, is a folder, or its folder does not exist. DataError : it cannot be written.

    >>> import tempfile, numpy as np
    >>> folder = tempfile.TemporaryDirectory()
    >>> with NpzWriter(folder.name + "/y.npz") as out:
    ...     out.begin("y", (3,), "float32", rows=2)
    ...     out.append(np.zeros((2, 3)))
    ...     out.add("names", np.array(["a", "b"]))
    ...     out.commit()
    >>> np.load(folder.name + "/y.npz")["y"].shape
    (2, 3)
    >>> folder.cleanup()
    """

    def __init__(self, path: str | Path, overwrite: bool = False) -> None:
        self.path = Path(path)
        self.overwrite = overwrite
        self.rows = 0
        self._check()
        self._file: IO[bytes] | None = None
        self._member: IO[bytes] | None = None

    def _check(self) -> None:
        if self.path.is_dir():
            raise ArgumentError(f"{printable(self.path)} is a folder; name a file in it.")
        if not self.path.parent.is_dir():
            raise ArgumentError(f"There is no folder {printable(self.path.parent)} to write to.")
        if self.path.exists() and not self.overwrite:
            raise ArgumentError(f"{printable(self.path)} exists; pass --overwrite to replace it.")

    def __enter__(self) -> Self:
        self._part, self._file, self._zip = self._open()
        return self

    def _open(self) -> tuple[Path, IO[bytes], zipfile.ZipFile]:
        part = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.part")
        try:
            file = open(part, "x+b")  # noqa: SIM115 -- closed by __exit__
        except OSError as error:
            raise self._failed(error) from error
        return part, file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED)

    def begin(self, name: str, shape: Sequence[int], dtype: str, rows: int) -> None:
        """Start the array of rows of ``shape``; ``rows``: how many to expect (fewer may come).

        Raises
        ------
        DataError : there is not enough room on the disk.
        """
        self._name, self._shape, self._dtype, self._expected = name, tuple(shape), np.dtype(dtype), rows
        need = rows * int(np.prod(self._shape)) * self._dtype.itemsize
        free = shutil.disk_usage(self.path.parent).free
        if need > free:
            raise DataError(
                f"{printable(self.path)} will take {need / 1e9:.3g} GB, but its disk has "
                f"{free / 1e9:.3g} GB left."
            )
        self._member = self._start(self._zip, rows)

    def _start(self, archive: zipfile.ZipFile, rows: int) -> IO[bytes]:
        member = archive.open(zipfile.ZipInfo(f"{self._name}.npy"), "w", force_zip64=True)
        member.write(self._header(rows))
        return member

    def _header(self, rows: int) -> bytes:
        buffer = io.BytesIO()
        description = {"descr": self._dtype.str, "fortran_order": False, "shape": (rows, *self._shape)}
        npy.write_array_header_1_0(buffer, description)
        return buffer.getvalue()

    def append(self, values: NDArray[Any]) -> None:
        """Write rows, shape (b, *shape)."""
        assert self._member is not None
        if values.shape[1:] != self._shape or self.rows + len(values) > self._expected:
            raise ValueError(
                f"{len(values)} rows of shape {values.shape[1:]} do not fit: {self._expected - self.rows} of "
                f"shape {self._shape} are left to write"
            )
        try:
            self._member.write(np.ascontiguousarray(values, self._dtype).data)
        except OSError as error:
            raise self._failed(error) from error
        self.rows += len(values)

    def add(self, name: str, array: NDArray[Any]) -> None:
        """Write a small array whole. Python objects are refused: the file must load without pickle."""
        self._end()
        try:
            with self._zip.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                npy.write_array(member, np.asanyarray(array), allow_pickle=False)
        except OSError as error:
            raise self._failed(error) from error

    def _end(self) -> None:
        if self._member is None:
            return
        try:
            self._member.close()
            self._member = None
            if self.rows != self._expected:
                self._shorten()
        except OSError as error:
            raise self._failed(error) from error

    def _shorten(self) -> None:
        """Copy the rows behind a header that says how many there are: the checksum covers both."""
        old, file, archive = self._part, self._file, self._zip
        assert file is not None
        archive.close()
        skip = len(self._header(self._expected))
        self._part, self._file, self._zip = self._open()
        try:
            with zipfile.ZipFile(file) as source, source.open(f"{self._name}.npy") as rows:
                rows.read(skip)
                with self._start(self._zip, self.rows) as member:
                    shutil.copyfileobj(rows, member, COPY_BYTES)
        finally:
            file.close()
            old.unlink(missing_ok=True)

    def commit(self) -> None:
        """Complete the file and give it its name, replacing in one step what was there.

        Raises
        ------
        ArgumentError : meanwhile a file of that name has appeared, and ``overwrite`` is off.
        """
        assert self._file is not None
        self._end()
        try:
            self._zip.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._check()
            os.replace(self._part, self.path)
        except OSError as error:
            raise self._failed(error) from error
        self._file = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is None:
            return
        with contextlib.suppress(
            OSError
        ):  # first, so that a second Ctrl-C finds nothing left to leave behind
            self._part.unlink()
        # Closing writes what is buffered, which a full disk refuses again.
        with contextlib.suppress(OSError, ValueError):
            if self._member is not None:
                self._member.close()
        with contextlib.suppress(OSError, ValueError):
            self._zip.close()
        with contextlib.suppress(OSError, ValueError):
            self._file.close()
        with contextlib.suppress(OSError):  # where an open file cannot be removed
            self._part.unlink(missing_ok=True)

    def _failed(self, error: OSError) -> DataError:
        return DataError(f"Cannot write {printable(self.path)}: {error.strerror or error}.")
