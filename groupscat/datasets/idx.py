"""Images and labels in idx files, as those of MNIST: ``train-images-idx3-ubyte.gz`` and three more.

Source of the format: LeCun, Cortes, Burges 1998, "The MNIST database of handwritten digits". Fashion-MNIST,
KMNIST and EMNIST have it too (the images of EMNIST are stored transposed, and stay so).
"""

from __future__ import annotations

import math
import re
import struct
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.datasets.content import SPLITS, Content, Part
from groupscat.datasets.members import Members
from groupscat.errors import DataError

NAME = re.compile(
    r"(?:(?P<prefix>.*)[-_.])?(?P<split>train|test|t10k)[-_.](?P<what>images|labels)[-_.]idx[0-9]"
    r"[-_.][a-z]+(?:\.gz)?"
)
#: Element types by their code.
TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def wanted(name: str) -> bool:
    """Whether a file is called like one of MNIST's.

    >>> wanted("t10k-images.idx3-ubyte"), wanted("emnist-letters-train-labels-idx1-ubyte.gz"), wanted("a.png")
    (True, True, False)
    """
    return NAME.fullmatch(name) is not None


def read_idx(members: Members) -> Content:
    """The splits of MNIST's files.

    Raises
    ------
    DataError : files of several data sets, or of one some are missing.
    """
    found: dict[tuple[str, str], str] = {}
    prefixes = set()
    for name in members.files:
        match = NAME.fullmatch(name)
        if match is None:
            continue
        prefixes.add(match["prefix"] or "")
        split = next(key for key, words in SPLITS.items() if match["split"] in words)
        found.setdefault((split, match["what"]), name)  # the same file may be there unpacked and packed
    if len(prefixes) > 1:
        raise DataError(
            f"{members.name} holds several data sets: {', '.join(sorted(prefixes))}. Pass the paths of the "
            "files of one, images and labels."
        )
    parts = {}
    for split in dict.fromkeys(split for split, _ in found):
        images, labels = (found.get((split, what)) for what in ("images", "labels"))
        if images is None or labels is None:
            lacking = "images" if images is None else "labels"
            raise DataError(f"{members.name} has {images or labels}, but not the {lacking} to it.")
        parts[split] = Part(partial(_images, members, images), partial(_array, members, labels))
    return Content(members.name, parts, ", ".join(sorted(found.values())))


def _images(members: Members, name: str) -> NDArray[Any]:
    images = _array(members, name)
    if images.ndim != 3:
        raise DataError(f"{name} of {members.name} has shape {images.shape}; expected images (n, H, W).")
    return images[:, None]


def _array(members: Members, name: str) -> NDArray[Any]:
    return parse_idx(members.read(name), f"{name} of {members.name}")


def parse_idx(data: bytes, origin: str) -> NDArray[Any]:
    """The array in the bytes of an idx file: two zeros, a type, the number of axes, their lengths, values.

    Raises
    ------
    DataError : it is none, or has fewer or more bytes than it says.

    >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4]), "labels")
    array([5, 0, 4], dtype=uint8)
    """
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in TYPES:
        raise DataError(f"{origin} is no idx file: it begins with {data[:4].hex(' ') or 'nothing'}.")
    head = 4 + 4 * data[3]
    dtype = np.dtype(TYPES[data[2]])
    shape = struct.unpack(f">{data[3]}I", data[4:head]) if len(data) >= head else ()
    expected = head + math.prod(shape) * dtype.itemsize if len(data) >= head else head
    if len(data) != expected:
        state = "is cut off" if len(data) < expected else "is too long"
        raise DataError(f"{origin} {state}: expected {expected} bytes (shape {shape}), found {len(data)}.")
    values: NDArray[Any] = np.frombuffer(data, dtype, offset=head).reshape(shape)
    return values.astype(dtype.newbyteorder("="), copy=False)
