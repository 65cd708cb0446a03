"""Reading what ``groupscat features`` wrote: an ``.npz`` file or a Zarr store, complete or refused."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.data.source import Skipped, printable
from groupscat.data.stored import ATTRIBUTE, DAMAGED, array_header, open_zarr, plain, reason
from groupscat.errors import DataError

#: Arrays that every file of features holds besides labels and ``path_*``; labels of the same name get the
#: prefix ``input_``.
OWN = ("features", "names", "skipped", "skipped_reasons", "config", "version")
#: Larger features of an ``.npz`` are mapped instead of loaded, bytes.
LOADED_BYTES = 64 << 20
COPY_BYTES = 1 << 22


@dataclass(frozen=True, eq=False)
class FeatureStore:
    """Scattering features and what came along with them.

    Attributes
    ----------
    features : (n, *channels, *paths and grid): a NumPy array, mapped from the disk where it is large, or
        a :class:`StoredArray`, which reads what is sliced.
    names : one per row. labels : 1-D arrays of n elements. config : how the features were computed.
    paths : columns of the table of paths, one row per coefficient. version : of groupscat, that wrote it.
    skipped : inputs that were left out, and why.
    """

    features: Any
    names: list[str]
    labels: dict[str, NDArray[Any]]
    config: dict[str, Any]
    paths: dict[str, NDArray[Any]]
    version: str
    skipped: list[Skipped] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.names)


class StoredArray:
    """An array in a Zarr store: what is sliced is read. ``chunks``: the shape of what is stored together."""

    def __init__(self, array: Any, name: str) -> None:
        self._array, self._name = array, name
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.chunks: tuple[int, ...] = tuple(array.chunks)
        self.dtype: np.dtype[Any] = np.dtype(array.dtype)
        self.ndim = len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        """As a NumPy array.

        Raises
        ------
        DataError : what is stored is damaged.
        """
        try:
            return np.asarray(self._array[key])
        except IndexError:  # how a loop over an array ends
            raise
        except Exception as error:  # as in open_zarr
            raise DataError(f"Cannot read the features in {self._name}: {reason(error)}.") from error

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[...], dtype)


def read_features(path: str | Path) -> FeatureStore:
    """What ``groupscat features`` wrote to ``path``.

    The checksums of an ``.npz`` are compared, which reads the file once; of a Zarr store the presence of
    every chunk is checked, and its checksum when it is read.

    Raises
    ------
    DataError : there is no such file, it holds no features, is incomplete or damaged.
    ImportError : it is a Zarr store and zarr is not installed; the message names the extra.

    >>> import tempfile
    >>> from groupscat import cli
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(folder + "/x.npz", x=np.ones((3, 64)), label=[0, 1, 1])
    ...     status = cli.main(["features", folder + "/x.npz", "-o", folder + "/y.npz", "-q"])
    ...     store = read_features(folder + "/y.npz")
    >>> store.features.shape, store.labels["label"].tolist(), store.config["transform"]
    ((3, 4, 16), [0, 1, 1], 'Scattering1D')
    """
    path = Path(path)
    if not path.exists():
        if part_of(path).exists():
            raise DataError(
                f"{printable(path)} is not complete: the run that makes it was interrupted, or still works. "
                "Run the same command with --resume to complete it."
            )
        raise DataError(f"{printable(path)}: no such file.")
    return _read_zarr(path) if path.is_dir() else _read_npz(path)


def is_store(path: Path) -> bool:
    """Whether this is what ``groupscat features`` wrote, rather than an input."""
    if path.is_dir():
        about = path / "zarr.json"
        return about.exists() and '"groupscat"' in about.read_text(encoding="utf-8", errors="replace")
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return {"features.npy", "config.npy"} <= set(archive.namelist())


def part_of(output: Path) -> Path:
    """The hidden folder beside an output in which it is made."""
    return output.with_name(f".{output.name}.part")


def _read_npz(path: Path) -> FeatureStore:
    name = printable(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            _require(members, name)
            stored = members["features"]
            mapped = stored.file_size > LOADED_BYTES and stored.compress_type == zipfile.ZIP_STORED
            if mapped:
                with archive.open(stored) as file:
                    while file.read(COPY_BYTES):  # its end is where the checksum is compared
                        pass
        with np.load(path, allow_pickle=False) as found:
            arrays = {key: found[key] for key in members if not (mapped and key == "features")}
        if mapped:
            arrays["features"] = _map(path, stored)
    except DAMAGED as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"Cannot read {name}: {reason(error)}.") from error
    config = _parsed(str(arrays["config"]), name)
    return _assembled(arrays, config, str(arrays["version"]), name)


def _map(path: Path, member: zipfile.ZipInfo) -> NDArray[Any]:
    """A stored (not compressed) member as an array on the disk."""
    with open(path, "rb") as file:
        file.seek(member.header_offset + 26)  # lengths of the name and of the extra field, then these two
        name, extra = np.frombuffer(file.read(4), "<u2").tolist()
        file.seek(name + extra, 1)
        header = array_header(file)
        order: Any = "F" if header.fortran else "C"
        return np.memmap(path, header.dtype, "r", file.tell(), header.shape, order)


def _read_zarr(path: Path) -> FeatureStore:
    name = printable(path)
    group = open_zarr(path)
    about = dict(group.attrs).get(ATTRIBUTE)
    if not isinstance(about, dict) or not hasattr(group, "arrays"):
        raise DataError(f"{name} is a Zarr store, but not one that groupscat features wrote.")
    if not about.get("complete"):
        raise DataError(
            f"{name} is not complete: the run that makes it was interrupted, or still works. "
            "Run the same command with --resume to complete it."
        )
    try:
        stored = dict(group.arrays())
        _require({*stored, "config", "version"}, name)
        features = stored.pop("features")
        arrays: dict[str, Any] = {key: plain(array[...]) for key, array in stored.items()}
        missing = features.nchunks - features.nchunks_initialized
    except DataError:
        raise
    except Exception as error:  # as in open_zarr
        raise DataError(f"Cannot read {name}: {reason(error)}.") from error
    if missing:
        raise DataError(
            f"{name} is damaged: {missing} of {features.nchunks} chunks of its features are missing."
        )
    arrays["features"] = StoredArray(features, name)
    return _assembled(arrays, dict(about["config"]), str(about["version"]), name)


def _require(found: Any, name: str) -> None:
    missing = [key for key in OWN if key not in found]
    if missing:
        raise DataError(f"{name} is not a file that groupscat features wrote: it has no {missing[0]!r}.")


def _parsed(text: str, name: str) -> dict[str, Any]:
    try:
        config = json.loads(text)
    except ValueError as error:
        raise DataError(f"The configuration in {name} is damaged: {error}.") from error
    if not isinstance(config, dict):
        raise DataError(f"The configuration in {name} is damaged: expected an object, found {text[:40]}.")
    return config


def _assembled(arrays: Mapping[str, Any], config: dict[str, Any], version: str, name: str) -> FeatureStore:
    rows = len(arrays["features"])
    labels = {k: v for k, v in arrays.items() if k not in OWN and not k.startswith("path_")}
    for key, values in {"names": arrays["names"], **labels}.items():
        if values.shape != (rows,):
            raise DataError(f"{name} is damaged: {key} has shape {values.shape}, but there are {rows} rows.")
    skipped = zip(arrays["skipped"].tolist(), arrays["skipped_reasons"].tolist(), strict=True)
    return FeatureStore(
        features=arrays["features"],
        names=arrays["names"].tolist(),
        labels=labels,
        config=config,
        paths={k.removeprefix("path_"): v for k, v in arrays.items() if k.startswith("path_")},
        version=version,
        skipped=[Skipped(*item) for item in skipped],
    )
