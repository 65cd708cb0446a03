"""Labels of the rows of a store: its own arrays, a CSV table or a .npy file."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.data.store import FeatureStore
from groupscat.errors import ArgumentError, DataError

#: Arrays taken as labels where none is named, in this order.
USUAL = ("label", "labels", "y", "target", "class", "folder")
#: Names in one message; the rest are counted.
SHOWN = 20


def read_labels(store: FeatureStore, wanted: str | None = None) -> NDArray[Any]:
    """The label of every row, shape (n,), integers or text.

    Parameters
    ----------
    wanted : an array of the store; a ``.csv`` file with the columns ``name`` and ``label`` (or two columns
        without a header), matched by name; a ``.npy`` file of n labels. None: the store's only label array,
        or the first of :data:`USUAL`.

    Raises
    ------
    ArgumentError : no such array, or none could be meant. DataError : labels are missing or do not fit.
    """
    if wanted is not None and Path(wanted).suffix.lower() == ".csv":
        return as_labels(_from_csv(Path(wanted), store), wanted, store.names)
    if wanted is not None and Path(wanted).suffix.lower() == ".npy":
        return as_labels(_from_npy(Path(wanted), len(store.names)), wanted, store.names)
    name = wanted if wanted is not None else _usual(store)
    return as_labels(column(store, name, "--labels"), name, store.names)


def column(store: FeatureStore, name: str, option: str) -> NDArray[Any]:
    """The store's label array ``name``; ``option`` is what asked for it."""
    if name not in store.labels:
        raise ArgumentError(f"{option} {name}: the features have no such label array; {_listing(store)}.")
    return np.asarray(store.labels[name])


def as_labels(values: NDArray[Any], origin: str, names: Sequence[str]) -> NDArray[Any]:
    """Integers or text, none of them missing. Whole floats count as integers."""
    kind = values.dtype.kind
    if kind == "f":
        missing = np.isnan(values)
    elif kind in "US":
        values = values.astype(np.str_)
        missing = np.char.str_len(np.char.strip(values)) == 0
    elif kind in "biu":
        missing = np.zeros(len(values), bool)
    else:
        raise DataError(f"{origin} has elements of type {values.dtype}; labels are integers or text.")
    if missing.any():
        rows = np.flatnonzero(missing)
        raise DataError(
            f"{len(rows)} of {len(values)} labels in {origin} are missing:\n"
            f"{_lines([names[int(row)] for row in rows])}\nLabel them, or leave these inputs out."
        )
    if kind == "f":
        if (values != np.round(values)).any():
            example = values[values != np.round(values)][0]
            raise DataError(f"{origin} holds {example}, which is no class: labels are integers or text.")
        return values.astype(np.int64)
    return values.astype(np.int64) if kind in "biu" else values


def _usual(store: FeatureStore) -> str:
    if len(store.labels) == 1:
        return next(iter(store.labels))
    for name in USUAL:
        if name in store.labels:
            return name
    raise ArgumentError(
        f"The labels are not told: {_listing(store)}. Name one with --labels NAME, or pass a file: "
        "--labels labels.csv (columns name,label) or labels.npy."
    )


def _listing(store: FeatureStore) -> str:
    return f"it has {', '.join(sorted(store.labels))}" if store.labels else "the features came without labels"


def _from_npy(path: Path, rows: int) -> NDArray[Any]:
    try:
        values = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file.") from None
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"Cannot read {path} as an array of labels: {error}.") from error
    if values.shape != (rows,):
        raise DataError(
            f"{path} has shape {values.shape}, but there are {rows} rows of features; expected ({rows},)."
        )
    return np.asarray(values)


def _from_csv(path: Path, store: FeatureStore) -> NDArray[Any]:
    table = _table(path)
    names = list(store.names)
    keys = names
    if not any(name in table for name in names):  # other folders before the same files
        keys = [_file(name) for name in names]
        short = [_file(name) for name in table]
        if len(set(keys)) == len(keys) and len(set(short)) == len(short):
            table = {_file(name): label for name, label in table.items()}
        else:
            keys = names
    without = [name for name, key in zip(names, keys, strict=True) if key not in table]
    skipped = {item.name for item in store.skipped} | {_file(item.name) for item in store.skipped}
    unknown = [name for name in table if name not in set(keys) | skipped]
    if without or unknown:
        message = [f"{path} and the features do not name the same inputs."]
        if without:
            message += [f"Without a label ({len(without)}):", _lines(without)]
        if unknown:
            message += [f"Without features ({len(unknown)}):", _lines(unknown)]
        raise DataError("\n".join([*message, "Complete the table, or drop the rows that are too many."]))
    return np.array([table[key] for key in keys], dtype=np.str_)


def _table(path: Path) -> dict[str, str]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except FileNotFoundError:
        raise DataError(f"{path}: no such file.") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"Cannot read {path} as a CSV table: {error}.") from error
    if not rows:
        raise DataError(f"{path} is empty; expected the columns name,label.")
    header = [cell.strip().lower() for cell in rows[0]]
    if "name" in header and "label" in header:
        first, second, body = header.index("name"), header.index("label"), rows[1:]
    elif len(rows[0]) == 2:
        first, second, body = 0, 1, rows
    else:
        raise DataError(
            f"{path} has the columns {', '.join(rows[0])}; expected name and label, or two without a header."
        )
    table: dict[str, str] = {}
    for number, row in enumerate(body, start=len(rows) - len(body) + 1):
        if len(row) <= max(first, second):
            raise DataError(f"Row {number} of {path} has {len(row)} cells: {','.join(row)}.")
        if table.setdefault(row[first], row[second].strip()) != row[second].strip():
            raise DataError(
                f"{path} labels {row[first]} twice, {table[row[first]]!r} and {row[second].strip()!r}."
            )
    return table


def _file(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name


def _lines(names: Sequence[Any]) -> str:
    lines = [f"  {name}" for name in names[:SHOWN]]
    return "\n".join(lines + ([f"  ... and {len(names) - SHOWN} more"] if len(names) > SHOWN else []))
