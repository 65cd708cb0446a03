"""A fitted pipeline in a file, without pickle, together with the configuration of the features it knows."""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.classify.rows import Options, Rows, read_rows
from groupscat.data.store import FeatureStore
from groupscat.errors import ArgumentError, DataError

FORMAT = 1
#: What a model file may hold besides scikit-learn's and NumPy's own types, which skops knows.
TRUSTED = ("groupscat.sklearn.affine.AffinePCAClassifier", "groupscat.sklearn.normalize.PathNormalizer")
#: What matters of how inputs were read; where they come from, backend and device do not.
INPUTS = ("unit", "channels", "colour", "rate")
PACKAGES = ("groupscat", "numpy", "scipy", "scikit-learn", "skops")
#: Digits of a frequency that count; the last ones depend on the machine.
DIGITS = 9


@dataclass(frozen=True, eq=False)
class Model:
    """What is needed to predict the class of a signal from its features.

    Attributes
    ----------
    pipeline : scikit-learn's, fitted on features (n, ·) as ``options`` make them.
    options : log, pool. config : of the features, as ``groupscat features`` records it.
    paths_hash : of their table of paths. about : method, parameters, versions.
    """

    pipeline: Any
    options: Options
    config: dict[str, Any]
    paths_hash: str
    about: dict[str, Any] = field(default_factory=dict)

    def predict(self, store: FeatureStore) -> NDArray[Any]:
        """The class of every row of a store of the same configuration, shape (n,).

        Raises
        ------
        DataError : the features were computed otherwise; the first difference is named.
        """
        self.check(store)
        return self.predict_rows(read_rows(store, self.options))

    def predict_rows(self, rows: Rows) -> NDArray[Any]:
        """The class of every row of features that are known to fit."""
        if rows.X.shape[1] != self.pipeline.n_features_in_:
            raise DataError(
                f"The model takes {self.pipeline.n_features_in_} features, these are {rows.X.shape[1]}."
            )
        return np.asarray(self.pipeline.predict(rows.X))

    def check(self, store: FeatureStore) -> None:
        """Refuse features of another configuration."""
        found = first_difference(self.config, store.config)
        if found is None and paths_hash(store.paths) != self.paths_hash:
            found = (
                "the table of paths",
                f"that of groupscat {self.config.get('version')}",
                f"that of {store.version}",
            )
        if found is not None:
            what, own, other = found
            raise DataError(
                f"The features differ from those of the model in {what}: the model has {own}, the features "
                f"have {other}. Compute features as the model's, or give the inputs themselves to predict."
            )

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write the model; the file appears when it is complete.

        Raises
        ------
        ArgumentError : the file exists, or its folder does not. DataError : it cannot be written.
        """
        path = Path(path)
        check_output(path, overwrite)
        about = {
            "format": FORMAT,
            "options": asdict(self.options),
            "config": self.config,
            "paths_hash": self.paths_hash,
            "about": {**self.about, "versions": versions()},
        }
        write_file(path, _skops().dumps({"groupscat": json.dumps(about), "pipeline": self.pipeline}))


def load_model(path: str | Path) -> Model:
    """The model that ``groupscat classify -o`` wrote.

    Raises
    ------
    DataError : no such file, not a model, damaged, or it holds types that are not trusted (they are named
        and nothing of them is run).
    ImportError : skops is not installed; the message names the extra.
    """
    path = Path(path)
    sio = _skops()
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}.") from error
    try:
        strange = sorted(set(sio.get_untrusted_types(data=data)) - set(TRUSTED))
        if strange:
            raise DataError(
                f"{path} holds types that are not trusted: {', '.join(strange)}. groupscat classify writes "
                "none; do not use this file unless you know where it comes from."
            )
        found = sio.load(io.BytesIO(data), trusted=list(TRUSTED))
        about = json.loads(found["groupscat"])
        if about["format"] != FORMAT:
            raise DataError(
                f"{path} is a model of format {about['format']}, this groupscat reads format {FORMAT}."
            )
        return Model(
            found["pipeline"],
            Options(**about["options"]),
            about["config"],
            about["paths_hash"],
            about["about"],
        )
    except DataError:
        raise
    except Exception as error:  # skops and zipfile raise nearly every kind of error for what is damaged
        raise DataError(
            f"{path} is not a model that groupscat classify wrote, or it is damaged "
            f"({type(error).__name__}: {error})."
        ) from error


def first_difference(own: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[str, Any, Any] | None:
    """What, here and there, if two configurations give features that cannot be compared.

    >>> a = {"transform": "Scattering2D", "arguments": {"J": 2, "shape": [8, 8]}}
    >>> first_difference(a, {"transform": "Scattering2D", "arguments": {"J": 1, "shape": [8, 8]}})
    ('J', 2, 1)
    """
    if own.get("transform") != other.get("transform"):
        return "transform", own.get("transform"), other.get("transform")
    mine, theirs = own.get("arguments", {}), other.get("arguments", {})
    for name in sorted({*mine, *theirs}):
        here, there = mine.get(name, "the default"), theirs.get(name, "the default")
        if _plain(here) != _plain(there):
            return name, here, there
    if _plain(own.get("channels", [])) != _plain(other.get("channels", [])):
        return "channels", own.get("channels", []), other.get("channels", [])
    mine, theirs = own.get("inputs", {}), other.get("inputs", {})
    for name in sorted({*mine} & {*theirs} & {*INPUTS}):
        if _plain(mine[name]) != _plain(theirs[name]):
            return name, mine[name], theirs[name]
    return None


def paths_hash(paths: Mapping[str, NDArray[Any]]) -> str:
    """A digest of the table of paths, frequencies to nine digits."""
    digest = hashlib.sha256()
    for name in sorted(paths):
        values = np.asarray(paths[name])
        if values.dtype.kind == "f":
            values = np.round(values.astype(np.float64), DIGITS) + 0.0
        digest.update(f"{name} {values.shape} ".encode())
        digest.update(json.dumps(values.tolist()).encode())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Of the packages that a model depends on."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def check_output(path: Path, overwrite: bool) -> None:
    """Refuse a name that cannot be written to, before there is anything to write."""
    if path.is_dir():
        raise ArgumentError(f"{path} is a folder; name a file in it.")
    if not path.parent.is_dir():
        raise ArgumentError(f"There is no folder {path.parent} to write to.")
    if path.exists() and not overwrite:
        raise ArgumentError(f"{path} exists; pass --overwrite to replace it.")


def write_file(path: Path, data: bytes) -> None:
    """Put a file in place in one step."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    except OSError as error:
        raise DataError(f"Cannot write {path}: {error.strerror}.") from error
    finally:
        part.unlink(missing_ok=True)


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _skops() -> Any:
    try:
        import sklearn  # noqa: F401
        import skops.io
    except ImportError as error:
        raise ImportError('Models are files of skops: pip install "groupscat[sklearn]"') from error
    return skops.io
