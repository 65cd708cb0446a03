"""Which rows are trained on and which are tested on; classes that cannot be, refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.errors import ArgumentError, DataError

Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Split:
    """Rows to train and to test on; ``name``: of the group that is left out, if it is one."""

    train: Indices
    test: Indices
    name: str | None = None


def stratified(labels: NDArray[Any], fraction: float, seed: int) -> Split:
    """``fraction`` of each class to test on, at random, two rows at least to train on.

    >>> import numpy as np
    >>> split = stratified(np.repeat(["a", "b"], [10, 5]), 0.2, seed=0)
    >>> len(split.train), len(split.test)
    (12, 3)
    """
    if not 0 < fraction < 1:
        raise ArgumentError(f"--test-fraction {fraction}: expected a number between 0 and 1, such as 0.2.")
    random = np.random.default_rng(seed)
    chosen = np.zeros(len(labels), bool)
    for c in np.unique(labels):
        rows = random.permutation(np.flatnonzero(labels == c))
        chosen[rows[: max(0, min(round(fraction * len(rows)), len(rows) - 2))]] = True
    return Split(np.flatnonzero(~chosen), np.flatnonzero(chosen))


def by_column(values: NDArray[Any], name: str) -> Split:
    """Rows marked ``train`` and ``test``, or 0 and 1 (1: test).

    >>> import numpy as np
    >>> by_column(np.array(["train", "test", "train"]), "split").test
    array([1])
    """
    if values.dtype.kind in "biu":
        marks = values.astype(np.int64)
        train, test = marks == 0, marks == 1
    else:
        text = np.char.lower(values.astype(np.str_))
        train, test = text == "train", text == "test"
    other = np.unique(values[~(train | test)])
    if len(other):
        raise DataError(f"--split {name} holds {other[0].item()!r}; expected train and test, or 0 and 1.")
    if not train.any() or not test.any():
        missing = "test" if train.any() else "train"
        raise DataError(f"--split {name} marks no row as {missing}.")
    return Split(np.flatnonzero(train), np.flatnonzero(test))


def leave_one_out(values: NDArray[Any], name: str) -> list[Split]:
    """One split per group, which tests on it and trains on all others."""
    groups = np.unique(values)
    if len(groups) < 2:
        raise DataError(
            f"--group {name} is {groups[0].item()!r} in every row; to leave one out takes two groups."
        )
    return [Split(np.flatnonzero(values != g), np.flatnonzero(values == g), str(g)) for g in groups.tolist()]


def check_classes(labels: NDArray[Any], split: Split, names: Sequence[str]) -> None:
    """Refuse what cannot be learned: one class, a class of one row to train on, a class to test on only.

    Raises
    ------
    DataError : naming the class.
    """
    where = f" (group {split.name} left out)" if split.name is not None else ""
    classes, counts = np.unique(labels[split.train], return_counts=True)
    if len(classes) < 2:
        only = f"only {classes[0].item()!r}" if len(classes) else "none"
        raise DataError(f"The training rows{where} have one class, {only}; at least two are needed.")
    if counts.min() < 2:
        label = classes[counts.argmin()]
        row = int(split.train[labels[split.train] == label][0])
        raise DataError(
            f"The class {label.item()!r} has one member to train on{where}: {names[row]}. Cross-validation "
            "needs two; add members, or leave this class out."
        )
    strange = np.setdiff1d(labels[split.test], classes)
    if len(strange):
        raise DataError(
            f"The class {strange[0].item()!r} is in the test rows{where} but has no training row."
        )
    if not len(split.test):
        raise DataError("No row is left to test on: the classes are too small. Raise --test-fraction.")
