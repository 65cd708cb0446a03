"""The ``.npz`` of features in the making: rows are appended, what is small is added at the end."""

from __future__ import annotations

import contextlib
import io
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from groupscat.data.part import Layout
from groupscat.data.store import COPY_BYTES
from groupscat.errors import DataError


class NpzRows:
    """Rows in a file that becomes an ``.npz`` in place, without a copy of the rows.

    Until :meth:`finish` the file has no table of contents, so that nothing reads it as an ``.npz``.

    Parameters
    ----------
    folder : where the file is made. state : what :meth:`sync` returned, to go on from there.

    Raises
    ------
    OSError : it cannot be written. DataError : rows that ``state`` promises are missing.
    """

    def __init__(self, folder: Path, layout: Layout, state: Mapping[str, Any] | None = None) -> None:
        self.path = folder / "features.npz"
        self._layout, self._dtype = layout, np.dtype(layout.dtype)
        self.rows = 0 if state is None else int(state["rows"])
        head = self._head(layout.rows)
        self._crc = zlib.crc32(self._array_header(layout.rows)) if state is None else int(state["crc"])
        self._file: IO[bytes] = open(self.path, "w+b" if state is None else "r+b")  # noqa: SIM115
        self._file.write(head)
        end = len(head) + self.rows * self._row_bytes
        if self._file.seek(0, os.SEEK_END) < end:
            self.close()
            raise DataError(f"{self.path} is damaged: rows that were written are missing.")
        self._file.truncate(end)
        self._file.seek(end)

    @property
    def _row_bytes(self) -> int:
        return int(np.prod(self._layout.shape)) * self._dtype.itemsize

    def append(self, values: NDArray[Any]) -> None:
        """Write rows, shape (b, *shape)."""
        data = np.ascontiguousarray(values, self._dtype).reshape(-1).view(np.uint8).data
        self._file.write(data)
        self._crc = zlib.crc32(data, self._crc)
        self.rows += len(values)

    def sync(self) -> dict[str, Any]:
        """Put all rows on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return {"rows": self.rows, "crc": self._crc}

    def finish(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Add the small arrays and the table of contents. Python objects are refused."""
        if self.rows != self._layout.rows:
            self._crc = self._checksum()
        info = self._info()
        info.CRC = self._crc
        info.file_size = len(self._array_header(self.rows)) + self.rows * self._row_bytes
        info.compress_size = info.file_size
        self._file.seek(0)
        self._file.write(self._head(self.rows, info))
        self._file.seek(0, os.SEEK_END)
        with zipfile.ZipFile(self._file, "w", zipfile.ZIP_STORED) as archive:  # begins where the file stands
            archive.filelist.append(info)
            archive.NameToInfo[info.filename] = info
            for name, array in arrays.items():
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                    npy.write_array(member, np.asanyarray(array), allow_pickle=False)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def close(self) -> None:
        # Closing writes what is buffered, which a full disk refuses again.
        with contextlib.suppress(OSError):
            self._file.close()

    def _checksum(self) -> int:
        """Of fewer rows than were expected: the header, which comes first, is another one."""
        crc = zlib.crc32(self._array_header(self.rows))
        self._file.seek(len(self._head(self.rows)))
        while data := self._file.read(COPY_BYTES):
            crc = zlib.crc32(data, crc)
        return crc

    @staticmethod
    def _info() -> zipfile.ZipInfo:
        info = zipfile.ZipInfo("features.npy")
        info.external_attr = 0o600 << 16
        info.CRC = info.file_size = info.compress_size = info.header_offset = 0
        return info

    def _head(self, rows: int, info: zipfile.ZipInfo | None = None) -> bytes:
        return (info or self._info()).FileHeader(zip64=True) + self._array_header(rows)

    def _array_header(self, rows: int) -> bytes:
        """Of the same length for any number of rows: NumPy leaves room for the first axis to grow."""
        buffer = io.BytesIO()
        shape = (rows, *self._layout.shape)
        npy.write_array_header_1_0(buffer, {"descr": self._dtype.str, "fortran_order": False, "shape": shape})
        return buffer.getvalue()
