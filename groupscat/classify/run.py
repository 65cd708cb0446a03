"""The work behind ``groupscat classify``: split, train on the training rows, test once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.classify.labels import as_labels, column, read_labels
from groupscat.classify.methods import Fitted, Settings, train
from groupscat.classify.model import Model, first_difference, paths_hash, versions
from groupscat.classify.rows import Options, read_rows
from groupscat.classify.scores import Scores
from groupscat.classify.split import Split, by_column, check_classes, leave_one_out, stratified
from groupscat.data.store import FeatureStore
from groupscat.errors import DataError


@dataclass(frozen=True)
class Protocol:
    """How to test: one of a second store (given apart), ``split`` (a label array of train and test),
    ``group`` (leave one out), else ``fraction`` of each class."""

    fraction: float = 0.2
    split: str | None = None
    group: str | None = None


@dataclass(frozen=True, eq=False)
class Result:
    """What came out.

    Attributes
    ----------
    scores : over all test rows. parts : (name of the group, rows trained on, fitted, scores) per split.
    model : fitted on the training rows; where groups were left out one after the other, on all rows.
    """

    scores: Scores
    parts: list[tuple[str | None, int, Fitted, Scores]]
    model: Model
    settings: Settings

    def report(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        parts = [
            {
                "group": name,
                "trained_on": count,
                "parameters": fitted.parameters,
                "tuned_on": fitted.tuned_on,
                "cross_validation_error": fitted.tuned_error,
                **scores.as_dict(),
            }
            for name, count, fitted, scores in self.parts
        ]
        return {
            **self.scores.as_dict(),
            "settings": asdict(self.settings),
            "options": asdict(self.model.options),
            "parts": parts,
            "features": self.model.config,
            "versions": versions(),
        }


def classify(
    store: FeatureStore,
    *,
    labels: str | None = None,
    options: Options | None = None,
    settings: Settings | None = None,
    protocol: Protocol | None = None,
    test: FeatureStore | None = None,
    test_labels: str | None = None,
    advance: Callable[[str], object] = lambda what: None,
) -> Result:
    """Train a classifier on features and test it on rows it has not seen.

    Parameters
    ----------
    labels : see :func:`groupscat.classify.labels.read_labels`. options : what is done to coefficients.
    test : another store to test on, of the same configuration, with ``test_labels`` (default: ``labels``).
    advance : called with a word on what is begun.

    Raises
    ------
    ArgumentError : an option that cannot be. DataError : labels or features that cannot be used.
    """
    options, settings, protocol = options or Options(), settings or Settings(), protocol or Protocol()
    y = read_labels(store, labels)
    names = list(store.names)
    if test is not None:
        y, names, splits = _appended(store, y, test, labels if test_labels is None else test_labels)
    elif protocol.split is not None:
        splits = [by_column(column(store, protocol.split, "--split"), protocol.split)]
    elif protocol.group is not None:
        groups = as_labels(column(store, protocol.group, "--group"), protocol.group, names)
        splits = leave_one_out(groups, protocol.group)
    else:
        check_classes(y, Split(np.arange(len(y)), np.arange(len(y))), names)
        splits = [stratified(y, protocol.fraction, settings.seed)]
    for split in splits:
        check_classes(y, split, names)
    advance("reading features")
    rows = read_rows(store, options)
    X = rows.X if test is None else np.concatenate([rows.X, read_rows(test, options).X])
    truth, guesses, parts = [], [], []
    classes = np.unique(y)
    for split in splits:
        where = "" if split.name is None else f", {split.name} left out"
        advance(f"training on {len(split.train)} rows{where}")
        fitted = train(X[split.train], y[split.train], rows.paths, settings)
        predicted = fitted.pipeline.predict(X[split.test])
        parts.append((split.name, len(split.train), fitted, Scores.of(y[split.test], predicted, classes)))
        truth.append(y[split.test])
        guesses.append(predicted)
    if len(splits) > 1:
        advance("training on all rows")
        fitted = train(X, y, rows.paths, settings)
    model = Model(
        fitted.pipeline,
        options,
        store.config,
        paths_hash(store.paths),
        {"method": settings.method, "parameters": fitted.parameters, "classes": classes.tolist()},
    )
    scores = Scores.of(np.concatenate(truth), np.concatenate(guesses), classes)
    return Result(scores, parts, model, settings)


def _appended(
    store: FeatureStore, y: NDArray[Any], test: FeatureStore, labels: str | None
) -> tuple[NDArray[Any], list[str], list[Split]]:
    """Labels and names of both stores, and the split between them."""
    found = first_difference(store.config, test.config)
    if found is not None:
        what, own, other = found
        raise DataError(
            f"The features to test on differ from those to train on in {what}: {own} to train, {other} to "
            "test. Compute both with the same options."
        )
    other_y = read_labels(test, labels)
    if (y.dtype.kind == "U") != (other_y.dtype.kind == "U"):
        raise DataError(
            f"The labels to train on are of type {y.dtype}, those to test on {other_y.dtype}: "
            f"{y[0].item()!r} cannot equal {other_y[0].item()!r}."
        )
    split = Split(np.arange(len(y)), len(y) + np.arange(len(other_y)))
    return np.concatenate([y, other_y]), [*store.names, *test.names], [split]


def described(result: Result) -> str:
    """The result as text for a terminal."""
    first = result.parts[0]
    lines = []
    for group, count, fitted, scores in result.parts:
        where = f"{group}: " if group is not None else ""
        chosen = ", ".join(f"{k}={v:.3g}" for k, v in fitted.parameters.items())
        lines.append(
            f"{where}{result.settings.method}, {chosen} (error {100 * fitted.tuned_error:.2f} % in "
            f"{result.settings.folds}-fold cross-validation on {fitted.tuned_on} of {count} training rows)"
        )
        if first[0] is not None:
            lines.append(f"  {scores.summary()}")
    return "\n".join(
        [*lines, "", result.scores.summary(), "", result.scores.matrix(), "", result.scores.table()]
    )
