"""What a training that was stopped goes on from, in one file: weights, place, what was measured so far."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.errors import ArgumentError, DataError
from groupscat.nn import Network
from groupscat.nn.config import to_config
from groupscat.nn.files import read_arrays, write_arrays
from groupscat.training.recipe import Recipe, to_data
from groupscat.training.step import Weights

#: The entry of the file's metadata, and its version.
KEY, VERSION = "groupscat.training", 1
#: Where it keeps the SHA-256 of all else in the file: weights with one wrong bit would train on unnoticed.
DIGEST = "sha256"
KINDS = ("parameters", "state", "slots")


@dataclass(frozen=True)
class Place:
    """How far a training is.

    Parameters
    ----------
    epoch, step : those that are done, the steps in the epoch that has begun.
    loss, wrong, seen : sums over that epoch: of losses, of signals taken for another class, of signals.
    rows : of the table of epochs. best : the smallest validation error so far.
    """

    epoch: int = 0
    step: int = 0
    loss: float = 0.0
    wrong: int = 0
    seen: int = 0
    rows: tuple[dict[str, Any], ...] = ()
    best: float | None = None

    @property
    def is_best(self) -> bool:
        """Whether no epoch before the last one had a smaller validation error."""
        return self.best is not None and self.rows[-1].get("validation_error") == self.best


@dataclass(frozen=True)
class Plan:
    """What is trained on what and how: a checkpoint of another one is refused.

    ``network``, ``recipe``: as data. ``data``, ``start``: fingerprints of the signals, and of the weights at
    first. ``versions``: of augmented signals, computed once; 0: drawn anew in every epoch.
    """

    network: Any
    recipe: Any
    data: str
    start: str
    versions: int = 0

    @classmethod
    def of(cls, network: Network, recipe: Recipe, data: str, start: str, versions: int) -> Plan:
        its, how = json.loads(json.dumps([to_config(network), to_data(recipe)]))  # as it will be read
        return cls(its, how, data, start, versions)

    def difference(self, other: Plan) -> str:
        """What differs first, in words; nothing where all is the same."""
        for name, own, its in (
            ("recipe", self.recipe, other.recipe),
            ("network", self.network, other.network),
        ):
            path = _first_difference(own, its, name)
            if path:
                return path
        if self.versions != other.versions:
            return f"precompute: {other.versions} there, {self.versions} now"
        if self.data != other.data:
            return "the data"
        return "the weights it starts from" if self.start != other.start else ""


def _digest(about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> str:
    said = {name: value for name, value in about.items() if name != DIGEST}
    digest = hashlib.sha256(json.dumps(said).encode())
    for name, a in sorted(arrays.items()):
        digest.update(f"{name} {a.dtype.str} {a.shape}".encode())
        digest.update(np.ascontiguousarray(a).data)
    return digest.hexdigest()


def _first_difference(a: Any, b: Any, name: str) -> str:
    if isinstance(a, dict) and isinstance(b, dict) and set(a) == set(b):
        pairs = [(f"{name}.{key}", a[key], b[key]) for key in a]
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        pairs = [(f"{name}[{k}]", *pair) for k, pair in enumerate(zip(a, b, strict=True))]
    else:
        return "" if a == b and type(a) is type(b) else f"{name}: {_short(b)} there, {_short(a)} now"
    return next((found for key, x, y in pairs if (found := _first_difference(x, y, key))), "")


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < 80 else f"{text[:77]}..."


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Weights on the host, place, plan."""

    weights: Weights
    place: Place
    plan: Plan = field(repr=False)

    def save(self, path: Path) -> None:
        """Write it; what is there is replaced once all is written.

        Raises
        ------
        DataError : the file cannot be written.
        """
        arrays = {
            f"{kind}:{name}": np.ascontiguousarray(a)
            for kind in KINDS
            for name, a in getattr(self.weights, kind).items()
        }
        about = {"version": VERSION, "place": asdict(self.place), "plan": asdict(self.plan)}
        about[DIGEST] = _digest(about, arrays)
        write_arrays(path, arrays, {KEY: json.dumps(about)})

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Read it.

        Raises
        ------
        DataError : it is truncated, changed, or no checkpoint.
        """
        arrays, metadata = read_arrays(path)
        if KEY not in metadata:
            raise DataError(f"{path} is no checkpoint of a training. Choose another folder, or remove it.")
        try:
            about = json.loads(metadata[KEY])
            if about["version"] != VERSION:
                raise DataError(
                    f"{path} has version {about['version']!r}; expected {VERSION}. Update groupscat."
                )
            if about[DIGEST] != _digest(about, arrays):
                raise ValueError("its contents are not those that were written")
            place = about["place"]
            place["rows"] = tuple(place["rows"])
            parts: dict[str, dict[str, NDArray[Any]]] = {kind: {} for kind in KINDS}
            for key, a in arrays.items():
                kind, _, name = key.partition(":")
                parts[kind][name] = a
            return cls(Weights(**parts), Place(**place), Plan(**about["plan"]))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} is a damaged checkpoint ({type(error).__name__}: {error}).") from error

    def check(self, plan: Plan, weights: Weights, path: Path) -> None:
        """Refuse to go on with another plan, or with arrays that are not those of ``weights``.

        Raises
        ------
        ArgumentError, DataError : what differs. Nothing is overwritten.
        """
        found = plan.difference(self.plan)
        if found:
            raise ArgumentError(
                f"{path} is of another training: {found}. Give the same options to go on with it, or another "
                "output folder to begin anew."
            )
        for kind in KINDS:
            own, its = getattr(weights, kind), getattr(self.weights, kind)
            shapes = {name: (a.shape, a.dtype) for name, a in own.items()}
            if {name: (a.shape, a.dtype) for name, a in its.items()} != shapes:
                raise DataError(f"{path} holds other {kind} than those of its network: it was changed.")
