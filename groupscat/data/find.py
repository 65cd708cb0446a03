"""From what is named on a command line to files: folders searched, lists read, classes by folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from groupscat.data import arrays, audio, images
from groupscat.data.source import printable
from groupscat.errors import ArgumentError, DataError

Kind = Literal["images", "recordings", "arrays"]
EXTENSIONS: dict[Kind, tuple[str, ...]] = {
    "images": images.EXTENSIONS,
    "recordings": audio.EXTENSIONS,
    "arrays": arrays.EXTENSIONS,
}


@dataclass(frozen=True)
class Found:
    """A file, and the first folder below the input it was found in ("" where there is none)."""

    path: Path
    folder: str = ""


def expand(inputs: Sequence[str | Path], files_from: str | Path | None = None) -> list[tuple[Path, bool]]:
    """The inputs, ``@list.txt`` replaced by the paths in it, and whether each comes from a list.

    Parameters
    ----------
    files_from : a list too; "-" reads it from standard input.

    A list has one path a line, relative to the current folder; empty lines do not count.

    Raises
    ------
    DataError : a list cannot be read.
    """
    found: list[tuple[Path, bool]] = []
    for item in inputs:
        text = os.fspath(item)
        if text.startswith("@") and len(text) > 1:
            found += [(path, True) for path in _listed(text[1:])]
        else:
            found.append((Path(item), False))
    if files_from is not None:
        found += [(path, True) for path in _listed(os.fspath(files_from))]
    return found


def _listed(name: str) -> list[Path]:
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise DataError(f"Cannot read the list {printable(name)}: {error.strerror or error}.") from error
    if b"\0" in content:
        raise DataError(f"The list {printable(name)} is not text: expected one path a line.")
    lines = content.removeprefix(b"\xef\xbb\xbf").splitlines()
    return [Path(os.fsdecode(line)) for line in lines if line.strip()]


def find(inputs: Iterable[tuple[Path, bool]]) -> tuple[Kind, list[Found]]:
    """The files of all inputs and of which kind they are; see :func:`expand`.

    Files in a list that do not exist are kept, to be reported together with what else is bad.

    Raises
    ------
    DataError : an input does not exist, or a folder holds nothing to read.
    ArgumentError : files of several kinds, or none.
    """
    files: dict[Kind, list[Found]] = {"images": [], "recordings": [], "arrays": []}
    for path, listed in inputs:
        if path.is_dir() and not is_zarr(path):
            for kind, below in search(path).items():
                files[kind] += below
        elif path.exists() or listed:
            files[kind_of(path)].append(Found(path))
        else:
            raise DataError(f"{printable(path)}: no such file or folder.")
    kinds: list[Kind] = [kind for kind, found in files.items() if found]
    if not kinds:
        raise ArgumentError("There are no inputs: name folders or files, or a list that is not empty.")
    if len(kinds) > 1:
        a, b = kinds[:2]
        raise ArgumentError(
            f"The inputs mix {a} ({printable(files[a][0].path)}) and {b} ({printable(files[b][0].path)}); "
            "run them apart, for example with lists of files (@list.txt)."
        )
    return kinds[0], files[kinds[0]]


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr store (of format 2 or 3)."""
    return any((path / name).is_file() for name in ("zarr.json", ".zarray", ".zgroup"))


def kind_of(path: Path) -> Kind:
    """By the file name; what is unknown may be an image."""
    if path.is_dir() or path.suffix.lower() in (*EXTENSIONS["arrays"], ".zarr"):
        return "arrays"
    return "recordings" if path.suffix.lower() in EXTENSIONS["recordings"] else "images"


def search(folder: Path) -> dict[Kind, list[Found]]:
    """The images and recordings below a folder, sorted by path; hidden files and folders are left out.

    Raises
    ------
    DataError : there is none.
    """
    found: dict[Kind, list[Path]] = {"images": [], "recordings": []}
    for parent, folders, files in os.walk(folder, onerror=_unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            for kind, paths in found.items():
                if name.lower().endswith(EXTENSIONS[kind]) and not name.startswith("."):
                    paths.append(Path(parent, name))
    if not any(found.values()):
        looked = ", ".join(extension for kind in found for extension in EXTENSIONS[kind])
        raise DataError(
            f"There are no images below {printable(folder)} and no recordings (looked for {looked})."
        )
    return {
        kind: [Found(path, _first(path, folder)) for path in sorted(paths, key=lambda path: path.as_posix())]
        for kind, paths in found.items()
    }


def _first(path: Path, folder: Path) -> str:
    inside = path.relative_to(folder).parts
    return printable(inside[0]) if len(inside) > 1 else ""


def classes(found: Sequence[Found]) -> NDArray[np.str_] | None:
    """The folder of each file, where there are two or more."""
    folders = [item.folder for item in found]
    return np.array(folders, dtype=np.str_) if len(set(folders) - {""}) > 1 else None


def _unreadable(error: OSError) -> None:
    raise DataError(f"Cannot list the folder {printable(error.filename)}: {error.strerror}.") from error
