"""A folder of class folders: what the images in each of them show is its name."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.data.find import Found, search
from groupscat.data.images import Colour
from groupscat.data.progress import Progress
from groupscat.data.source import printable
from groupscat.datasets.content import SPLITS, Content, Part
from groupscat.datasets.decode import LazyImages, read_images
from groupscat.errors import DataError


def read_folders(
    folder: Path,
    colour: Colour = "rgb",
    shape: tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> Content:
    """The splits of ``folder/class/image.png``, or of ``folder/train/class/image.png`` and so on.

    Raises
    ------
    DataError : there are no class folders, one has no images, or images lie beside them.
    """
    below = _subfolders(folder)
    splits = {split: path for split, words in SPLITS.items() for path in below if path.name.lower() in words}
    if not ("train" in splits and _subfolders(splits["train"])):  # these too may be names of classes
        splits = {"train": folder}
    parts = {}
    for split, path in splits.items():
        found = cache(partial(_images, path))
        parts[split] = Part(partial(_read, found, colour, shape, progress), partial(_labels, found))
    holds = ", ".join(path.name for path in below[:10]) + (", ..." if len(below) > 10 else "")
    return Content(folder.name or printable(folder), parts, f"the folders {holds}")


def _images(folder: Path) -> list[Found]:
    """The images of each class folder."""
    classes = _subfolders(folder)
    if not classes:
        raise DataError(f"{printable(folder)} has no class folders: expected {folder.name}/CLASS/IMAGE.")
    try:
        found = search(folder)["images"]
    except DataError as error:
        raise DataError(f"{error} Expected {folder.name}/CLASS/IMAGE.") from error
    stray = [item.path for item in found if not item.folder]
    if stray:
        raise DataError(
            f"{printable(stray[0])} is in no class folder, and {len(stray) - 1} more: put them in one."
        )
    full = {item.folder for item in found}
    empty = [path for path in classes if printable(path.name) not in full]
    if empty:
        raise DataError(
            f"{len(empty)} of {len(classes)} class folders have no images: "
            f"{', '.join(printable(path) for path in empty[:10])}{', ...' if len(empty) > 10 else ''}. "
            "Fill or remove them."
        )
    return found


def _labels(found: Any) -> NDArray[Any]:
    return np.array([item.folder for item in found()], dtype=np.str_)


def _read(
    found: Any, colour: Colour, shape: tuple[int, int] | None, progress: Progress | None
) -> NDArray[Any] | LazyImages:
    return read_images([item.path for item in found()], colour, shape, progress)


def _subfolders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"Cannot list the folder {printable(folder)}: {error.strerror}.") from error
