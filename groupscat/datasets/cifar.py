"""The files of CIFAR-10 and CIFAR-100, of the binary version and of the Python version.

Source of the formats: Krizhevsky 2009, "Learning multiple layers of features from tiny images", and the page
of the data sets: an image is 3072 bytes, red, green and blue planes of 32×32, rows first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.datasets.content import Content, Part
from groupscat.datasets.members import Members
from groupscat.datasets.plain_pickle import read_plain
from groupscat.errors import ArgumentError, DataError

IMAGE = (3, 32, 32)
PIXELS = 3072


@dataclass(frozen=True)
class Layout:
    """Which files there are and what is in them.

    Parameters
    ----------
    files : by split. names : the file that lists the classes, by kind of label. labels : the kinds of label
        of an image, in the order of their bytes, and the number of classes of each; the last is the usual
        one.
    pickled : the Python version. needed : without the file of names these are not recognised, since what
        the others are called says little.
    """

    files: dict[str, tuple[str, ...]]
    names: dict[str, str]
    labels: dict[str, int]
    pickled: bool
    needed: bool = False


FINE, COARSE = "fine_labels", "coarse_labels"
LAYOUTS = (
    Layout(
        {"train": tuple(f"data_batch_{k}.bin" for k in range(1, 6)), "test": ("test_batch.bin",)},
        {"labels": "batches.meta.txt"},
        {"labels": 10},
        pickled=False,
    ),
    Layout(
        {"train": ("train.bin",), "test": ("test.bin",)},
        {FINE: "fine_label_names.txt", COARSE: "coarse_label_names.txt"},
        {COARSE: 20, FINE: 100},
        pickled=False,
    ),
    Layout(
        {"train": tuple(f"data_batch_{k}" for k in range(1, 6)), "test": ("test_batch",)},
        {"labels": "batches.meta"},
        {"labels": 10},
        pickled=True,
    ),
    Layout(
        {"train": ("train",), "test": ("test",)},
        {FINE: "meta", COARSE: "meta"},
        {COARSE: 20, FINE: 100},
        pickled=True,
        needed=True,
    ),
)
NAMES = {
    name for layout in LAYOUTS for files in (*layout.files.values(), layout.names.values()) for name in files
}


def wanted(name: str) -> bool:
    """Whether a file is called like one of CIFAR's."""
    return name in NAMES


def recognised(members: Members) -> Layout | None:
    """The layout that files have, by their names."""
    for layout in LAYOUTS:
        there = any(name in members.files for files in layout.files.values() for name in files)
        if there and (not layout.needed or any(name in members.files for name in layout.names.values())):
            return layout
    return None


def read_cifar(members: Members, layout: Layout, label: str | None = None) -> Content:
    """The splits of CIFAR's files; ``label``: "fine_labels" or "coarse_labels", of CIFAR-100.

    Raises
    ------
    ArgumentError : no such labels. DataError : a file is missing.
    """
    kind = list(layout.labels)[-1] if label is None else label
    if kind not in layout.labels:
        raise ArgumentError(
            f"label={label!r}: {members.name} has the labels {', '.join(map(repr, layout.labels))}."
        )
    parts = {}
    for split, files in layout.files.items():
        there = [name for name in files if name in members.files]
        missing = [name for name in files if name not in members.files]
        if there and missing and not members.listed:
            raise DataError(f"{members.name} lacks {', '.join(missing)} of the {split} images.")
        if there:
            parts[split] = _part(partial(_load, members, layout, tuple(there), kind))
    holds = ", ".join(name for name in members.files if wanted(name))
    return Content(members.name, parts, holds, _classes(members, layout, kind))


def _part(load: Callable[[], tuple[NDArray[Any], NDArray[Any]]]) -> Part:
    """Images and labels are in the same files, which are read once."""
    once = cache(load)
    return Part(lambda: once()[0], lambda: once()[1])


def _load(
    members: Members, layout: Layout, files: tuple[str, ...], kind: str
) -> tuple[NDArray[Any], NDArray[Any]]:
    read = _pickled if layout.pickled else _binary
    batches = [read(members, name, layout, kind) for name in files]
    lengths = {len(images): name for name, (images, _) in zip(files, batches, strict=True)}
    if len(lengths) > 1 and not members.listed:
        fewest, most = min(lengths), max(lengths)
        raise DataError(
            f"{lengths[fewest]} of {members.name} has {fewest} images, but {lengths[most]} has {most}: it is "
            "cut off."
        )
    images, labels = zip(*batches, strict=True)
    return np.concatenate(images), np.concatenate(labels)


def _binary(members: Members, name: str, layout: Layout, kind: str) -> tuple[NDArray[Any], NDArray[Any]]:
    data = members.read(name)
    record = len(layout.labels) + PIXELS
    if not data or len(data) % record:
        raise DataError(
            f"{name} of {members.name} is cut off: expected {record} bytes for each image, so "
            f"{-(-max(len(data), 1) // record) * record}, found {len(data)}."
        )
    rows = np.frombuffer(data, np.uint8).reshape(-1, record)
    return rows[:, -PIXELS:].reshape(-1, *IMAGE), rows[:, list(layout.labels).index(kind)]


def _pickled(members: Members, name: str, layout: Layout, kind: str) -> tuple[NDArray[Any], NDArray[Any]]:
    origin = f"{name} of {members.name}"
    batch = read_plain(members.read(name), origin)
    images, labels = batch.get("data"), batch.get(kind)
    if not isinstance(images, np.ndarray) or not isinstance(labels, list | np.ndarray):
        raise DataError(f"{origin} holds {', '.join(batch) or 'nothing'}; expected data and {kind}.")
    if images.dtype != np.uint8 or images.ndim != 2 or images.shape[1] != PIXELS:
        raise DataError(
            f"data of {origin} is {images.dtype} of shape {images.shape}; expected uint8, (n, {PIXELS})."
        )
    if len(labels) != len(images):
        raise DataError(f"{origin} has {len(images)} images, but {len(labels)} labels of them.")
    try:
        return images.reshape(-1, *IMAGE), np.array(labels, dtype=np.int64)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{kind} of {origin} are no whole numbers: {error}.") from error


def _classes(members: Members, layout: Layout, kind: str) -> tuple[str, ...]:
    """Their names, or numbers where no file has them."""
    count, name = layout.labels[kind], layout.names[kind]
    if name not in members.files:
        return tuple(map(str, range(count)))
    data = members.read(name)
    if layout.pickled:
        names = read_plain(data, f"{name} of {members.name}").get(kind.removesuffix("s") + "_names")
    else:
        names = data.decode("utf-8", "replace").split()
    if not isinstance(names, list) or len(names) != count:
        found = f"{len(names)}" if isinstance(names, list) else "no list"
        raise DataError(f"{name} of {members.name}: expected the names of {count} classes, found {found}.")
    return tuple(map(str, names))
