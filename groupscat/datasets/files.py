"""Labelled data from files: the format is recognised, and read by the reader of that format."""

from __future__ import annotations

import os
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from groupscat.checks import choice
from groupscat.data.images import Colour
from groupscat.data.progress import Progress
from groupscat.data.source import printable
from groupscat.data.stored import reason
from groupscat.datasets import cifar, idx, members
from groupscat.datasets.archive import read_npz
from groupscat.datasets.content import SPLITS, Content
from groupscat.datasets.dataset import Dataset
from groupscat.datasets.folders import read_folders
from groupscat.errors import ArgumentError, DataError

FORMATS = (
    "a folder of class folders, an .npz, the idx files of MNIST, or the files of CIFAR-10 or CIFAR-100 "
    "(a folder, or the .tar.gz)"
)


def open_dataset(
    paths: str | Path | Sequence[str | Path],
    split: str = "train",
    *,
    key: str | None = None,
    label: str | None = None,
    colour: Colour | None = None,
    shape: tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Labelled signals, in a format that is recognised by what is there.

    - **A folder of class folders**, ``cats/…png``; or below ``train/`` and ``test/`` or ``val/``. Images are
      decoded once and kept if that takes less than 4 GB, else when needed.
    - **An** ``.npz`` with ``x_train``, ``y_train``, ``x_test``, ``y_test``; or ``x``, ``y``, ``images``,
      ``labels`` and the like, all to train on except where ``is_test`` marks some rows.
      ``class_names`` are the names of labels 0, 1 …. See
      :func:`~groupscat.datasets.archive.channels_first` for the order of axes. Python objects are refused.
    - **MNIST's files** (``train-images-idx3-ubyte.gz`` …), also of Fashion-MNIST, KMNIST and EMNIST.
    - **CIFAR-10 and CIFAR-100**, the binary or the Python version, in a folder or still in their ``.tar.gz``.
      Pickles are read without running what they call.

    Parameters
    ----------
    paths : a file or folder; several: the files of MNIST or CIFAR one by one.
    split : "train", "test" or "val".
    key, label : names of the arrays of signals and labels of that split in an ``.npz``; ``label`` also
        chooses "coarse_labels" of CIFAR-100.
    colour : of images in folders, "rgb" (None), "grey" or "yuv".
    shape : (H, W) to resize images to, bicubic.

    Labels are integers from 0 or text. Integers in floating point are accepted if they are whole. Labels
    that are not numbered without gaps are sorted and numbered, by those of the training split; bytes become
    numbers in [0, 1] when batches are taken (``Dataset.scale``).

    Raises
    ------
    ArgumentError : there is no such split, or an option is for another format.
    DataError : a file is missing, damaged or cut off, or labels and signals do not fit; see
        :class:`~groupscat.datasets.Dataset`.
    ImportError : Pillow is not installed, and is needed; the message names the extra.

    >>> import tempfile, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "shapes.npz")
    ...     np.savez(file, x=np.zeros((6, 28, 28), np.uint8), y=[0, 1, 2, 0, 1, 2])
    ...     open_dataset(file)
    Dataset('shapes.npz (train)': 6 × (1, 28, 28) of uint8, 3 classes)
    """
    choice("split", split, list(SPLITS))
    if shape is not None and (len(shape) != 2 or min(shape) < 1):
        raise ArgumentError(f"shape={shape}: expected a positive height and width.")
    data = _content(paths, split, key, label, colour, shape, progress).dataset(split)
    return data if shape is None or data.shape[1:] == tuple(shape) else data.resized(*shape)


def dataset_splits(paths: str | Path | Sequence[str | Path]) -> tuple[str, ...]:
    """The splits that are there: "train", "test", "val".

    Raises
    ------
    DataError : as :func:`open_dataset`.
    """
    return _content(paths).splits


def _content(
    paths: str | Path | Sequence[str | Path],
    split: str = "train",
    key: str | None = None,
    label: str | None = None,
    colour: Colour | None = None,
    shape: tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> Content:
    several = [Path(paths)] if isinstance(paths, str | os.PathLike) else [Path(path) for path in paths]
    if not several:
        raise ArgumentError(f"paths is empty: name {FORMATS}.")
    for path in several:
        if not path.exists():
            raise DataError(f"{printable(path)}: no such file or folder.")
    path = several[0]
    files = _members(several)
    layout = None if files is None else cifar.recognised(files)
    if files is not None and layout is not None:
        _unused("MNIST and CIFAR have no such option", key=key, colour=colour)
        return cifar.read_cifar(files, layout, label)
    if files is not None and any(map(idx.wanted, files.files)):
        _unused("MNIST's files have no such option", key=key, label=label, colour=colour)
        return idx.read_idx(files)
    if len(several) == 1 and path.is_dir():
        _unused("for an .npz; this is a folder of images", key=key, label=label)
        return read_folders(path, colour or "rgb", shape, progress)
    if len(several) == 1 and (zipfile.is_zipfile(path) or path.suffix.lower() == ".npz"):
        _unused("for folders of images; this is an .npz", colour=colour)
        return read_npz(path, split, key, label)
    named = ", ".join(map(printable, several[:5]))
    raise DataError(f"{named}: not a data set that can be read; expected {FORMATS}.")


def _members(paths: Sequence[Path]) -> members.Members | None:
    """What might be the files of MNIST or CIFAR."""
    if len(paths) > 1:
        files = [path for path in paths if path.is_file()]
        return members.listed(files) if len(files) == len(paths) else None
    path = paths[0]
    if path.is_dir():
        return members.of_folder(path, _standard)
    if _standard(path.name):
        return members.listed(paths)
    if ".tar" in path.suffixes or path.suffix == ".tgz" or _is_tar(path):
        return members.of_tar(path, _standard)
    return None


def _is_tar(path: Path) -> bool:
    try:
        return tarfile.is_tarfile(path)
    except OSError as error:
        raise DataError(f"Cannot read {printable(path)}: {reason(error)}.") from error


def _standard(name: str) -> bool:
    return idx.wanted(name) or cifar.wanted(name)


def _unused(why: str, **options: object) -> None:
    for name, value in options.items():
        if value is not None:
            raise ArgumentError(f"{name}={value!r}: {why}.")
