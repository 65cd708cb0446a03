"""Image files as an array: decoded once where they fit in memory, else when rows are asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.data.images import Colour, ImageSource, Look
from groupscat.data.progress import Progress
from groupscat.data.source import SHOWN, Skipped
from groupscat.errors import DataError

#: Images that take no more, in float32, are decoded once and kept. Bytes.
KEPT = 4 << 30
#: Images decoded between two steps of a progress bar.
STEP = 256


class LazyImages:
    """Image files as an array (n, channels, H, W) of float32, decoded each time that rows are asked for.

    It has of an array what :class:`~groupscat.datasets.Dataset` uses: shape, type, rows, ``take``.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, source: ImageSource, rows: NDArray[np.int64] | None = None) -> None:
        self._source = source
        self._rows = np.arange(len(source.names)) if rows is None else rows
        self.shape = (len(self._rows), *_with_channels(source.shape))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: Any) -> NDArray[np.float32]:
        wanted = self._rows[rows]
        with ThreadPoolExecutor(self._source.threads) as pool:
            images = list(pool.map(self._image, np.atleast_1d(wanted).tolist()))
        values = np.stack(images) if images else np.empty((0, *self._source.shape), np.float32)
        return values.reshape(*np.shape(wanted), *self.shape[1:])

    def take(self, rows: NDArray[np.int64], axis: int = 0) -> LazyImages:
        """Some of the files, still undecoded."""
        return LazyImages(self._source, self._rows[rows])

    def fingerprint(self) -> Iterator[str]:
        """Size, time and name of every file, and which of them these are."""
        yield from self._source.fingerprint()
        yield repr((self._rows.tolist(), self._source.about))

    def _image(self, row: int) -> NDArray[Any]:
        batch = self._source.read(range(row, row + 1), "float32")
        _refuse(self._source.named(batch.bad))
        image: NDArray[Any] = batch.values[0]
        return image


def read_images(
    paths: Sequence[Path],
    colour: Colour = "rgb",
    shape: tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> NDArray[Any] | LazyImages:
    """Images (n, channels, H, W): bytes where that loses nothing, else float32, as
    :class:`~groupscat.data.images.ImageSource` scales them.

    Those that take more than :data:`KEPT` are not kept: of them only the headers are read here.

    Raises
    ------
    DataError : files cannot be decoded (all are named), or their sizes differ and ``shape`` is not given.
    """
    progress = progress or Progress()
    source = ImageSource(paths, Look(colour, shape), skip_bad=True, progress=progress)
    _refuse(source.skipped)
    whole = (len(paths), *source.shape)
    if 4 * math.prod(whole) > KEPT:
        return LazyImages(source)
    x: NDArray[Any] = np.empty(whole, np.uint8)
    batches = progress.wrap(source.batches(STEP), -(-len(paths) // STEP), "decoding images")
    for batch in batches:
        rows = list(batch.rows)
        if x.dtype == np.uint8:
            x[rows] = np.rint(np.clip(batch.values, 0, 1) * 255)
            if not np.array_equal(_unit(x[rows]), batch.values):
                x = _unit(x)
        if x.dtype != np.uint8:
            x[rows] = batch.values
    _refuse(source.skipped)
    return x.reshape(len(paths), *_with_channels(source.shape))


def _unit(x: NDArray[np.uint8]) -> NDArray[np.float32]:
    """As images of 8 bits are decoded."""
    return x.astype(np.float32) / np.float32(255)


def _with_channels(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape if len(shape) == 3 else (1, *shape)


def _refuse(bad: Sequence[Skipped]) -> None:
    if bad:
        lines = [f"  {item}" for item in bad[:SHOWN]]
        more = [f"  ... and {len(bad) - SHOWN} more"] if len(bad) > SHOWN else []
        raise DataError(
            "\n".join([f"{len(bad)} images cannot be used:", *lines, *more, "Replace or remove them."])
        )
