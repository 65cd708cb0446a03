"""Features as rows of a matrix: read from a store in blocks, in float32, finite or refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.data.store import FeatureStore
from groupscat.errors import DataError

#: Added before the logarithm, so that a coefficient of zero has one.
LOG_FLOOR = 1e-6
#: Numbers read at a time.
BLOCK = 1 << 24


@dataclass(frozen=True)
class Options:
    """What is done to coefficients before anything else. log : log(|S| + 1e-6). pool : mean over the grid."""

    log: bool = False
    pool: bool = False


@dataclass(frozen=True, eq=False)
class Rows:
    """Features of n signals: ``X`` (n, features) float32, ``names``, and the number of paths (the features
    are that many equal runs, one per channel and path)."""

    X: NDArray[np.float32]
    names: list[str]
    paths: int


def read_rows(store: FeatureStore, options: Options) -> Rows:
    """The features of a store as a matrix.

    Raises
    ------
    DataError : a feature is NaN, infinite (in float32 too) or complex.
    """
    features = store.features
    if features.dtype.kind == "c":
        raise DataError("The features are complex; classifiers need real ones. Compute them with a modulus.")
    n, shape = features.shape[0], tuple(features.shape[1:])
    leading = leading_axes(shape, len(store.config.get("channels", ())), len(store.paths["order"]))
    step = max(1, BLOCK // max(1, math.prod(shape)))
    X: NDArray[np.float32] | None = None
    for first in range(0, n, step):
        with np.errstate(over="ignore"):  # what overflows is infinite, and reported as such
            block = np.asarray(features[first : first + step], dtype=np.float32)
        rows = flat_features(block, grid=len(shape) - leading, log=options.log, pool=options.pool)
        bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        if len(bad):
            raise DataError(
                f"The features of {store.names[first + int(bad[0])]} hold NaN or infinity in float32 "
                f"({len(bad)} such rows among {first + 1} to {first + len(rows)}). Compute them anew from "
                "finite signals, or leave these out with --skip-bad."
            )
        if X is None:
            X = np.empty((n, rows.shape[1]), np.float32)
        X[first : first + len(rows)] = rows
    if X is None:
        raise DataError("There are no rows of features.")
    return Rows(X, list(store.names), math.prod(shape[:leading]))


def leading_axes(shape: Sequence[int], channels: int, paths: int) -> int:
    """Axes of one signal's features before the grid: channels, and those over which its paths are spread.

    >>> leading_axes((3, 81, 8, 8), 1, 81), leading_axes((3, 4, 3), 0, 36)
    (2, 3)
    """
    axes = channels + 1
    while axes < len(shape) and math.prod(shape[channels:axes]) < paths:
        axes += 1
    return axes


def flat_features(y: NDArray[Any], *, grid: int, log: bool = False, pool: bool = False) -> NDArray[Any]:
    """Coefficients (n, ..., *grid) as rows of features.

    Parameters
    ----------
    grid : number of axes of the grid, the last ones. log : log(|y| + 1e-6).
    pool : the mean over the grid, taken last (of the logarithms, if there are any).

    >>> import numpy as np
    >>> flat_features(np.ones((5, 81, 8, 8)), grid=2, pool=True).shape
    (5, 81)
    """
    if log:
        y = np.log(np.abs(y) + np.asarray(LOG_FLOOR, y.dtype))
    if pool and grid:
        y = y.mean(axis=tuple(range(-grid, 0)))
    return y.reshape(len(y), -1)
