"""What stands beside the features in a file: names, labels, the table of paths."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.data import Source
from groupscat.data.store import OWN
from groupscat.plan.paths import Path, Paths


def tables(source: Source, kept: Sequence[int]) -> dict[str, NDArray[Any]]:
    """Names, labels and what was skipped, as arrays. ``kept``: positions of the rows."""
    rows = np.asarray(kept)
    found = {"names": _text([source.names[row] for row in kept])}
    for name, values in source.labels.items():
        taken = name in OWN or name.startswith("path_")
        found[f"input_{name}" if taken else name] = values[rows]
    found["skipped"] = _text([item.name for item in source.skipped])
    found["skipped_reasons"] = _text([item.reason for item in source.skipped])
    return found


def path_table(paths: Paths) -> dict[str, NDArray[Any]]:
    """The table of paths as arrays without Python objects, one row per coefficient.

    Columns of indices (n, j, theta, phase) have shape (paths, orders) and are padded with −1; columns of
    frequencies (xi, sigma, in cycles per sample, and hz) have shape (paths, orders), in more than one
    dimension (paths, orders, d), and are padded with NaN. order and parent are (paths,), and so are l and
    q of solid harmonics (−1 and NaN where there is none), and what families of their own add, as alpha and k
    of angular wavelets (NaN where there is none).
    """
    depth = max((path.order for path in paths), default=0)
    table: dict[str, NDArray[Any]] = {
        "order": np.array(paths.column("order"), np.int64),
        "parent": np.array(paths.column("parent"), np.int64),
        "n": _indices([path.n for path in paths], depth),
        "j": _indices([path.j for path in paths], depth),
    }
    optional: dict[str, Callable[[Path], Sequence[Any]]] = {
        "theta": lambda path: [t for t in path.theta if t is not None],
        "phase": lambda path: path.phases if any(path.phases) else (),
    }
    for name, values in optional.items():
        column = _indices([values(path) for path in paths], depth)
        if (column >= 0).any():
            table[name] = column
    table["xi"] = _frequencies([path.xi for path in paths], depth)
    table["sigma"] = _frequencies([path.sigma for path in paths], depth)
    if any(path.rate is not None for path in paths):
        table["hz"] = _frequencies([path.hz for path in paths], depth)
    if any(path.power is not None for path in paths):
        table["l"] = np.array([-1 if path.l is None else path.l for path in paths], np.int64)
        table["q"] = np.array([math.nan if path.power is None else path.power for path in paths])
    rows = [path.row() for path in paths]
    for name in dict.fromkeys(name for row in rows for name in row):
        found = [row.get(name) for row in rows]
        if name not in table and all(v is None or isinstance(v, int | float) for v in found):
            table[name] = np.array([math.nan if v is None else v for v in found], np.float64)
    return table


def _indices(rows: Sequence[Sequence[int]], depth: int) -> NDArray[np.int64]:
    column = np.full((len(rows), depth), -1, np.int64)
    for k, row in enumerate(rows):
        column[k, : len(row)] = row
    return column


def _frequencies(rows: Sequence[Sequence[Any]], depth: int) -> NDArray[np.float64]:
    inner = max((np.shape(value) for row in rows for value in row), key=len, default=())
    column = np.full((len(rows), depth, *inner), np.nan)
    for k, row in enumerate(rows):
        for m, value in enumerate(row):
            column[k, m] = value
    return column


def _text(items: Sequence[str]) -> NDArray[np.str_]:
    return np.array(list(items), dtype=np.str_)
