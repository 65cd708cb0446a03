"""Which source reads the inputs named on a command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from groupscat.data import arrays, audio, find, images
from groupscat.data.progress import Progress
from groupscat.data.source import Source
from groupscat.errors import ArgumentError

#: The options of each kind of input, as keywords of :func:`open_source` and as options.
OPTIONS: dict[find.Kind, dict[str, str]] = {
    "images": {"colour": "--grey, --rgb and --yuv", "shape": "--shape", "crop": "--crop"},
    "recordings": {"channels": "--channels", "length": "--length"},
    "arrays": {"key": "--key"},
}


def open_source(
    inputs: Sequence[str | Path],
    *,
    files_from: str | Path | None = None,
    key: str | None = None,
    colour: images.Colour | None = None,
    shape: tuple[int, int] | None = None,
    crop: tuple[int, int] | None = None,
    rate: float | None = None,
    channels: audio.Channels | None = None,
    length: int | float | None = None,
    skip_bad: bool = False,
    progress: Progress | None = None,
    checked: bool = False,
) -> Source:
    """A source of the signals in ``inputs``: folders of images or of recordings, files of either, arrays
    (``.npy``, ``.npz``, Zarr), ``@list.txt`` for the files named in a list.

    Parameters
    ----------
    files_from : another list of files; see :func:`groupscat.data.find.expand`.
    key : the array to take from an ``.npz`` or a Zarr group. colour, shape, crop : see
        :class:`~groupscat.data.images.Look`. rate, channels, length : see
        :class:`~groupscat.data.audio.Listen`; arrays and images do not use the rate.
    checked : every file has been decoded before, in a run that is taken up again.

    Raises
    ------
    DataError : an input does not exist or cannot be read.
    ArgumentError : kinds of inputs are mixed, or an option belongs to another kind.
    """
    kind, found = find.find(find.expand(inputs, files_from))
    given: dict[str, Any] = {
        "key": key,
        "colour": colour,
        "shape": shape,
        "crop": crop,
        "channels": channels,
        "length": length,
    }
    for other, options in OPTIONS.items():
        for name, option in options.items():
            if other != kind and given[name] is not None:
                raise ArgumentError(f"{option}: for {other}; the inputs are {kind}.")
    paths = [item.path for item in found]
    if kind == "arrays":
        return arrays.ArraySource(paths, key, skip_bad)
    source: images.ImageSource | audio.AudioSource
    if kind == "images":
        look = images.Look(colour or "grey", shape, crop)
        source = images.ImageSource(paths, look, skip_bad, progress, checked)
    else:
        listen = audio.Listen(rate, channels or "mix", length)
        source = audio.AudioSource(paths, listen, skip_bad, progress, checked)
    folders = find.classes(found)
    if folders is not None:
        source.labels["folder"] = folders[source.kept]
    return source
