"""What a file or folder of labelled signals holds, before it is a data set: splits, labels, class names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groupscat.classify.labels import as_labels
from groupscat.datasets.dataset import Dataset
from groupscat.errors import ArgumentError, DataError

if TYPE_CHECKING:
    from groupscat.datasets.decode import LazyImages

#: How splits are called in files and folders.
SPLITS = {
    "train": ("train", "training"),
    "test": ("test", "testing", "t10k"),
    "val": ("val", "valid", "validation"),
}
#: A number in [0, 1] is stored in as many steps.
STEPS = {"uint8": 255, "uint16": 65535}


@dataclass(frozen=True, eq=False)
class Part:
    """One split, read when asked for: signals (n, *shape), channels first, and labels as they are stored."""

    signals: Callable[[], NDArray[Any] | LazyImages]
    labels: Callable[[], NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Content:
    """The splits of a file or folder.

    Parameters
    ----------
    name : what to call it. holds : what is in it, for messages.
    classes : their names, of which labels are the positions; None: labels are names themselves.
    """

    name: str
    parts: Mapping[str, Part]
    holds: str
    classes: tuple[str, ...] | None = None

    def dataset(self, split: str) -> Dataset:
        """The data set of one split.

        Raises
        ------
        ArgumentError : there is no such split.
        DataError : labels and signals do not fit each other, or a class is empty or unknown.
        """
        if split not in self.parts:
            have = " and ".join(map(repr, self.splits))
            raise ArgumentError(
                f"split={split!r}: {self.name} has {have} only; it holds {self.holds}. Another path may have "
                "the other split, or Dataset.split(fraction, seed) holds some of these out."
            )
        labels = self._labels(split)
        origin = self._origin(split)
        if self.classes is not None and labels.dtype.kind == "i":
            classes = self.classes
            y = _positions(labels, classes, origin, complete=split == "train")
        else:
            known = np.unique(self._labels("train") if "train" in self.parts else labels)
            classes = tuple(map(str, known.tolist()))
            y = _numbered(labels, known, origin)
        x = self.parts[split].signals()
        if len(x) != len(y):
            raise DataError(
                f"{self.name} has {len(x)} signals, but {len(y)} labels of them (split {split!r})."
            )
        return Dataset(x, y, classes, 1 / STEPS.get(x.dtype.name, 1), f"{self.name} ({split})")

    @property
    def splits(self) -> tuple[str, ...]:
        """Those that are there, in the order of :data:`SPLITS`."""
        return tuple(split for split in SPLITS if split in self.parts)

    def _labels(self, split: str) -> NDArray[Any]:
        return checked(self.parts[split].labels(), self._origin(split))

    def _origin(self, split: str) -> str:
        return f"the {split} labels of {self.name}"


def checked(labels: NDArray[Any], origin: str) -> NDArray[Any]:
    """Labels (n,) or (n, 1) as integers ≥ 0 or text. Whole numbers in floating point count as integers.

    Raises
    ------
    DataError : they are something else.
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise DataError(
            f"{origin} have shape {labels.shape}; expected one per signal, (n,). Of indicators (one-hot) "
            "take the position of the largest, labels.argmax(1)."
        )
    values = as_labels(labels, origin, [f"row {k}" for k in range(len(labels))])
    if values.dtype.kind == "i" and (values < 0).any():
        row = int(np.argmax(values < 0))
        raise DataError(f"{origin} hold {values[row]}, first at row {row}; expected 0 or more.")
    return values


def _positions(
    labels: NDArray[np.int64], classes: tuple[str, ...], origin: str, complete: bool
) -> NDArray[np.int64]:
    """Labels that are positions in ``classes``; ``complete``: each class must occur."""
    if (labels >= len(classes)).any():
        row = int(np.argmax(labels >= len(classes)))
        raise DataError(
            f"{origin} hold {labels[row]}, first at row {row}; there are {len(classes)} classes, "
            f"0 to {len(classes) - 1}."
        )
    counts = np.bincount(labels, minlength=len(classes))
    empty = [name for name, count in zip(classes, counts, strict=True) if not count]
    if empty and complete:
        raise DataError(f"{origin} have nothing of {_listing(empty)}, out of {len(classes)} classes.")
    return labels


def _numbered(labels: NDArray[Any], known: NDArray[Any], origin: str) -> NDArray[np.int64]:
    """The positions of labels among the known ones, which are sorted."""
    if labels.dtype.kind != known.dtype.kind:
        raise DataError(f"{origin} are {labels.dtype}, but those of training {known.dtype}.")
    strange = np.setdiff1d(labels, known)
    if len(strange):
        raise DataError(
            f"{origin} hold {_listing(strange.tolist())}, which no training signal has "
            f"(they have {_listing(known.tolist())})."
        )
    return np.searchsorted(known, labels).astype(np.int64)


def _listing(names: Sequence[Any]) -> str:
    shown = ", ".join(repr(name) for name in names[:10])
    return f"{shown} and {len(names) - 10} more" if len(names) > 10 else shown
