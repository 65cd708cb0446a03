"""Labelled arrays in an ``.npz``: which of them are signals, labels, class names, and of which split."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from groupscat.data.source import printable
from groupscat.data.stored import DAMAGED, reason
from groupscat.datasets.content import SPLITS, Content, Part
from groupscat.errors import DataError

#: What arrays are called, alone or before or after the name of a split: ``x_train``, ``test_images``.
SIGNALS = ("x", "images", "image", "data", "signals", "features", "inputs")
LABELS = ("y", "labels", "label", "targets", "target")
CLASSES = ("class_names", "classes", "label_names")
#: True where a signal is one to test on.
TEST_ROWS = "is_test"
#: An axis as short as this, first or last, is one of channels.
MOST_CHANNELS = 4


def channels_first(x: NDArray[Any]) -> NDArray[Any]:
    """Stored signals as (n, channels, ...).

    The axis after the first is one of channels if it has at most 4 entries; if it has more and the last axis
    has at most 4, that is the one. Otherwise (n, H, W) are images of one channel, and everything else stays
    as it is: (n, features), or (n, channels, ...) with many channels.

    >>> [channels_first(np.empty(shape)).shape for shape in ((5, 32, 32, 3), (5, 3, 8, 8), (5, 28, 28))]
    [(5, 3, 32, 32), (5, 3, 8, 8), (5, 1, 28, 28)]
    >>> [channels_first(np.empty(shape)).shape for shape in ((5, 100, 2), (5, 10), (5, 81, 8, 8))]
    [(5, 2, 100), (5, 10), (5, 81, 8, 8)]
    """
    if x.ndim < 3 or x.shape[1] <= MOST_CHANNELS:
        return x
    if x.shape[-1] <= MOST_CHANNELS:
        return np.ascontiguousarray(np.moveaxis(x, -1, 1))
    return x[:, None] if x.ndim == 3 else x


def role(key: str) -> tuple[str, str] | None:
    """(split, "signals" or "labels") by the name of an array; the split is "" where none is told.

    >>> role("x_train"), role("Test-Labels"), role("images"), role("class_names")
    (('train', 'signals'), ('test', 'labels'), ('', 'signals'), None)
    """
    split, found = "", ""
    for word in re.split(r"[^a-z0-9]+", key.lower()):
        of_split = [name for name, words in SPLITS.items() if word in words]
        of_role = [name for name, words in (("signals", SIGNALS), ("labels", LABELS)) if word in words]
        if of_split and not split:
            split = of_split[0]
        elif of_role and not found:
            found = of_role[0]
        else:
            return None
    return (split, found) if found else None


class _Archive:
    """The arrays of an ``.npz``, none of them Python objects."""

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, printable(path)
        self.keys = self._do(lambda archive: list(archive.files))

    def read(self, key: str) -> NDArray[Any]:
        if key not in self.keys:
            raise DataError(
                f"{self.name} has no array {key!r}; it holds {', '.join(self.keys) or 'nothing'}."
            )
        return np.asarray(self._do(lambda archive: archive[key], f"{key} of "))

    def _do(self, get: Callable[[Any], Any], what: str = "") -> Any:
        try:
            # Opened here: where numpy.load fails it leaves a file open.
            with open(self.path, "rb") as file, NpzFile(file, allow_pickle=False) as archive:
                return get(archive)
        except DAMAGED as error:
            raise DataError(f"Cannot read {what}{self.name}: {reason(error)}.") from error


def read_npz(path: Path, split: str, key: str | None = None, label: str | None = None) -> Content:
    """The splits in an ``.npz``; ``key`` and ``label`` name the signals and labels of ``split``.

    Raises
    ------
    DataError : it cannot be read, or it cannot be told what its arrays are.
    """
    archive = _Archive(path)
    named: dict[tuple[str, str], list[str]] = {}
    for name in archive.keys:
        found = role(name)
        if found is not None:
            named.setdefault(found, []).append(name)
    holds = ", ".join(archive.keys) or "no arrays"
    given = {(split, "signals"): key, (split, "labels"): label}
    parts: dict[str, Part] = {}
    for name in SPLITS:
        keys = []
        for what, option in (("signals", "key"), ("labels", "label")):
            # What no split is told of is there to train on.
            options = named.get((name, what)) or (named.get(("", what), []) if name == "train" else [])
            chosen = given.get((name, what))
            if chosen is None and len(options) > 1:
                raise DataError(
                    f"{archive.name} holds {holds}; are the {what} {' or '.join(options)}? Pass {option}=."
                )
            keys.append(chosen or next(iter(options), None))
        signals, labels = keys
        if signals is not None and labels is not None:
            parts[name] = _part(archive, signals, labels)
    if parts.keys() == {"train"} and TEST_ROWS in archive.keys and key is None:
        parts = _by_rows(archive, parts["train"])
    if not parts:
        raise DataError(
            f"{archive.name} holds {holds}; expected signals (x_train, train_images, x …) and labels "
            "(y_train, train_labels, y …). Name them with key= and label=."
        )
    names = [archive.read(name) for name in CLASSES if name in archive.keys]
    classes = None
    if names and names[0].ndim == 1 and names[0].dtype.kind in "US":
        classes = tuple(names[0].astype(np.str_).tolist())
    return Content(path.name, parts, holds, classes)


def _part(archive: _Archive, signals: str, labels: str) -> Part:
    return Part(lambda: channels_first(archive.read(signals)), lambda: archive.read(labels))


def _by_rows(archive: _Archive, whole: Part) -> dict[str, Part]:
    """One array of signals whose rows are marked."""
    marks = archive.read(TEST_ROWS)
    labels = whole.labels()
    if marks.shape != labels.shape[:1] or marks.dtype.kind not in "bu":
        raise DataError(
            f"{TEST_ROWS} of {archive.name} is {marks.dtype} of shape {marks.shape}; expected one boolean "
            f"per signal, ({len(labels)},)."
        )

    def part(rows: NDArray[np.bool_]) -> Part:
        def signals() -> NDArray[Any]:
            x = np.asarray(whole.signals())
            if len(x) != len(rows):
                raise DataError(f"{archive.name} has {len(x)} signals, but {len(rows)} labels of them.")
            return x[rows]

        return Part(signals, lambda: labels[rows])

    return {"train": part(marks == 0), "test": part(marks != 0)}
