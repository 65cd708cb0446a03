"""A labelled data set: values as they are stored, classes by number, batches by row."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groupscat.checks import choice, integer
from groupscat.classify.split import stratified
from groupscat.data.images import pillow
from groupscat.errors import ArgumentError, DataError, DtypeError, ShapeError

if TYPE_CHECKING:
    from groupscat.datasets.decode import LazyImages

#: Values handled at a time where all of them are gone through.
BLOCK = 1 << 23


@dataclass(frozen=True, eq=False)
class Dataset:
    """n labelled signals.

    Parameters
    ----------
    x : array (n, *shape), channels first, real, as stored: bytes stay bytes. It may be mapped to a file, or
        :class:`~groupscat.datasets.decode.LazyImages`.
    y : (n,), integers 0 … len(classes) − 1. classes : their names, two or more.
    scale : what stored values are multiplied by: 1/255 for images of 8 bits.
    name : what it is called in logs and messages.

    Raises
    ------
    ShapeError : x and y do not fit each other. DtypeError : values are not real, labels not integers.
    DataError : a label is out of range, there are fewer than two classes, or values are NaN or infinite.

    >>> x = np.arange(8 * 3 * 4 * 4, dtype=np.uint8).reshape(8, 3, 4, 4)
    >>> data = Dataset(x, np.repeat([0, 1], 4), ("cat", "dog"), scale=1 / 255)
    >>> data
    Dataset('data': 8 × (3, 4, 4) of uint8, 2 classes)
    >>> data.batch([0, 7]).shape, len(data.per_class(2, seed=0))
    ((2, 3, 4, 4), 4)
    """

    x: NDArray[Any] | LazyImages
    y: NDArray[np.int64]
    classes: tuple[str, ...]
    scale: float = 1.0
    name: str = "data"

    def __post_init__(self) -> None:
        y = np.asarray(self.y)
        if y.dtype.kind not in "iu":
            raise DtypeError(f"The labels of {self.name} are {y.dtype}; expected integers: y.astype(int).")
        if y.ndim != 1 or len(self.x.shape) < 2 or len(y) != self.x.shape[0]:
            raise ShapeError(
                f"{self.name}: x has shape {tuple(self.x.shape)} and y {y.shape}; expected (n, ...) and (n,)."
            )
        if 0 in self.x.shape:
            raise ShapeError(f"{self.name}: x of shape {tuple(self.x.shape)} is empty.")
        if self.x.dtype.kind not in "buif":
            raise DtypeError(f"{self.name} holds elements of type {self.x.dtype}; expected real numbers.")
        object.__setattr__(self, "classes", tuple(map(str, self.classes)))
        if len(self.classes) < 2:
            raise DataError(
                f"{self.name} has {len(self.classes)} class{self.classes}; at least two are needed."
            )
        if len(set(self.classes)) < len(self.classes):
            raise DataError(f"{self.name} has two classes of one name: {', '.join(self.classes)}.")
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise ArgumentError(f"scale={self.scale!r}: expected a positive number.")
        wrong = np.flatnonzero((y < 0) | (y >= len(self.classes)))
        if len(wrong):
            raise DataError(
                f"{len(wrong)} labels of {self.name} are out of range, first {int(y[wrong[0]])} at row "
                f"{wrong[0]}: there are {len(self.classes)} classes, 0 to {len(self.classes) - 1}."
            )
        object.__setattr__(self, "y", y.astype(np.int64))
        if isinstance(self.x, np.ndarray) and self.x.dtype.kind == "f":
            for span in self._blocks():
                finite = np.isfinite(self.x[span]).reshape(span.stop - span.start, -1).all(axis=1)
                if not finite.all():
                    row = span.start + int(np.argmin(finite))
                    raise DataError(f"{self.name} holds NaN or infinity, first in row {row}.")

    def __len__(self) -> int:
        return len(self.y)

    def __repr__(self) -> str:
        return (
            f"Dataset({self.name!r}: {len(self)} × {self.shape} of {self.x.dtype}, "
            f"{len(self.classes)} classes)"
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one signal, channels first."""
        return tuple(self.x.shape[1:])

    def batch(self, rows: ArrayLike | slice, dtype: str = "float32") -> NDArray[Any]:
        """The signals at ``rows``, (b, *shape), scaled; floating point of type ``dtype``."""
        wanted = np.dtype(dtype)
        if wanted.kind != "f":
            raise DtypeError(f"dtype={dtype!r}: expected floating point, such as 'float32'.")
        where = rows if isinstance(rows, slice) else self._positions(rows)
        scaled: NDArray[Any] = np.multiply(
            self.x[where], wanted.type(self.scale), dtype=wanted, casting="unsafe"
        )
        return scaled

    def subset(self, rows: ArrayLike) -> Dataset:
        """The signals at ``rows`` (integers or booleans) alone; the classes stay."""
        wanted = self._positions(rows)
        if not len(wanted):
            raise ArgumentError(f"There are no rows in this subset of {self.name}.")
        return replace(self, x=self.x.take(wanted, axis=0), y=self.y[wanted])

    def per_class(self, count: int, seed: int) -> Dataset:
        """``count`` signals of each class, drawn without replacement, in the order they have here.

        Raises
        ------
        ArgumentError : a class has fewer; it is named.
        """
        count = integer("count", count, 1)
        rng = np.random.default_rng(integer("seed", seed, 0))
        chosen = []
        for k, name in enumerate(self.classes):
            rows = np.flatnonzero(self.y == k)
            if len(rows) < count:
                raise ArgumentError(f"count={count}: the class {name!r} of {self.name} has {len(rows)}.")
            chosen.append(rng.permutation(rows)[:count])
        return self.subset(np.sort(np.concatenate(chosen)))

    def split(self, fraction: float, seed: int) -> tuple[Dataset, Dataset]:
        """(the rest, ``fraction`` of each class), at random; of each class two remain in the rest.

        Raises
        ------
        ArgumentError : the fraction is not between 0 and 1, or too small for a single signal.
        """
        if not 0 < fraction < 1:
            raise ArgumentError(f"fraction={fraction!r}: expected a number between 0 and 1, such as 0.1.")
        parts = stratified(self.y, fraction, integer("seed", seed, 0))
        if not len(parts.test):
            raise ArgumentError(
                f"fraction={fraction} of {len(self)} signals in {len(self.classes)} classes is not a single "
                "one: raise it."
            )
        return self.subset(parts.train), self.subset(parts.test)

    def matched(self, classes: tuple[str, ...]) -> Dataset:
        """The same signals, with the numbers that ``classes`` have in another data set.

        Raises
        ------
        DataError : a signal is of none of them.

        >>> pets = Dataset(np.zeros((2, 1, 4)), np.array([0, 1]), ("cat", "dog"))
        >>> pets.matched(("bird", "dog", "cat")).y
        array([2, 1])
        """
        number = {name: k for k, name in enumerate(classes)}
        strange = [self.classes[k] for k in np.unique(self.y) if self.classes[k] not in number]
        if strange:
            raise DataError(
                f"{self.name} has the class {strange[0]!r}, which is none of {', '.join(map(repr, classes))}."
            )
        table = np.array([number.get(name, 0) for name in self.classes])
        return replace(self, y=table[self.y], classes=classes)

    def resized(self, height: int, width: int, method: Literal["bicubic", "area"] = "bicubic") -> Dataset:
        """Images of another size, by Pillow: bicubic (antialiased), or the mean over the area of each pixel.

        Bytes stay bytes; other values become float32.

        Raises
        ------
        ShapeError : these are no images (channels, H, W). ArgumentError : they are decoded when needed.
        ImportError : Pillow is not installed; the message names the extra.
        """
        size = integer("width", width, 1), integer("height", height, 1)
        method = choice("method", method, ("bicubic", "area"))
        if not isinstance(self.x, np.ndarray):
            raise ArgumentError(
                f"{self.name} is decoded when needed: open it with shape=({height}, {width})."
            )
        if self.x.ndim != 4:
            raise ShapeError(f"{self.name} has signals of shape {self.shape}; images are (channels, H, W).")
        if self.shape[1:] == (height, width):
            return self
        Image, _ = pillow()
        filter = {"bicubic": Image.Resampling.BICUBIC, "area": Image.Resampling.BOX}[method]
        stored = np.dtype(np.uint8 if self.x.dtype == np.uint8 else np.float32)
        planes = self.x.reshape(-1, *self.shape[1:])
        resized = np.empty((len(planes), height, width), stored)
        for k, plane in enumerate(planes):
            image = Image.fromarray(np.ascontiguousarray(plane, stored))
            resized[k] = np.asarray(image.resize(size, filter))
        return replace(self, x=resized.reshape(len(self), -1, height, width))

    def statistics(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation of each channel of the scaled values, a block at a time.

        Source of the merging of blocks: Chan, Golub, LeVeque 1983, "Algorithms for computing the sample
        variance", eq. 2.1.
        """
        count, mean, squares = 0, np.zeros(self.shape[0]), np.zeros(self.shape[0])
        for span in self._blocks():
            values = np.moveaxis(self.batch(span, "float64"), 1, 0).reshape(self.shape[0], -1)
            n = values.shape[1]
            its_mean = values.mean(axis=1)
            squares += ((values - its_mean[:, None]) ** 2).sum(axis=1)
            squares += (its_mean - mean) ** 2 * (count * n / (count + n))
            mean += (its_mean - mean) * (n / (count + n))
            count += n
        return mean, np.sqrt(squares / count)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of shape, type, scale, classes, labels and values; of lazy images, of size and time of
        their files instead of the values."""
        digest = hashlib.sha256(repr((self.x.shape, self.x.dtype.str, self.scale, self.classes)).encode())
        digest.update(self.y.astype("<i8").tobytes())
        if isinstance(self.x, np.ndarray):
            for span in self._blocks():
                digest.update(np.ascontiguousarray(self.x[span]).data)
        else:
            for line in self.x.fingerprint():
                digest.update(f"{line}\n".encode())
        return digest.hexdigest()

    def _positions(self, rows: ArrayLike) -> NDArray[np.int64]:
        wanted = np.asarray(rows)
        if wanted.dtype.kind == "b" and wanted.shape == self.y.shape:
            return np.flatnonzero(wanted)
        if wanted.ndim != 1 or (wanted.size and wanted.dtype.kind not in "iu"):
            raise DtypeError(
                f"rows are {wanted.dtype}, {wanted.shape}; expected integers, or {len(self)} booleans."
            )
        wanted = wanted.astype(np.int64)
        outside = wanted[(wanted < 0) | (wanted >= len(self))]
        if len(outside):
            raise ArgumentError(f"row {outside[0]}: {self.name} has rows 0 to {len(self) - 1}.")
        return wanted

    def _blocks(self) -> Iterator[slice]:
        step = max(1, BLOCK // math.prod(self.shape))
        return (slice(k, min(k + step, len(self))) for k in range(0, len(self), step))
