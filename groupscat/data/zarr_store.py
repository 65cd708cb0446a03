"""The Zarr store of features in the making: every chunk is written once and whole."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.data.part import Layout, sync_folder
from groupscat.data.stored import ATTRIBUTE, zarr_module
from groupscat.errors import DataError


class ZarrRows:
    """Rows in a Zarr array whose chunks have the size of a batch.

    Where bad signals were left out, batches are shorter than chunks. Rows that do not fill a chunk yet are in
    a file beside the store, so that a chunk that is written is never written again.

    Parameters
    ----------
    folder : where the store is made. state : what :meth:`sync` returned, to go on from there.

    Raises
    ------
    OSError : it cannot be written. DataError : rows that ``state`` promises are missing.
    ImportError : zarr is not installed; the message names the extra.
    """

    def __init__(self, folder: Path, layout: Layout, state: Mapping[str, Any] | None = None) -> None:
        zarr = zarr_module()
        self.path = folder / "features.zarr"
        self._folder, self._layout = folder, layout
        self._chunk = min(layout.batch, layout.rows)
        self._chunks = 0
        self._rest = np.empty((0, *layout.shape), layout.dtype)
        self._rest_file: Path | None = None
        self._old: Path | None = None
        shape = (layout.rows, *layout.shape)
        # A chunk that is missing is never taken for zeros; and none is missing because of what it holds.
        fill, settings = np.nan, {"array.write_empty_chunks": True}
        if state is None:
            self._group = zarr.open_group(self.path, mode="w-")
            self._group.attrs[ATTRIBUTE] = {"complete": False}
            with zarr.config.set(settings):
                self._array = self._group.create_array(
                    "features",
                    shape=shape,
                    chunks=(self._chunk, *layout.shape),
                    dtype=layout.dtype,
                    fill_value=fill,
                    compressors=zarr.codecs.ZstdCodec(level=0, checksum=True),
                )
        else:
            self._group = zarr.open_group(self.path, mode="r+")
            self._group.attrs[ATTRIBUTE] = {"complete": False}
            with zarr.config.set(settings):
                self._array = self._group["features"]
            self._array.resize(shape)
            self._chunks = int(state["chunks"])
            if state["rest"] is not None:
                self._rest_file = folder / state["rest"]
                self._rest = np.load(self._rest_file, allow_pickle=False)
            if any(not self._chunk_file(k).exists() for k in range(self._chunks)):
                raise DataError(f"{self.path} is damaged: rows that were written are missing.")

    @property
    def rows(self) -> int:
        return self._chunks * self._chunk + len(self._rest)

    def append(self, values: NDArray[Any]) -> None:
        """Write rows, shape (b, *shape)."""
        if self._old is not None:
            self._old.unlink(missing_ok=True)
            self._old = None
        if not len(values):
            return
        rows = np.concatenate([self._rest, values]) if len(self._rest) else values
        while len(rows) >= self._chunk:
            self._write(rows[: self._chunk])
            rows = rows[self._chunk :]
        self._rest = rows.copy()  # not a view, which would keep the whole batch

    def _write(self, rows: NDArray[Any]) -> None:
        first = self._chunks * self._chunk
        self._array[first : first + len(rows)] = rows
        path = self._chunk_file(self._chunks)
        with open(path, "r+b") as file:
            os.fsync(file.fileno())
        sync_folder(path.parent)
        self._chunks += 1

    def _chunk_file(self, index: int) -> Path:
        zeros = ("0",) * len(self._layout.shape)
        return self.path.joinpath("features", "c", str(index), *zeros)

    def sync(self) -> dict[str, Any]:
        """Put all rows on the disk."""
        # Until this batch is noted the journal names the old file of the rest: the next batch removes it.
        self._old, self._rest_file = self._rest_file, None
        if len(self._rest):
            self._rest_file = self._folder / f"rest-{self.rows}.npy"
            if self._old == self._rest_file:  # a batch without a good signal
                self._old = None
            else:
                with open(self._rest_file, "wb") as file:
                    # By way of the memory: NumPy's own writing does not say what the system refused.
                    buffer = io.BytesIO()
                    np.save(buffer, self._rest, allow_pickle=False)
                    file.write(buffer.getbuffer())
                    file.flush()
                    os.fsync(file.fileno())
        return {"chunks": self._chunks, "rest": self._rest_file.name if self._rest_file else None}

    def finish(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write the last rows, the small arrays and, last of all, that the store is complete."""
        if len(self._rest):
            self._write(self._rest)
            rows = (self._chunks - 1) * self._chunk + len(self._rest)
            self._rest = self._rest[:0]
        else:
            rows = self._chunks * self._chunk
        self._array.resize((rows, *self._layout.shape))
        about: dict[str, Any] = {"complete": False}
        for name, array in arrays.items():
            if name == "config":
                about[name] = json.loads(str(array))
            elif name == "version":
                about[name] = str(array)
            else:
                self._add(name, np.asanyarray(array))
        self._group.attrs[ATTRIBUTE] = about
        _sync_tree(self.path)
        self._group.attrs[ATTRIBUTE] = about | {"complete": True}
        _sync_tree(self.path)

    def _add(self, name: str, array: NDArray[Any]) -> None:
        chunks = tuple(max(1, n) for n in array.shape)
        # Text of fixed width and bytes have no specification in Zarr 3; text of any length has.
        text = array.dtype.kind in "USV"
        if array.dtype.kind == "S":
            array = np.char.decode(array, "utf-8", "backslashreplace")
        stored = self._group.create_array(
            name, shape=array.shape, chunks=chunks, dtype=str if text else array.dtype, overwrite=True
        )
        if array.size:
            stored[...] = (
                np.array([str(v) for v in array.flat], object).reshape(array.shape) if text else array
            )

    def close(self) -> None:
        """Nothing is open."""


def _sync_tree(folder: Path) -> None:
    """Put all but the chunks of the features, which are there already, on the disk."""
    for parent, folders, files in os.walk(folder):
        if Path(parent).name == "features":
            folders.clear()
        for name in files:
            with contextlib.suppress(PermissionError), open(Path(parent, name), "r+b") as file:
                os.fsync(file.fileno())
        sync_folder(Path(parent))
