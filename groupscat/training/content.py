"""What a file or folder of labelled signals holds, before it is a data set: splits, labels, class names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groupscat.classify.labels import as_labels
from groupscat.errors import ArgumentError, DataError
from groupscat.training.dataset import Dataset

if TYPE_CHECKING:
    from groupscat.training.decode import LazyImages

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
            have = " and ".join(repr(name) for name in self.parts)
            raise ArgumentError(
                f"split={split!r}: {self.name} has {have} only; it holds {self.holds}. Another path may have "
                "the other split, or Dataset.split(fraction, seed) holds some of these out."
            )
        part = self.parts[split]
        origin = f"the {split} labels of {self.name}"
        labels = checked(part.labels(), origin)
        if self.classes is not None and labels.dtype.kind == "i":
            y, classes = _positions(labels, self.classes, origin, complete=split == "train")
        else:
            reference = "train" if "train" in self.parts else split
            known = np.unique(
                labels if reference == split else checked(self.parts[reference].labels(), origin)
            )
            y, classes = _numbered(labels, known, origin), tuple(str(value) for value in known.tolist())
        x = part.signals()
        if len(x) != len(y):
            raise DataError(
                f"{self.name} has {len(x)} signals, but {len(y)} labels of them (split {split!r})."
            )
        return Dataset(x, y, classes, 1 / STEPS.get(x.dtype.name, 1), f"{self.name} ({split})")


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
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Labels that are positions in ``classes``; ``complete``: each class must occur."""
    counts = np.bincount(labels)
    if len(counts) > len(classes):
        row = int(np.argmax(labels >= len(classes)))
        raise DataError(
            f"{origin} hold {labels[row]}, first at row {row}; there are {len(classes)} classes, "
            f"0 to {len(classes) - 1}."
        )
    empty = [name for name, n in zip(classes, np.append(counts, [0] * len(classes)), strict=False) if not n]
    if empty and complete:
        raise DataError(f"{origin} have nothing of {_listing(empty)}, out of {len(classes)} classes.")
    return labels, classes


def _numbered(labels: NDArray[Any], known: NDArray[Any], origin: str) -> NDArray[np.int64]:
    """The positions of labels among the known ones, which are sorted."""
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
