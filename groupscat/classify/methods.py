"""The classifiers: how each normalises, what cross-validation chooses, fitted once on all training rows."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.errors import ArgumentError

#: Each method and the normalisation it takes unless told otherwise.
METHODS = {"logistic": "standard", "svm": "standard", "affine-pca": "path"}
#: standard: every feature to mean 0 and variance 1. path: every path by its largest norm. none: as they are.
NORMALIZATIONS = ("standard", "path", "none")
#: Inverse regularisation of the logistic regression; C and gamma (over features · variance) of the SVM.
LOGISTIC_C = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)
SVM_C = (1.0, 10.0, 100.0)
SVM_GAMMA = (0.1, 0.3, 1.0)
MAX_DIMENSION = 256
ITERATIONS = 1000


@dataclass(frozen=True)
class Settings:
    """How to train.

    Parameters
    ----------
    method : a key of :data:`METHODS`. normalize : of :data:`NORMALIZATIONS`; None: the method's own.
    tune_on : most rows that cross-validation sees. folds : of it. seed : of these rows and folds.
    """

    method: str = "logistic"
    normalize: str | None = None
    tune_on: int = 10_000
    folds: int = 5
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted pipeline, the parameters that were chosen, on how many rows, and their error (a fraction)."""

    pipeline: Any
    parameters: dict[str, float]
    tuned_on: int
    tuned_error: float


def train(X: NDArray[np.float32], labels: NDArray[Any], paths: int, settings: Settings) -> Fitted:
    """Choose parameters by cross-validation on at most ``tune_on`` of these rows, then fit on all of them.

    Nothing but the rows given here is seen: pass training rows only.

    Parameters
    ----------
    X : (n, features). labels : (n,). paths : the features are that many equal runs.
    """
    need_sklearn()
    if settings.method not in METHODS:
        raise ArgumentError(f"--method {settings.method}: expected one of {', '.join(METHODS)}.")
    rows = tuning_rows(labels, settings.tune_on, settings.seed)
    whole = len(rows) == len(X)
    with _quiet():
        found = _tune(X if whole else X[rows], labels[rows], paths, settings)
        pipeline, parameters, error = found
        pipeline.fit(X, labels)
    return Fitted(pipeline, parameters, len(rows), error)


def tuning_rows(labels: NDArray[Any], most: int, seed: int) -> NDArray[np.int64]:
    """All rows, or about ``most`` of them, the classes in proportion, two of each at least."""
    if len(labels) <= most:
        return np.arange(len(labels))
    random = np.random.default_rng(seed)
    chosen = []
    for c in np.unique(labels):
        rows = np.flatnonzero(labels == c)
        chosen.append(random.choice(rows, max(2, most * len(rows) // len(labels)), replace=False))
    return np.sort(np.concatenate(chosen))


def _tune(
    X: NDArray[np.float32], labels: NDArray[Any], paths: int, settings: Settings
) -> tuple[Any, dict[str, float], float]:
    """An unfitted pipeline with the best parameters, these, and their error."""
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import Pipeline
    from sklearn.svm import SVC

    from groupscat.sklearn import AffinePCAClassifier

    normalizer = _normalizer(settings, paths)
    if settings.method == "affine-pca":
        # One decomposition per class and fold serves all dimensions, unlike a search over pipelines.
        Z = clone(normalizer).fit_transform(X)
        search = AffinePCAClassifier(
            max_dimension=MAX_DIMENSION, cv=settings.folds, random_state=settings.seed
        ).fit(Z, labels)
        chosen = AffinePCAClassifier(dimension=search.dimension_, random_state=settings.seed)
        pipeline = Pipeline([("normalize", normalizer), ("classify", chosen)])
        return pipeline, {"dimension": search.dimension_}, float(search.cv_errors_.min())
    if settings.method == "svm":
        variance = float(clone(normalizer).fit_transform(X).var()) or 1.0
        classifier: Any = SVC(cache_size=500)
        gammas = [g / (X.shape[1] * variance) for g in SVM_GAMMA]
        grid = [{"C": C, "gamma": gamma} for C, gamma in product(SVM_C, gammas)]
    else:
        classifier = LogisticRegression(max_iter=ITERATIONS)
        grid = [{"C": C} for C in LOGISTIC_C]
    pipeline = Pipeline([("normalize", normalizer), ("classify", classifier)])
    candidates = [{f"classify__{k}": [v] for k, v in point.items()} for point in grid]
    folds = _folds(labels, settings)
    found = GridSearchCV(pipeline, candidates, cv=folds, refit=False, error_score="raise").fit(X, labels)
    best = grid[int(found.best_index_)]
    pipeline.set_params(**{f"classify__{k}": v for k, v in best.items()})
    return pipeline, best, 1 - float(found.best_score_)


def _folds(labels: NDArray[Any], settings: Settings) -> Any:
    from sklearn.model_selection import StratifiedKFold

    largest = int(np.unique(labels, return_counts=True)[1].max())
    return StratifiedKFold(min(settings.folds, largest), shuffle=True, random_state=settings.seed)


def _normalizer(settings: Settings, paths: int) -> Any:
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    from groupscat.sklearn import PathNormalizer

    name = settings.normalize or METHODS[settings.method]
    if name not in NORMALIZATIONS:
        raise ArgumentError(f"--normalize {name}: expected one of {', '.join(NORMALIZATIONS)}.")
    if name == "standard":
        return StandardScaler()
    return PathNormalizer(paths=paths) if name == "path" else FunctionTransformer()


@contextmanager
def _quiet() -> Iterator[None]:
    """Classes smaller than the number of folds are fine, and so is a regression stopped early."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        warnings.filterwarnings("ignore", category=ConvergenceWarning)
        yield


def need_sklearn() -> None:
    """Raise ImportError with the name of the extra where scikit-learn is missing."""
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise ImportError('Classifiers need scikit-learn: pip install "groupscat[sklearn]"') from error
