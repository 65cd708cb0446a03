"""Which source reads the inputs named on a command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from groupscat.data import arrays, images
from groupscat.data.progress import Progress
from groupscat.data.source import Source, printable
from groupscat.errors import ArgumentError, DataError


def open_source(
    inputs: Sequence[str | Path],
    *,
    key: str | None = None,
    colour: images.Colour | None = None,
    shape: tuple[int, int] | None = None,
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> Source:
    """A source of the signals in ``inputs``: folders of images, image files, or ``.npy``/``.npz`` files.

    Parameters
    ----------
    key : the array to take from an ``.npz``. colour, shape : see :class:`ImageSource`; images only.

    Raises
    ------
    DataError : an input does not exist or cannot be read.
    ArgumentError : images and arrays are mixed, or an option belongs to the other kind.
    """
    files: list[Path] = []
    stored: list[Path] = []
    for path in map(Path, inputs):
        if path.is_dir():
            files += images.find_images(path)
        elif not path.exists():
            raise DataError(f"{printable(path)}: no such file or folder.")
        elif path.suffix.lower() in arrays.EXTENSIONS:
            stored.append(path)
        else:
            files.append(path)
    if files and stored:
        raise ArgumentError(
            f"The inputs mix images ({printable(files[0])}) and arrays ({printable(stored[0])}); "
            "run them apart."
        )
    if stored:
        if shape is not None or colour is not None:
            raise ArgumentError("--shape, --grey and --rgb are for images; arrays are taken as they are.")
        return arrays.ArraySource(stored, key, skip_bad)
    if key is not None:
        raise ArgumentError(f"--key {key} names an array of an .npz file; the inputs are images.")
    return images.ImageSource(files, colour or "grey", shape, skip_bad, progress)
