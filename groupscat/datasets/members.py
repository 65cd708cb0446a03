"""Files by name, whether they lie in a folder, in a ``.tar`` or are listed."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from groupscat.data.source import printable
from groupscat.data.stored import reason
from groupscat.errors import ArgumentError, DataError

#: Where inside a folder the files may be, as archives of the standard data sets unpack.
BELOW = (
    ".",
    "raw",
    "cifar-10-batches-bin",
    "cifar-10-batches-py",
    "cifar-100-binary",
    "cifar-100-python",
)
#: What reading a compressed file that is damaged raises.
DAMAGED = (OSError, EOFError, zlib.error, tarfile.TarError)


@dataclass(frozen=True, eq=False)
class Members:
    """Files by name. listed : the user named each of them, so that none is missing."""

    name: str
    files: dict[str, Callable[[], bytes]]
    listed: bool = False

    def read(self, name: str) -> bytes:
        """The bytes of a file, decompressed if it is called ``.gz``.

        Raises
        ------
        DataError : it cannot be read.
        """
        try:
            data = self.files[name]()
            return gzip.decompress(data) if name.endswith(".gz") else data
        except DAMAGED as error:
            raise DataError(f"Cannot read {name} of {self.name}: {reason(error)}.") from error


def listed(paths: Sequence[Path]) -> Members:
    """Files named one by one.

    Raises
    ------
    ArgumentError : two of them have the same name.
    """
    twice = [name for name, count in Counter(path.name for path in paths).items() if count > 1]
    if twice:
        raise ArgumentError(f"Several paths are called {twice[0]}; what a file is is told by its name.")
    return Members(
        ", ".join(path.name for path in paths), {path.name: path.read_bytes for path in paths}, listed=True
    )


def of_folder(folder: Path, wanted: Callable[[str], bool]) -> Members | None:
    """The files of a folder, or of a usual one below it, if any of them is ``wanted``."""
    for below in BELOW:
        place = folder / below
        if place.is_dir():
            files = {path.name: path.read_bytes for path in sorted(place.iterdir()) if path.is_file()}
            files = {name: read for name, read in files.items() if not name.startswith(".")}
            if any(map(wanted, files)):
                return Members(folder.name or printable(folder), files)
    return None


def of_tar(path: Path, wanted: Callable[[str], bool]) -> Members:
    """The files of an archive that are ``wanted``, read into memory.

    Raises
    ------
    DataError : it is damaged; the file that cannot be read is named, with expected and found bytes.
    """
    contents: dict[str, bytes] = {}
    last = "its beginning"
    try:
        with tarfile.open(path) as archive:
            for info in archive:  # in order: going back in a compressed file is expensive
                name = PurePosixPath(info.name).name
                if info.isfile() and wanted(name) and not name.startswith("."):
                    last = f"{name}, of {info.size} bytes"
                    file = archive.extractfile(info)
                    contents[name] = b"" if file is None else file.read()
    except DAMAGED as error:
        size = path.stat().st_size
        raise DataError(
            f"Cannot read {printable(path)} ({size} bytes), at {last}: {reason(error)}."
        ) from error
    return Members(path.name, {name: partial(bytes, data) for name, data in contents.items()})
